package downstream_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"marketo-proxy/downstream"
)

// rig is a server on loopback.
type rig struct {
	t   *testing.T
	srv *downstream.Server
	l   net.Listener
	tls *tls.Config // of clients; nil: plain
}

func newRig(t *testing.T, secure bool, h http.HandlerFunc) *rig {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, srv: &downstream.Server{Handler: h, Log: zap.NewNop()}, l: l}
	serveOn := l
	if secure {
		certs := httptest.NewUnstartedServer(nil)
		certs.StartTLS()
		serveOn = tls.NewListener(l, &tls.Config{Certificates: certs.TLS.Certificates})
		certs.Close()
		r.tls = &tls.Config{InsecureSkipVerify: true}
	}
	done := make(chan error, 1)
	go func() { done <- r.srv.Serve(serveOn) }()
	t.Cleanup(func() {
		r.srv.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if err := r.srv.Shutdown(context.Background()); err != nil { // waits for the connections
			t.Error(err)
		}
		goleak.VerifyNone(t, ignore)
	})
	return r
}

type client struct {
	net.Conn
	in *bufio.Reader
	t  *testing.T
}

func (r *rig) dial() *client {
	r.t.Helper()
	c, err := net.Dial("tcp", r.l.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if r.tls != nil {
		c = tls.Client(c, r.tls)
	}
	return &client{c, bufio.NewReader(c), r.t}
}

func (c *client) say(s string) *client {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatal(err)
	}
	return c
}

// hear reads an answer to the method, as "status body", with its fields that count.
func (c *client) hear(method string) (string, *http.Response) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		return err.Error(), nil
	}
	body, err := io.ReadAll(resp.Body)
	s := fmt.Sprintf("%d %s", resp.StatusCode, body)
	if err != nil {
		s += " " + err.Error()
	}
	return s, resp
}

func (c *client) expect(method, want string) *http.Response {
	c.t.Helper()
	got, resp := c.hear(method)
	if got != want {
		c.t.Errorf("got %q, want %q", got, want)
	}
	return resp
}

// ended tells that the server ended the connection.
func (c *client) ended() {
	c.t.Helper()
	if b, err := c.in.ReadByte(); err == nil || errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "timeout") {
		c.t.Errorf("the connection goes on: %q, %v", b, err)
	}
}

// zoo is a handler whose paths do what handlers may do.
func zoo(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/echo":
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(499)
		}
		_, _ = w.Write(body)
	case "/early":
		_, _ = io.WriteString(w, "early")
	case "/last":
		w.Header()["Connection"] = []string{"close"}
		_, _ = io.WriteString(w, "la")
		_ = http.NewResponseController(w).Flush()
		_, _ = r.Body.Read(make([]byte, 1))
		_, _ = io.WriteString(w, "st")
	case "/204":
		w.WriteHeader(204)
	case "/304":
		w.Header()["Content-Length"] = []string{"7"}
		w.WriteHeader(304)
	case "/short":
		w.Header()["Content-Length"] = []string{"9"}
		_, _ = io.WriteString(w, "short")
	case "/long":
		w.Header()["Content-Length"] = []string{"4"}
		_, err := io.WriteString(w, "longer")
		_, err2 := io.WriteString(w, "four")
		if !errors.Is(err, http.ErrContentLength) || err2 != nil {
			panic("a body longer than announced")
		}
	case "/nothing":
	case "/informs":
		w.WriteHeader(103)
		w.WriteHeader(201)
		w.WriteHeader(202)
	case "/trailer":
		w.Header()["Trailer"] = []string{"X-Sum"}
		_, _ = io.WriteString(w, "a")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, strings.Repeat("b", 20<<10))
		w.Header()[http.TrailerPrefix+"X-Sum"] = []string{"1"}
	case "/split":
		w.Header()["X-A"] = []string{"a\r\nX-B: b", "c"}
	case "/abort", "/abort-sized":
		if r.URL.Path == "/abort-sized" {
			w.Header()["Content-Length"] = []string{"100"}
		}
		_, _ = io.WriteString(w, "part")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "/panic":
		panic([]int{1}) // which can't be compared
	case "/goexit":
		runtime.Goexit()
	case "/beside":
		go func() { _, _ = io.Copy(io.Discard, r.Body) }()
		_, _ = io.WriteString(w, "beside")
	case "/status":
		w.WriteHeader(0)
	}
}

