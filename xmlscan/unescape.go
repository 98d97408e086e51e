package xmlscan

import (
	"bytes"
	"unicode/utf8"
)

// maxReference is the length of the longest reference that is looked for, with & and ;.
const maxReference = 16

// Unescape appends to dst the meaning of raw, which is a text or an attribute's value, and returns the result. It knows the
// five predefined entities and numeric references to characters that XML allows, which it writes in UTF-8. Anything else,
// line ends too, stays as it stands.
func Unescape(dst, raw []byte) []byte {
	for {
		n := bytes.IndexByte(raw, '&')
		if n < 0 {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:n]...)
		raw = raw[n:]
		r, n := reference(raw)
		if n == 0 {
			dst = append(dst, '&')
			raw = raw[1:]
			continue
		}
		dst = utf8.AppendRune(dst, r)
		raw = raw[n:]
	}
}

// reference reads the reference that b starts with and returns its length, or 0 if it is none.
func reference(b []byte) (rune, int) {
	n := bytes.IndexByte(b[:min(len(b), maxReference)], ';')
	if n < 0 {
		return 0, 0
	}
	name := b[1:n]
	switch string(name) {
	case "lt":
		return '<', n + 1
	case "gt":
		return '>', n + 1
	case "amp":
		return '&', n + 1
	case "apos":
		return '\'', n + 1
	case "quot":
		return '"', n + 1
	}
	if len(name) < 2 || name[0] != '#' {
		return 0, 0
	}
	r, ok := number(name[1:])
	if !ok {
		return 0, 0
	}
	return r, n + 1
}

// number reads the number of a character reference: decimal, or hexadecimal after x.
func number(digits []byte) (rune, bool) {
	base := rune(10)
	if digits[0] == 'x' {
		base, digits = 16, digits[1:]
	}
	r := rune(0)
	for _, c := range digits {
		d := base
		switch {
		case '0' <= c && c <= '9':
			d = rune(c - '0')
		case 'a' <= c && c <= 'f':
			d = rune(c-'a') + 10
		case 'A' <= c && c <= 'F':
			d = rune(c-'A') + 10
		}
		if d >= base {
			return 0, false
		}
		if r = r*base + d; r > utf8.MaxRune {
			return 0, false
		}
	}
	return r, len(digits) > 0 && isChar(r)
}

// isChar is XML 1.0's production Char.
func isChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' ||
		r >= ' ' && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= utf8.MaxRune
}
