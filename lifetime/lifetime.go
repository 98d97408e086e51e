// Package lifetime has a context for each call that costs one allocation: what package context makes for its watchers is made only when
// one comes that is not of this kind.
package lifetime

import (
	"context"
	"sync"
)

// Context is a context.Context that ends when its parent does, or when it is cancelled; its Err is context.Canceled then, however it
// ended, and context.Cause tells why. It has to be begun before it is used, and must be cancelled in the end. Its methods may be
// called concurrently.
type Context struct {
	context.Context             // the parent
	unlink          func() bool // takes back that the parent ends it; nil: it never does

	mu     sync.Mutex
	ended  bool
	cause  error
	after  []func() // nil: taken back
	room   [2]func()
	full   context.Context // for everybody else; nil: nobody came
	cancel context.CancelCauseFunc
}

// Watchable is what contexts have that keep functions to be run at their end themselves, as package context knows it too.
type Watchable interface {
	AfterFunc(f func()) (stop func() bool)
}

// AfterFunc is context.AfterFunc, at less cost where ctx is a Context. It returns nil if ctx never ends.
func AfterFunc(ctx context.Context, f func()) (stop func() bool) {
	if own, ok := ctx.(Watchable); ok {
		return own.AfterFunc(f)
	}
	if ctx.Done() == nil {
		return nil
	}
	return context.AfterFunc(ctx, f)
}

// Begin makes a zero Context ready. One whose parent has ended already has ended when it returns.
func (c *Context) Begin(parent context.Context) {
	c.Context = parent
	if parent.Err() != nil {
		c.follow()
		return
	}
	unlink := AfterFunc(parent, c.follow)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unlink = unlink
}

// follow ends it as its parent has ended.
func (c *Context) follow() { c.Cancel(context.Cause(c.Context)) }

// Cancel ends it; only the first end counts. Without a cause that is context.Canceled.
func (c *Context) Cancel(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	if cause == nil {
		cause = context.Canceled
	}
	c.ended, c.cause = true, cause
	for _, f := range c.after {
		if f != nil {
			go f()
		}
	}
	c.after = nil
	if c.cancel != nil {
		c.cancel(cause)
	}
	if c.unlink != nil {
		c.unlink()
	}
}

// AfterFunc lets f run in a goroutine of its own when the context has ended, be that already so, unless stop is called before: it returns
// true if f will not run.
func (c *Context) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		go f()
		return func() bool { return false }
	}
	if c.after == nil {
		c.after = c.room[:0]
	}
	at := len(c.after)
	c.after = append(c.after, f)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.ended || at < 0 {
			return false
		}
		c.after[at] = nil
		at = -1
		for n := len(c.after); n > 0 && c.after[n-1] == nil; n-- {
			c.after = c.after[:n-1]
		}
		return true
	}
}

// Err implements context.Context.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return context.Canceled
	}
	return nil
}

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} { return c.whole().Done() }

// Value implements context.Context. Package context finds the cause of the end, and the place for its own contexts, by it.
func (c *Context) Value(key any) any { return c.whole().Value(key) }

// whole is a context of package context that ends together with this one.
func (c *Context) whole() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full == nil {
		c.full, c.cancel = context.WithCancelCause(context.WithoutCancel(c.Context))
		if c.ended {
			c.cancel(c.cause)
		}
	}
	return c.full
}