func plainAndTLS(t *testing.T, test func(t *testing.T, secure bool)) {
	t.Run("plain", func(t *testing.T) { test(t, false) })
	t.Run("TLS", func(t *testing.T) { test(t, true) })
}

const host = " HTTP/1.1\r\nHost: x\r\n"

func TestAnswers(t *testing.T) {
	plainAndTLS(t, func(t *testing.T, secure bool) {
		r := newRig(t, secure, zoo)
		c := r.dial()
		c.say("POST /echo"+host+"Content-Length: 3\r\n\r\nabc").expect("POST", "200 abc")
		c.say("POST /echo"+host+"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").expect("POST", "200 abc")
		c.say("GET /nothing" + host + "\r\nGET /early" + host + "\r\nHEAD /early" + host + "\r\n")
		if resp := c.expect("GET", "200 "); resp.Header.Get("Content-Length") != "0" {
			t.Errorf("an empty answer has no length: %v", resp.Header)
		}
		if resp := c.expect("GET", "200 early"); len(resp.TransferEncoding) != 1 {
			t.Errorf("%v", resp)
		}
		c.expect("HEAD", "200 ")
		if resp := c.say("GET /204"+host+"\r\n").expect("GET", "204 "); resp.Header.Get("Content-Length") != "" {
			t.Error("a 204 has a length")
		}
		if resp := c.say("GET /304"+host+"\r\n").expect("GET", "304 "); resp.Header.Get("Content-Length") != "7" {
			t.Error("a 304 has lost its length")
		}
		c.say("GET /long"+host+"\r\n").expect("GET", "200 four")
		c.say("GET /informs"+host+"\r\n").expect("GET", "201 ")
		if resp := c.say("GET /trailer"+host+"\r\n").expect("GET", "200 a"+strings.Repeat("b", 20<<10)); resp.Trailer.Get("X-Sum") != "1" {
			t.Errorf("trailers %v", resp.Trailer)
		}
		if resp := c.say("GET /split"+host+"\r\n").expect("GET", "200 "); resp.Header.Get("X-B") != "" || resp.Header.Get("X-A") != "c" {
			t.Errorf("header %v", resp.Header)
		}
		c.say("GET /short"+host+"\r\n").expect("GET", "200 short unexpected EOF")
		c.ended()
	})
}

func TestHTTP10(t *testing.T) {
	r := newRig(t, false, zoo)
	c := r.dial()
	if resp := c.say("GET /nothing HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").expect("GET", "200 "); resp.Proto != "HTTP/1.0" || resp.Header.Get("Connection") != "keep-alive" {
		t.Errorf("%v", resp)
	}
	c.say("GET /early HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").expect("GET", "200 early")
	c.ended()
	c = r.dial()
	c.say("GET /nothing HTTP/1.0\r\n\r\n").expect("GET", "200 ")
	c.ended()
}

// A part never looks like the whole, whatever ends the answer.
func TestAborts(t *testing.T) {
	plainAndTLS(t, func(t *testing.T, secure bool) {
		r := newRig(t, secure, zoo)
		for _, request := range []string{"GET /abort" + host + "\r\n", "GET /abort-sized" + host + "\r\n", "GET /abort HTTP/1.0\r\n\r\n"} {
			if got, _ := r.dial().say(request).hear("GET"); !strings.HasPrefix(got, "200 part ") {
				t.Errorf("%q: got %q", request, got)
			}
		}
		for _, path := range []string{"/panic", "/goexit", "/status"} {
			c := r.dial().say("GET " + path + host + "\r\n")
			c.ended()
		}
	})
}

func TestExpect(t *testing.T) {
	r := newRig(t, false, zoo)
	c := r.dial()
	head := host + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"
	c.say("POST /echo"+head).expect("POST", "100 ")
	c.say("abc").expect("POST", "200 abc")
	if resp := c.say("POST /early"+head).expect("POST", "200 early"); !resp.Close {
		t.Error("a connection goes on whose client may or may not send the body")
	}
	c.ended()
}

