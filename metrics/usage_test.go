package metrics

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

// call begins and ends a call with one attempt.
func call(m *Metrics, api classify.API, at time.Time) {
	m.Begun(api)
	m.Finished(success(api, "other", at))
}

// TestDay crosses midnight in Marketo's zone, also on the days that last 23 and 25 hours.
func TestDay(t *testing.T) {
	tests := []struct {
		name          string
		first, second time.Time // either side of a possible midnight
		usage         float64   // after the second
	}{
		{"winter, the last and the first second", utc("2026-11-25T05:59:59Z"), utc("2026-11-25T06:00:00Z"), 1},
		{"winter, midnight of UTC", utc("2026-11-24T23:59:59Z"), utc("2026-11-25T00:00:00Z"), 2},
		{"summer, the last and the first second", utc("2026-07-02T04:59:59Z"), utc("2026-07-02T05:00:00Z"), 1},
		{"summer, midnight of standard time", utc("2026-07-02T05:59:59Z"), utc("2026-07-02T06:00:00Z"), 2},
		{"day of 23 hours, whole", utc("2026-03-08T06:00:00Z"), utc("2026-03-09T04:59:59Z"), 2},
		{"day of 23 hours, its end", utc("2026-03-08T06:00:00Z"), utc("2026-03-09T05:00:00Z"), 1},
		{"day of 25 hours, whole", utc("2026-11-01T05:00:00Z"), utc("2026-11-02T05:59:59Z"), 2},
		{"day of 25 hours, its end", utc("2026-11-01T05:00:00Z"), utc("2026-11-02T06:00:00Z"), 1},
		{"the hour that comes twice", utc("2026-11-01T06:30:00Z"), utc("2026-11-01T07:30:00Z"), 2},
		{"new year", utc("2027-01-01T05:59:59Z"), utc("2027-01-01T06:00:00Z"), 1},
		{"a year later", utc("2026-11-24T18:00:00Z"), utc("2027-11-24T18:00:00Z"), 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newClock(test.first)
			m := newMetrics(c)
			call(m, classify.SOAP, c.now())
			expect(t, m, map[string]float64{`limit_usage{api="soap",limit="day"}`: 1})
			c.set(test.second)
			expect(t, m, map[string]float64{`limit_usage{api="soap",limit="day"}`: test.usage - 1}) // no call yet
			call(m, classify.SOAP, c.now())
			expect(t, m, map[string]float64{
				`limit_usage{api="soap",limit="day"}`: test.usage,
				`limit_usage{api="rest",limit="day"}`: 0,
			})
		})
	}
}

func utc(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestWindow(t *testing.T) {
	c := newClock(noon)
	m := newMetrics(c)
	check := func(want float64) {
		t.Helper()
		expect(t, m, map[string]float64{`limit_usage{api="rest",limit="window"}`: want})
	}
	check(0)
	for range 3 {
		call(m, classify.REST, c.now())
	}
	check(3)
	c.advance(15 * time.Second)
	call(m, classify.REST, c.now())
	check(4)
	c.advance(5 * time.Second) // the first three are 20 s old: not yet out
	check(4)
	c.advance(tick)
	check(1)
	c.advance(time.Hour)
	check(0)
	call(m, classify.REST, c.now())
	check(1)
}

// TestSlowCall counts a call while it lasts, not when it has ended.
func TestSlowCall(t *testing.T) {
	c := newClock(noon)
	m := newMetrics(c)
	m.Begun(classify.SOAP)
	expect(t, m, map[string]float64{
		`limit_usage{api="soap",limit="day"}`:        1,
		`limit_usage{api="soap",limit="window"}`:     1,
		`limit_usage{api="soap",limit="concurrent"}`: 1,
		`requests_in_flight{api="soap"}`:             1,
		`requests_in_flight{api="rest"}`:             0,
	})
	c.advance(2 * time.Minute)
	m.Finished(success(classify.SOAP, "getLead", noon))
	expect(t, m, map[string]float64{
		`limit_usage{api="soap",limit="day"}`:        1,
		`limit_usage{api="soap",limit="window"}`:     0,
		`limit_usage{api="soap",limit="concurrent"}`: 0,
		`requests_in_flight{api="soap"}`:             0,
	})
}

// TestSent counts what Marketo can have seen.
func TestSent(t *testing.T) {
	sent := func() *capture.Attempt { return &capture.Attempt{Started: noon, Response: &capture.ResponseHead{}} }
	silent := func() *capture.Attempt {
		return &capture.Attempt{Started: noon, Timings: capture.Timings{Send: time.Millisecond}}
	}
	refused := func() *capture.Attempt { return &capture.Attempt{Started: noon, Timings: capture.Timings{Send: -1}} }
	tests := []struct {
		name     string
		attempts []*capture.Attempt
		want     float64
	}{
		{"too busy to send", nil, 0},
		{"refused", []*capture.Attempt{refused()}, 0},
		{"answered", []*capture.Attempt{sent()}, 1},
		{"sent, not answered", []*capture.Attempt{silent()}, 1},
		{"sent twice", []*capture.Attempt{sent(), sent()}, 2},
		{"second attempt refused", []*capture.Attempt{sent(), refused()}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMetrics(newClock(noon))
			e := success(classify.SOAP, "getLead", noon)
			e.Attempts = test.attempts
			m.Begun(classify.SOAP)
			m.Finished(e)
			expect(t, m, map[string]float64{
				`limit_usage{api="soap",limit="day"}`:    test.want,
				`limit_usage{api="soap",limit="window"}`: test.want,
			})
		})
	}
}

