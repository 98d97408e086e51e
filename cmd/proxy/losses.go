package main

import (
	"time"

	"go.uber.org/zap"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/journal"
	"marketo-proxy/metrics"
)

const (
	// burstGap is how long it must have been quiet before a loss of the same kind is a new burst.
	burstGap = 10 * time.Second

	// retiredGap is the same for calls to the SOAP API that is gone: a job that makes one every few minutes is one burst.
	retiredGap = 15 * time.Minute
)

// losses is the observer that also logs what is lost: captures, and calls to an API that is gone. It does so for the first of a burst,
// and when it is over with their number.
type losses struct {
	*metrics.Metrics
	log           *zap.Logger
	lost, retired bursts
}

func newLosses(log *zap.Logger, m *metrics.Metrics) *losses {
	l := &losses{Metrics: m, log: log}
	l.lost = bursts{gap: burstGap, end: func(reason string, count int) {
		log.Error("captures were lost", zap.String("reason", reason), zap.Int("captures", count))
	}}
	l.retired = bursts{gap: retiredGap, end: func(instance string, count int) {
		log.Warn("calls went to the SOAP API, which is gone", zap.String("instance", instance), zap.Int("calls", count))
	}}
	return l
}

// Saved implements proxy.Observer.
func (l *losses) Saved(err error) {
	l.Metrics.Saved(err)
	if err == nil {
		return
	}
	if reason := journal.Reason(err); l.lost.add(reason) {
		l.log.Error("capture lost", zap.String("reason", reason), zap.Error(err))
	}
}

// Finished implements proxy.Observer.
func (l *losses) Finished(e *capture.Exchange) {
	l.Metrics.Finished(e)
	if e.Verdict.Outcome == classify.Success || !classify.Retired(e.Verdict, e.Call.API) || !l.retired.add(e.Instance) {
		return
	}
	l.log.Warn("a call went to the SOAP API, which is gone",
		zap.String("instance", e.Instance),
		zap.String("operation", e.Call.Operation),
		zap.String("user", e.Call.User),
		zap.String("message", e.Verdict.Message),
		zap.String("rest", classify.RESTCounterpart(e.Call.Operation)),
		zap.String("capture", e.ID))
}

// close ends every burst.
func (l *losses) close() {
	l.lost.close()
	l.retired.close()
}
