package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"marketo-proxy/http1"
	"marketo-proxy/lifetime"
)

// sentPatience is how long the end of an answer waits for the goroutine that sends the request to have noticed that it is done, before
// the connection is given up. After most answers it has long ended.
const sentPatience = 50 * time.Millisecond

// exchange is a request and its answer, on one connection. It is the body of its answer, too.
type exchange struct {
	t     *Transport
	ctx   context.Context
	trace *Trace
	out   outgoing
	resp  http.Response

	c       *conn
	in      *http1.Reader
	stop    func() bool // takes back that the end of ctx ends the connection; nil: it never does
	sendErr error       // what the caller's own write failed with
	up      *upload     // nil: the caller writes all
	began   bool        // a byte of the answer came

	kind     bodyKind
	chunks   http1.Chunked
	left     int64 // of a sized body
	reusable bool

	mu      sync.Mutex // guards what follows, as Close may come in the midst of a Read
	reading bool
	closed  bool
	err     error // what the next Read returns; not nil: the connection is gone
}

// run sends the request over c and reads the head of the answer. With an error, c is closed.
func (x *exchange) run(c *conn) error {
	x.c, x.in = c, http1.NewReader(c.stream)
	x.stop, x.sendErr, x.up = nil, nil, nil
	c.wire.wrote.Store(false)
	x.stop = lifetime.AfterFunc(x.ctx, c.abort)
	x.send()
	var err error
	if x.sendErr != nil && !c.wire.wrote.Load() {
		err = x.sendErr
	} else {
		err = x.receive() // also after a write that failed midway: whoever hung up on the request may have said why
	}
	if err != nil {
		x.finish(false)
		if x.up != nil && x.up.body == nil {
			<-x.up.done // at once, on a closed connection: what it sends may be needed again
		}
		return err
	}
	x.sentWith()
	return nil
}

// send writes the request, or starts a goroutine that does.
func (x *exchange) send() {
	o := &x.out
	if o.body == nil && len(o.buf.b) > inlineWrite {
		x.up = newUpload(x, nil)
		go x.up.run(o.buf.b)
		return
	}
	if _, x.sendErr = x.c.stream.Write(o.buf.b); x.sendErr != nil {
		return
	}
	if o.body != nil {
		x.up = newUpload(x, o.body)
		o.body = nil
		go x.up.run(nil)
		return
	}
	x.trace.Sent = time.Now()
	x.trace.wrote()
}

// sentWith gives up what of the request is not needed any more, now that the answer came.
func (x *exchange) sentWith() {
	if x.up != nil {
		if x.up.ended(0) {
			x.trace.Sent = x.up.at
		} else if x.up.body == nil {
			x.out.buf = nil // the upload may still read it
		}
	}
	x.out.discard()
}

// receive reads the head of the answer.
func (x *exchange) receive() error {
	if err := x.in.Fill(); err != nil {
		return err
	}
	x.began = true
	x.trace.FirstByte = time.Now()
	limit := or(x.t.MaxHeadBytes, defaultMaxHeadBytes)
	for {
		head, err := x.in.Head(limit, true)
		if err != nil {
			return http1.Cut(err)
		}
		limit -= len(head)
		x.resp = http.Response{}
		if err := parseHead(head, &x.resp); err != nil {
			return err
		}
		if x.resp.StatusCode >= 200 {
			break
		}
		switch x.resp.StatusCode {
		case http.StatusSwitchingProtocols:
			return http1.Malformed("it switches protocols")
		case http.StatusContinue:
			x.up.decide(true)
		}
	}
	x.up.decide(false)
	var err error
	x.chunks.MaxTrailer = or(x.t.MaxHeadBytes, defaultMaxHeadBytes)
	if x.kind, x.left, x.reusable, err = frame(&x.resp, x.out.isHead); err != nil {
		return err
	}
	x.reusable = x.reusable && !x.out.closing
	x.resp.TLS = x.c.tls
	if x.kind == noBody {
		x.resp.Body = http.NoBody
		x.finish(true)
	} else {
		x.resp.Body = x
	}
	return nil
}

// finish lets go of the connection: back to the pool it goes only if the answer was read to its exact end, the request was sent to its
// exact end, and nobody said or did anything else.
func (x *exchange) finish(whole bool) {
	c, in := x.c, x.in
	x.in = nil
	sent := whole && x.sent()
	reuse := sent && x.reusable && in.Quiet()
	if x.stop != nil && !x.stop() {
		sent, reuse = false, false // c.abort runs, or will
	}
	in.Release()
	c.wire.narrow()
	if reuse && c.poolable() && x.t.pool.push(c, or(x.t.MaxIdlePerHost, defaultMaxIdlePerHost), or(x.t.IdleTimeout, defaultIdleTimeout)) {
		return
	}
	x.up.decide(false)
	if sent {
		c.close()
	} else {
		c.abort()
	}
}

// sent tells whether all of the request was sent.
func (x *exchange) sent() bool {
	if x.up == nil {
		return x.sendErr == nil
	}
	return x.up.ended(sentPatience) && x.up.err == nil
}

// repeatable tells whether the request may be sent once more after it failed with err.
func (x *exchange) repeatable(err error) bool {
	if !x.c.reused || x.began || x.ctx.Err() != nil {
		return false
	}
	return !x.c.wire.wrote.Load() || x.out.harmless && stale(err)
}

// explain turns what reading failed with into the reason for it.
func (x *exchange) explain(err error) error {
	if x.ctx.Err() != nil {
		return canceled(x.ctx)
	}
	sendErr := x.sendErr
	if x.up != nil && x.up.ended(0) && x.up.err != nil {
		if x.up.ofBody {
			return x.up.err
		}
		sendErr = x.up.err
	}
	switch {
	case sendErr != nil && !x.began:
		return fmt.Errorf("upstream: send the request: %w", sendErr)
	case errors.Is(err, ErrMalformed):
		return err
	}
	return fmt.Errorf("upstream: read the answer: %w", http1.Cut(err))
}
