package metrics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/journal"
	"marketo-proxy/proxy"
)

// TestFinished gives for one call of each kind every counter that grows, and no other may.
func TestFinished(t *testing.T) {
	healed := failure(classify.SOAP, "syncLead", noon, classify.Verdict{Outcome: classify.Fault, Code: "20016"})
	healed.Verdict.Outcome, healed.Renewal = classify.Recovered, capture.RenewalRecovered
	healed.Attempts = append(healed.Attempts, success(classify.SOAP, "", noon).Attempts...)

	twice := failure(classify.SOAP, "syncLead", noon, classify.Verdict{Outcome: classify.Fault, Code: "20016"})
	twice.Renewal = capture.RenewalFailed
	twice.Attempts = append(twice.Attempts, twice.Attempts...)

	keyless := failure(classify.SOAP, "getTags", noon, classify.Verdict{Outcome: classify.Fault, Code: "20016"})
	keyless.Renewal = capture.NoCredential

	unanswered := failure(classify.SOAP, "getLead", noon, classify.Verdict{Outcome: classify.Transport})
	unanswered.Attempts[0].Response = nil

	tests := []struct {
		name string
		e    *capture.Exchange
		want map[string]float64
	}{
		{"success", success(classify.SOAP, "getLead", noon), map[string]float64{
			`requests_total{api="soap",operation="getLead"}`: 1,
		}},
		{"success of REST", success(classify.REST, "identityUsingGET", noon), map[string]float64{
			`requests_total{api="rest",operation="identityUsingGET"}`: 1,
		}},
		{"undocumented operation", success(classify.SOAP, "dropTables", noon), map[string]float64{
			`requests_total{api="soap",operation="other"}`: 1,
		}},
		{"operation of the other API", success(classify.REST, "getLead", noon), map[string]float64{
			`requests_total{api="rest",operation="other"}`: 1,
		}},
		{"fault", failure(classify.SOAP, "getLead", noon, classify.Verdict{Outcome: classify.Fault, Code: "20103"}), map[string]float64{
			`requests_total{api="soap",operation="getLead"}`:                          1,
			`faults_total{api="soap",class="answer",code="20103"}`:                    1,
			`failures_total{api="soap",outcome="fault"}`:                              1,
			`operation_failures_total{api="soap",class="answer",operation="getLead"}`: 1,
		}},
		{"unknown code", failure(classify.SOAP, "getLead", noon, classify.Verdict{Outcome: classify.Fault, Code: "29999"}), map[string]float64{
			`requests_total{api="soap",operation="getLead"}`:                           1,
			`faults_total{api="soap",class="unknown",code="other"}`:                    1,
			`failures_total{api="soap",outcome="fault"}`:                               1,
			`operation_failures_total{api="soap",class="unknown",operation="getLead"}`: 1,
		}},
		{"fault without a code", failure(classify.REST, "other", noon, classify.Verdict{Outcome: classify.Fault}), map[string]float64{
			`requests_total{api="rest",operation="other"}`:                           1,
			`faults_total{api="rest",class="unknown",code="other"}`:                  1,
			`failures_total{api="rest",outcome="fault"}`:                             1,
			`operation_failures_total{api="rest",class="unknown",operation="other"}`: 1,
		}},
		{"code of the other API", failure(classify.REST, "other", noon, classify.Verdict{Outcome: classify.Fault, Code: "20016"}), map[string]float64{
			`requests_total{api="rest",operation="other"}`:                           1,
			`faults_total{api="rest",class="unknown",code="other"}`:                  1,
			`failures_total{api="rest",outcome="fault"}`:                             1,
			`operation_failures_total{api="rest",class="unknown",operation="other"}`: 1,
		}},
		{"healed", healed, map[string]float64{
			`requests_total{api="soap",operation="syncLead"}`:                         1,
			`faults_total{api="soap",class="renew",code="20016"}`:                     1,
			`failures_total{api="soap",outcome="recovered"}`:                          1,
			`operation_failures_total{api="soap",class="renew",operation="syncLead"}`: 1,
			`renewals_total{api="soap",result="recovered"}`:                           1,
		}},
		{"expired twice", twice, map[string]float64{
			`requests_total{api="soap",operation="syncLead"}`:                         1,
			`faults_total{api="soap",class="renew",code="20016"}`:                     2,
			`failures_total{api="soap",outcome="fault"}`:                              1,
			`operation_failures_total{api="soap",class="renew",operation="syncLead"}`: 1,
			`renewals_total{api="soap",result="failed"}`:                              1,
		}},
		{"expired, no key", keyless, map[string]float64{
			`requests_total{api="soap",operation="getTags"}`:                         1,
			`faults_total{api="soap",class="renew",code="20016"}`:                    1,
			`failures_total{api="soap",outcome="fault"}`:                             1,
			`operation_failures_total{api="soap",class="renew",operation="getTags"}`: 1,
			`renewals_total{api="soap",result="no_credential"}`:                      1,
		}},
		{"partial", failure(classify.SOAP, "syncMultipleLeads", noon, classify.Verdict{Outcome: classify.Partial, RecordsFailed: 3}), map[string]float64{
			`requests_total{api="soap",operation="syncMultipleLeads"}`:                           1,
			`failures_total{api="soap",outcome="partial"}`:                                       1,
			`operation_failures_total{api="soap",class="unknown",operation="syncMultipleLeads"}`: 1,
			`partial_records_total{api="soap",operation="syncMultipleLeads"}`:                    3,
		}},
		{"no answer", unanswered, map[string]float64{
			`requests_total{api="soap",operation="getLead"}`:                           1,
			`failures_total{api="soap",outcome="transport"}`:                           1,
			`operation_failures_total{api="soap",class="unknown",operation="getLead"}`: 1,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMetrics(newClock(noon))
			before := counted(t, m)
			m.Begun(test.e.Call.API)
			m.Finished(test.e)
			grown := counted(t, m)
			for name, v := range before {
				if grown[name] -= v; grown[name] == 0 {
					delete(grown, name)
				}
			}
			if test.e.Call.API == classify.SOAP {
				test.want[`soap_callers_total{operation="`+m.soap.operation(test.e.Call.Operation).name+`",user=""}`] = 1
			}
			if !maps.Equal(grown, test.want) {
				t.Errorf("grew:\n%v\nwant:\n%v", grown, test.want)
			}
			expect(t, m, map[string]float64{
				`requests_in_flight{api="soap"}`: 0,
				`requests_in_flight{api="rest"}`: 0,
				"overhead_seconds_count":         1,
			})
		})
	}
}

