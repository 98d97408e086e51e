//go:build linux

package faults

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// Where the network cuts what a client says into pieces makes no difference: six calls of all kinds in one stream, cut in two at every
// place, get the same answers, and Marketo the same requests.
func TestSplits(t *testing.T) {
	t.Parallel()
	m := newMarketo(t, false)
	srv := serve(t, programs.plain, m)
	post := "POST " + soapPath + " HTTP/1.1\r\nHost: x\r\nX-Case: {case}\r\n"
	stream := "GET /rest/v1/leads.json?a=b HTTP/1.1\r\nHost: x\r\nX-Case: {case}\r\nX-Folded: a\r\n b\r\n\r\n" +
		post + "Content-Length: 11\r\n\r\nab\r\n\r\ncdefg\r\n" + // a CR LF behind a POST is allowed
		post + "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3;x=\"y\"\r\nabc\r\n0A\r\n0123456789\r\n000\r\nX-Sum: 1\r\n\r\n" +
		"HEAD /rest/v1/leads.json HTTP/1.1\r\nHost: x\r\nX-Case: {case}\r\n\r\n" +
		post + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nab" +
		"GET http://" + instance + ".mktorest.com/rest/v1/leads.json HTTP/1.1\r\nHost: x\r\nX-Case: {case}\r\nConnection: close\r\n\r\n"
	heard := func(name string, at int) string {
		m.set(name, func(x *exchange) bool {
			if x.get("Expect") != "" && !x.send("HTTP/1.1 100 Continue\r\n\r\n") {
				return false
			}
			return succeed(x)
		})
		a, err := srv.plain().dial()
		if err != nil {
			t.Error(err)
			return ""
		}
		defer a.Close()
		_ = a.raw.SetNoDelay(true)
		text := strings.ReplaceAll(stream, "{case}", name)
		_, _ = io.WriteString(a, text[:at])
		if at > 0 {
			time.Sleep(3 * time.Millisecond)
		}
		_, _ = io.WriteString(a, text[at:])
		all, err := io.ReadAll(a.in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// Whether a 100 is said to one who did not wait for it is a matter of timing.
		return strings.ReplaceAll(strings.ReplaceAll(string(all), "HTTP/1.1 100 Continue\r\n\r\n", ""), name, "{case}")
	}
	reached := func(name string) string {
		var b strings.Builder
		for _, q := range m.seen(name) {
			fmt.Fprintln(&b, q, q.trailers, q.whole)
		}
		return b.String()
	}
	want := heard("split-0000", 0)
	if n := strings.Count(want, "HTTP/1.1 200 OK"); n != 6 {
		t.Fatalf("%d answers: %s", n, want)
	}
	wantReached := reached("split-0000")
	size := len(strings.ReplaceAll(stream, "{case}", "split-0000"))
	runCases(t, size-1, func(i int) {
		name := fmt.Sprintf("split-%04d", i+1)
		if got := heard(name, i+1); got != want {
			t.Errorf("%s: it heard\n%s\nwant\n%s", name, got, want)
		}
		if got := reached(name); got != wantReached {
			t.Errorf("%s: Marketo got\n%s\nwant\n%s", name, got, wantReached)
		}
	})
	srv.clean()
}

// Bodies of each size around those of buffers pass whole, in both directions, by length and in chunks, call after call on one connection.
func TestSizes(t *testing.T) {
	t.Parallel()
	m := newMarketo(t, false)
	srv := serve(t, programs.plain, m)
	sum := func(b []byte) string { return fmt.Sprintf("%d %x", len(b), sha256.Sum256(b)) }
	var sizes []int
	for _, n := range []int{0, 1 << 8, 1 << 9, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16, 1 << 17, 256 << 10, 1 << 20} {
		for d := -2; d <= 2; d++ {
			sizes = append(sizes, max(0, n+d))
		}
	}
	echo := after(func(x *exchange) bool {
		fields := "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nX-Sum: " + sum(x.body) + "\r\n"
		if x.get("X-Chunks") == "" {
			return x.send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", fields, len(x.body), x.body))
		}
		return x.send(fields + "Transfer-Encoding: chunked\r\n\r\n" + chunked(x.body) + "0\r\n\r\n")
	})
	for _, kind := range []string{"length", "chunks"} {
		m.set(kind, echo)
	}
	content := bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n"), 1<<15)
	for _, d := range []door{srv.plain(), srv.secure(), srv.tunnelled()} {
		a := srv.must(d)
		for _, n := range sizes {
			for _, kind := range []string{"length", "chunks"} {
				body := content[n%43:][:n]
				request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s", soapPath, caseHeader, kind, n, body)
				if kind == "chunks" {
					request = fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\n%s: %s\r\nX-Chunks: yes\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n",
						soapPath, caseHeader, kind, chunked(body))
				}
				go func() { _, _ = io.WriteString(a, request) }()
				g := a.read("POST")
				if g.status != 200 || g.cut || !bytes.Equal(g.body, body) || g.header.Get("X-Sum") != sum(body) {
					t.Fatalf("%s, %d bytes by %s: %s (%v), %d bytes back, Marketo got %s", d.name, n, kind, g, g.err, len(g.body), g.header.Get("X-Sum"))
				}
			}
		}
		a.Close()
	}
	srv.clean()
}
