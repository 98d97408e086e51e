package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/journal"
)

// Begun counts a call as in flight, and as sent until Finished knows better.
func (m *Metrics) Begun(name classify.API) {
	m.api(name).usage.begin()
}

// Finished counts a call that has ended. Begun must have been called for it.
func (m *Metrics) Finished(e *capture.Exchange) {
	a := m.api(e.Call.API)
	a.usage.end(e)
	o := a.operation(e.Call.Operation)
	o.once.Do(func() {
		o.requests, o.duration = m.requests.WithLabelValues(a.name, o.name), m.duration.WithLabelValues(a.name, o.name)
	})
	operation := o.name
	o.requests.Inc()
	o.duration.Observe(e.Duration.Seconds())
	m.overhead.Observe(e.Overhead.Seconds())
	if a == m.soap {
		m.callers.count(operation, e)
	}
	if e.Renewal != "" {
		m.renewals.WithLabelValues(a.name, string(e.Renewal)).Inc()
	}
	if e.QueryToken {
		m.queryTokens.WithLabelValues(operation).Inc()
	}
	if e.Verdict.Outcome == classify.Success {
		return
	}
	m.failures.WithLabelValues(a.name, string(e.Verdict.Outcome)).Inc()
	m.operationFailures.WithLabelValues(a.name, operation, string(e.Class())).Inc()
	if n := e.Verdict.RecordsFailed; n > 0 {
		m.partialRecords.WithLabelValues(a.name, operation).Add(float64(n))
	}
	for _, attempt := range e.Attempts {
		if attempt.Verdict.Outcome == classify.Fault {
			m.fault(e, a, attempt.Verdict)
		}
	}
}

func (m *Metrics) fault(e *capture.Exchange, a *api, v classify.Verdict) {
	code := v.Code
	if _, known := classify.Lookup(classify.API(a.name), code); !known {
		code = other
	}
	counter := m.faults.WithLabelValues(a.name, code, string(classify.Explain(v, classify.API(a.name)).Class))
	if traced, ok := counter.(prometheus.ExemplarAdder); ok && e.Captured {
		traced.AddWithExemplar(1, prometheus.Labels{"capture_id": e.ID})
		return
	}
	counter.Inc()
}

// Saved counts a capture that is on disk, or one that is not: for good or, after a timeout, for now.
func (m *Metrics) Saved(err error) {
	if err == nil {
		m.captures.Inc()
		return
	}
	m.lost.WithLabelValues(journal.Reason(err)).Inc()
}

// ClockOffset sets how far Marketo's clock is ahead.
func (m *Metrics) ClockOffset(by time.Duration) { m.clockOffset.Set(by.Seconds()) }

// api makes no third one: as classify does, it takes for SOAP whatever is not REST.
func (m *Metrics) api(name classify.API) *api {
	if name == classify.REST {
		return m.rest
	}
	return m.soap
}

func (a *api) operation(name string) *operation {
	if o := a.operations[name]; o != nil {
		return o
	}
	return a.operations[classify.Other]
}
