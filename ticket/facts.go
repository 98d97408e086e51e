package ticket

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"marketo-proxy/capture"
)

// facts are what only the exchanges themselves tell, masked.
type facts struct {
	endpoints tally
	answers   tally
	servers   tally
	durations []float64       // ms
	offsets   []time.Duration // Marketo's clock minus the clock of the proxy's host
	rows      []row
}

type row struct {
	time      time.Time
	operation string
	answer    string
	requestID string
	id        string
}

func (f *facts) add(e *exchange) {
	f.durations = append(f.durations, e.DurationMS)
	r := row{time: e.Time, operation: e.Operation, requestID: e.RequestID, id: e.ID, answer: "none"}
	for i := range e.Attempts {
		a := &e.Attempts[i]
		f.endpoints.add(endpoint(a.Request.URL))
		r.answer = a.Error
		if a.Response == nil {
			continue
		}
		r.answer = fmt.Sprintf("HTTP %d", a.Response.Status)
		if a.Error != "" {
			r.answer += ", " + a.Error
		}
		if offset, ok := clockOffset(a); ok {
			f.offsets = append(f.offsets, offset)
		}
	}
	f.answers.add(r.answer)
	if n := len(e.Attempts); n > 0 && e.Attempts[n-1].Response != nil {
		if server := field(e.Attempts[n-1].Response.Headers, "Server"); server != "" {
			f.servers.add(server)
		}
	}
	f.rows = append(f.rows, r)
}

// endpoint is a URL up to its path.
func endpoint(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "a URL that can't be read"
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	return u.String()
}

// clockOffset compares the Date of an answer, which has whole seconds, with when its head had come.
func clockOffset(a *capture.AttemptLine) (time.Duration, bool) {
	date, err := http.ParseTime(field(a.Response.Headers, "Date"))
	if err != nil || a.Started.IsZero() {
		return 0, false
	}
	t := a.Timings
	ms := 0.0
	for _, phase := range []float64{t.Blocked, t.DNS, t.Connect, t.Send, t.Wait} { // ssl is part of connect
		ms += max(phase, 0)
	}
	came := a.Started.Add(time.Duration(ms * float64(time.Millisecond)))
	return date.Add(time.Second / 2).Sub(came), true
}

// clockOff is from which offset on a clock is wrong: the proxy corrects timestamps from there on, too.
const clockOff = 30 * time.Second

// offset is the median of the offsets; false if there are none.
func (f *facts) offset() (time.Duration, bool) {
	if len(f.offsets) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(f.offsets))
	return sorted[len(sorted)/2], true
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
