package downstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// duplex is one side of a connection whose directions end one by one.
type duplex struct {
	net.Conn // reads
	out      net.Conn
}

func newDuplex() (server, client *duplex) {
	a, b := net.Pipe()
	c, d := net.Pipe()
	return &duplex{a, d}, &duplex{c, b}
}

func (d *duplex) Write(p []byte) (int, error)        { return d.out.Write(p) }
func (d *duplex) SetWriteDeadline(t time.Time) error { return d.out.SetWriteDeadline(t) }
func (d *duplex) SetDeadline(t time.Time) error {
	return errors.Join(d.Conn.SetDeadline(t), d.out.SetDeadline(t))
}
func (d *duplex) CloseWrite() error { return d.out.Close() }
func (d *duplex) Close() error      { return errors.Join(d.Conn.Close(), d.out.Close()) }

type pipes struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *pipes) Close() error { l.once.Do(func() { close(l.closed) }); return nil }
func (*pipes) Addr() net.Addr { return &net.TCPAddr{} }

// patient runs a test of a connection in time that is not real.
func patient(t *testing.T, h http.HandlerFunc, test func(t *testing.T, s *Server, c *duplex)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Handler: h, Log: zap.NewNop()}
		l := &pipes{make(chan net.Conn), sync.Once{}, make(chan struct{})}
		go func() { _ = s.Serve(l) }()
		server, client := newDuplex()
		l.conns <- server
		test(t, s, client)
		client.Close()
		s.Close()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute) // for what the test has started
	})
}

// ended is the time after which the server ends what it sends, and what it sent.
func ended(c *duplex) (time.Duration, string) {
	began := time.Now()
	text, _ := io.ReadAll(c)
	return time.Since(began), string(text)
}

func between(t *testing.T, what string, got, low, high time.Duration) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s: after %s, not %s to %s", what, got, low, high)
	}
}

func ok(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }

func say(c *duplex, text string) { _, _ = io.WriteString(c, text) }

func TestHeadPatience(t *testing.T) {
	patient(t, ok, func(t *testing.T, _ *Server, c *duplex) {
		d, _ := ended(c)
		between(t, "nothing comes", d, headPatience, 2*headPatience)
	})
	for _, head := range []string{"G", "GET / HTTP/1.1\r\nHost: x\r\nX: "} {
		patient(t, ok, func(t *testing.T, _ *Server, c *duplex) {
			go func() {
				say(c, head)
				for {
					time.Sleep(time.Second)
					if _, err := c.Write([]byte("x")); err != nil {
						return
					}
				}
			}()
			d, _ := ended(c)
			between(t, "a head drips", d, headPatience, headPatience+2*time.Second)
		})
	}
}

