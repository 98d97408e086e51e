package upstream

import (
	"slices"
	"sync"
	"time"
)

// hostKey says which connections are alike.
type hostKey struct {
	secure bool
	host   string // as in the URL, perhaps with a port
}

// pool holds idle connections, those of a host on a stack: the last one in is the first one out, so that under less load the older
// ones time out. One timer, which runs only while there is an idle connection, closes those.
type pool struct {
	mu     sync.Mutex
	idle   map[hostKey][]*conn // oldest first
	n      int
	timer  *time.Timer // nil: not running
	closed bool        // by clear, until the next pop
}

func (p *pool) pop(key hostKey) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = false
	stack := p.idle[key]
	if len(stack) == 0 {
		return nil
	}
	c := stack[len(stack)-1]
	stack[len(stack)-1] = nil
	p.idle[key] = stack[:len(stack)-1]
	p.n--
	return c
}

// push reports whether the pool took c.
func (p *pool) push(c *conn, most int, timeout time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle[c.key]) >= most {
		return false
	}
	if p.idle == nil {
		p.idle = make(map[hostKey][]*conn)
	}
	c.idleSince = time.Now()
	p.idle[c.key] = append(p.idle[c.key], c)
	p.n++
	if p.timer == nil {
		p.timer = time.AfterFunc(timeout, func() { p.sweep(timeout) })
	}
	return true
}

// sweep closes what has been idle for too long.
func (p *pool) sweep(timeout time.Duration) {
	for _, c := range p.expired(timeout) {
		c.close()
	}
}

// expired removes what has been idle for timeout, and sets the timer for the next.
func (p *pool) expired(timeout time.Duration) (old []*conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer == nil {
		return nil // cleared just now
	}
	now := time.Now()
	next := timeout
	for key, stack := range p.idle {
		fresh := slices.IndexFunc(stack, func(c *conn) bool { return now.Sub(c.idleSince) < timeout })
		if fresh < 0 {
			fresh = len(stack)
		}
		old = append(old, stack[:fresh]...)
		if fresh == len(stack) {
			delete(p.idle, key)
			continue
		}
		p.idle[key] = slices.Delete(stack, 0, fresh)
		next = min(next, timeout-now.Sub(stack[0].idleSince))
	}
	p.n -= len(old)
	if p.n == 0 {
		p.timer = nil
	} else {
		p.timer.Reset(next)
	}
	return old
}

// clear removes all.
func (p *pool) clear() (all []*conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, stack := range p.idle {
		all = append(all, stack...)
	}
	p.idle, p.n, p.closed = nil, 0, true
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	return all
}

func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}
