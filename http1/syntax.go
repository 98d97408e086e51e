package http1

import "strings"

// Classes of bytes, after RFC 9110 section 5 and RFC 3986 section 3.2.2.
const (
	inName  = 1 << iota // tchar: field names and methods
	inValue             // what may stand in a field value: no control character but the tab
	inHost              // host and port; a percent sign for the zone of an IPv6 address
)

var classes = func() (table [256]byte) {
	for c := range table {
		b := byte(c)
		alnum := '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
		if alnum || b != 0 && strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0 {
			table[c] |= inName
		}
		if b >= ' ' && b != 0x7f || b == '\t' {
			table[c] |= inValue
		}
		if alnum || b != 0 && strings.IndexByte("-._~!$&'()*+,;=:[]%", b) >= 0 {
			table[c] |= inHost
		}
	}
	return table
}()

func all(s string, class byte) bool {
	for i := range len(s) {
		if classes[s[i]]&class == 0 {
			return false
		}
	}
	return true
}

// ValidName tells whether s may be the name of a field, or a method.
func ValidName(s string) bool { return s != "" && all(s, inName) }

// ValidValue tells whether s may be the value of a field.
func ValidValue(s string) bool { return all(s, inValue) }

// ValidHost tells whether s has only what a host with a port may have.
func ValidHost(s string) bool { return all(s, inHost) }

// ValidTarget refuses what could end the target, or the line, of a request line. Bytes above ASCII pass, as in net/http.
func ValidTarget(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// EqualToken compares two tokens without regard to the case of their ASCII letters. strings.EqualFold has letters beyond ASCII equal to
// some of them: with it, a Kelvin sign would do for the k of chunked.
func EqualToken(s, t string) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range len(s) {
		if lower(s[i]) != lower(t[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// HasToken tells whether a comma-separated list in values has the token, in any spelling.
func HasToken(values []string, token string) bool {
	for _, v := range values {
		for v != "" {
			var item string
			item, v, _ = strings.Cut(v, ",")
			if EqualToken(Trim(item), token) {
				return true
			}
		}
	}
	return false
}

// Trim takes away the blanks that HTTP allows around a value.
func Trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// canonical tells whether a valid name is spelt as http.Header has it.
func canonical(name string) bool {
	upper := true
	for i := range len(name) {
		c := name[i]
		if upper && 'a' <= c && c <= 'z' || !upper && 'A' <= c && c <= 'Z' {
			return false
		}
		upper = c == '-'
	}
	return true
}

// FramingField tells whether a field is one that says how a message ends or where it goes, in any spelling.
func FramingField(name string) bool {
	switch len(name) {
	case len("Host"):
		return strings.EqualFold(name, "Host")
	case len("Trailer"):
		return strings.EqualFold(name, "Trailer")
	case len("Content-Length"):
		return strings.EqualFold(name, "Content-Length")
	case len("Transfer-Encoding"):
		return strings.EqualFold(name, "Transfer-Encoding")
	}
	return false
}
