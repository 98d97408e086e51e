package upstream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"marketo-proxy/upstream"
)

// TestCancel ends the context at each step of a call: the call must end at once, with the cause.
func TestCancel(t *testing.T) {
	hang := func(p *peer) { _, _ = io.Copy(io.Discard, p.br) }
	for _, c := range []struct {
		name   string
		script func(*peer)
		req    func(*rig) *http.Request
		head   bool // the head of the answer comes before the end
	}{
		{name: "before the answer", script: hang},
		{name: "slow head", script: func(p *peer) {
			for _, err := io.WriteString(p, "HTTP/1.1 200 OK\r\nX: "); err == nil; _, err = io.WriteString(p, "x") {
				time.Sleep(5 * time.Millisecond)
			}
		}},
		{name: "endless 1xx", script: func(p *peer) {
			for _, err := io.WriteString(p, "HTTP/1.1 102 P\r\n\r\n"); err == nil; _, err = io.WriteString(p, "HTTP/1.1 102 P\r\n\r\n") {
				time.Sleep(5 * time.Millisecond)
			}
		}},
		{name: "within the body", head: true, script: func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"); hang(p) }},
		{name: "within a chunk", head: true, script: func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello")
			hang(p)
		}},
		{name: "while the upload is blocked", script: func(p *peer) { _, _ = p.br.Peek(1 << 20); <-p.t.Context().Done() },
			req: func(r *rig) *http.Request { return r.upload(streamed{endless{}}, -1) }},
		{name: "while the upload goes on after an early answer", head: true, script: func(p *peer) {
			_, _ = http.ReadRequest(p.br)
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
			<-p.t.Context().Done()
		}, req: func(r *rig) *http.Request { return r.upload(streamed{endless{}}, -1) }},
		{name: "while it waits for a 100", script: hang, req: func(r *rig) *http.Request {
			req := r.upload(streamed{strings.NewReader("abc")}, 3)
			req.Header.Set("Expect", "100-continue")
			return req
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, func(p *peer, _ int) { c.script(p) })
			r.up.ExpectContinueTimeout = time.Minute
			req := r.request("POST", strings.NewReader("x"))
			if c.req != nil {
				req = c.req(r)
			}
			cause := errors.New("the reason")
			ctx, cancel := context.WithCancelCause(t.Context())
			began := time.Now()
			time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
			res := call(r.up, req.WithContext(ctx))
			if d := time.Since(began); d < 50*time.Millisecond || d > 10*time.Second {
				t.Errorf("it took %v", d)
			}
			if !errors.Is(res.err, cause) || !errors.Is(res.err, context.Canceled) {
				t.Errorf("the error is %v", res.err)
			}
			if (res.resp != nil) != c.head {
				t.Errorf("there is an answer: %t", res.resp != nil)
			}
			if r.up.Idle() != 0 {
				t.Error("the connection is in the pool")
			}
		})
	}
}

func TestCancelBeforeAndWhileDialing(t *testing.T) {
	up := &upstream.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, errors.New("operation was canceled")
	}}
	for _, wait := range []time.Duration{0, 20 * time.Millisecond} {
		body := &closing{Reader: strings.NewReader("x")}
		req, _ := http.NewRequestWithContext(timeout(t, wait), "POST", "http://upstream.test/", body)
		if _, err := up.RoundTrip(req); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", wait, err)
		}
		if body.n.Load() != 1 {
			t.Errorf("the body was closed %d times", body.n.Load())
		}
	}
}

// The end of the context after the end of the answer must not touch the connection, which may serve another call by then.
func TestCancelAfterwards(t *testing.T) {
	r := newRig(t, always(hello))
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		want(t, call(r.up, r.request("POST", strings.NewReader("x")).WithContext(ctx)), 200, "hello")
		cancel()
	}
	if n := r.conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestCloseWhileReading(t *testing.T) {
	r := newRig(t, func(p *peer, _ int) {
		p.request()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
		_, _ = io.Copy(io.Discard, p.br)
	})
	resp, err := r.up.RoundTrip(r.request("POST", nil))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond, func() { _ = resp.Body.Close() })
	if b, err := io.ReadAll(resp.Body); string(b) != "hello" || !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("%q, %v", b, err)
	}
	if r.up.Idle() != 0 {
		t.Error("the connection is in the pool")
	}
}
