package upstream_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"marketo-proxy/upstream"
)

func echo(_, _ int, r *http.Request, body string) string {
	s := fmt.Sprintf("%s %d %v %v|%s", r.Method, r.ContentLength, r.TransferEncoding, r.Trailer, body)
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(s), s)
}

// TestBodies sends bodies of every kind and size, and sees that they arrive and that the connection is used again.
func TestBodies(t *testing.T) {
	r := newRig(t, serve(echo))
	for _, size := range []int{0, 1, 4 << 10, 16<<10 - 300, 16 << 10, 40 << 10, 64 << 10, 64<<10 + 1, 1 << 20} {
		body := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		for _, c := range []struct {
			name    string
			req     *http.Request
			framing string
		}{
			{"memory", r.request("POST", strings.NewReader(body)), fmt.Sprintf("POST %d [] map[]|", size)},
			{"streamed", r.upload(streamed{strings.NewReader(body)}, int64(size)), fmt.Sprintf("POST %d [] map[]|", size)},
			{"chunked", r.upload(streamed{strings.NewReader(body)}, -1), "POST -1 [chunked] map[]|"},
			{"byte by byte", r.upload(streamed{iotest(body[:min(size, 500)])}, int64(min(size, 500))), fmt.Sprintf("POST %d [] map[]|", min(size, 500))},
		} {
			if size == 0 && (c.name == "streamed" || c.name == "byte by byte") {
				c.framing = "POST -1 [chunked] map[]|" // a length of 0 with a body is an unknown one
			}
			sent := body
			if c.name == "byte by byte" {
				sent = body[:min(size, 500)]
			}
			want(t, r.do(c.req), 200, c.framing+sent)
		}
	}
	if n := r.conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// iotest gives one byte at a time, and now and then none.
func iotest(s string) io.Reader {
	i := 0
	return readerFunc(func(p []byte) (int, error) {
		if i++; i%3 == 0 {
			return 0, nil
		}
		if s == "" {
			return 0, io.EOF
		}
		p[0], s = s[0], s[1:]
		return 1, nil
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestRequestTrailer(t *testing.T) {
	r := newRig(t, serve(echo))
	trailer := http.Header{"X-Sum": nil}
	req := r.upload(streamed{io.MultiReader(strings.NewReader("abc"), readerFunc(func([]byte) (int, error) {
		trailer.Set("X-Sum", "6")
		return 0, io.EOF
	}))}, -1)
	req.Trailer = trailer
	want(t, r.do(req), 200, "POST -1 [chunked] map[X-Sum:[6]]|abc")

	req = r.upload(streamed{readerFunc(func([]byte) (int, error) { return 0, io.EOF })}, -1)
	req.Trailer = http.Header{"X-Sum": {"6\r\nEvil: 1"}}
	if res := r.do(req); res.err == nil || !strings.Contains(res.err.Error(), "X-Sum") {
		t.Errorf("a trailer with a line end: %v", res.err)
	}
}

func TestWrongLength(t *testing.T) {
	for _, memory := range []bool{true, false} {
		for _, length := range []int64{3, 7} {
			got := make(chan string, 1)
			r := newRig(t, func(p *peer, _ int) {
				_, body := p.request()
				if body != "" {
					got <- body
				}
				p.request()
			})
			body := &closing{Reader: strings.NewReader("12345")}
			req := r.upload(body, length)
			if memory {
				req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("not used") }
			}
			if res := r.do(req); res.err == nil || !strings.Contains(res.err.Error(), "ContentLength") {
				t.Errorf("memory %t, length %d: %v", memory, length, res.err)
			}
			eventually(t, "the body is closed", func() bool { return body.n.Load() == 1 })
			if memory && r.conns.Load() != 0 {
				t.Error("a connection was made for a request that can't be sent")
			}
			select {
			case s := <-got:
				if length == 7 || s != "123" {
					t.Errorf("the server got %q", s)
				}
			default:
			}
			if r.up.Idle() != 0 {
				t.Error("the connection is in the pool")
			}
		}
	}
}

// An upload that fails ends the call with its own error, before and after the head of the answer.
func TestBodyFails(t *testing.T) {
	broken := errors.New("broken")
	for _, memory := range []bool{true, false} {
		r := newRig(t, always(hello))
		body := &closing{Reader: io.MultiReader(strings.NewReader("123"), readerFunc(func([]byte) (int, error) { return 0, broken }))}
		req := r.upload(body, 10)
		if memory {
			req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("not used") }
		}
		if res := r.do(req); !errors.Is(res.err, broken) {
			t.Errorf("memory %t: %v", memory, res.err)
		}
		eventually(t, "the body is closed", func() bool { return body.n.Load() == 1 })
	}

	fail := make(chan bool)
	r := newRig(t, func(p *peer, _ int) {
		_, _ = http.ReadRequest(p.br)
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
		_, _ = io.Copy(io.Discard, p.br)
	})
	resp, err := r.up.RoundTrip(r.upload(streamed{readerFunc(func([]byte) (int, error) { <-fail; return 0, broken })}, 10))
	if err != nil {
		t.Fatal(err)
	}
	close(fail)
	if b, err := io.ReadAll(resp.Body); string(b) != "hello" || !errors.Is(err, broken) {
		t.Errorf("%q, %v", b, err)
	}
}

// TestEarlyAnswer: the answer comes while the request is still being sent.
func TestEarlyAnswer(t *testing.T) {
	const refused = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"
	for _, c := range []struct {
		name   string
		script func(*peer)
		body   io.Reader
		memory bool
	}{
		{"then closes, body waits", func(p *peer) { p.say(refused); p.closeWrite(); _, _ = io.Copy(io.Discard, p.br) }, readerFunc(nil), false},
		{"then resets, body endless", func(p *peer) { p.say(refused); time.Sleep(50 * time.Millisecond); p.reset() }, endless{}, false},
		{"then reads nothing, body endless", func(p *peer) { p.say(refused); _, _ = p.br.Peek(1 << 20); time.Sleep(100 * time.Millisecond) }, endless{}, false},
		{"and no more, body in memory", func(p *peer) { p.say(refused); time.Sleep(50 * time.Millisecond) }, bytes.NewReader(make([]byte, 60<<10)), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			release := make(chan bool)
			r := newRig(t, func(p *peer, _ int) {
				if _, err := http.ReadRequest(p.br); err == nil {
					c.script(p)
				}
			})
			if f, ok := c.body.(readerFunc); ok && f == nil {
				c.body = readerFunc(func([]byte) (int, error) { <-release; return 0, io.EOF })
			}
			body := &closing{Reader: c.body}
			req := r.upload(body, 1<<30)
			if c.memory {
				req = r.request("POST", c.body)
			}
			var tr upstream.Trace
			began := time.Now()
			resp, err := r.up.Do(timeout(t, 20*time.Second), req, &tr)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			if resp.StatusCode != 413 || string(b) != "big" || err != nil {
				t.Errorf("%d %q %v", resp.StatusCode, b, err)
			}
			if d := time.Since(began); d > 10*time.Second {
				t.Errorf("it took %v", d)
			}
			if !c.memory && !tr.Sent.IsZero() {
				t.Error("the request was not sent")
			}
			close(release)
			if !c.memory {
				eventually(t, "the body is closed", func() bool { return body.n.Load() == 1 })
			}
			if !c.memory && r.up.Idle() != 0 {
				t.Error("the connection is in the pool")
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestExpectContinue(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer string // before the body
		body   bool   // whether the body is sent
		status int
		wait   time.Duration // at least
	}{
		{name: "100", answer: "HTTP/1.1 100 Continue\r\n\r\n", body: true, status: 200},
		{name: "silence", body: true, status: 200, wait: 200 * time.Millisecond},
		{name: "refused", answer: "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n", status: 417},
	} {
		t.Run(c.name, func(t *testing.T) {
			var bodies atomic.Int64
			r := newRig(t, func(p *peer, _ int) {
				req, err := http.ReadRequest(p.br)
				if err != nil {
					return
				}
				p.say(c.answer)
				b, _ := io.ReadAll(req.Body)
				if bodies.Add(int64(len(b))); len(b) == 3 {
					p.say(hello)
				}
				p.request()
			})
			r.up.ExpectContinueTimeout = 10 * time.Second
			if c.wait > 0 {
				r.up.ExpectContinueTimeout = c.wait
			}
			body := &closing{Reader: strings.NewReader("abc")}
			req := r.upload(body, 3)
			req.Header.Set("Expect", "100-Continue")
			began := time.Now()
			res := r.do(req)
			if res.err != nil || res.resp.StatusCode != c.status {
				t.Fatalf("%v", res.err)
			}
			if d := time.Since(began); d < c.wait || d > c.wait+8*time.Second {
				t.Errorf("it took %v", d)
			}
			eventually(t, "the body is closed", func() bool { return body.n.Load() == 1 })
			if (bodies.Load() > 0) != c.body {
				t.Errorf("%d bytes of the body were sent", bodies.Load())
			}
			if pooled := r.up.Idle() == 1; pooled != c.body {
				t.Errorf("pooled: %t", pooled)
			}
		})
	}
}
