// Package metrics counts exchanges for Prometheus, under the names that dashboards and alerts rely on.
package metrics

import (
	"cmp"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/journal"
)

const (
	namespace = "marketo_proxy"

	// other stands for a code that is not documented; a label must not be whatever an answer says.
	other = "other"

	// maxScrapes bounds the scrapes under way; a further one is answered with 503.
	maxScrapes = 8
)

// Limits are the numbers of calls that Marketo allows one instance. A zero is Marketo's default.
type Limits struct {
	Day        int // from midnight to midnight, America/Chicago; 10,000 for SOAP, 50,000 for REST
	Window     int // in 20 s; 100
	Concurrent int // at once; 10
}

// Options are what New needs to know. All of it may be zero.
type Options struct {
	Version, Revision, GoVersion string

	SOAP, REST Limits

	// Stored tells what the captures on disk are, at every scrape. If nil, their gauges are missing.
	Stored func() (bytes, captures int64)

	Now func() time.Time // nil: time.Now
}

// Metrics is the proxy.Observer that counts. Its methods may be called concurrently, block on nothing but each other, and keep
// nothing of what they are given.
type Metrics struct {
	registry   *prometheus.Registry
	soap, rest *api

	requests          *prometheus.CounterVec // api, operation
	faults            *prometheus.CounterVec // api, code, class
	failures          *prometheus.CounterVec // api, outcome
	operationFailures *prometheus.CounterVec // api, operation, class
	partialRecords    *prometheus.CounterVec // api, operation
	renewals          *prometheus.CounterVec // api, result
	queryTokens       *prometheus.CounterVec // operation
	lost              *prometheus.CounterVec // reason
	captures          prometheus.Counter
	duration          *prometheus.HistogramVec // api, operation
	overhead          prometheus.Histogram
	clockOffset       prometheus.Gauge
	callers           *callers
}

// api is what belongs to one of the two APIs.
type api struct {
	name       string
	operations map[string]*operation // the documented ones, and Other
	usage      *usage
}

// operation has what each call of an operation counts. It is there from its first call on.
type operation struct {
	name     string
	once     sync.Once
	requests prometheus.Counter
	duration prometheus.Observer
}

// New registers all metrics of the proxy, of its process and of the Go runtime with registry, and panics if one is there
// already. What is known beforehand and matters for alerts is there from the start, at 0; an operation appears with its first call.
func New(registry *prometheus.Registry, o Options) *Metrics {
	if o.Now == nil {
		o.Now = time.Now
	}
	m := &Metrics{
		registry: registry,
		soap:     newAPI(classify.SOAP, o.Now),
		rest:     newAPI(classify.REST, o.Now),

		requests: counters("requests_total",
			"Calls of applications that ended, each counted once, however many attempts it took.", "api", "operation"),
		faults: counters("faults_total",
			"Faults that Marketo answered with, each attempt's, also those of calls that a second attempt healed.", "api", "code", "class"),
		failures: counters("failures_total",
			"Calls that failed, each counted once; recovered are those that the proxy healed.", "api", "outcome"),
		operationFailures: counters("operation_failures_total",
			"Calls that failed or were healed, by operation and by the class of their code.", "api", "operation", "class"),
		partialRecords: counters("partial_records_total",
			"Records that failed inside answers that succeeded.", "api", "operation"),
		renewals: counters("renewals_total",
			"Calls whose signature or access token had to be renewed, by what became of it.", "api", "result"),
		queryTokens: counters("query_tokens_total",
			"REST calls that applications sent with access_token in the query, which Marketo ignores since 31 August 2026.", "operation"),
		lost: counters("captures_lost_total",
			"Captures of failed calls that were not on disk in time, by reason.", "reason"),
		captures: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "captures_total", Help: "Captures of failed calls that are safe on disk, late ones too.",
		}),
		duration: prometheus.NewHistogramVec(histogram("request_duration_seconds",
			"Time from the head of a call's request to the end of its answer.",
			0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300), []string{"api", "operation"}),
		overhead: prometheus.NewHistogram(histogram("overhead_seconds",
			"The part of a call's duration that was neither Marketo's nor the application's.",
			25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 250e-3, 1)),
		clockOffset: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "clock_offset_seconds",
			Help: "Clock of Marketo, from the Date of its last answer, minus the clock of this host.",
		}),
		callers: newCallers(),
	}
	registry.MustRegister(
		m.requests, m.faults, m.failures, m.operationFailures, m.partialRecords, m.renewals, m.queryTokens, m.lost, m.captures,
		m.duration, m.overhead, m.clockOffset, m.callers.total,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		gauge("build_info", "Always 1; what was built from what.",
			prometheus.Labels{"version": o.Version, "revision": o.Revision, "goversion": o.GoVersion}, func() float64 { return 1 }),
	)
	m.limits(m.soap, o.SOAP, 10_000)
	m.limits(m.rest, o.REST, 50_000)
	if o.Stored != nil {
		registry.MustRegister(
			gauge("capture_stored_bytes", "Size of everything under the capture directory.", nil,
				func() float64 { bytes, _ := o.Stored(); return float64(bytes) }),
			gauge("capture_stored", "Captures on disk.", nil,
				func() float64 { _, captures := o.Stored(); return float64(captures) }),
		)
	}
	m.zeros()
	return m
}

