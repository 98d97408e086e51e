package redact

// beginsName tells that a word begins after b: what stands before is no letter or digit, or an escape that ends in one.
// With part the word may also follow a hyphen or underscore.
func beginsName(b []byte, part bool) bool {
	n := len(b)
	if n == 0 {
		return true
	}
	c := b[n-1]
	if c == '-' || c == '_' {
		for n > 0 && (b[n-1] == '-' || b[n-1] == '_') { // --cookie, __cookie
			n--
		}
		return part || n == 0 || !isLetter(b[n-1]) && !isDigit(b[n-1])
	}
	if !isLetter(c) && !isDigit(c) {
		return true
	}
	switch {
	case n >= 2 && b[n-2] == '\\' && (c == 'n' || c == 'r' || c == 't'):
		return true
	case n >= 3 && b[n-3] == '%' && unhex(b[n-2]) >= 0 && unhex(c) >= 0:
		return true
	case n >= 5 && b[n-5] == '%' && b[n-4] == '2' && b[n-3] == '5' && unhex(b[n-2]) >= 0 && unhex(c) >= 0:
		return true
	}
	return n >= 6 && b[n-6] == '\\' && b[n-5] == 'u' && unhex(b[n-4]) >= 0 && unhex(b[n-3]) >= 0 &&
		unhex(b[n-2]) >= 0 && unhex(c) >= 0
}

// tagBefore tells whether b ends with the beginning of a tag, up to its name: <, </, <ns1:, also escaped.
func tagBefore(b []byte) tagPart {
	n := len(b)
	if n > 0 && b[n-1] == ':' {
		n--
		for n > 0 && (isLetter(b[n-1]) || isDigit(b[n-1]) || b[n-1] == '-' || b[n-1] == '_') {
			// The ; of &lt; stops this; the digits of an escaped < belong to the tag.
			if hasAnySuffix(b[:n], tagOpens[:]) {
				break
			}
			n--
		}
	}
	b = b[:n]
	switch {
	case hasAnySuffix(b, tagOpens[:]):
		return startTag
	case hasSuffix(b, "/"), hasSuffix(b, "%2f"):
		return endTag
	}
	return noTag
}

var tagOpens = [...]string{"<", "&lt;", `\u003c`, "%3c", "%253c"}

func hasAnySuffix(b []byte, suffixes []string) bool {
	for _, s := range suffixes {
		if hasSuffix(b, s) {
			return true
		}
	}
	return false
}

// hasSuffix ignores the case of letters.
func hasSuffix(b []byte, suffix string) bool {
	return len(b) >= len(suffix) && equalFold(b[len(b)-len(suffix):], suffix)
}
