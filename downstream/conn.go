package downstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"marketo-proxy/http1"
)

// States of a connection.
const (
	fresh   = iota // nothing has come yet
	waiting        // for its next request
	active         // from the head of a request to the last of its answer
	closed         // by the server; who serves it will notice
)

// conn is a connection. It belongs to one goroutine, but for what says otherwise.
type conn struct {
	s      *Server
	nc     net.Conn
	raw    syscall.RawConn // nil: the connection can't wait without a buffer
	ctx    context.Context // of all its requests
	tls    *tls.ConnectionState
	remote string
	began  time.Time
	state  atomic.Int32 // the server closes those that wait

	in     *http1.Reader // nil: the connection waits without one
	blank  http.Request  // what a request is copied from; it has nothing
	w      response
	posted bool      // the request before was a POST
	reads  *body     // that in is read for; nil: none
	readBy time.Time // the read deadline; zero: unknown
	idle   time.Time // since when it waits

	writeBy time.Time

	peek   func(fd uintptr) bool
	ended  bool // what peek found
	hangup hangup
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{s: s, nc: nc, remote: nc.RemoteAddr().String(), began: time.Now()}
	c.ctx = context.WithValue(context.Background(), http.LocalAddrContextKey, nc.LocalAddr())
	if s.ConnContext != nil {
		c.ctx = s.ConnContext(c.ctx, nc)
	}
	if sc, ok := nc.(syscall.Conn); ok {
		c.raw, _ = sc.SyscallConn() // without it, it waits with its buffer
	}
	c.w.c = c
	return c
}

// open serves a new connection.
func (c *conn) open() {
	c.idle = c.began
	if t, ok := c.nc.(*tls.Conn); ok {
		if !c.handshake(t) {
			c.close()
			return
		}
	}
	if c.raw != nil {
		c.park()
		return
	}
	c.serve()
}

func (c *conn) handshake(t *tls.Conn) bool {
	_ = c.nc.SetDeadline(time.Now().Add(headPatience))
	err := t.HandshakeContext(c.ctx)
	if err == nil {
		_ = c.nc.SetDeadline(time.Time{})
		state := t.ConnectionState()
		c.tls = &state
		return true
	}
	var record tls.RecordHeaderError
	if errors.As(err, &record) && record.Conn != nil && looksLikeHTTP(record.RecordHeader) {
		_, _ = io.WriteString(record.Conn, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"+
			"This port speaks TLS: use https.\n")
	}
	c.s.Log.Warn("a TLS handshake failed", zap.String("from", c.remote), zap.Error(err))
	return false
}

func looksLikeHTTP(header [5]byte) bool {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "PATCH", "DELET", "OPTIO", "CONNE":
		return true
	}
	return false
}

// park waits for the first byte of a request without a buffer, in a goroutine that has a small stack, and serves then.
func (c *conn) park() {
	if c.peek == nil {
		c.peek = c.look
	}
	patience := idlePatience
	if c.state.Load() == fresh {
		patience = headPatience
	}
	c.setReadDeadline(c.idle.Add(patience))
	if err := c.raw.Read(c.peek); err != nil || c.ended {
		c.close()
		return
	}
	c.serve()
}

// look waits until there is something to read, or the end.
func (c *conn) look(fd uintptr) (done bool) {
	var b [1]byte
	for {
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if err != syscall.EINTR {
			c.ended = n == 0 && err == nil
			return err != syscall.EAGAIN
		}
	}
}

// Read implements io.Reader for in.
func (c *conn) Read(p []byte) (int, error) {
	if c.reads != nil {
		return c.reads.receive(p)
	}
	return c.nc.Read(p)
}

// serve serves request after request. It closes the connection, also when the handler panics or ends its goroutine.
func (c *conn) serve() {
	parked := false
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler {
				c.s.Log.Error("a call panicked", zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
			}
			c.w.cut()
		}
		if !parked && !c.w.hijacked {
			c.close()
		}
	}()
	c.in = http1.NewReader(c)
	for {
		req, err := c.request()
		if err != nil {
			c.refuse(err)
			return
		}
		if !c.answer(req) || c.w.hijacked || !c.reusable() {
			return
		}
		c.w.clear()
		if c.in.Buffered() == 0 {
			var ready bool
			if ready, parked = c.next(); !ready {
				return
			}
		}
	}
}

