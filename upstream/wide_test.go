package upstream_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestAfterLongAnswer: of a long answer more is read at once than its body has left. What came behind it must not become the answer to
// the next question.
func TestAfterLongAnswer(t *testing.T) {
	helper := httptest.NewTLSServer(nil)
	defer helper.Close()
	client := helper.Client().Transport.(*http.Transport).TLSClientConfig
	const size = 150 << 10
	answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("y", size))
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	record := "\x17\x03\x03\x00\x40" + strings.Repeat("z", 10) // of which the rest follows, perhaps
	for _, c := range []struct {
		name   string
		secure bool
		behind string // in the stream
		raw    string // behind that, on the wire
		reused bool
	}{
		{name: "nothing", reused: true},
		{name: "another answer", behind: evil},
		{name: "a byte", behind: "\n"},
		{name: "TLS, nothing", secure: true, reused: true},
		{name: "TLS, another answer", secure: true, behind: evil},
		{name: "TLS, another answer and part of a record", secure: true, behind: evil, raw: record},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, func(p *peer, n int) {
				wire := &gluing{Conn: p.Conn}
				stream := net.Conn(wire)
				if c.secure {
					stream = tls.Server(wire, helper.TLS)
					p.br.Reset(stream)
				}
				for {
					if req, _ := p.request(); req == nil {
						return
					}
					if n > 1 {
						_, _ = io.WriteString(stream, hello)
						continue
					}
					n++
					wire.hold = true
					_, _ = io.WriteString(stream, answer)
					_, _ = io.WriteString(stream, c.behind)
					_, _ = io.WriteString(wire, c.raw)
					wire.release()
				}
			})
			if c.secure {
				r.up.TLSConfig = client
				r.url = strings.Replace(r.url, "http", "https", 1)
			}
			resp, err := r.up.RoundTrip(r.request(http.MethodGet, nil))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			block := make([]byte, 32<<10) // as the proxy reads
			for n, err := 0, error(nil); err != io.EOF; {
				var m int
				if m, err = resp.Body.Read(block); err != nil && err != io.EOF {
					t.Fatal(err)
				}
				if n += m; n > size-2*len(block) {
					time.Sleep(20 * time.Millisecond) // until the kernel has the rest, and what is behind it
				}
			}
			want(t, r.post("again"), 200, "hello")
			if reused := r.conns.Load() == 1; reused != c.reused {
				t.Errorf("the connection was used again: %t", reused)
			}
		})
	}
}
