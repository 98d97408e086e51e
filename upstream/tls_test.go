package upstream_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"marketo-proxy/upstream"
)

func secureServer(t *testing.T, h http.Handler) (*httptest.Server, *upstream.Transport) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true // which must not be chosen
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	up := &upstream.Transport{TLSConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10, NextProtos: []string{"h2"}}}
	t.Cleanup(func() { up.CloseIdleConnections(); s.Close() })
	return s, up
}

func TestTLS(t *testing.T) {
	s, up := secureServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = fmt.Fprintf(w, "%s %s|%s", r.Proto, r.TLS.ServerName, b)
		w.Header().Set("X-Sum", "5")
	}))
	up.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr != "example.com:443" {
			t.Errorf("the address is %s", addr)
		}
		return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
	}
	for i, size := range []int{3, 3, 50 << 10, 300 << 10} {
		body := strings.Repeat("x", size)
		req, _ := http.NewRequest("POST", "https://example.com/", strings.NewReader(body))
		res := call(up, req)
		want(t, res, 200, "HTTP/1.1 example.com|"+body)
		if res.resp.TLS == nil || res.resp.TLS.Version < tls.VersionTLS12 || res.resp.Trailer.Get("X-Sum") != "5" {
			t.Errorf("%v %v", res.resp.TLS, res.resp.Trailer)
		}
		if res.trace.Reused != (i > 0) || res.trace.TLSDone.IsZero() == (i == 0) {
			t.Errorf("call %d: reused %t, TLS done %v", i, res.trace.Reused, res.trace.TLSDone)
		}
	}
}

func TestTLSFailures(t *testing.T) {
	s, up := secureServer(t, http.NotFoundHandler())
	try := func(up *upstream.Transport, url string) error {
		req, _ := http.NewRequestWithContext(timeout(t, 10*time.Second), "POST", url, nil)
		return call(up, req).err
	}
	var unknown x509.UnknownAuthorityError
	if err := try(new(upstream.Transport), s.URL); !errors.As(err, &unknown) {
		t.Errorf("an unknown authority: %v", err)
	}
	up.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
	}
	var name x509.HostnameError
	if err := try(up, "https://other.test/"); !errors.As(err, &name) {
		t.Errorf("another name: %v", err)
	}
	plain := newRig(t, func(p *peer, _ int) { p.say("HTTP/1.1 400 Bad Request\r\n\r\n") })
	var record tls.RecordHeaderError
	if err := try(new(upstream.Transport), strings.Replace(plain.url, "http", "https", 1)); !errors.As(err, &record) {
		t.Errorf("no TLS: %v", err)
	}
	cut := newRig(t, func(p *peer, _ int) { _, _ = p.br.Peek(1) })
	if err := try(new(upstream.Transport), strings.Replace(cut.url, "http", "https", 1)); !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("cut in the handshake: %v", err)
	}
	silent := newRig(t, func(p *peer, _ int) { _, _ = io.Copy(io.Discard, p.br) })
	var timedOut interface{ Timeout() bool }
	if err := try(&upstream.Transport{TLSHandshakeTimeout: 50 * time.Millisecond}, strings.Replace(silent.url, "http", "https", 1)); !errors.As(err, &timedOut) || !timedOut.Timeout() {
		t.Errorf("no handshake: %v", err)
	}
	cause := errors.New("the reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
	req, _ := http.NewRequestWithContext(ctx, "POST", strings.Replace(silent.url, "http", "https", 1), nil)
	if err := call(new(upstream.Transport), req).err; !errors.Is(err, cause) {
		t.Errorf("canceled in the handshake: %v", err)
	}
}

// TestTLSAfterAnswer: what a server says or does after its answer must end the connection, also if it comes in the same packet.
func TestTLSAfterAnswer(t *testing.T) {
	helper := httptest.NewTLSServer(nil)
	defer helper.Close()
	client := helper.Client().Transport.(*http.Transport).TLSClientConfig
	for _, c := range []struct {
		name   string
		answer string
		after  func(*tls.Conn)
		glued  bool // all in one packet
		reused bool
	}{
		{name: "nothing", answer: hello, after: func(*tls.Conn) {}, reused: true},
		{name: "close_notify", answer: hello, after: func(c *tls.Conn) { _ = c.CloseWrite() }},
		{name: "close_notify, glued", answer: hello, after: func(c *tls.Conn) { _ = c.CloseWrite() }, glued: true},
		{name: "another record", answer: hello, after: func(c *tls.Conn) { _, _ = io.WriteString(c, hello) }},
		{name: "another record, glued", answer: hello, after: func(c *tls.Conn) { _, _ = io.WriteString(c, hello) }, glued: true},
		{name: "more in the same record", answer: hello + hello, after: func(*tls.Conn) {}},
		{name: "a large answer, another record glued", answer: "HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + strings.Repeat("y", 9000),
			after: func(c *tls.Conn) { _, _ = io.WriteString(c, hello) }, glued: true},
		{name: "a raw end", answer: hello, after: func(c *tls.Conn) { _ = c.NetConn().Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			said := make(chan bool, 1)
			r := newRig(t, func(p *peer, n int) {
				g := &gluing{Conn: p.Conn}
				conn := tls.Server(g, helper.TLS)
				defer func() { _ = conn.Close() }()
				br := bufio.NewReader(conn)
				for {
					req, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					if n > 1 {
						_, _ = io.WriteString(conn, "HTTP/1.1 299 Next\r\nContent-Length: 4\r\n\r\nnext")
						continue
					}
					n++
					g.hold = c.glued
					_, _ = io.WriteString(conn, c.answer)
					c.after(conn)
					g.release()
					said <- true
				}
			})
			r.up.TLSConfig = client
			r.url = strings.Replace(r.url, "http", "https", 1)
			res := r.post("x")
			_, after, _ := strings.Cut(c.answer, "\r\n\r\n")
			want(t, res, 200, strings.TrimSuffix(after, hello))
			<-said
			want(t, r.post("again"), 299, "next")
			if reused := r.conns.Load() == 1; reused != c.reused {
				t.Errorf("the connection was used again: %t", reused)
			}
		})
	}
}

// gluing is a connection that can hold back writes and let them go as one.
type gluing struct {
	net.Conn
	hold bool
	buf  bytes.Buffer
}

func (g *gluing) Write(p []byte) (int, error) {
	if g.hold {
		return g.buf.Write(p)
	}
	return g.Conn.Write(p)
}

func (g *gluing) release() {
	g.hold = false
	_ = g.SetWriteDeadline(time.Time{}) // crypto/tls lets nothing pass after its close_notify
	if g.buf.Len() > 0 {
		_, _ = g.Conn.Write(g.buf.Bytes())
		g.buf.Reset()
	}
}