// No 100 goes out in the midst of an answer, also of one that ends its connection.
func TestNoLate100(t *testing.T) {
	r := newRig(t, false, zoo)
	c := r.dial().say("POST /last" + host + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
	time.AfterFunc(20*time.Millisecond, func() { _, _ = io.WriteString(c, "abc") })
	c.expect("POST", "200 last")
	c.ended()
}

// An early answer reaches a client that still sends; its connection goes on if the rest of the body was short.
func TestEarlyAnswers(t *testing.T) {
	r := newRig(t, false, zoo)
	c := r.dial()
	c.say("POST /early"+host+"Content-Length: 100000\r\n\r\nabc").expect("POST", "200 early")
	c.say(strings.Repeat("x", 100000-3))
	c.say("POST /early"+host+"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").expect("POST", "200 early")
	c.say("0\r\nX: y\r\n\r\n")
	c.say("POST /beside"+host+"Content-Length: 5\r\n\r\nab").expect("POST", "200 beside")
	c.say("cde")
	c.say("GET /nothing"+host+"\r\n").expect("GET", "200 ")
	go io.Copy(c, io.LimitReader(zeros{}, 10<<20))
	if resp := r.dial().say("POST /early"+host+"Content-Length: 1000000\r\n\r\nabc").expect("POST", "200 early"); !resp.Close {
		t.Error("a connection goes on whose client would have much to send")
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// A refusal reaches a client that sent more than was read.
func TestRefusalsArrive(t *testing.T) {
	r := newRig(t, false, zoo)
	for range 20 {
		c := r.dial().say("GET /" + strings.Repeat("a", 150<<10) + host + "\r\n")
		if got, _ := c.hear("GET"); !strings.HasPrefix(got, "431 ") {
			t.Fatalf("got %q", got)
		}
	}
}

// The context of a call ends when its client hangs up, also if only its sending side does, but not when it sends the next request.
func TestHangUp(t *testing.T) {
	plainAndTLS(t, func(t *testing.T, secure bool) {
		causes := make(chan error, 10)
		r := newRig(t, secure, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
			case <-time.After(200 * time.Millisecond):
			}
			causes <- context.Cause(r.Context())
		})
		for _, request := range []string{"GET /" + host + "\r\n", "POST /" + host + "Content-Length: 3\r\n\r\nabc", "POST /" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"} {
			c := r.dial().say(request)
			time.Sleep(5 * time.Millisecond)
			c.Close()
			if err := <-causes; err == nil {
				t.Errorf("%q: a hang-up was not noticed", request)
			}
			c = r.dial().say(request)
			time.Sleep(70 * time.Millisecond)
			c.say(request[:10])
			if err := <-causes; err != nil {
				t.Errorf("%q: a call ended: %v", request, err)
			}
			c.expect("GET", "200 ")
			c.say(request[10:])
			<-causes
			c.expect("GET", "200 ")
		}
		if !secure {
			c := r.dial().say("GET /" + host + "\r\n")
			_ = c.Conn.(*net.TCPConn).CloseWrite()
			if err := <-causes; err == nil {
				t.Error("the end of the client's side was not noticed")
			}
			c.expect("GET", "200 ")
		}
	})
}

func TestHijack(t *testing.T) {
	r := newRig(t, false, func(w http.ResponseWriter, r *http.Request) {
		nc, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer nc.Close()
		if n, err := r.Body.Read(make([]byte, 5)); r.ContentLength > 0 && (n > 0 || err == nil) {
			panic("the body is read after Hijack")
		}
		if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrHijacked) {
			panic(err)
		}
		time.Sleep(100 * time.Millisecond)
		line, _ := rw.ReadString('\n')
		_, _ = io.WriteString(nc, "got "+line)
		if r.URL.Path == "/panic" {
			panic(http.ErrAbortHandler)
		}
	})
	for _, path := range []string{"/", "/panic"} {
		for _, body := range []string{"\r\n", "Content-Length: 6\r\n\r\n"} {
			c := r.dial().say("GET " + path + host + body + "ahead\n")
			if got, err := io.ReadAll(c.in); string(got) != "got ahead\n" {
				t.Errorf("got %q, %v", got, err)
			}
		}
	}
}

