package pseudonym

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// maxUnit is more than the longest escape that is read: what is longer is no escape.
const maxUnit = 48

// unit is one character as it may stand in text of unknown structure: as it is, or escaped for a URL (%40), XML (&#64;) or JSON
// (\u0040), also several times over. c has its bytes, or only a backslash for an escape that means no character of a word.
type unit struct {
	c    [utf8.UTFMax]byte
	size int // bytes of c
	n    int // bytes of the text
}

func one(c byte, n int) unit { return unit{[utf8.UTFMax]byte{c}, 1, n} }

func char(r rune, n int) unit {
	u := unit{n: n}
	u.size = utf8.EncodeRune(u.c[:], r)
	return u
}

// isWord tells a letter or digit. A byte that is not ASCII, as %C3 means, may be part of one.
func (u *unit) isWord() bool {
	if c := u.c[0]; u.size == 1 {
		return isLetter(c) || isDigit(c) || c >= utf8.RuneSelf
	}
	r, _ := utf8.DecodeRune(u.c[:u.size])
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// readUnit reads the unit at the start of b, which is not empty; false if more of b is needed.
func readUnit(b []byte, last bool) (unit, bool) {
	var u unit
	switch b[0] {
	case '\\':
		u = readBackslash(b)
	case '%':
		u = readPercent(b)
	case '&':
		u = readEntity(b)
	default:
		if b[0] < utf8.RuneSelf || !utf8.FullRune(b) && last {
			return one(b[0], 1), true
		}
		if !utf8.FullRune(b) {
			return u, false
		}
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError {
			return one(b[0], 1), true
		}
		return char(r, n), true
	}
	if u.n > 0 {
		return u, true
	}
	return one(b[0], 1), last || len(b) >= maxUnit
}

// readBackslash reads a run of backslashes with what they escape: JSON in JSON doubles them.
func readBackslash(b []byte) unit {
	n := 0
	for n < len(b) && n < maxUnit/2 && b[n] == '\\' {
		n++
	}
	switch {
	case n == len(b):
		return unit{}
	case b[n] != 'u':
		return one('\\', n+1)
	case len(b) < n+5:
		return unit{}
	}
	r := rune(0)
	for _, c := range b[n+1 : n+5] {
		d := unhex(c)
		if d < 0 {
			return one('\\', n+1)
		}
		r = r<<4 | rune(d)
	}
	return char(r, n+5)
}

func readPercent(b []byte) unit {
	n := 1
	for n < maxUnit/2 && bytes.HasPrefix(b[n:], []byte("25")) {
		n += 2
	}
	switch {
	case len(b) < n+2:
		return unit{}
	case unhex(b[n]) < 0 || unhex(b[n+1]) < 0:
		return one('%', 1)
	}
	return one(byte(unhex(b[n])<<4|unhex(b[n+1])), n+2)
}

// entities are the references by name that matter next to an address.
var entities = [...]struct {
	name string
	c    byte
}{{"lt;", '<'}, {"gt;", '>'}, {"quot;", '"'}, {"apos;", '\''}, {"commat;", '@'}, {"period;", '.'}, {"nbsp;", ' '}}

func readEntity(b []byte) unit {
	n := 1
	for n < maxUnit/2 && bytes.HasPrefix(b[n:], []byte("amp;")) {
		n += len("amp;")
	}
	rest := b[n:]
	if len(rest) == 0 {
		return unit{}
	}
	if rest[0] == '#' {
		r, m := charRef(rest)
		switch {
		case m > 0:
			return char(r, n+m)
		case m == 0:
			return unit{}
		}
	}
	for _, e := range entities {
		switch {
		case bytes.HasPrefix(rest, []byte(e.name)):
			return one(e.c, n+len(e.name))
		case bytes.HasPrefix([]byte(e.name), rest):
			return unit{}
		}
	}
	if len(rest) < len("amp;") && bytes.HasPrefix([]byte("amp;"), rest) {
		return unit{}
	}
	return one('&', n)
}

// charRef reads #64; or #x40; and returns its length, 0 if b ends in it, negative if it is none.
func charRef(b []byte) (rune, int) {
	const longest = 12
	base, r := 10, 0
	for n := 1; n < len(b); n++ {
		c := b[n]
		d := unhex(c)
		switch {
		case n == longest:
			return 0, -1
		case n == 1 && c|0x20 == 'x':
			base = 16
		case c == ';' && n > 1:
			return rune(r), n + 1
		case d < 0 || d >= base:
			return 0, -1
		default:
			r = r*base + d
		}
	}
	return 0, 0
}

func unhex(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isSpace(c byte) bool  { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
