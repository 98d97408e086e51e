package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A look at a directory drops none of its captures, whatever bounds it was asked with.
func TestCheckDropsNothing(t *testing.T) {
	dir := t.TempDir()
	segment := filepath.Join(dir, "20200101T000000.000Z-00000000-1.jsonl.gz")
	var content bytes.Buffer
	z := gzip.NewWriter(&content)
	_, _ = io.WriteString(z, "{}\n")
	z.Close()
	old := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.WriteFile(segment, content.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(segment, old, old); err != nil {
		t.Fatal(err)
	}
	for range 20 { // what a journal tidies up it does beside its opening
		code, out, _ := call(t, "check", "--rest-upstream=http://127.0.0.1:1", "--capture-dir="+dir, "--capture-max-age=1h",
			"--ca-cert="+dir+"/ca.pem", "--ca-key="+dir+"/ca.key", "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0")
		if code != exitUsage || !strings.Contains(out, "captures: "+dir+" is writable") {
			t.Fatalf("exit %d\n%s", code, out)
		}
		if _, err := os.Stat(segment); err != nil {
			t.Fatal(err)
		}
	}
}

// A marketo-proxy is known by its answer; what answers otherwise, or not at all, is none.
func TestIsProxy(t *testing.T) {
	page := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	addr := func(s *httptest.Server) string {
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	_, port, _ := net.SplitHostPort(addr(httptest.NewServer(landing("v1"))))
	for _, c := range []struct {
		name, addr   string
		secure, want bool
	}{
		{"the metrics port", "127.0.0.1:" + port, false, true},
		{"a wildcard", ":" + port, false, true},
		{"another wildcard", "0.0.0.0:" + port, false, true},
		{"over TLS", addr(httptest.NewTLSServer(page("marketo-proxy: nothing is served here"))), true, true},
		{"another program", addr(httptest.NewServer(page("welcome"))), false, false},
		{"no TLS", "127.0.0.1:" + port, true, false},
		{"silence", silent.Addr().String(), false, false},
		{"no address", "here", false, false},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if got := isProxy(ctx, c.addr, c.secure); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
		cancel()
	}
}
