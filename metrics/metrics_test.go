package metrics

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

// TestStart tells what is there before the first call.
func TestStart(t *testing.T) {
	m := newMetrics(newClock(noon))
	got := series(t, m)
	for _, api := range []classify.API{classify.SOAP, classify.REST} {
		codes := 0
		for name := range got {
			if strings.HasPrefix(name, `faults_total{api="`+string(api)+`"`) {
				codes++
			}
		}
		if want := len(classify.Codes(api)) + 1; codes != want {
			t.Errorf("%s: faults_total has %d series, want one per code and other, %d", api, codes, want)
		}
	}
	for _, name := range []string{
		`faults_total{api="soap",class="renew",code="20016"}`,
		`faults_total{api="soap",class="marketo",code="10001"}`,
		`faults_total{api="soap",class="unknown",code="other"}`,
		`faults_total{api="rest",class="throttled",code="606"}`,
		`faults_total{api="rest",class="unknown",code="other"}`,
		`failures_total{api="soap",outcome="recovered"}`,
		`failures_total{api="rest",outcome="client"}`,
		`renewals_total{api="soap",result="bad_signature"}`,
		`renewals_total{api="soap",result="disabled"}`,
		`captures_total`,
		`captures_lost_total{reason="queue_full"}`,
		`requests_in_flight{api="soap"}`,
		`requests_in_flight{api="rest"}`,
		`limit_usage{api="soap",limit="window"}`,
		`overhead_seconds_count`,
		`clock_offset_seconds`,
	} {
		if v, ok := got[name]; !ok || v != 0 {
			t.Errorf("%s = %v (there: %v), want 0", name, v, ok)
		}
	}
	expect(t, m, map[string]float64{
		`build_info{goversion="go1.26.8",revision="abc",version="1.2.3"}`: 1,
		`capture_stored_bytes`:                 4096,
		`capture_stored`:                       7,
		`limit{api="soap",limit="day"}`:        10_000,
		`limit{api="soap",limit="window"}`:     100,
		`limit{api="soap",limit="concurrent"}`: 10,
		`limit{api="rest",limit="day"}`:        50_000,
		`limit{api="rest",limit="window"}`:     100,
		`limit{api="rest",limit="concurrent"}`: 10,
	})
	if text := get(t, m, ""); !strings.Contains(text, "go_goroutines ") || !strings.Contains(text, "process_open_fds ") {
		t.Error("the metrics of process and runtime are missing")
	}
}

func TestOptions(t *testing.T) {
	m := New(prometheus.NewRegistry(), Options{SOAP: Limits{Day: 1, Window: 2, Concurrent: 3}, REST: Limits{Window: 4}})
	expect(t, m, map[string]float64{
		`limit{api="soap",limit="day"}`:        1,
		`limit{api="soap",limit="window"}`:     2,
		`limit{api="soap",limit="concurrent"}`: 3,
		`limit{api="rest",limit="day"}`:        50_000,
		`limit{api="rest",limit="window"}`:     4,
	})
	if _, there := series(t, m)["capture_stored"]; there {
		t.Error("capture_stored is there without a source")
	}
}

