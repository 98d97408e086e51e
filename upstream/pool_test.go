package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"marketo-proxy/upstream"
)

func TestStaleConnections(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*peer) // what the server does to the idle connection
	}{
		{"closed", func(p *peer) { _ = p.Close() }},
		{"half closed", func(p *peer) { p.closeWrite() }},
		{"reset", func(p *peer) { p.reset() }},
		{"spoke", func(p *peer) { p.say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			end, ended := make(chan bool), make(chan bool)
			r := newRig(t, func(p *peer, n int) {
				if req, _ := p.request(); req == nil {
					return
				}
				p.say(hello)
				if n == 1 {
					<-end
					c.end(p)
					ended <- true
				}
				p.request()
			})
			want(t, r.post("1"), 200, "hello")
			if r.up.Idle() != 1 {
				t.Fatal("the connection is not in the pool")
			}
			end <- true
			<-ended
			want(t, r.post("2"), 200, "hello") // a POST, so it was not sent in vain
			if n := r.conns.Load(); n != 2 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// A connection that ends after the request went out: a POST must not be sent again, a GET is, once.
func TestEndsAfterRequest(t *testing.T) {
	for _, c := range []struct {
		name     string
		method   string
		body     io.Reader
		end      func(*peer)
		times    int64 // that the request reaches the server
		err      error
		freshest bool // the ending happens on the first request of a connection too
	}{
		{name: "POST", method: "POST", body: strings.NewReader("x"), end: func(p *peer) { _ = p.Close() }, times: 1, err: io.ErrUnexpectedEOF},
		{name: "POST without a body", method: "POST", end: func(p *peer) { _ = p.Close() }, times: 1, err: io.ErrUnexpectedEOF},
		{name: "POST, reset", method: "POST", body: strings.NewReader("x"), end: func(p *peer) { p.reset() }, times: 1, err: syscall.ECONNRESET},
		{name: "GET", method: "GET", end: func(p *peer) { _ = p.Close() }, times: 2},
		{name: "HEAD, reset", method: "HEAD", end: func(p *peer) { p.reset() }, times: 2},
		{name: "DELETE", method: "DELETE", end: func(p *peer) { _ = p.Close() }, times: 1, err: io.ErrUnexpectedEOF},
		{name: "GET with a body", method: "GET", body: strings.NewReader("x"), end: func(p *peer) { _ = p.Close() }, times: 1, err: io.ErrUnexpectedEOF},
		{name: "GET, always", method: "GET", end: func(p *peer) { _ = p.Close() }, times: 2, err: io.ErrUnexpectedEOF, freshest: true},
		{name: "GET, answer begun", method: "GET", end: func(p *peer) { p.say("HT"); _ = p.Close() }, times: 1, err: io.ErrUnexpectedEOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			var times atomic.Int64
			r := newRig(t, func(p *peer, n int) {
				for call := 1; ; call++ {
					req, _ := p.request()
					if req == nil {
						return
					}
					if req.Header.Get("X-Second") == "" {
						p.say(hello)
						continue
					}
					times.Add(1)
					if n == 1 || c.freshest {
						c.end(p)
						return
					}
					if req.Method == "HEAD" {
						p.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
					} else {
						p.say(hello)
					}
				}
			})
			want(t, r.post("first"), 200, "hello")
			req := r.request(c.method, c.body)
			req.Header.Set("X-Second", "yes")
			res := r.do(req)
			if !errors.Is(res.err, c.err) {
				t.Errorf("the error is %v, not %v", res.err, c.err)
			}
			if times.Load() != c.times {
				t.Errorf("the request came %d times, not %d", times.Load(), c.times)
			}
		})
	}
}

// failing is a connection whose writes fail, once it is told so, before a byte of them is out.
type failing struct {
	*net.TCPConn
	now *atomic.Bool
}

func (f *failing) Write(p []byte) (int, error) {
	if f.now.CompareAndSwap(true, false) {
		return 0, syscall.EPIPE
	}
	return f.TCPConn.Write(p)
}

// A request of which nothing was written goes to a new connection, whatever it is; and to one only.
func TestNothingWritten(t *testing.T) {
	var now atomic.Bool
	var received atomic.Int64
	always := false
	r := newRig(t, serve(func(_, _ int, _ *http.Request, body string) string {
		received.Add(1)
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}))
	r.up.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if always {
			now.Store(true)
		}
		return &failing{c.(*net.TCPConn), &now}, nil
	}
	large := strings.Repeat("x", 50<<10)
	for name, req := range map[string]func() *http.Request{
		"memory":   func() *http.Request { return r.request("POST", strings.NewReader("small")) },
		"larger":   func() *http.Request { return r.request("POST", strings.NewReader(large)) },
		"streamed": func() *http.Request { return r.upload(streamed{strings.NewReader(large)}, -1) },
	} {
		t.Run(name, func(t *testing.T) {
			always = false
			want(t, r.post("first"), 200, "first")
			conns, got := r.conns.Load(), received.Load()
			now.Store(true)
			res := r.do(req())
			if res.err != nil || received.Load() != got+1 || r.conns.Load() != conns+1 {
				t.Errorf("%v; received %d times; %d new connections", res.err, received.Load()-got, r.conns.Load()-conns)
			}
			always = true
			now.Store(true)
			if res := r.do(req()); !errors.Is(res.err, syscall.EPIPE) || r.conns.Load() > conns+2 {
				t.Errorf("%v; %d new connections", res.err, r.conns.Load()-conns)
			}
			now.Store(false)
		})
	}
}

func TestIdleTimeout(t *testing.T) {
	r := newRig(t, always(hello))
	r.up.IdleTimeout = 500 * time.Millisecond
	for round := range 2 {
		want(t, r.get(), 200, "hello")
		if r.up.Idle() != 1 {
			t.Fatal("the connection is not in the pool")
		}
		eventually(t, "the idle connection is closed", func() bool { return r.up.Idle() == 0 })
		if n := r.conns.Load(); n != int64(round+1) {
			t.Fatalf("%d connections", n)
		}
	}
}

// A connection that the other side has closed does not hold its file until it is used or too old.
func TestDeadConnectionsAreSwept(t *testing.T) {
	r := newRig(t, func(p *peer, _ int) {
		if req, _ := p.request(); req != nil {
			p.say(hello) // and hangs up
		}
	})
	r.up.IdleTimeout = time.Hour
	want(t, r.get(), 200, "hello")
	eventually(t, "the dead connection is closed", func() bool { return r.up.Idle() == 0 })
}

func TestMaxIdlePerHostAndOrder(t *testing.T) {
	release := make(chan bool)
	r := newRig(t, serve(func(n, _ int, req *http.Request, _ string) string {
		if req.Method == http.MethodPost {
			<-release
		}
		s := fmt.Sprint(n)
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(s), s)
	}))
	r.up.MaxIdlePerHost = 3
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { r.post("x") })
	}
	eventually(t, "eight connections", func() bool { return r.conns.Load() == 8 })
	for range 8 {
		release <- true
	}
	wg.Wait()
	if n := r.up.Idle(); n != 3 {
		t.Errorf("%d are idle", n)
	}
	if a, b := r.get(), r.get(); a.body != b.body || !b.trace.Reused {
		t.Errorf("the last one in was not the first one out: %s, %s", a.body, b.body)
	}
	r.up.CloseIdleConnections()
	if n := r.up.Idle(); n != 0 {
		t.Errorf("%d are idle", n)
	}
}

