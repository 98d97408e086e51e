package metrics

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/proxy"
)

var _ proxy.Observer = (*Metrics)(nil)

const openMetrics = "application/openmetrics-text;version=1.0.0"

// clock is a time that a test sets.
type clock struct{ at atomic.Pointer[time.Time] }

func newClock(at time.Time) *clock {
	c := &clock{}
	c.set(at)
	return c
}

func (c *clock) set(at time.Time)        { c.at.Store(&at) }
func (c *clock) advance(d time.Duration) { c.set(c.now().Add(d)) }
func (c *clock) now() time.Time          { return *c.at.Load() }

var noon = time.Date(2026, 11, 24, 18, 0, 0, 0, time.UTC)

func newMetrics(c *clock) *Metrics {
	return New(prometheus.NewRegistry(), Options{
		Version: "1.2.3", Revision: "abc", GoVersion: "go1.26.8", Now: c.now,
		Stored: func() (bytes, captures int64) { return 4096, 7 },
	})
}

func get(t testing.TB, m *Metrics, accept string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("scrape: status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// series are the proxy's own samples without the prefix, e.g. `captures_total`, `requests_in_flight{api="soap"}`; of histograms
// only count and sum.
func series(t testing.TB, m *Metrics) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(get(t, m, ""))); lines.Scan(); {
		line, own := strings.CutPrefix(lines.Text(), namespace+"_")
		if !own || strings.Contains(line, "_bucket{") {
			continue
		}
		cut := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(line[cut+1:], 64)
		if err != nil {
			t.Fatalf("scrape: %q: %v", line, err)
		}
		all[line[:cut]] = v
	}
	return all
}

// expect compares some series, all of which must be there.
func expect(t *testing.T, m *Metrics, want map[string]float64) {
	t.Helper()
	got := series(t, m)
	for name, v := range want {
		if is, ok := got[name]; !ok || is != v {
			t.Errorf("%s = %v (there: %v), want %v", name, is, ok, v)
		}
	}
}

// success is a call that began and ended well at its only attempt.
func success(api classify.API, operation string, at time.Time) *capture.Exchange {
	return &capture.Exchange{
		ID: "01935f3a-7c00-7000-8000-000000000001", Started: at, Duration: 2 * time.Second, Overhead: 50 * time.Microsecond,
		Call:     classify.Call{API: api, Operation: operation},
		Attempts: []*capture.Attempt{{Started: at, Response: &capture.ResponseHead{Status: 200}}},
	}
}

// failure is a call that ended with v at its only attempt, and was captured.
func failure(api classify.API, operation string, at time.Time, v classify.Verdict) *capture.Exchange {
	e := success(api, operation, at)
	e.Verdict, e.Attempts[0].Verdict, e.Captured = v, v, true
	return e
}
