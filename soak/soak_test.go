package main

import (
	"context"
	"testing"
	"time"

	"marketo-proxy/emulator"
)

// The one-minute form. It runs beside other tests, so it is patient where it measures.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	if err := run(context.Background(), t.TempDir(), "", 45*time.Second); err != nil {
		t.Error(err)
	}
}

// A soak that finds nothing must be able to find something: each kind of difference is one.
func TestReportSeesDifferences(t *testing.T) {
	marketo := func() map[emulator.Count]int {
		return map[emulator.Count]int{
			{API: "soap", Operation: "getLead", Outcome: "ok"}: 7, {API: "soap", Operation: "getLead", Outcome: "20016"}: 2,
			{API: "soap", Operation: "syncLead", Outcome: "reset"}: 1, {API: "rest", Operation: "other", Outcome: "610"}: 3,
			{API: "rest", Operation: "getListsUsingGET", Outcome: "hang"}: 1,
		}
	}
	proxy := func() counters {
		one := func(name string, value float64, labels ...string) series {
			s := series{name: name, value: value, labels: map[string]string{}}
			for i := 0; i+1 < len(labels); i += 2 {
				s.labels[labels[i]] = labels[i+1]
			}
			return s
		}
		return counters{
			one("requests_total", 7, "api", "soap", "operation", "getLead"), one("requests_total", 1, "api", "soap", "operation", "syncLead"),
			one("requests_total", 3, "api", "rest", "operation", "other"), one("requests_total", 1, "api", "rest", "operation", "getListsUsingGET"),
			one("faults_total", 2, "api", "soap", "code", "20016"), one("faults_total", 3, "api", "rest", "code", "610"),
			one("failures_total", 2, "api", "soap", "outcome", "recovered"), one("failures_total", 1, "api", "soap", "outcome", "transport"),
			one("failures_total", 3, "api", "rest", "outcome", "fault"), one("failures_total", 1, "api", "rest", "outcome", "client"),
			one("renewals_total", 2, "api", "soap", "result", "recovered"), one("captures_total", 7), one("capture_stored", 5),
		}
	}
	seen := func() *ledger {
		l := newLedger()
		l.calls, l.ids = map[string]int{"soap": 8, "rest": 4}, map[string]int{"a": 1, "b": 1}
		l.twice, l.recovered, l.left, l.own = map[string]int{"getLead": 2}, 2, map[string]int{"rest": 1}, 1
		return l
	}
	disk := func() *collector {
		return &collector{captures: map[string]string{
			"a": "soap recovered 20016", "b": "soap recovered 20016", "c": "soap transport ", "d": "rest fault 610", "e": "rest fault 610",
			"f": "rest fault 610", "g": "rest client ",
		}}
	}
	differences := func(change func(map[emulator.Count]int, counters, *ledger, *collector)) []string {
		m, p, l, c := marketo(), proxy(), seen(), disk()
		change(m, p, l, c)
		r := &report{}
		r.counts(m, p, l)
		r.captures(c, l, p)
		return r.problems
	}
	if got := differences(func(map[emulator.Count]int, counters, *ledger, *collector) {}); len(got) > 0 {
		t.Fatalf("nothing was changed: %q", got)
	}
	for name, change := range map[string]func(map[emulator.Count]int, counters, *ledger, *collector){
		"a fault that is not counted": func(m map[emulator.Count]int, _ counters, _ *ledger, _ *collector) {
			m[emulator.Count{API: "soap", Operation: "getLead", Outcome: "20011"}]++
		},
		"a call that was made twice": func(m map[emulator.Count]int, _ counters, _ *ledger, _ *collector) {
			m[emulator.Count{API: "soap", Operation: "syncLead", Outcome: "reset"}]++
		},
		"a call of another operation": func(_ map[emulator.Count]int, p counters, _ *ledger, _ *collector) {
			p[0].labels["operation"] = "other"
		},
		"a code under another API":      func(_ map[emulator.Count]int, p counters, _ *ledger, _ *collector) { p[5].labels["api"] = "soap" },
		"a renewal that is not counted": func(_ map[emulator.Count]int, p counters, _ *ledger, _ *collector) { p[10].value = 1 },
		"a capture that is not on disk": func(_ map[emulator.Count]int, _ counters, _ *ledger, c *collector) { delete(c.captures, "a") },
		"a capture too many": func(_ map[emulator.Count]int, _ counters, _ *ledger, c *collector) {
			c.captures["h"] = "soap fault 20011"
		},
		"a capture under another outcome": func(_ map[emulator.Count]int, _ counters, _ *ledger, c *collector) {
			c.captures["c"] = "soap client "
		},
		"an id given twice":  func(_ map[emulator.Count]int, _ counters, l *ledger, _ *collector) { l.ids["a"] = 2 },
		"an answer too many": func(_ map[emulator.Count]int, _ counters, l *ledger, _ *collector) { l.cut++ },
	} {
		if got := differences(change); len(got) == 0 {
			t.Errorf("%s: no difference was seen", name)
		}
	}
}
