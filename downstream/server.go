// Package downstream is an HTTP/1.1 server that serves a connection in one goroutine: it reads the request, runs the handler and
// writes the answer.
//
// net/http.Server starts another goroutine for each request, to see whether the client hangs up, and keeps a stack and two buffers
// for each idle connection; here a call that is answered soon costs no goroutine, and a connection that waits costs two kilobytes.
// What a handler can observe is as in net/http.Server, but for this: there is no HTTP/2 and no Upgrade; a head is sent with the first
// byte of the body, so that a length which was not given is not made up; no Date and no Content-Type is added; a status below 200 is
// not sent; trailers are what has http.TrailerPrefix; an answer need not wait for the rest of the request; slow clients are sent away
// by bounds that are part of the server; and a request whose framing is in doubt ends its connection.
package downstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// Server serves a Handler. Fields must not change after the first call of a method. Its methods may be called concurrently.
//
// A handler gets its requests as from net/http.Server; the ResponseWriter is an http.Flusher and an http.Hijacker. To give a handler's
// answer up, in the middle of it too, panic with http.ErrAbortHandler.
type Server struct {
	Handler http.Handler
	Log     *zap.Logger // of panics, refused handshakes and failing listeners

	// ConnContext, if set, makes the context of a connection's requests.
	ConnContext func(ctx context.Context, c net.Conn) context.Context

	closing atomic.Bool
	warm    atomic.Int64 // connections whose goroutine waits for the next request

	mu        sync.Mutex // guards what follows
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
}

// Bounds on clients.
const (
	headPatience  = 20 * time.Second // from the first byte of a head to its last; for a TLS handshake too
	idlePatience  = 2 * time.Minute  // from an answer to the next request
	writePatience = time.Minute      // for a client to take what was written
	writeSlack    = 15 * time.Second // how much longer it may be, since setting a deadline costs
	bodyGrace     = time.Minute      // how long a request body may keep its readers waiting in all,
	bodyMinRate   = 1 << 10          // and a second more for so many bytes that came
	newPatience   = 5 * time.Second  // a connection that is younger may have a request on its way when the server closes
	maxHead       = 68 << 10
	maxDrain      = 256 << 10       // of a request body that nobody read
	drainPatience = 5 * time.Second // for that
	lingering     = 500 * time.Millisecond

	watchAfter = 50 * time.Millisecond // when a call has taken this long, a goroutine waits for the client's hang-up
	warmTime   = time.Second           // how long the goroutine of a connection waits for the next request; then a smaller one does
	maxWarm    = 256
)

// Serve accepts connections until the listener fails, or the server closes and it returns http.ErrServerClosed. It closes l.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if !s.track(l) {
		return http.ErrServerClosed
	}
	defer s.untrack(l)
	wait := time.Duration(0)
	for {
		nc, err := l.Accept()
		if err == nil {
			wait = 0
			s.serve(nc)
			continue
		}
		if s.closing.Load() {
			return http.ErrServerClosed
		}
		if !passing(err) {
			return err
		}
		wait = min(max(2*wait, 5*time.Millisecond), time.Second)
		s.Log.Error("no connection can be accepted", zap.Error(err))
		time.Sleep(wait)
	}
}

// passing tells an error of Accept that may pass from one that won't.
func passing(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOBUFS) ||
		errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ECONNABORTED)
}

// serve begins a connection.
func (s *Server) serve(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() { // nobody would close it
		nc.Close()
		return
	}
	if s.conns == nil {
		s.conns = make(map[*conn]struct{})
	}
	s.conns[c] = struct{}{}
	go c.open()
}

func (s *Server) track(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		return false
	}
	if s.listeners == nil {
		s.listeners = make(map[net.Listener]struct{})
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) untrack(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// Shutdown stops accepting, closes connections that wait for a request and the others after their answer, and returns once none is
// left or ctx has ended, with its error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopAccepting()
	pause := time.Millisecond
	for {
		if s.closeWaiting() == 0 {
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
			pause = min(2*pause, 100*time.Millisecond)
		}
	}
}

// Close stops accepting and closes all connections.
func (s *Server) Close() error {
	s.stopAccepting()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.state.Store(closed)
		plain(c.nc).Close()
	}
	return nil
}

func (s *Server) stopAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing.Store(true)
	for l := range s.listeners {
		l.Close()
	}
}

// closeWaiting closes the connections that wait for a request, and returns how many are left.
func (s *Server) closeWaiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.state.Load() == fresh && time.Since(c.began) < newPatience {
			continue
		}
		if c.state.CompareAndSwap(waiting, closed) || c.state.CompareAndSwap(fresh, closed) {
			go c.nc.Close() // over TLS it says goodbye, which may block
		}
	}
	return len(s.conns)
}

// plain is the connection under TLS, or the connection itself.
func plain(nc net.Conn) net.Conn {
	if t, ok := nc.(*tls.Conn); ok {
		return t.NetConn()
	}
	return nc
}
