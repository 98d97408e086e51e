//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"marketo-proxy/built"
)

// soapCodes are the documented codes with their classes, as the contract has them.
var soapCodes = map[string]string{
	"20016": "renew",
	"20023": "throttled", "20024": "throttled",
	"20015": "quota",
	"10001": "marketo", "20011": "marketo",
	"20013": "access", "20014": "access",
	"20012": "caller", "20017": "caller", "20019": "caller", "20022": "caller", "20101": "caller", "20102": "caller", "20104": "caller",
	"20105": "caller", "20106": "caller", "20107": "caller", "20108": "caller", "20109": "caller", "20110": "caller", "20111": "caller",
	"20113": "caller", "20114": "caller", "20122": "caller",
	"20103": "answer", "20123": "answer",
	"20018": "unknown", // known from clients only
}

// families are the metrics with their types.
var families = map[string]string{
	"requests_total": "counter", "faults_total": "counter", "failures_total": "counter", "operation_failures_total": "counter",
	"partial_records_total": "counter", "request_duration_seconds": "histogram", "overhead_seconds": "histogram", "requests_in_flight": "gauge",
	"renewals_total": "counter", "captures_total": "counter", "captures_lost_total": "counter", "capture_stored_bytes": "gauge",
	"capture_stored": "gauge", "clock_offset_seconds": "gauge", "limit_usage": "gauge", "limit": "gauge", "build_info": "gauge",
	"soap_callers_total": "counter",
}

// What alerts and dashboards rely on is there before anything happened.
func TestMetricsFromTheStart(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{program: built.Plain, upstream: newEmulator(t).URL})
	m := srv.metrics()
	zero := func(format string, args ...any) {
		t.Helper()
		name := "marketo_proxy_" + fmt.Sprintf(format, args...)
		if v, ok := m[name]; !ok || v != 0 {
			t.Errorf("%s is %v, there: %v", name, v, ok)
		}
	}
	for code, class := range soapCodes {
		zero(`faults_total{api="soap",class="%s",code="%s"}`, class, code)
	}
	for _, api := range []string{"soap", "rest"} {
		zero(`faults_total{api="%s",class="unknown",code="other"}`, api)
		for _, outcome := range []string{"fault", "partial", "http", "malformed", "transport", "client", "recovered"} {
			zero(`failures_total{api="%s",outcome="%s"}`, api, outcome)
		}
		zero(`requests_in_flight{api="%s"}`, api)
		for _, limit := range []string{"day", "window", "concurrent"} {
			zero(`limit_usage{api="%s",limit="%s"}`, api, limit)
		}
	}
	zero(`faults_total{api="rest",class="throttled",code="606"}`)
	for _, result := range []string{"recovered", "failed", "no_credential", "bad_signature", "unsupported_body", "disabled"} {
		zero(`renewals_total{api="soap",result="%s"}`, result)
	}
	zero("captures_total")
	zero("capture_stored")
	for name, want := range map[string]float64{`limit{api="soap",limit="day"}`: 10_000, `limit{api="soap",limit="window"}`: 100, `limit{api="soap",limit="concurrent"}`: 10} {
		if got := m["marketo_proxy_"+name]; got != want {
			t.Errorf("%s is %v", name, got)
		}
	}
	build := 0
	for name, v := range m {
		if strings.HasPrefix(name, "marketo_proxy_build_info{") {
			build++
			for _, label := range []string{`version="v0.0.0-e2e"`, `revision="0123abc"`, `goversion="go1.`} {
				if v != 1 || !strings.Contains(name, label) {
					t.Errorf("%s %v, want %s", name, v, label)
				}
			}
		}
	}
	if build != 1 {
		t.Errorf("%d build_info", build)
	}
}

