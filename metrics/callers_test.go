package metrics

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

func calledBy(user, operation string, at time.Time) *capture.Exchange {
	e := success(classify.SOAP, operation, at)
	e.Call.User = user
	return e
}

func TestSOAPCallers(t *testing.T) {
	m := newMetrics(newClock(noon))
	later := noon.Add(time.Minute)
	for _, e := range []*capture.Exchange{
		calledBy("shop", "getLead", later), calledBy("shop", "getLead", noon), calledBy("crm", "getLead", noon), calledBy("shop", "syncLead", noon),
		calledBy("", "dropTables", noon), calledBy("bad\xff", "getLead", noon), success(classify.REST, "getLeadByIdUsingGET", noon),
	} {
		m.Begun(e.Call.API)
		m.Finished(e)
	}
	lead, upsert := classify.RESTCounterpart("getLead"), classify.RESTCounterpart("syncLead")
	want := []SOAPCaller{
		{"shop", "getLead", lead, 2, later},
		{"", "other", "", 1, noon}, {"bad\xff", "getLead", lead, 1, noon}, {"crm", "getLead", lead, 1, noon}, {"shop", "syncLead", upsert, 1, noon},
	}
	if got := m.SOAPCallers(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	expect(t, m, map[string]float64{
		`soap_callers_total{operation="getLead",user="shop"}`: 2,
		`soap_callers_total{operation="getLead",user="crm"}`:  1,
		`soap_callers_total{operation="other",user=""}`:       1,
	})
}

// Whatever users a hostile application makes up, the table stays small and no call gets lost.
func TestSOAPCallersAreBounded(t *testing.T) {
	m := newMetrics(newClock(noon))
	const calls = 20_000
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range calls / 4 {
				m.callers.count("getLead", calledBy(fmt.Sprint(worker, "-", i), "getLead", noon))
			}
		})
	}
	all.Wait()
	m.callers.count("syncLead", calledBy("new", "syncLead", noon))
	got, sum := m.SOAPCallers(), int64(0)
	for _, c := range got {
		sum += c.Calls
	}
	if len(got) != maxCallers+2 || sum != calls+1 {
		t.Errorf("%d rows with %d calls", len(got), sum)
	}
	if got[0].User != other || got[0].Operation != "getLead" || got[0].Calls != calls-maxCallers {
		t.Errorf("the first is %v", got[0])
	}
	n := 0
	for name := range series(t, m) {
		if strings.HasPrefix(name, "soap_callers_total{") {
			n++
		}
	}
	if n != maxCallers+2 {
		t.Errorf("%d series", n)
	}
}

func TestSOAPCallersAllocateNothing(t *testing.T) {
	c, e := newCallers(), calledBy("shop", "getLead", noon)
	if n := testing.AllocsPerRun(1000, func() { c.count("getLead", e) }); n > 0 {
		t.Errorf("%v allocations a call", n)
	}
}

func BenchmarkSOAPCallers(b *testing.B) {
	c, e := newCallers(), calledBy("shop", "getLead", noon)
	b.ReportAllocs()
	for b.Loop() {
		c.count("getLead", e)
	}
}