// counted are the counters.
func counted(t *testing.T, m *Metrics) map[string]float64 {
	all := series(t, m)
	maps.DeleteFunc(all, func(name string, _ float64) bool {
		name, _, _ = strings.Cut(name, "{")
		return !strings.HasSuffix(name, "_total")
	})
	return all
}

// TestClassOfMessage has a code whose class is in its message.
func TestClassOfMessage(t *testing.T) {
	m := newMetrics(newClock(noon))
	m.Finished(failure(classify.REST, "other", noon, classify.Verdict{Outcome: classify.Fault, Code: "1029", Message: "Too many jobs in queue"}))
	expect(t, m, map[string]float64{
		`faults_total{api="rest",class="quota",code="1029"}`:  0,
		`faults_total{api="rest",class="caller",code="1029"}`: 1,
	})
}

func TestSaved(t *testing.T) {
	tests := []struct {
		err    error
		reason string
	}{
		{proxy.ErrLate, "timeout"},
		{fmt.Errorf("capture: %w", proxy.ErrLate), "timeout"},
		{context.DeadlineExceeded, "timeout"},
		{journal.ErrFull, "full"},
		{unix.ENOSPC, "full"},
		{unix.EROFS, "read_only"},
		{unix.EIO, "io"},
		{os.ErrPermission, "permission"},
		{unix.EMFILE, "too_many_files"},
		{journal.ErrQueueFull, "queue_full"},
		{journal.ErrTooBig, "too_big"},
		{journal.ErrClosed, "closed"},
		{errors.New("disk on fire"), "other"},
	}
	m := newMetrics(newClock(noon))
	want := map[string]float64{}
	for _, test := range tests {
		m.Saved(test.err)
		want[`captures_lost_total{reason="`+test.reason+`"}`]++
	}
	m.Saved(nil)
	want["captures_total"] = 1
	expect(t, m, want)
	known := 0
	for name := range series(t, m) {
		if strings.HasPrefix(name, "captures_lost_total") {
			known++
		}
	}
	if known != len(journal.Reasons()) || len(want)-1 != len(journal.Reasons()) {
		t.Errorf("%d reasons, %d tried, want the %d that are there from the start", known, len(want)-1, len(journal.Reasons()))
	}
}

