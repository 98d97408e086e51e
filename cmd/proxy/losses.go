package main

import (
	"sync"
	"time"

	"go.uber.org/zap"

	"marketo-proxy/journal"
	"marketo-proxy/metrics"
)

// burstGap is how long it must have been quiet before a loss of the same kind is a new burst.
const burstGap = 10 * time.Second

// losses is the observer that also logs captures that are lost: the first of a burst, and when it is over how many there were.
type losses struct {
	*metrics.Metrics
	log *zap.Logger

	mu     sync.Mutex
	bursts map[string]*burst // by reason
}

type burst struct {
	count int
	over  *time.Timer
}

// Saved implements proxy.Observer.
func (l *losses) Saved(err error) {
	l.Metrics.Saved(err)
	if err == nil {
		return
	}
	reason := journal.Reason(err)
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.bursts[reason]; b != nil {
		b.count++
		b.over.Reset(burstGap)
		return
	}
	l.log.Error("capture lost", zap.String("reason", reason), zap.Error(err))
	b := &burst{count: 1}
	b.over = time.AfterFunc(burstGap, func() { l.end(reason, b) })
	if l.bursts == nil {
		l.bursts = map[string]*burst{}
	}
	l.bursts[reason] = b
}

func (l *losses) end(reason string, b *burst) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bursts[reason] != b {
		return
	}
	delete(l.bursts, reason)
	l.log.Error("captures were lost", zap.String("reason", reason), zap.Int("captures", b.count))
}

// close ends every burst.
func (l *losses) close() {
	l.mu.Lock()
	open := l.bursts
	l.bursts = nil
	l.mu.Unlock()
	for reason, b := range open {
		b.over.Stop()
		l.log.Error("captures were lost", zap.String("reason", reason), zap.Int("captures", b.count))
	}
}