// answer runs the handler, and tells whether its answer is whole.
func (c *conn) answer(req *http.Request) (whole bool) {
	defer func() {
		c.hangup.ctx.Cancel(nil)
		if c.w.body != nil {
			c.w.body.end()
		}
		c.unwatch()
	}()
	if c.w.body == nil {
		c.watch()
	}
	c.s.Handler.ServeHTTP(&c.w, req)
	return c.w.finish()
}

// reusable tells whether another request may follow, and reads what is left of this one.
func (c *conn) reusable() bool {
	if c.w.body != nil && !c.w.body.drain() {
		c.linger()
		return false
	}
	return !c.w.closing && !c.s.closing.Load()
}

// next waits for the first byte of the next request, or lets another goroutine do so.
func (c *conn) next() (ready, parked bool) {
	if !c.state.CompareAndSwap(active, waiting) || c.s.closing.Load() {
		return false, false
	}
	if c.raw == nil {
		c.readFor(idlePatience, idlePatience+5*time.Second)
		return c.in.Fill() == nil, false
	}
	c.idle = time.Now()
	if c.s.warm.Load() >= maxWarm {
		c.cool()
		return false, true
	}
	c.s.warm.Add(1)
	defer c.s.warm.Add(-1)
	c.readFor(warmTime, 2*warmTime)
	err := c.in.Fill()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.cool()
		return false, true
	}
	return err == nil, false
}

// cool gives up the buffer, what is left of the last call, and this goroutine.
func (c *conn) cool() {
	c.in.Release()
	c.in = nil
	c.w = response{c: c}
	c.hangup.ctx = nil
	go c.park()
}

// close ends the connection.
func (c *conn) close() {
	if c.in != nil {
		c.in.Release()
		c.in = nil
	}
	c.hangup.stop()
	_ = c.nc.Close() // what was not sent is lost either way
	c.s.forget(c)
}

// linger ends the sending side and takes what still comes for a while: a connection that is closed with unread bytes is reset, and the
// client may lose the answer.
func (c *conn) linger() {
	if w, ok := c.nc.(interface{ CloseWrite() error }); !ok || w.CloseWrite() != nil {
		return
	}
	c.setReadDeadline(time.Now().Add(lingering))
	for n := 0; n < maxDrain; n += c.in.Buffered() {
		c.in.Skip(c.in.Buffered()) // first, as there must be room
		if c.in.Fill() != nil {
			return
		}
	}
}

// readFor makes what blocks in reading end after atLeast, at the latest after atMost; a deadline that does is left as it is, since
// setting one costs.
func (c *conn) readFor(atLeast, atMost time.Duration) {
	now := time.Now()
	if left := c.readBy.Sub(now); c.readBy.IsZero() || left < atLeast || left > atMost {
		c.setReadDeadline(now.Add(atMost))
	}
}

func (c *conn) setReadDeadline(t time.Time) {
	c.readBy = t
	_ = c.nc.SetReadDeadline(t) // it fails only on a closed connection
}

// write writes all of p, in time.
func (c *conn) write(p []byte) error {
	c.writeInTime()
	_, err := c.nc.Write(p)
	return err
}

// writeInTime bounds the writes that follow.
func (c *conn) writeInTime() {
	now := time.Now()
	if c.writeBy.Sub(now) < writePatience {
		c.writeBy = now.Add(writePatience + writeSlack)
		_ = c.nc.SetWriteDeadline(c.writeBy)
	}
}

// refuse answers what is no request, and ends the connection.
func (c *conn) refuse(err error) {
	var r *refusal
	if !errors.As(err, &r) {
		return // nobody asked
	}
	status := statusLine(r.status)
	text := strings.TrimSuffix(status[len("HTTP/1.1 "):], "\r\n") + ": " + r.text + "\n"
	if c.write([]byte(status+"Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"+text)) == nil {
		c.linger()
	}
}
