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
// ones time out. One timer, which runs only while there is an idle connection, closes those, and those that the other side has
// closed, which would hold a file each until they are used.
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
		p.timer = time.AfterFunc(min(timeout, sweepInterval), func() { p.sweep(timeout) })
	}
	return true
}

const sweepInterval = 5 * time.Second

// sweep closes what has been idle for too long, or is dead.
func (p *pool) sweep(timeout time.Duration) {
	for _, c := range p.expired(timeout) {
		c.close()
	}
}

// expired removes what has been idle for timeout, or is dead, and sets the timer for the next time.
func (p *pool) expired(timeout time.Duration) (old []*conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer == nil {
		return nil // cleared just now
	}
	now := time.Now()
	next := min(timeout, sweepInterval)
	for key, stack := range p.idle {
		kept := slices.DeleteFunc(stack, func(c *conn) bool {
			left := timeout - now.Sub(c.idleSince)
			if left > 0 && c.wire.quiet() {
				next = min(next, left)
				return false
			}
			old = append(old, c)
			return true
		})
		if p.idle[key] = kept; len(kept) == 0 {
			delete(p.idle, key)
		}
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