func TestIdlePatience(t *testing.T) {
	patient(t, ok, func(t *testing.T, _ *Server, c *duplex) {
		in := bufio.NewReader(c)
		for range 3 {
			say(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != 200 {
				t.Fatal(resp, err)
			}
			time.Sleep(idlePatience - 10*time.Second)
		}
		d, _ := ended(c)
		between(t, "an idle connection", d, 9*time.Second, 20*time.Second)
	})
}

// A body has a minute of grace, and a second more for each kilobyte; what the handler takes does not count, nor does it matter how
// its beginning came.
func TestBodyPatience(t *testing.T) {
	for _, head := range []string{"Content-Length: 1000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nfff", "Transfer-Encoding: chunked\r\n\r\nffff\r\n"} {
		var failed error
		h := func(w http.ResponseWriter, r *http.Request) { _, failed = io.Copy(io.Discard, r.Body) }
		for _, warm := range []bool{false, true} {
			patient(t, h, func(t *testing.T, _ *Server, c *duplex) {
				in := bufio.NewReader(c)
				if warm {
					say(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
					if _, err := http.ReadResponse(in, nil); err != nil {
						t.Fatal(err)
					}
				}
				say(c, "POST / HTTP/1.1\r\nHost: x\r\n"+head)
				d, _ := ended(c)
				between(t, "a body stalls: "+head, d, bodyGrace-time.Second, bodyGrace+time.Second)
				if failed == nil {
					t.Error("the handler was told of no error")
				}
			})
		}
	}
	patient(t, ok, func(t *testing.T, _ *Server, c *duplex) {
		go func() {
			say(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
			for {
				time.Sleep(time.Second)
				if _, err := c.Write(make([]byte, 512)); err != nil {
					return
				}
			}
		}()
		d, _ := ended(c)
		between(t, "half a kilobyte a second", d, 2*bodyGrace-5*time.Second, 2*bodyGrace+5*time.Second)
	})
	var got int64
	slow := func(w http.ResponseWriter, r *http.Request) {
		for range 5 {
			n, _ := io.CopyN(io.Discard, r.Body, 1000)
			got += n
			time.Sleep(2 * bodyGrace)
		}
	}
	patient(t, slow, func(t *testing.T, _ *Server, c *duplex) {
		go func() {
			say(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n")
			for range 10 {
				say(c, strings.Repeat("x", 500))
				time.Sleep(time.Second)
			}
		}()
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 200 || got != 5000 {
			t.Errorf("a handler that is slow got %d: %v", got, err)
		}
	})
}

func TestWritePatience(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // one pool of buffers
	began, took := time.Now(), time.Duration(0)
	patient(t, func(w http.ResponseWriter, _ *http.Request) {
		began = time.Now()
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				took = time.Since(began)
				return
			}
		}
	}, func(t *testing.T, _ *Server, c *duplex) {
		say(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		time.Sleep(time.Hour)
	})
	between(t, "a client that takes nothing", took, writePatience, 2*writePatience)
	for range 10 { // what that client did not get is nobody else's
		if b := buffers.Get().(*[]byte); len(*b) > 0 {
			t.Fatalf("a buffer begins with %q", *b)
		}
	}
}

func early(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "early") }

func TestDrainPatience(t *testing.T) {
	for _, c := range []struct {
		length, sent int
		low, high    time.Duration
		goesOn       bool
	}{
		{maxDrain, maxDrain, 0, time.Second, true},
		{maxDrain, 100, drainPatience, drainPatience + lingering, false},
		{maxDrain + 10, 0, 0, lingering, false},
	} {
		patient(t, early, func(t *testing.T, _ *Server, conn *duplex) {
			go say(conn, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", c.length, strings.Repeat("x", c.sent)))
			in := bufio.NewReader(conn)
			if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != 200 {
				t.Fatal(err)
			} else if body, _ := io.ReadAll(resp.Body); string(body) != "early" {
				t.Errorf("got %q", body)
			}
			began := time.Now()
			if c.goesOn {
				say(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				if _, err := http.ReadResponse(in, nil); err != nil {
					t.Error(err)
				}
			} else if _, err := io.ReadAll(in); err != nil {
				t.Error(err)
			}
			between(t, fmt.Sprint("draining ", c.length), time.Since(began), c.low, c.high)
		})
	}
}

// What a client sends behind a refusal is taken for half a second, at most 256 KiB of it.
func TestLingering(t *testing.T) {
	patient(t, ok, func(t *testing.T, _ *Server, c *duplex) {
		say(c, "BAD\r\n\r\n")
		if d, text := ended(c); d > 0 || !strings.HasPrefix(text, "HTTP/1.1 400 ") {
			t.Errorf("after %s: %q", d, text)
		}
		began := time.Now()
		for {
			if _, err := c.Write([]byte("x")); err != nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		between(t, "lingering", time.Since(began), lingering-20*time.Millisecond, lingering+20*time.Millisecond)
	})
}

// A connection that is new when the server shuts down may have a request on its way.
func TestShutdownPatience(t *testing.T) {
	for _, speaks := range []bool{false, true} {
		patient(t, ok, func(t *testing.T, s *Server, c *duplex) {
			time.Sleep(time.Second)
			began := time.Now()
			done := make(chan time.Duration, 1)
			go func() {
				_ = s.Shutdown(context.Background())
				done <- time.Since(began)
			}()
			time.Sleep(2 * time.Second)
			if speaks {
				say(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			}
			if _, text := ended(c); speaks != strings.HasPrefix(text, "HTTP/1.1 200 ") {
				t.Errorf("got %q", text)
			}
			low := newPatience - time.Second
			if speaks {
				low = 2 * time.Second
			}
			between(t, "shutdown", <-done, low, low+200*time.Millisecond)
		})
	}
	patient(t, func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) }, func(t *testing.T, s *Server, c *duplex) {
		say(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		ended(c)
	})
}

// A hang-up is noticed when a call takes longer than watchAfter.
func TestWatch(t *testing.T) {
	var noticed time.Duration
	h := func(_ http.ResponseWriter, r *http.Request) {
		began := time.Now()
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		noticed = time.Since(began)
		if !errors.Is(context.Cause(r.Context()), errHungUp) {
			noticed = -1
		}
	}
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"} {
		for _, after := range []time.Duration{time.Millisecond, time.Hour} {
			patient(t, h, func(t *testing.T, _ *Server, c *duplex) {
				say(c, request)
				time.Sleep(after)
				c.Close()
				synctest.Wait()
				time.Sleep(time.Second)
			})
			between(t, "a hang-up", noticed, min(after, watchAfter), max(after, watchAfter))
		}
	}
}

// Who still reads a body when the handler returns, is cut off at once, wherever it is.
func TestBodyBesideTheHandler(t *testing.T) {
	for _, wait := range []time.Duration{0, time.Millisecond, time.Minute / 2} {
		var read chan error
		h := func(w http.ResponseWriter, r *http.Request) {
			go func() {
				_, err := io.Copy(io.Discard, r.Body)
				read <- err
			}()
			time.Sleep(wait)
			_, _ = io.WriteString(w, "early")
		}
		patient(t, h, func(t *testing.T, _ *Server, c *duplex) {
			read = make(chan error, 1)
			say(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
			in := bufio.NewReader(c)
			if _, err := http.ReadResponse(in, nil); err != nil {
				t.Fatal(err)
			}
			if err := <-read; err == nil {
				t.Error("the reader got the body")
			}
			say(c, "defghij")
			say(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if _, err := in.Discard(len("early")); err != nil {
				t.Error(err)
			}
		})
	}
}