// TestHistograms looks at both kinds of buckets.
func TestHistograms(t *testing.T) {
	m := newMetrics(newClock(noon))
	m.Begun(classify.SOAP)
	m.Finished(success(classify.SOAP, "getLead", noon))
	text := get(t, m, "")
	for _, line := range []string{
		`request_duration_seconds_bucket{api="soap",operation="getLead",le="0.05"} 0`,
		`request_duration_seconds_bucket{api="soap",operation="getLead",le="2.5"} 1`,
		`request_duration_seconds_bucket{api="soap",operation="getLead",le="300"} 1`,
		`request_duration_seconds_sum{api="soap",operation="getLead"} 2`,
		`overhead_seconds_bucket{le="2.5e-05"} 0`,
		`overhead_seconds_bucket{le="5e-05"} 1`,
		`overhead_seconds_bucket{le="1"} 1`,
	} {
		if !strings.Contains(text, namespace+"_"+line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	native := 0
	for _, f := range families {
		if h := f.GetMetric()[0].GetHistogram(); strings.HasPrefix(f.GetName(), namespace) && h != nil {
			native++
			if h.Schema == nil || h.GetSchema() != 3 || len(h.GetPositiveSpan()) == 0 {
				t.Errorf("%s has no native buckets of factor 1.1", f.GetName())
			}
		}
	}
	if native != 2 {
		t.Errorf("%d histograms, want 2", native)
	}
}

var exemplar = regexp.MustCompile(`(?m)^marketo_proxy_faults_total\{([^}]*)\} (\S+) # \{capture_id="([^"]*)"\} 1(?:\.0)? \d`)

// TestExemplars finds the way from a fault's counter to the capture.
func TestExemplars(t *testing.T) {
	m := newMetrics(newClock(noon))
	captured := failure(classify.SOAP, "getLead", noon, classify.Verdict{Outcome: classify.Fault, Code: "20011"})
	captured.ID = "captured"
	skipped := failure(classify.SOAP, "getLead", noon, classify.Verdict{Outcome: classify.Fault, Code: "20103"})
	skipped.ID, skipped.Captured = "skipped", false
	m.Finished(captured)
	m.Finished(skipped)
	text := get(t, m, openMetrics)
	if !strings.HasSuffix(text, "# EOF\n") {
		t.Fatal("not OpenMetrics")
	}
	found := exemplar.FindAllStringSubmatch(text, -1)
	if len(found) != 1 || found[0][1] != `api="soap",class="marketo",code="20011"` || found[0][2] != "1.0" || found[0][3] != "captured" {
		t.Errorf("exemplars %q, want one, of the captured fault", found)
	}
	expect(t, m, map[string]float64{`faults_total{api="soap",class="answer",code="20103"}`: 1})
	if strings.Contains(get(t, m, ""), "capture_id") {
		t.Error("an exemplar in the old text format")
	}
}

func TestHandlerCompresses(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	newMetrics(newClock(noon)).Handler().ServeHTTP(w, r)
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil || !strings.Contains(string(text), "marketo_proxy_build_info") {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

// TestHandlerOutlivesCollector has a collector fail: the other metrics are served.
func TestHandlerOutlivesCollector(t *testing.T) {
	m := newMetrics(newClock(noon))
	m.registry.MustRegister(broken{})
	if text := get(t, m, ""); !strings.Contains(text, "marketo_proxy_build_info") {
		t.Error("nothing is served")
	}
	if text := get(t, m, ""); !strings.Contains(text, `promhttp_metric_handler_errors_total{cause="gathering"} 1`) {
		t.Error("the error is not counted")
	}
}

type broken struct{}

func (broken) Describe(c chan<- *prometheus.Desc) {
	c <- prometheus.NewDesc("broken", "Fails.", nil, nil)
}

func (broken) Collect(c chan<- prometheus.Metric) {
	c <- prometheus.NewInvalidMetric(prometheus.NewDesc("broken", "Fails.", nil, nil), io.ErrUnexpectedEOF)
}

// TestPromtool has Prometheus' own linter read every metric.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is missing: apt-get install prometheus")
	}
	m := newMetrics(newClock(noon))
	for _, api := range []classify.API{classify.SOAP, classify.REST} {
		e := failure(api, classify.Operations(api)[0], noon, classify.Verdict{Outcome: classify.Partial, RecordsFailed: 1})
		e.Renewal = capture.RenewalRecovered
		m.Begun(api)
		m.Finished(e)
	}
	text := get(t, m, "")
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	var names []string
	for _, line := range strings.Split(text, "\n") {
		if rest, ok := strings.CutPrefix(line, "# TYPE marketo_proxy_"); ok {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	want := []string{
		"build_info gauge", "capture_stored gauge", "capture_stored_bytes gauge", "captures_lost_total counter", "captures_total counter",
		"clock_offset_seconds gauge", "failures_total counter", "faults_total counter", "limit gauge", "limit_usage gauge",
		"operation_failures_total counter", "overhead_seconds histogram", "partial_records_total counter", "renewals_total counter",
		"request_duration_seconds histogram", "requests_in_flight gauge", "requests_total counter", "soap_callers_total counter",
	}
	if !slices.Equal(names, want) {
		t.Errorf("metrics\n%q, want\n%q", names, want)
	}
}

func TestClockOffset(t *testing.T) {
	m := newMetrics(newClock(noon))
	m.ClockOffset(-1500 * time.Millisecond)
	expect(t, m, map[string]float64{"clock_offset_seconds": -1.5})
}
