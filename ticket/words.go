package ticket

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // US Central must be known in an image without zone files, too
	"unicode"
	"unicode/utf8"
)

// central is US Central, Marketo's time: support reads it, and quotas reset by it.
func central() *time.Location {
	zone, err := time.LoadLocation("America/Chicago")
	if err != nil {
		return time.UTC // can't be: time/tzdata has it
	}
	return zone
}

// nextMidnight is the first 00:00 US Central after t.
func nextMidnight(t time.Time) time.Time {
	local := t.In(central())
	return time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, local.Location())
}

// both is a time in UTC and US Central, whose zone has two names a year.
func both(t time.Time) string {
	return t.UTC().Format("2006-01-02 15:04:05 UTC") + " = " + t.In(central()).Format("2006-01-02 15:04:05 MST")
}

// words is a duration for people, in two units at most.
func words(d time.Duration) string {
	d = d.Abs().Round(time.Second)
	minutes := int(d.Round(time.Minute) / time.Minute)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d/time.Second))
	case minutes < 60:
		return fmt.Sprintf("%d min", minutes)
	case minutes < 48*60:
		return strings.TrimSuffix(fmt.Sprintf("%d h %d min", minutes/60, minutes%60), " 0 min")
	}
	hours := minutes / 60
	return strings.TrimSuffix(fmt.Sprintf("%d d %d h", hours/24, hours%24), " 0 h")
}

// aheadOf says where a clock is that differs by d from another.
func aheadOf(d time.Duration) string {
	if d < 0 {
		return words(d) + " behind"
	}
	return words(d) + " ahead of"
}

// calls is a number with the word for it.
func calls(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

const maxCell = 200

// plain makes text from outside harmless in Markdown, within a line and a cell of a table: it can't format, link or hide anything.
func plain(s string) string {
	var out strings.Builder
	n := 0
	for _, r := range strings.TrimSpace(s) {
		if n++; n > maxCell {
			out.WriteRune('…')
			break
		}
		switch {
		case r == utf8.RuneError, !unicode.IsGraphic(r):
			out.WriteRune(' ')
		case r == '<':
			out.WriteString("&lt;")
		case strings.ContainsRune("\\`*[]|~&>#", r) && !(r == '#' && n > 1):
			out.WriteByte('\\')
			out.WriteRune(r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