// After traffic of every kind the metrics have the promised names, labels and types, promtool finds nothing to say, and a scraper
// that can take exemplars gets them.
func TestMetricsAfterTraffic(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	srv := serve(t, setup{upstream: marketo.URL, args: []string{"--capture-skip=20103", "--upstream-timeout=1s"}})
	d := srv.door("reverse")
	calls := 0
	for _, w := range failures {
		if w.operation == "" {
			w.operation = "getLead"
		}
		w.make(d, w.request(t), newCall())
		calls++
	}
	restToken(t, d)
	id := d.post(getLead(credential{}), failHeader, "20111").header.Get("Marketo-Proxy-Capture")
	if id == "" {
		t.Error("no capture id")
	}
	calls++
	eventually(t, "all calls ended", func() (bool, string) {
		n := sum(srv.metrics(), "marketo_proxy_requests_in_flight")
		return n == 0, fmt.Sprint(n)
	})
	_, page, err := srv.get("metrics", "")
	if err != nil {
		t.Fatal(err)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is missing: apt-get install prometheus")
	}
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(page)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	for name, kind := range families {
		name = "marketo_proxy_" + name
		if !strings.Contains(page, "\n# TYPE "+name+" "+kind+"\n") || !strings.Contains(page, "\n# HELP "+name+" ") {
			t.Errorf("%s is no %s, or has no help", name, kind)
		}
	}
	m := srv.metrics()
	if n := m[`marketo_proxy_requests_total{api="soap",operation="getLead"}`]; n < 20 {
		t.Errorf("%v getLead", n)
	}
	if total := sum(m, "marketo_proxy_requests_total"); int(total) != calls+1 {
		t.Errorf("%v requests, made %d", total, calls+1)
	}
	// What is skipped counts as a fault and a failure, but is not captured.
	if n := m[`marketo_proxy_faults_total{api="soap",class="answer",code="20103"}`]; n != 1 {
		t.Errorf("%v faults of the skipped code", n)
	}
	failed, kept := sum(m, "marketo_proxy_failures_total"), m["marketo_proxy_captures_total"]
	eventually(t, "captures", func() (bool, string) {
		m = srv.metrics()
		kept = m["marketo_proxy_captures_total"]
		return kept == failed-1 && m["marketo_proxy_capture_stored"] == kept, fmt.Sprintf("%v captures, %v stored, of %v failures", kept, m["marketo_proxy_capture_stored"], failed)
	})
	if list := srv.list(); len(list) != int(kept) {
		t.Errorf("%d captures on disk, counted %v", len(list), kept)
	}
	if size := sizeOf(t, srv.captures); int64(m["marketo_proxy_capture_stored_bytes"]) != size {
		t.Errorf("%v bytes counted, %d on disk", m["marketo_proxy_capture_stored_bytes"], size)
	}
	for _, bucket := range []string{"0.05", "0.1", "1.0", "10.0", "60.0", "120.0", "300.0", "+Inf"} {
		plain := strings.TrimSuffix(bucket, ".0")
		if _, ok := m[`marketo_proxy_request_duration_seconds_bucket{api="soap",operation="getLead",le="`+plain+`"}`]; !ok {
			t.Errorf("no bucket le=%s", plain)
		}
	}
	_, open, err := srv.get("metrics", "application/openmetrics-text; version=1.0.0")
	if err != nil || !strings.HasSuffix(open, "# EOF\n") {
		t.Errorf("OpenMetrics ends with %q, %v", open[max(0, len(open)-20):], err)
	}
	exemplar := regexp.MustCompile(`marketo_proxy_faults_total\{api="soap",class="caller",code="20111"\} 1\.0 # \{capture_id="` + regexp.QuoteMeta(id) + `"\} 1\.0 \S+`)
	if !exemplar.MatchString(open) {
		t.Errorf("no exemplar with %s:\n%s", id, regexp.MustCompile(`(?m)^.*20111.*$`).FindString(open))
	}
	if strings.Contains(page, "capture_id") {
		t.Error("exemplars in the plain format")
	}
}

// The usage of a limit is what was sent to Marketo.
func TestLimitUsage(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	srv := serve(t, setup{program: built.Plain, upstream: marketo.URL, args: []string{"--soap-day-limit=77"}})
	d := srv.door("reverse")
	began := time.Now()
	for range 5 {
		d.post(getLead(credential{}))
	}
	d.post(getLead(credential{age: time.Hour})) // two
	m := srv.metrics()
	if n := m[`marketo_proxy_limit_usage{api="soap",limit="day"}`]; n != 7 {
		t.Errorf("%v calls today, 7 were sent", n)
	}
	if n := m[`marketo_proxy_limit_usage{api="soap",limit="window"}`]; n != 7 && time.Since(began) < 15*time.Second {
		t.Errorf("%v calls in the window, 7 were sent", n)
	}
	if n := m[`marketo_proxy_limit{api="soap",limit="day"}`]; n != 77 {
		t.Errorf("the limit is %v", n)
	}
}

// The probes follow neither Marketo nor the disk.
func TestProbes(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{program: built.Plain, upstream: "http://" + nobody})
	if g := srv.door("reverse").post(getLead(credential{})); g.status != http.StatusBadGateway {
		t.Errorf("%d %v", g.status, g.err)
	}
	srv.healthyProbes()
}
