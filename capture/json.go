package capture

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// These write a field of a JSON object, given what stands before its value, as encoding/json does.

func (l *line) raw(s string) { l.b = append(l.b, s...) }

func (l *line) string(before, s string) { l.b = appendString(append(l.b, before...), s) }

// optional writes nothing of what is empty.
func (l *line) optional(before, s string) {
	if s != "" {
		l.string(before, s)
	}
}

func (l *line) bool(before string, is bool) { l.b = strconv.AppendBool(append(l.b, before...), is) }

func (l *line) int(before string, n int64) { l.b = strconv.AppendInt(append(l.b, before...), n, 10) }

// time writes it in UTC.
func (l *line) time(before string, t time.Time) {
	l.b = append(append(l.b, before...), '"')
	l.b = append(t.UTC().AppendFormat(l.b, time.RFC3339Nano), '"')
}

// milliseconds writes a duration as a number of them, with microseconds as its decimals.
func (l *line) milliseconds(before string, d time.Duration) {
	l.b = append(l.b, before...)
	us := d.Microseconds()
	if us < 0 {
		l.b = append(l.b, '-')
		us = -us
	}
	l.b = strconv.AppendInt(l.b, us/1000, 10)
	if us %= 1000; us > 0 {
		l.b = append(l.b, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
		for l.b[len(l.b)-1] == '0' {
			l.b = l.b[:len(l.b)-1]
		}
	}
}

// appendString appends s as a JSON string. As in encoding/json, it can stand in HTML too, and what is no UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plainByte[c] {
			i++
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			if r, n = utf8.DecodeRuneInString(s[i:]); (r != utf8.RuneError || n > 1) && r != '\u2028' && r != '\u2029' {
				i += n
				continue
			}
		}
		b = append(b, s[start:i]...)
		i += n
		start = i
		switch r {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, '\\', 'u', hex[r>>12], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		}
	}
	return append(append(b, s[start:]...), '"')
}

// plainByte has the bytes that stand for themselves whatever is beside them.
var plainByte = func() (set [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		set[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return set
}()
