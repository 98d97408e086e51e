package proxy

import (
	"sync"
	"time"

	"marketo-proxy/lifetime"
)

// timeouts ends calls for which Marketo takes too long. All have the same time, so that they run out in the order in which they were
// started, and one timer does for all; it mostly runs out once in that time. Its methods may be called concurrently.
type timeouts struct {
	after time.Duration // 0: nothing runs out

	mu          sync.Mutex
	first, last *timeout
	timer       *time.Timer // nil: none was needed yet
	running     bool        // it goes off before first is over, or just then
}

// timeout is that of one call. The zero value with its ctx is ready, and not started.
type timeout struct {
	ctx        *lifetime.Context
	at         time.Time
	prev, next *timeout
	started    bool
}

// start lets t run out after the time from now on, also if it was started before.
func (ts *timeouts) start(t *timeout) {
	if ts.after <= 0 {
		return
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.remove(t)
	t.started, t.at, t.prev = true, time.Now().Add(ts.after), ts.last
	if ts.last == nil {
		ts.first = t
	} else {
		ts.last.next = t
	}
	ts.last = t
	switch {
	case ts.running:
	case ts.timer == nil:
		ts.timer = time.AfterFunc(ts.after, ts.expire)
	default:
		ts.timer.Reset(ts.after)
	}
	ts.running = true
}

// stop keeps t from running out, if it was started and has not.
func (ts *timeouts) stop(t *timeout) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.remove(t)
}

func (ts *timeouts) remove(t *timeout) {
	if !t.started {
		return
	}
	if t.prev == nil {
		ts.first = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		ts.last = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.started, t.prev, t.next = false, nil, nil
}

// expire ends the calls whose time is over.
func (ts *timeouts) expire() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.running = false
	for now := time.Now(); ts.first != nil; {
		t := ts.first
		if left := t.at.Sub(now); left > 0 {
			ts.running = true
			ts.timer.Reset(left)
			return
		}
		ts.remove(t)
		t.ctx.Cancel(errUpstreamTimeout) // which waits for nothing
	}
}
