package emulator

import (
	"sync"
	"time"
)

// Limits bound calls as Marketo does; 0 means no limit.
type Limits struct {
	Day        int // calls a day, from midnight US Central Time; Marketo: 10,000 SOAP, 50,000 REST
	Window     int // calls in any 20 seconds; Marketo: 100
	Concurrent int // calls at once; Marketo: 10
}

// window is the time over which Limits.Window counts.
const window = 20 * time.Second

// limit says which of the limits a call would exceed.
type limit int

const (
	noLimit limit = iota
	dayLimit
	windowLimit
	concurrentLimit
)

// limiter counts calls. Refused calls don't count.
type limiter struct {
	limits Limits
	zone   *time.Location

	mu       sync.Mutex
	day      string
	today    int
	recent   []time.Time // the last Limits.Window calls, a ring
	next     int
	inFlight int
}

func newLimiter(limits Limits) *limiter {
	zone, err := time.LoadLocation("America/Chicago")
	if err != nil { // no time zone database on this machine
		zone = time.FixedZone("CST", -6*60*60)
	}
	return &limiter{limits: limits, zone: zone, recent: make([]time.Time, max(limits.Window, 0))}
}

// begin admits a call, which then must be ended with end, or says which limit it exceeds.
func (l *limiter) begin(now time.Time) limit {
	l.mu.Lock()
	defer l.mu.Unlock()
	if day := now.In(l.zone).Format(time.DateOnly); day != l.day {
		l.day, l.today = day, 0
	}
	switch {
	case l.limits.Concurrent > 0 && l.inFlight >= l.limits.Concurrent:
		return concurrentLimit
	case l.limits.Window > 0 && !l.recent[l.next].IsZero() && now.Sub(l.recent[l.next]) < window:
		return windowLimit
	case l.limits.Day > 0 && l.today >= l.limits.Day:
		return dayLimit
	}
	if l.limits.Window > 0 {
		l.recent[l.next] = now
		l.next = (l.next + 1) % len(l.recent)
	}
	l.today++
	l.inFlight++
	return noLimit
}

func (l *limiter) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
}