// TestMidnightInCall has a call last over midnight: what is known of it afterwards belongs to the right day.
func TestMidnightInCall(t *testing.T) {
	evening, morning := utc("2026-11-25T05:59:59Z"), utc("2026-11-25T06:00:01Z")
	c := newClock(evening)
	m := newMetrics(c)
	m.Begun(classify.SOAP) // not sent in the end
	m.Begun(classify.SOAP) // sent a second time after midnight
	c.set(morning)
	unsent := success(classify.SOAP, "getLead", evening)
	unsent.Attempts = nil
	again := success(classify.SOAP, "getLead", evening)
	again.Attempts = append(again.Attempts, success(classify.SOAP, "", morning).Attempts...)
	m.Finished(again)
	m.Finished(unsent)
	expect(t, m, map[string]float64{
		`limit_usage{api="soap",limit="day"}`:    1,
		`limit_usage{api="soap",limit="window"}`: 2,
	})
}

// TestLateCorrection takes a call back when the ring has come round: the calls at its place now must stay.
func TestLateCorrection(t *testing.T) {
	c := newClock(noon)
	m := newMetrics(c)
	m.Begun(classify.SOAP)
	c.advance(time.Duration(ticks) * tick)
	call(m, classify.SOAP, c.now())
	unsent := success(classify.SOAP, "getLead", noon)
	unsent.Attempts = nil
	m.Finished(unsent)
	expect(t, m, map[string]float64{
		`limit_usage{api="soap",limit="day"}`:    1,
		`limit_usage{api="soap",limit="window"}`: 1,
	})
}

// TestClockSetBack has the host begin with a wrong clock: counting goes on once it is right.
func TestClockSetBack(t *testing.T) {
	c := newClock(noon.Add(time.Duration(ticks) * tick * 86_400)) // three weeks ahead, at the same place of the ring
	m := newMetrics(c)
	call(m, classify.SOAP, c.now())
	c.set(noon)
	for range 2 {
		call(m, classify.SOAP, c.now())
	}
	expect(t, m, map[string]float64{
		`limit_usage{api="soap",limit="day"}`:    2,
		`limit_usage{api="soap",limit="window"}`: 2,
	})
}

// TestUsageModel compares with a list of all attempts sent.
func TestUsageModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClock(utc("2026-11-01T04:59:00Z"))
		u := newUsage(c.now)
		var sent []time.Time
		var flying []*capture.Exchange
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(*rapid.T) {
				u.begin()
				sent = append(sent, c.now())
				flying = append(flying, &capture.Exchange{Started: c.now(), Attempts: []*capture.Attempt{{Started: c.now()}}})
			},
			"end": func(t *rapid.T) {
				if len(flying) == 0 {
					t.Skip("none in flight")
				}
				e := flying[0]
				flying = flying[1:]
				switch rapid.SampledFrom([]string{"sent", "unsent", "twice"}).Draw(t, "as") {
				case "unsent":
					e.Attempts = nil
					for i, at := range sent {
						if at.Equal(e.Started) {
							sent = append(sent[:i:i], sent[i+1:]...)
							break
						}
					}
				case "twice":
					e.Attempts = append(e.Attempts, &capture.Attempt{Started: c.now()})
					sent = append(sent, c.now())
				}
				u.end(e)
			},
			"wait": func(t *rapid.T) {
				c.advance(time.Duration(rapid.IntRange(1, 30_000).Draw(t, "ms")) * time.Millisecond)
			},
			"sleep": func(t *rapid.T) {
				c.advance(time.Duration(rapid.IntRange(1, 30).Draw(t, "hours")) * time.Hour)
			},
			"": func(t *rapid.T) {
				today, lately, edge := 0, 0, 0
				for _, at := range sent {
					if at.In(u.zone).Format(time.DateOnly) == c.now().In(u.zone).Format(time.DateOnly) {
						today++
					}
					switch age := c.now().Sub(at); {
					case age <= window:
						lately++
					case age < window+tick:
						edge++
					}
				}
				if got := u.today(); got != today {
					t.Fatalf("today %d, want %d", got, today)
				}
				if got := u.lately(); got < lately || got > lately+edge {
					t.Fatalf("lately %d, want %d, at most %d more", got, lately, edge)
				}
				if got := u.inFlight(); got != len(flying) {
					t.Fatalf("in flight %d, want %d", got, len(flying))
				}
			},
		})
	})
}
