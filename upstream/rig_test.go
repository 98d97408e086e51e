package upstream_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"marketo-proxy/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is the other side of one connection.
type peer struct {
	t *testing.T
	net.Conn
	br *bufio.Reader
}

func (p *peer) closeWrite() { _ = p.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// request reads one request whole. The body is nil if the client ended first.
func (p *peer) request() (*http.Request, string) {
	r, err := http.ReadRequest(p.br)
	if err != nil {
		return nil, ""
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, ""
	}
	return r, string(body)
}

func (p *peer) say(s string) { _, _ = io.WriteString(p, s) }

// reset closes the connection with a RST.
func (p *peer) reset() {
	_ = p.Conn.(*net.TCPConn).SetLinger(0)
	_ = p.Close()
}

// rig is a server made of a script, which gets each connection with its number from 1, and a Transport to call it.
type rig struct {
	t     *testing.T
	up    *upstream.Transport
	url   string
	conns atomic.Int64
}

func newRig(t *testing.T, script func(p *peer, n int)) *rig {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, up: new(upstream.Transport), url: "http://" + l.Addr().String()}
	r.start(l, script)
	return r
}

// newLocalRig is one over Unix sockets, for tests that make so many connections that the machine would run out of ports.
func newLocalRig(t *testing.T, script func(p *peer, n int)) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "upstream")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", l.Addr().String())
	}
	r := &rig{t: t, up: &upstream.Transport{DialContext: dial}, url: "http://upstream.test"}
	r.start(l, script)
	return r
}

func (r *rig) start(l net.Listener, script func(p *peer, n int)) {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		open []net.Conn
	)
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			n := int(r.conns.Add(1))
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				script(&peer{r.t, c, bufio.NewReader(c)}, n)
			})
		}
	})
	r.t.Cleanup(func() {
		r.up.CloseIdleConnections()
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
}

// serve answers every request with the bytes that answer gives for it, and ends the connection after an empty one.
func serve(answer func(n, call int, r *http.Request, body string) string) func(*peer, int) {
	return func(p *peer, n int) {
		for call := 1; ; call++ {
			r, body := p.request()
			if r == nil {
				return
			}
			s := answer(n, call, r, body)
			if s == "" {
				return
			}
			p.say(s)
		}
	}
}

func always(s string) func(*peer, int) {
	return serve(func(int, int, *http.Request, string) string { return s })
}

// result is how a call ended.
type result struct {
	resp  *http.Response
	body  string
	err   error // of the call, or of the body
	trace upstream.Trace
}

func (r *rig) do(req *http.Request) result {
	r.t.Helper()
	return call(r.up, req)
}

func call(up *upstream.Transport, req *http.Request) (res result) {
	if res.resp, res.err = up.Do(req.Context(), req, &res.trace); res.err != nil {
		return res
	}
	b, err := io.ReadAll(res.resp.Body)
	_ = res.resp.Body.Close()
	res.body, res.err = string(b), err
	return res
}

func (r *rig) get() result { r.t.Helper(); return r.do(r.request(http.MethodGet, nil)) }

func (r *rig) post(body string) result {
	r.t.Helper()
	return r.do(r.request(http.MethodPost, strings.NewReader(body)))
}

func (r *rig) request(method string, body io.Reader) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+"/soap/mktows/2_9", body)
	if err != nil {
		r.t.Fatal(err)
	}
	return req
}

// streamed hides what a body is made of, so that it counts as one that streams.
type streamed struct{ io.Reader }

func (streamed) Close() error { return nil }

func (r *rig) upload(body io.ReadCloser, length int64) *http.Request {
	r.t.Helper()
	req := r.request(http.MethodPost, body)
	req.ContentLength = length
	return req
}

func want(t *testing.T, res result, status int, body string) {
	t.Helper()
	if res.err != nil {
		t.Fatalf("the call failed: %v", res.err)
	}
	if res.resp.StatusCode != status || res.body != body {
		t.Fatalf("the answer is %d %q, not %d %q", res.resp.StatusCode, res.body, status, body)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within 20 s: %s", what)
}

func timeout(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