func TestTLSErrors(t *testing.T) {
	r := newRig(t, true, zoo)
	r.tls = nil
	if got, _ := r.dial().say("GET /" + host + "\r\n").hear("GET"); !strings.HasPrefix(got, "400 ") {
		t.Errorf("plain HTTP got %q", got)
	}
	c := r.dial().say("\x16\x03\x01\x00\x05garbage")
	_, _ = io.Copy(io.Discard, c)
	r.dial().Close()
}

// flaky is a listener that fails now and then.
type flaky struct {
	net.Listener
	n atomic.Int64
}

func (l *flaky) Accept() (net.Conn, error) {
	switch l.n.Add(1) {
	case 1, 3:
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	case 5:
		return nil, errors.New("broken")
	}
	return l.Listener.Accept()
}

func TestAcceptErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &downstream.Server{Handler: http.HandlerFunc(zoo), Log: zap.NewNop()}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(&flaky{Listener: l}) }()
	r := &rig{t: t, l: l}
	for range 2 {
		r.dial().say("GET /early"+host+"\r\n").expect("GET", "200 early")
	}
	if err := <-done; err == nil || err.Error() != "broken" {
		t.Error(err)
	}
	srv.Close()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// Shutdown and Close find connections in every state.
func TestShutdown(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, hard := range []bool{false, true} {
			t.Run(fmt.Sprintf("TLS %t, Close %t", secure, hard), func(t *testing.T) {
				var inHandler sync.WaitGroup
				inHandler.Add(3)
				release := make(chan struct{})
				r := newRig(t, secure, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/wait" {
						inHandler.Done()
						<-release
					}
					zoo(w, r)
				})
				waiting := r.dial()
				waiting.say("GET /early"+host+"\r\n").expect("GET", "200 early")
				half := r.dial().say("GET /ear")
				body := r.dial().say("POST /echo" + host + "Content-Length: 3\r\n\r\na")
				var calls []*client
				for range 3 {
					calls = append(calls, r.dial().say("GET /wait"+host+"\r\n"))
				}
				inHandler.Wait()
				time.Sleep(20 * time.Millisecond)
				stopped := make(chan error, 1)
				if hard {
					stopped <- r.srv.Close()
				} else {
					go func() { stopped <- r.srv.Shutdown(context.Background()) }()
				}
				waiting.ended()
				if hard {
					for _, c := range append(calls, half, body) {
						c.ended()
					}
					close(release)
				} else {
					half.say("ly"+host+"\r\n").expect("GET", "200 early")
					half.ended()
					body.say("bc").expect("POST", "200 abc")
					body.ended()
					close(release)
					for _, c := range calls {
						if resp := c.expect("GET", "200 "); resp != nil && !resp.Close {
							t.Error("an answer does not say that its connection ends")
						}
						c.ended()
					}
				}
				if err := <-stopped; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Connections that wait for long give their buffers up, and come back, however many.
func TestParked(t *testing.T) {
	r := newRig(t, false, zoo)
	var clients []*client
	for range 600 {
		c := r.dial()
		clients = append(clients, c.say("GET /early"+host+"\r\n"))
	}
	for round := range 3 {
		for _, c := range clients {
			c.expect("GET", "200 early")
		}
		if round == 1 {
			time.Sleep(2200 * time.Millisecond) // the warm ones are parked now, too
		}
		for _, c := range clients {
			c.say("GET /early" + host + "\r\n")
		}
	}
}

// Many connections, calls of all kinds, pipelined, while the server closes.
func TestStorm(t *testing.T) {
	r := newRig(t, false, zoo)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for j := range 60 {
				nc, err := net.Dial("tcp", r.l.Addr().String())
				if err != nil {
					return // closed
				}
				_ = nc.SetDeadline(time.Now().Add(time.Second))
				path := []string{"/echo", "/early", "/beside", "/abort", "/trailer"}[(i+j)%5]
				for range 3 {
					_, _ = fmt.Fprintf(nc, "POST %s%sContent-Length: 6\r\n\r\nabc", path, host)
					if j%3 != 0 && j%7 == 0 {
						break
					}
					_, _ = io.WriteString(nc, "def")
				}
				if j%3 == 0 {
					_, _ = io.CopyN(io.Discard, nc, 100)
				}
				nc.Close()
			}
		})
	}
	all.Wait()
}
