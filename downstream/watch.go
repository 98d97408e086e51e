package downstream

import (
	"errors"
	"sync"
	"time"

	"marketo-proxy/lifetime"
)

// errHungUp is the cause with which the context of a request ends whose client hung up.
var errHungUp = errors.New("downstream: the client hung up")

// hangup notices that a client hung up while its call is under way: nobody reads the connection then. Most calls end before it begins.
type hangup struct {
	ctx *lifetime.Context // of the present request

	mu    sync.Mutex
	timer *time.Timer
	armed bool
	done  chan struct{} // closed when the read has ended; nil: there is none
}

// watch lets a goroutine read the connection if the call goes on for long. The request's body must have been read. It may be called by
// another goroutine than the connection's own.
func (c *conn) watch() {
	h := &c.hangup
	h.mu.Lock()
	defer h.mu.Unlock()
	h.armed = true
	if h.timer == nil {
		h.timer = time.AfterFunc(watchAfter, c.waitForHangup)
	} else {
		h.timer.Reset(watchAfter)
	}
}

// waitForHangup reads ahead, once. What comes is of the next request, and then a hang-up is not noticed.
func (c *conn) waitForHangup() {
	h := &c.hangup
	h.mu.Lock()
	if !h.armed || c.in.Buffered() >= maxHead {
		h.mu.Unlock()
		return
	}
	h.armed = false
	h.done = make(chan struct{})
	defer close(h.done)
	in, ctx := c.in, h.ctx
	_ = c.nc.SetReadDeadline(time.Time{}) // it fails only on a closed connection
	h.mu.Unlock()
	if err := in.More(maxHead); err == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.done != nil { // nobody wanted it to end
		ctx.Cancel(errHungUp)
	}
}

// unwatch ends the watch. The connection is the caller's again.
func (c *conn) unwatch() {
	h := &c.hangup
	h.mu.Lock()
	h.armed = false
	done := h.done
	h.done = nil
	if h.timer != nil {
		h.timer.Stop()
	}
	h.mu.Unlock()
	if done != nil {
		c.setReadDeadline(longAgo)
		<-done
	}
}

// stop gives the timer up.
func (h *hangup) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.timer != nil {
		h.timer.Stop()
	}
}
