package emulator

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestLimiterWindow compares with a count over the whole history.
func TestLimiterWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := Limits{Window: rapid.IntRange(1, 8).Draw(t, "window")}
		l := newLimiter(limits)
		now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
		var admitted []time.Time
		for _, gap := range rapid.SliceOfN(rapid.IntRange(0, 12_000), 0, 60).Draw(t, "gaps") {
			now = now.Add(time.Duration(gap) * time.Millisecond)
			recent := 0
			for _, at := range admitted {
				if now.Sub(at) < window {
					recent++
				}
			}
			got := l.begin(now)
			if (got == noLimit) != (recent < limits.Window) {
				t.Fatalf("%d calls in the window of %d: %v", recent, limits.Window, got)
			}
			if got == noLimit {
				admitted = append(admitted, now)
				l.end()
			}
		}
	})
}

func TestLimiterDay(t *testing.T) {
	l := newLimiter(Limits{Day: 1})
	before := time.Date(2026, 7, 1, 4, 59, 59, 0, time.UTC) // 23:59:59 in Chicago
	if l.begin(before) != noLimit || l.begin(before) != dayLimit || l.begin(before.Add(time.Second)) != noLimit {
		t.Error("the day does not end at midnight in Chicago")
	}
}