func TestCloseIdleDuringCall(t *testing.T) {
	asked, release := make(chan bool), make(chan bool)
	r := newRig(t, serve(func(int, int, *http.Request, string) string { asked <- true; <-release; return hello }))
	done := make(chan result)
	go func() { done <- r.post("x") }()
	<-asked
	r.up.CloseIdleConnections()
	release <- true
	want(t, <-done, 200, "hello")
	if r.up.Idle() != 0 {
		t.Error("a connection came into the pool after it was closed")
	}
}

func TestHostsAreApart(t *testing.T) {
	a, b := newRig(t, always(hello)), newRig(t, always(hello))
	want(t, call(a.up, a.request("GET", nil)), 200, "hello")
	want(t, call(a.up, b.request("GET", nil)), 200, "hello")
	if a.conns.Load() != 1 || b.conns.Load() != 1 || a.up.Idle() != 2 {
		t.Errorf("%d, %d connections, %d idle", a.conns.Load(), b.conns.Load(), a.up.Idle())
	}
	a.up.CloseIdleConnections()
}

func TestUncheckableConnectionServesOnce(t *testing.T) {
	r := newRig(t, always(hello))
	r.up.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return struct{ net.Conn }{c}, err
	}
	want(t, r.get(), 200, "hello")
	if r.up.Idle() != 0 {
		t.Error("it is in the pool")
	}
}

func TestDialErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	up := new(upstream.Transport)
	closed := &closing{Reader: strings.NewReader("x")}
	req, _ := http.NewRequest(http.MethodPost, "http://"+addr, closed)
	if _, err := up.RoundTrip(req); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("refused is %v", err)
	}
	if closed.n.Load() != 1 {
		t.Errorf("the body was closed %d times", closed.n.Load())
	}
	req, _ = http.NewRequest(http.MethodPost, "http://nowhere.invalid", nil)
	var dns *net.DNSError
	if _, err := up.RoundTrip(req); !errors.As(err, &dns) {
		t.Errorf("an unknown name is %v", err)
	}
}

func TestTrace(t *testing.T) {
	r := newRig(t, always(hello))
	r.url = strings.Replace(r.url, "127.0.0.1", "localhost", 1)
	var out atomic.Int64
	for i := range 2 {
		var tr upstream.Trace
		tr.WroteRequest = func() { out.Add(1) }
		began := time.Now()
		resp, err := r.up.Do(t.Context(), r.request("POST", strings.NewReader("x")), &tr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		order := []time.Time{began, tr.GetConn, tr.GotConn, tr.Sent, tr.FirstByte, time.Now()}
		if i == 0 {
			order = []time.Time{began, tr.GetConn, tr.DNSStart, tr.DNSDone, tr.ConnectStart, tr.ConnectDone, tr.GotConn, tr.Sent, tr.FirstByte, time.Now()}
		} else if !tr.ConnectStart.IsZero() || !tr.DNSStart.IsZero() {
			t.Error("a used connection was dialed")
		}
		for j := 1; j < len(order); j++ {
			if order[j].Before(order[j-1]) {
				t.Errorf("call %d: time %d of %v is before the one before", i, j, order)
			}
		}
		if tr.Reused != (i == 1) || out.Load() != int64(i+1) {
			t.Errorf("call %d: reused %t, sent %d", i, tr.Reused, out.Load())
		}
	}
}

// closing counts how often a body is closed.
type closing struct {
	io.Reader
	n atomic.Int64
}

func (c *closing) Close() error { c.n.Add(1); return nil }

// TestStorm has many callers on one pool: each must get its own answer.
func TestStorm(t *testing.T) {
	r := newRig(t, serve(func(_, call int, req *http.Request, body string) string {
		switch {
		case call%50 == 0:
			return "" // hangs up on a request
		case call%7 == 0:
			return fmt.Sprintf("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		case call%2 == 0:
			return fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
		}
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}))
	var wg sync.WaitGroup
	var failed atomic.Int64
	for caller := range 64 {
		wg.Go(func() {
			for i := range 100 {
				body := fmt.Sprintf("%d.%d %s", caller, i, strings.Repeat("x", i*37))
				req := r.request(http.MethodPost, strings.NewReader(body))
				if i%3 == 0 {
					req = r.upload(io.NopCloser(streamed{strings.NewReader(body)}), int64(len(body))*int64(1-i%2)) // chunked or sized
					req.GetBody = nil
				}
				ctx, cancel := context.WithCancel(t.Context())
				if i%11 == 0 {
					time.AfterFunc(time.Duration(i)*10*time.Microsecond, cancel)
				}
				res := call(r.up, req.WithContext(ctx))
				cancel()
				if res.err != nil {
					if failed.Add(1); !errors.Is(res.err, context.Canceled) && !errors.Is(res.err, io.ErrUnexpectedEOF) && !errors.Is(res.err, syscall.ECONNRESET) && !errors.Is(res.err, syscall.EPIPE) {
						t.Errorf("call %s: %v", body[:5], res.err)
					}
				} else if res.body != body {
					t.Errorf("the answer to %.10q is %.10q", body, res.body)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d connections, %d calls failed", r.conns.Load(), failed.Load())
	if n := failed.Load(); n > 64*100/5 {
		t.Errorf("%d calls failed", n)
	}
}
