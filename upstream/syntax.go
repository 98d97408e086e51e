package upstream

import "strings"

// Classes of bytes, after RFC 9110 section 5 and RFC 3986 section 3.2.2.
const (
	inName  = 1 << iota // tchar: field names and methods
	inValue             // what may stand in a field value: no control character but the tab
	inHost              // host and port
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
		if alnum || b != 0 && strings.IndexByte("-._~!$&'()*+,;=:[]", b) >= 0 {
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

func validName(s string) bool  { return s != "" && all(s, inName) }
func validValue(s string) bool { return all(s, inValue) }
func validHost(s string) bool  { return all(s, inHost) }

// validTarget refuses what could end the target, or the line, of a request line. Bytes above ASCII pass, as in net/http.
func validTarget(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// hasToken tells whether a comma-separated list in values has the token, in any spelling.
func hasToken(values []string, token string) bool {
	for _, v := range values {
		for v != "" {
			var item string
			item, v, _ = strings.Cut(v, ",")
			if strings.EqualFold(trim(item), token) {
				return true
			}
		}
	}
	return false
}

// trim takes away the blanks that HTTP allows around a value.
func trim(s string) string {
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
