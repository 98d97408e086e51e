package metrics

import (
	"sync"
	"time"
	_ "time/tzdata" // the zone of the daily limit must be known in an image without zone files, too

	"marketo-proxy/capture"
)

const (
	// quotaZone is the zone of Adobe's "midnight CST": its documents link it to US Central Time, with daylight saving.
	quotaZone = "America/Chicago"

	window = 20 * time.Second

	// tick is the resolution of the window. The tick that the window's edge divides counts whole, so that the usage is never
	// told too low.
	tick  = 100 * time.Millisecond
	ticks = int64(window/tick) + 1
)

// usage counts the calls of one API against Marketo's limits. A call counts from its beginning, since it may last minutes and
// Marketo counts it when it arrives; should it turn out that it was not sent, it is taken back.
type usage struct {
	now  func() time.Time
	zone *time.Location

	mu      sync.Mutex
	calls   int // in flight
	day     int // the day of the newest call
	daily   int
	buckets [ticks]bucket // a ring by tick
}

// bucket counts the calls of one tick.
type bucket struct {
	tick  int64 // since 1970
	calls int
}

func newUsage(now func() time.Time) *usage { return &usage{now: now, zone: QuotaZone()} }

// QuotaZone is the zone whose days Marketo's daily limit is for.
func QuotaZone() *time.Location {
	zone, err := time.LoadLocation(quotaZone)
	if err != nil {
		panic("metrics: " + err.Error()) // can't be: time/tzdata has it
	}
	return zone
}

func (u *usage) begin() {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.now()
	// A day or a tick that lies before the newest means that the clock was set back: what was counted is of no use then.
	if u.date(now) < u.day {
		u.day, u.daily = 0, 0
	}
	if b := u.bucket(now); b.tick > tickOf(now) {
		*b = bucket{}
	}
	u.calls++
	u.add(now, 1)
}

// end corrects what begin took for granted: that exactly one attempt is sent.
func (u *usage) end(e *capture.Exchange) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.calls--
	sent := 0
	for _, a := range e.Attempts {
		if !wasSent(a) {
			continue
		}
		if sent++; sent > 1 {
			u.add(a.Started, 1)
		}
	}
	if sent == 0 {
		u.add(e.Started, -1)
	}
}

// wasSent tells whether Marketo may have seen the request: it was written to a connection, or an answer came.
func wasSent(a *capture.Attempt) bool { return a.Response != nil || a.Timings.Send >= 0 }

// add counts n calls at a time. What the day or the window has left behind is not changed any more.
func (u *usage) add(at time.Time, n int) {
	day := u.date(at)
	if day > u.day {
		u.day, u.daily = day, 0
	}
	if day == u.day {
		u.daily += n
	}
	b := u.bucket(at)
	if b.tick < tickOf(at) {
		*b = bucket{tick: tickOf(at)}
	}
	if b.tick == tickOf(at) {
		b.calls += n
	}
}

func (u *usage) inFlight() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.calls
}

// today is the number of calls since 00:00 in Marketo's zone.
func (u *usage) today() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.date(u.now()) != u.day {
		return 0
	}
	return max(u.daily, 0)
}

// lately is the number of calls in the window that ends now.
func (u *usage) lately() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, newest := 0, tickOf(u.now())
	for _, b := range u.buckets {
		if b.tick > newest-ticks && b.tick <= newest {
			n += b.calls
		}
	}
	return max(n, 0)
}

// date is the day in Marketo's zone as a number that grows, like 20261124.
func (u *usage) date(t time.Time) int {
	year, month, day := t.In(u.zone).Date()
	return (year*100+int(month))*100 + day
}

func (u *usage) bucket(t time.Time) *bucket { return &u.buckets[uint64(tickOf(t))%uint64(ticks)] }

func tickOf(t time.Time) int64 { return t.UnixMilli() / tick.Milliseconds() }