func newAPI(name classify.API, now func() time.Time) *api {
	a := &api{name: string(name), operations: map[string]*operation{}, usage: newUsage(now)}
	for _, name := range append(classify.Operations(name), classify.Other) {
		a.operations[name] = &operation{name: name}
	}
	return a
}

// limits registers the gauges that are computed from the calls of an API.
func (m *Metrics) limits(a *api, l Limits, day int) {
	m.registry.MustRegister(gauge("requests_in_flight", "Calls that have begun and not ended.", prometheus.Labels{"api": a.name},
		func() float64 { return float64(a.usage.inFlight()) }))
	for _, limit := range []struct {
		name string
		max  int
		used func() int
	}{
		{"day", cmp.Or(l.Day, day), a.usage.today},
		{"window", cmp.Or(l.Window, 100), a.usage.lately},
		{"concurrent", cmp.Or(l.Concurrent, 10), a.usage.inFlight},
	} {
		labels := prometheus.Labels{"api": a.name, "limit": limit.name}
		m.registry.MustRegister(
			gauge("limit", "Calls that Marketo allows: a day from 00:00 America/Chicago, in a window of 20 s, at once.", labels,
				func() float64 { return float64(limit.max) }),
			gauge("limit_usage", "Calls that this process sent to Marketo and that count for the limit; others may use it up too.", labels,
				func() float64 { return float64(limit.used()) }),
		)
	}
}

// zeros makes the series whose first increase must not be missed: the rate of a series that was not there before is nothing.
func (m *Metrics) zeros() {
	for _, name := range []classify.API{classify.SOAP, classify.REST} {
		label := string(name)
		for _, c := range classify.Codes(name) {
			m.faults.WithLabelValues(label, c.Code, string(c.Class))
		}
		m.faults.WithLabelValues(label, other, string(classify.ClassUnknown))
		for _, outcome := range []classify.Outcome{
			classify.Fault, classify.Partial, classify.HTTP, classify.Malformed, classify.Transport, classify.Client, classify.Recovered,
		} {
			m.failures.WithLabelValues(label, string(outcome))
		}
		for _, result := range []capture.Renewal{
			capture.RenewalRecovered, capture.RenewalFailed, capture.NoCredential, capture.BadSignature, capture.UnsupportedBody,
			capture.RenewalDisabled,
		} {
			m.renewals.WithLabelValues(label, string(result))
		}
	}
	for _, reason := range journal.Reasons() {
		m.lost.WithLabelValues(reason)
	}
}

// Handler serves the metrics; in OpenMetrics, for a scraper that asks for it, with exemplars. A collector that fails costs its
// own metrics only.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry:            m.registry,
		ErrorHandling:       promhttp.ContinueOnError,
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: maxScrapes,
	})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gauge(name, help string, labels prometheus.Labels, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: labels}, value)
}

// histogram is one with both kinds of buckets. Native ones are 9 % apart, so that 100 of them span four powers of ten.
func histogram(name, help string, buckets ...float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	}
}
