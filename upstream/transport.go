// Package upstream is an HTTP/1.1 client that makes a call in the caller's own goroutine, over a pool of connections.
//
// net/http.Transport hands each call to two more goroutines; here the caller writes the request, reads the head of the answer and,
// at its own pace, the body. Only a request body that streams, or that may not fit into the socket's buffer, is sent by a goroutine
// of its own, so that an early answer is seen. What a caller can observe is as in net/http.Transport, but for this: there is no proxy,
// compression, redirect, HTTP/2, CONNECT or Upgrade; no User-Agent is added; a head passes as it came (no Cache-Control is derived
// from Pragma, a `Connection: close` stays); and a doubtful connection is closed rather than reused.
package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"marketo-proxy/http1"
)

// Transport is a pool of connections and the calls that use it. The zero value is ready. Fields must not change after the first call.
// Its methods may be called concurrently.
type Transport struct {
	// DialContext makes connections; nil: a plain net.Dialer. It must end soon after its context does. A connection that is not a
	// syscall.Conn serves one call: its liveness could not be checked before the next.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// TLSConfig is cloned for each connection; nil: the system's roots. ServerName, unless set, is the host of the URL; the protocol
	// is HTTP/1.1 and the version at least TLS 1.2, whatever it says.
	TLSConfig *tls.Config

	TLSHandshakeTimeout   time.Duration // 0: 10 s
	IdleTimeout           time.Duration // how long a connection waits for its next call; 0: 55 s
	ExpectContinueTimeout time.Duration // how long a body waits for a 100 that was asked for; 0: 1 s
	MaxIdlePerHost        int           // idle connections kept per scheme and host; 0: 256
	MaxHeadBytes          int           // bound on the head of an answer together with 1xx before it, and on its trailers; 0: 256 KiB

	pool pool
}

// Defaults. Common load balancers hang up after a minute of silence.
const (
	defaultTLSHandshakeTimeout   = 10 * time.Second
	defaultIdleTimeout           = 55 * time.Second
	defaultExpectContinueTimeout = time.Second
	defaultMaxIdlePerHost        = 256
	defaultMaxHeadBytes          = 256 << 10
)

// ErrMalformed is what an answer that is not HTTP/1.1, or whose framing is contradictory, fails with.
var ErrMalformed = http1.ErrMalformed

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.Do(req.Context(), req, new(Trace))
}

// Do makes one call and returns once the head of its answer is there. The request's own context is not looked at. The caller must read
// the answer's body to io.EOF or close it, and must not use the trace elsewhere before Do returned.
//
// ctx bounds the whole call, the body of the answer included: when it ends, whatever blocks ends at once with an error that wraps
// context.Cause(ctx) and ctx.Err(). Errors of the network, of TLS and of the request body's Read are wrapped or passed as they are;
// an answer that is cut is an io.ErrUnexpectedEOF.
//
// No byte of a request is sent twice, with one exception: a GET or HEAD without a body, on a connection that had been idle and ended
// before the answer began, is sent once more on a new one. A request of which nothing could be written goes to a new connection too.
//
// The request body is always closed, perhaps by another goroutine and after Do returned. One with GetBody set and of at most 64 KiB is
// taken to be in memory: it is read before a connection is taken, and leaves in one write with the head.
func (t *Transport) Do(ctx context.Context, req *http.Request, trace *Trace) (*http.Response, error) {
	x := &exchange{t: t, ctx: ctx, trace: trace}
	if ctx.Err() != nil {
		closeBody(req)
		return nil, canceled(ctx)
	}
	if err := x.out.compose(req); err != nil {
		closeBody(req)
		return nil, err
	}
	trace.GetConn = time.Now()
	key := hostKey{secure: req.URL.Scheme == "https", host: req.URL.Host}
	c := t.take(key, trace.GetConn)
	for {
		if c == nil {
			var err error
			if c, err = t.dial(ctx, key, trace); err != nil {
				x.out.discard()
				return nil, err
			}
		}
		if trace.Reused = c.reused; c.reused {
			trace.GotConn = trace.GetConn
		} else {
			trace.GotConn = time.Now()
		}
		err := x.run(c)
		if err == nil {
			x.resp.Request = req
			return &x.resp, nil
		}
		if !x.repeatable(err) {
			x.out.discard()
			return nil, x.explain(err)
		}
		c = nil
	}
}

// CloseIdleConnections closes the connections that no call uses, and those that become idle before the next call begins.
func (t *Transport) CloseIdleConnections() {
	for _, c := range t.pool.clear() {
		c.close()
	}
}

// Idle is the number of connections that wait for a call.
func (t *Transport) Idle() int { return t.pool.size() }

// take returns an idle connection that is alive, or nil.
func (t *Transport) take(key hostKey, now time.Time) *conn {
	for {
		c := t.pool.pop(key)
		if c == nil {
			return nil
		}
		if now.Sub(c.idleSince) < or(t.IdleTimeout, defaultIdleTimeout) && c.wire.quiet() {
			c.reused = true
			return c
		}
		c.close()
	}
}

// canceled is the error of a call whose context has ended.
func canceled(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return &canceledError{cause, err}
}

type canceledError struct{ cause, err error }

func (e *canceledError) Error() string   { return "upstream: " + e.cause.Error() }
func (e *canceledError) Unwrap() []error { return []error{e.cause, e.err} }

// stale tells whether a connection ended as one does that the other side had closed while it was idle.
func stale(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func or[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}
