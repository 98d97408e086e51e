package lifetime

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

var errWhy = errors.New("why")

type key struct{}

func begin(parent context.Context) *Context {
	c := new(Context)
	c.Begin(parent)
	return c
}

// The two kinds of parent: of package context, and of this one.
func parents(t *testing.T, test func(t *testing.T, parent context.Context, cancel context.CancelCauseFunc)) {
	t.Run("context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancelCause(context.WithValue(context.Background(), key{}, 1))
			defer cancel(nil)
			test(t, parent, cancel)
		})
	})
	t.Run("lifetime", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent := begin(context.WithValue(context.Background(), key{}, 1))
			defer parent.Cancel(nil)
			test(t, parent, parent.Cancel)
		})
	})
}

func ended(c context.Context) bool {
	synctest.Wait()
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

func TestEndsOnItsOwn(t *testing.T) {
	parents(t, func(t *testing.T, parent context.Context, _ context.CancelCauseFunc) {
		c := begin(parent)
		if c.Err() != nil || context.Cause(c) != nil || ended(c) || c.Value(key{}) != 1 {
			t.Error("it has ended, or lost a value")
		}
		c.Cancel(errWhy)
		c.Cancel(nil)
		if c.Err() != context.Canceled || context.Cause(c) != errWhy || !ended(c) {
			t.Error(c.Err(), context.Cause(c), ended(c))
		}
		if parent.Err() != nil || ended(parent) {
			t.Error("its parent has ended")
		}
	})
}

func TestEndsWithItsParent(t *testing.T) {
	parents(t, func(t *testing.T, parent context.Context, cancel context.CancelCauseFunc) {
		early, late := begin(parent), begin(parent)
		if ended(early) {
			t.Error("it has ended")
		}
		cancel(errWhy)
		for _, c := range []*Context{early, late, begin(parent)} {
			if synctest.Wait(); c.Err() != context.Canceled || context.Cause(c) != errWhy || !ended(c) {
				t.Error(c.Err(), context.Cause(c), ended(c))
			}
		}
	})
}

func TestNoParentThatEnds(t *testing.T) {
	c := begin(context.Background())
	c.Cancel(nil)
	if context.Cause(c) != context.Canceled || c.Err() != context.Canceled {
		t.Error(context.Cause(c))
	}
}

func TestAfterFunc(t *testing.T) {
	parents(t, func(t *testing.T, parent context.Context, _ context.CancelCauseFunc) {
		c := begin(parent)
		var ran [5]bool
		var stops []func() bool
		for i := range 4 {
			stops = append(stops, AfterFunc(c, func() { ran[i] = true }))
		}
		if !stops[1]() || stops[1]() {
			t.Error("the first stop counts, and no other")
		}
		c.Cancel(nil)
		stops = append(stops, AfterFunc(c, func() { ran[4] = true }))
		synctest.Wait()
		if ran != [5]bool{true, false, true, true, true} {
			t.Error(ran)
		}
		for _, stop := range stops {
			if stop() {
				t.Error("stopped after it ran")
			}
		}
	})
	if AfterFunc(context.Background(), nil) != nil {
		t.Error("what never ends has nothing to stop")
	}
}

// A context of package context under one of this kind needs no goroutine, and knows the cause.
func TestChildrenOfPackageContext(t *testing.T) {
	parents(t, func(t *testing.T, parent context.Context, _ context.CancelCauseFunc) {
		c := begin(parent)
		child, cancel := context.WithTimeout(context.WithValue(c, key{}, 2), time.Hour)
		defer cancel()
		ran := false
		context.AfterFunc(c, func() { ran = true })
		c.Cancel(errWhy)
		if child.Err() != context.Canceled || context.Cause(child) != errWhy { // at once
			t.Error(child.Err(), context.Cause(child))
		}
		if synctest.Wait(); !ran {
			t.Error("a function of package context did not run")
		}
	})
}

func TestTakenBackIsForgotten(t *testing.T) {
	c := begin(context.Background())
	first := c.AfterFunc(func() { t.Error("ran") })
	for range 100 {
		begin(c).Cancel(nil)
	}
	if n := len(c.after); n != 1 || !first() || len(c.after) != 0 {
		t.Error(n, len(c.after))
	}
	stop := c.AfterFunc(func() {})
	if first() || !stop() {
		t.Error("a stop that was used up stopped another function")
	}
	c.Cancel(nil)
}

func TestConcurrently(t *testing.T) {
	for range 200 {
		parent, cancel := context.WithCancelCause(context.Background())
		c := begin(parent)
		ran := make(chan bool, 1)
		stop := c.AfterFunc(func() { ran <- true })
		go cancel(errWhy)
		go c.Cancel(nil)
		go c.Done()
		if !stop() {
			<-ran
		}
		<-c.Done()
	}
}

func BenchmarkContext(b *testing.B) {
	parent := begin(context.Background())
	b.Run("lifetime", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c := begin(parent)
			AfterFunc(c, func() {})()
			c.Cancel(nil)
		}
	})
	std, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.Run("context", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, cancel := context.WithCancelCause(std)
			context.AfterFunc(c, func() {})()
			cancel(nil)
		}
	})
	b.Run("mixed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c := begin(std)
			AfterFunc(c, func() {})()
			c.Cancel(nil)
		}
	})
}
