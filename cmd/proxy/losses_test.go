package main

import (
	"errors"
	"slices"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"marketo-proxy/metrics"
)

// A disk that is full for a thousand calls is one line, and one with the number.
func TestLossesAreLoggedOncePerBurst(t *testing.T) {
	core, logged := observer.New(zap.DebugLevel)
	l := &losses{log: zap.New(core), Metrics: metrics.New(prometheus.NewRegistry(), metrics.Options{})}
	for range 1000 {
		l.Saved(syscall.ENOSPC)
		l.Saved(nil)
	}
	l.Saved(errors.New("strange"))
	if n := logged.Len(); n != 2 {
		t.Errorf("%d lines while it lasts, want one for each reason", n)
	}
	l.close()
	var counts []any
	for _, entry := range logged.FilterMessage("captures were lost").All() {
		counts = append(counts, entry.ContextMap()["reason"], entry.ContextMap()["captures"])
	}
	if len(counts) != 4 || !slices.Contains(counts, any(int64(1000))) || !slices.Contains(counts, any("full")) || !slices.Contains(counts, any("other")) {
		t.Errorf("at the end: %v", counts)
	}
}
