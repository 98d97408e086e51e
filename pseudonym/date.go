package pseudonym

import (
	"bytes"
	"strconv"
	"time"
)

// dateLayouts are the ways to write a day that occur: Y, M and D stand for digits.
var dateLayouts = [...]string{"YYYY-MM-DD", "YYYY/MM/DD", "MM/DD/YYYY", "DD.MM.YYYY", "M/D/YYYY", "MM/D/YYYY", "M/DD/YYYY"}

// bareDate tells a day without a time of day, or at midnight. It returns how the day is written and what follows it. anyTime allows
// for other times: a birthday at midnight here is one at 6:00 in UTC.
func bareDate(v []byte, anyTime bool) (layout string, rest []byte) {
	if len(v) < len("M/D/YYYY") || !isDigit(v[0]) || len(v) > 40 {
		return "", nil
	}
	for _, layout := range dateLayouts {
		if len(v) >= len(layout) && matches(v, layout) {
			if rest := v[len(layout):]; len(rest) == 0 || isMidnight(rest) || anyTime && isTime(v) {
				return layout, rest
			}
		}
	}
	return "", nil
}

func matches(v []byte, layout string) bool {
	for i := range len(layout) {
		switch c := layout[i]; c {
		case 'Y', 'M', 'D':
			if !isDigit(v[i]) {
				return false
			}
		default:
			if v[i] != c {
				return false
			}
		}
	}
	return true
}

// isMidnight tells the rest of a time after its day, if it says 0:00.
func isMidnight(rest []byte) bool {
	if rest[0] != 'T' && rest[0] != ' ' {
		return false
	}
	clock := rest[1:]
	if n := bytes.IndexAny(clock, "Zz+-"); n >= 0 {
		clock = clock[:n]
	}
	return len(clock) >= len("0:00") && len(bytes.Trim(clock, "0:. ")) == 0
}

// date appends a day, written as layout says, from the stream of a seed.
func (m *Masker) date(dst []byte, layout string) []byte {
	month, day := 1+m.below(12), 1+m.below(28)
	year := 1930 + m.below(100)
	for i := 0; i < len(layout); {
		n := 1
		for i+n < len(layout) && layout[i+n] == layout[i] {
			n++
		}
		value := 0
		switch layout[i] {
		case 'Y':
			value = year
		case 'M':
			value = month
		case 'D':
			value = day
		default:
			dst = append(dst, layout[i])
			i++
			continue
		}
		if n == 1 {
			value = 1 + value%9
		}
		for digits := len(strconv.Itoa(value)); digits < n; digits++ {
			dst = append(dst, '0')
		}
		dst = strconv.AppendInt(dst, int64(value), 10)
		i += n
	}
	return dst
}

// timeLayouts are those of Marketo and its clients.
var timeLayouts = [...]string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST", "2006-01-02 15:04", time.RFC1123, time.RFC1123Z, time.ANSIC,
}

// isTime tells a day with a time of day.
func isTime(v []byte) bool {
	if len(v) < len("2006-01-02 15:04") || len(v) > 40 || bytes.IndexByte(v, ':') < 0 {
		return false
	}
	for _, layout := range timeLayouts {
		if _, err := time.Parse(layout, string(v)); err == nil {
			return true
		}
	}
	return false
}