// TestBounded has answers and requests say whatever they like: no new series may come of it.
func TestBounded(t *testing.T) {
	m := newMetrics(newClock(noon))
	round := func(i int) {
		for _, api := range []classify.API{classify.SOAP, classify.REST, classify.API(fmt.Sprint("api", i))} {
			m.Begun(api)
			m.Finished(failure(api, fmt.Sprint("operation", i), noon, classify.Verdict{Outcome: classify.Fault, Code: fmt.Sprint(90000 + i)}))
			m.Saved(fmt.Errorf("error %d", i))
		}
	}
	round(0)
	before := len(series(t, m))
	for i := range 100 {
		round(i)
	}
	if after := len(series(t, m)); after != before {
		t.Errorf("%d series became %d", before, after)
	}
}

// TestConcurrent is for the race detector, and counts.
func TestConcurrent(t *testing.T) {
	const workers, calls = 8, 200
	m := newMetrics(newClock(noon))
	var work sync.WaitGroup
	for range workers {
		work.Go(func() {
			for i := range calls {
				m.Begun(classify.SOAP)
				e := success(classify.SOAP, classify.Operations(classify.SOAP)[i%23], noon)
				if i%2 == 0 {
					e = failure(classify.SOAP, "getLead", noon, classify.Verdict{Outcome: classify.Fault, Code: "20011"})
					m.Saved(nil)
				}
				m.ClockOffset(time.Duration(i))
				m.Finished(e)
				if i%50 == 0 {
					get(t, m, openMetrics)
				}
			}
		})
	}
	work.Wait()
	expect(t, m, map[string]float64{
		`faults_total{api="soap",class="marketo",code="20011"}`: workers * calls / 2,
		`failures_total{api="soap",outcome="fault"}`:            workers * calls / 2,
		`captures_total`:                         workers * calls / 2,
		`overhead_seconds_count`:                 workers * calls,
		`limit_usage{api="soap",limit="day"}`:    workers * calls,
		`requests_in_flight{api="soap"}`:         0,
		`limit_usage{api="soap",limit="window"}`: workers * calls,
	})
}

// TestAllocations keeps a success free of garbage, as nearly as may be.
func TestAllocations(t *testing.T) {
	m := newMetrics(newClock(noon))
	e := success(classify.SOAP, "getLead", noon)
	if n := testing.AllocsPerRun(1000, func() { m.Begun(classify.SOAP); m.Finished(e) }); n > 2 {
		t.Errorf("%v allocations a call, want 2 at most", n)
	}
}

func BenchmarkSuccess(b *testing.B) {
	benchmark(b, success(classify.SOAP, "getLead", noon))
}

func BenchmarkFault(b *testing.B) {
	benchmark(b, failure(classify.SOAP, "getLead", noon, classify.Verdict{Outcome: classify.Fault, Code: "20011"}))
}

func benchmark(b *testing.B, e *capture.Exchange) {
	m := newMetrics(newClock(noon))
	b.ReportAllocs()
	for b.Loop() {
		m.Begun(classify.SOAP)
		m.Finished(e)
	}
}

func BenchmarkScrape(b *testing.B) {
	m := newMetrics(newClock(noon))
	for _, operation := range classify.Operations(classify.SOAP) {
		m.Finished(success(classify.SOAP, operation, noon))
	}
	for b.Loop() {
		get(b, m, openMetrics)
	}
}
