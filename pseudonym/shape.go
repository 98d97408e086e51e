package pseudonym

import (
	"bytes"
	"net/netip"
	"unicode"
	"unicode/utf8"
)

// marker stands where a capture had a secret (package redact).
const marker = "REDACTED"

// mask appends the pseudonym of a value, escapes undone: the same shape with other contents. White space around it, an empty
// value, true, false, null and the marker of a secret stay. kind is what to count it as if its shape does not say more.
//
// The same letters in upper or lower case get the same pseudonym, so that JANE and Jane can be seen to be one.
func (m *Masker) mask(dst, v []byte, kind string) []byte {
	start := len(v) - len(bytes.TrimLeftFunc(v, unicode.IsSpace))
	dst, v = append(dst, v[:start]...), v[start:]
	core := bytes.TrimRightFunc(v, unicode.IsSpace)
	tail := v[len(core):]
	switch {
	case len(core) == 0 || isConstant(core) || isOwn(core):
		dst = append(dst, core...)
	case m.wholeEmail(core):
		dst = m.email(dst, core)
	default:
		dst = m.shape(dst, core, kind)
	}
	return append(dst, tail...)
}

func isConstant(v []byte) bool {
	switch string(v) {
	case marker, "true", "false", "null", "True", "False", "TRUE", "FALSE", "NULL":
		return true
	}
	return false
}

// wholeEmail tells that a value is an address and nothing else.
func (m *Masker) wholeEmail(v []byte) bool {
	a := &m.whole
	return len(v) <= maxLocal+maxDomain && bytes.IndexByte(v, '@') > 0 && a.find(v, true) && a.start == 0 && a.end == len(v)
}

func (m *Masker) shape(dst, v []byte, kind string) []byte {
	if layout, rest := bareDate(v, kind == Date); layout != "" {
		m.counts[Date]++
		m.seed(v)
		return append(m.date(dst, layout), rest...)
	}
	if isTime(v) {
		return append(dst, v...)
	}
	if a, err := netip.ParseAddr(string(v[:min(len(v), 48)])); err == nil && len(v) <= 48 {
		m.counts[IP]++
		return m.ip(dst, a)
	}
	if n := schemeLength(v); n > 0 {
		m.counts[URL]++
		return m.url(dst, v, n)
	}
	if kind == Attribute && isPhone(v) {
		kind = Phone
	}
	m.counts[kind]++
	if bytes.IndexByte(v, '@') < 0 {
		return m.runes(dst, v)
	}
	var a address
	for a.find(v, true) {
		dst = m.runes(dst, v[:a.start])
		dst = m.addEmail(dst, v[a.start:a.end], a.text)
		v = v[a.end:]
	}
	return m.runes(dst, v)
}

// ip gives an address from the ranges for benchmarks (RFC 2544) and documentation (RFC 3849).
func (m *Masker) ip(dst []byte, a netip.Addr) []byte {
	m.seed([]byte(a.String()))
	if a.Is4() {
		return netip.AddrFrom4([4]byte{198, byte(18 + m.below(2)), byte(m.below(256)), byte(m.below(256))}).AppendTo(dst)
	}
	b := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	copy(b[8:], m.sum[:8])
	return netip.AddrFrom16(b).AppendTo(dst)
}

// schemeLength is the length of the https:// or the like that a value begins with.
func schemeLength(v []byte) int {
	n := bytes.Index(v[:min(len(v), 16)], []byte("://"))
	if n < 2 {
		return 0
	}
	for _, c := range v[:n] {
		if !isLetter(c) && !isDigit(c) && c != '+' && c != '-' && c != '.' {
			return 0
		}
	}
	return n + len("://")
}

// url keeps the scheme; the host becomes one of a reserved domain, the same for all URLs of one host.
func (m *Masker) url(dst, v []byte, scheme int) []byte {
	dst = append(dst, v[:scheme]...)
	host, rest := v[scheme:], []byte(nil)
	if n := bytes.IndexAny(host, "/?#"); n >= 0 {
		host, rest = host[:n], host[n:]
	}
	if len(host) > 0 {
		m.digest(bytes.ToLower(host))
		dst = append(dst, "h-"...)
		dst = append(dst, m.tag()...)
		dst = append(dst, ".example.com"...)
	}
	return m.runes(dst, rest)
}

// isPhone tells a number in groups, or with a plus sign before it. One dot alone makes it a fraction.
func isPhone(v []byte) bool {
	digits, signs, dots := 0, 0, 0
	for i, c := range v {
		switch {
		case isDigit(c):
			digits++
		case c == '+' && i == 0, c == '(', c == ')', c == ' ', c == '/', c == '-' && i > 0:
			signs++
		case c == '.' && i > 0:
			dots++
		default:
			return false
		}
	}
	return digits >= 7 && digits <= 20 && (signs > 0 || dots > 1)
}

// runes replaces each character by one of its class and length in UTF-8, keyed by the whole: limits on length and trouble with
// encodings stay visible. Letters become consonants, so that no word comes about. Signs, spaces and markers stay.
func (m *Masker) runes(dst, v []byte) []byte {
	if len(v) == 0 {
		return dst
	}
	m.folded = append(m.folded[:0], v...)
	for i, c := range m.folded {
		if 'A' <= c && c <= 'Z' {
			m.folded[i] = c | 0x20
		}
	}
	m.seed(m.folded)
	alphabet := consonants
	if isHex(v) {
		alphabet = "abcdef"
	}
	number := false // the byte before is a digit or what belongs to a number
	for i := 0; i < len(v); {
		c := v[i]
		switch {
		case isDigit(c):
			dst = append(dst, m.digit(c, number))
		case c == marker[0] && bytes.HasPrefix(v[i:], []byte(marker)):
			dst = append(dst, marker...)
			i += len(marker) - 1
		case isLetter(c):
			dst = append(dst, alphabet[m.below(len(alphabet))]&^(^c&0x20)) // in the case of c
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, n := utf8.DecodeRune(v[i:])
			dst = m.foreign(dst, r, n)
			i += n - 1
		}
		number = isDigit(c) || number && (c == '.' || c == ',')
		i++
	}
	return dst
}

const consonants = "bcdfghjklmnpqrstvwxz"

// digit replaces a digit. The first of a number stays 0, or not 0.
func (m *Masker) digit(c byte, inside bool) byte {
	switch {
	case inside:
		return '0' + byte(m.below(10))
	case c == '0':
		return c
	}
	return '1' + byte(m.below(9))
}

// foreign replaces a character outside ASCII, of n bytes.
func (m *Masker) foreign(dst []byte, r rune, n int) []byte {
	switch {
	case r == utf8.RuneError && n <= 1:
		return append(dst, '?')
	case unicode.IsPunct(r), unicode.IsSpace(r), unicode.IsMark(r):
		return utf8.AppendRune(dst, r)
	case n == 2:
		return utf8.AppendRune(dst, 0xe0+rune(m.below(0x17))) // à to ö
	case n == 3:
		return utf8.AppendRune(dst, 0x4e00+rune(m.below(0x1000)))
	}
	return utf8.AppendRune(dst, 0x20000+rune(m.below(0x1000)))
}

// isHex tells a hexadecimal number, such as an id or a hash: its letters stay hexadecimal.
func isHex(v []byte) bool {
	digits := false
	for _, c := range v {
		switch {
		case isDigit(c):
			digits = true
		case unhex(c) < 0 && c != '-':
			return false
		}
	}
	return digits && len(v) >= 8
}

func isIP(v []byte) bool {
	_, err := netip.ParseAddr(string(v))
	return err == nil
}
