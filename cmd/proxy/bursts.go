package main

import (
	"sync"
	"time"
)

// maxBursts bounds the kinds that are told apart at a time, since some are host names that an application chose.
const (
	maxBursts  = 100
	otherKinds = "others"
)

// bursts counts events of a kind that follow each other within a gap. It may be used concurrently; end is called with no lock held.
type bursts struct {
	gap time.Duration // how long it must have been quiet before an event of the same kind begins a new burst
	end func(kind string, count int)

	mu   sync.Mutex
	open map[string]*burst
}

type burst struct {
	count int
	over  *time.Timer
}

// add counts an event, and tells whether it is the first of a burst.
func (b *bursts) add(kind string) (first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[kind] == nil && len(b.open) >= maxBursts {
		kind = otherKinds
	}
	if current := b.open[kind]; current != nil {
		current.count++
		current.over.Reset(b.gap)
		return false
	}
	begun := &burst{count: 1}
	begun.over = time.AfterFunc(b.gap, func() { b.finish(kind, begun) })
	if b.open == nil {
		b.open = map[string]*burst{}
	}
	b.open[kind] = begun
	return true
}

func (b *bursts) finish(kind string, over *burst) {
	b.mu.Lock()
	current := b.open[kind]
	if current != over {
		b.mu.Unlock()
		return
	}
	delete(b.open, kind)
	count := current.count
	b.mu.Unlock()
	b.end(kind, count)
}

// close ends every burst.
func (b *bursts) close() {
	b.mu.Lock()
	open := b.open
	b.open = nil
	b.mu.Unlock()
	for kind, current := range open {
		current.over.Stop()
		b.end(kind, current.count)
	}
}
