package admin

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"marketo-proxy/capture"
)

// A download that somebody pauses keeps nobody else from a ticket.
func TestPausedDownload(t *testing.T) {
	dir, _ := filled(t)
	large := make([]byte, 64<<20) // more than the sockets take
	begun := make(chan struct{}, 1)
	s := newServer(t, Options{Dir: dir, Ticket: func(_ context.Context, w io.Writer, _ capture.Query, ids []string) error {
		content := []byte("zip")
		if len(ids) > 0 {
			begun <- struct{}{}
			content = large
		}
		_, err := w.Write(content)
		return err
	}})
	server := httptest.NewServer(s)
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	for range 3 {
		paused, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer paused.Close() // before the server, which waits for it
		fmt.Fprintf(paused, "GET /api/ticket?id=1 HTTP/1.1\r\nHost: %s\r\n\r\n", address)
		select {
		case <-begun:
		case <-time.After(10 * time.Second):
			t.Fatal("a ticket waits for a download that rests")
		}
	}
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Get(server.URL + "/api/ticket")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if content, err := io.ReadAll(resp.Body); err != nil || string(content) != "zip" {
		t.Errorf("%v, %q", err, content)
	}
}
