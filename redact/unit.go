package redact

// encoding is how a unit of text is written.
type encoding uint8

const (
	asIs    encoding = iota
	slashed          // \n, \/, \" …
	unicode          // \u0022
	percent          // %22
	entity           // &quot; or &#34;
)

// unit is one character of text that may stand in it encoded, because text is found inside JSON strings, XML and URLs, and
// those inside each other.
type unit struct {
	c       byte // the character, if ASCII; otherwise one byte of it, or 0x80 for an encoded one
	n       int  // its length as written
	enc     encoding
	level   int // percent, entity: how often it is encoded; %2522 is 2
	slashes int // backslashes before a quote
}

const (
	maxLevel   = 4
	maxSlashes = 64
	maxUnit    = 80 // more than the longest unit
)

// readUnit reads the unit at the start of b, which is not empty. It returns false if more of b is needed.
func readUnit(b []byte, last bool) (unit, bool) {
	var u unit
	switch b[0] {
	case '\\':
		u = readSlashed(b)
	case '%':
		u = readPercent(b)
	case '&':
		u = readEntity(b)
	default:
		return unit{c: b[0], n: 1}, true
	}
	if u.n == 0 { // b ends in the unit
		if !last && len(b) < maxUnit {
			return u, false
		}
		u = unit{c: b[0], n: 1}
	}
	return u, true
}

// readSlashed reads a run of backslashes, as each level of JSON in JSON doubles them, and what they escape.
func readSlashed(b []byte) unit {
	n := 0
	for n < len(b) && n < maxSlashes && b[n] == '\\' {
		n++
	}
	if n == len(b) {
		return unit{}
	}
	switch c := b[n]; c {
	case '"', '\'':
		return unit{c: c, n: n + 1, slashes: n}
	case '/':
		return unit{c: c, n: n + 1, enc: slashed}
	case 'n', 'r', 't', 'f', 'b':
		return unit{c: '\n', n: n + 1, enc: slashed}
	case 'u':
		if len(b) < n+5 {
			return unit{}
		}
		r := 0
		for _, h := range b[n+1 : n+5] {
			if unhex(h) < 0 {
				return unit{c: '\\', n: n}
			}
			r = r<<4 | unhex(h)
		}
		return unit{c: ascii(r), n: n + 5, enc: unicode}
	}
	return unit{c: '\\', n: n}
}

func readPercent(b []byte) unit {
	level, n := 1, 1
	for level < maxLevel && len(b) >= n+2 && b[n] == '2' && b[n+1] == '5' {
		level++
		n += 2
	}
	if len(b) < n+2 {
		return unit{}
	}
	hi, lo := unhex(b[n]), unhex(b[n+1])
	switch {
	case hi >= 0 && lo >= 0:
		return unit{c: ascii(hi<<4 | lo), n: n + 2, enc: percent, level: level}
	case level > 1: // %25 and no digits
		return unit{c: '%', n: 3, enc: percent, level: 1}
	}
	return unit{c: '%', n: 1}
}

// entities are what may follow an ampersand, whether that is itself written as an entity or not.
var entities = [...]struct {
	rest string
	c    byte
}{{"lt;", '<'}, {"gt;", '>'}, {"quot;", '"'}, {"apos;", '\''}}

func readEntity(b []byte) unit {
	const amp = "amp;"
	level, n := 1, 1
	for level < maxLevel && hasPrefix(b[n:], amp) {
		level++
		n += len(amp)
	}
	rest := b[n:]
	more := isPrefix(rest, amp)
	for _, e := range entities {
		if hasPrefix(rest, e.rest) {
			return unit{c: e.c, n: n + len(e.rest), enc: entity, level: level}
		}
		more = more || isPrefix(rest, e.rest)
	}
	if len(rest) > 0 && rest[0] == '#' {
		if r, m := charRef(rest); m > 0 {
			return unit{c: ascii(r), n: n + m, enc: entity, level: level}
		} else if m == 0 {
			more = true
		}
	}
	switch {
	case more:
		return unit{}
	case level > 1:
		return unit{c: '&', n: 1 + len(amp), enc: entity, level: 1}
	}
	return unit{c: '&', n: 1}
}

// charRef reads #34; or #x22; and returns its length, 0 if b ends in it, negative if it is none.
func charRef(b []byte) (r, n int) {
	const longest = len("#x0010ffff;")
	base := 10
	for n = 1; n < min(len(b), longest); n++ {
		d := unhex(b[n])
		switch {
		case n == 1 && lower(b[n]) == 'x':
			base = 16
		case b[n] == ';' && n > 1:
			return r, n + 1
		case d < 0 || d >= base:
			return 0, -1
		default:
			r = r*base + d
		}
	}
	if n < longest {
		return 0, 0
	}
	return 0, -1
}

// ascii is r as a byte, or 0x80 if it is no ASCII character.
func ascii(r int) byte {
	if r < 0x80 {
		return byte(r)
	}
	return 0x80
}

// hasPrefix ignores the case of letters.
func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && equalFold(b[:len(prefix)], prefix)
}

// isPrefix tells that b is a prefix of s and shorter.
func isPrefix(b []byte, s string) bool {
	return len(b) < len(s) && equalFold(b, s[:len(b)])
}
