package classify

import "strings"

// codeDigits is the length of all codes that Marketo writes into texts.
const codeDigits = 5

// isNumber tells whether s can be a code that stands for itself.
func isNumber(s string) bool { return 0 < len(s) && len(s) < 10 && strings.Trim(s, "0123456789") == "" }

// leadingCode reads `20103 - Lead not found`.
func leadingCode(s string) string {
	if code, _, ok := strings.Cut(s, " - "); ok && len(code) == codeDigits && isNumber(code) {
		return code
	}
	return ""
}

// trailingCode reads `No lead found (20103)`.
func trailingCode(s string) string {
	const suffix = len(" ()") + codeDigits
	if len(s) < suffix {
		return ""
	}
	s = s[len(s)-suffix:]
	if code := s[2 : 2+codeDigits]; strings.HasPrefix(s, " (") && strings.HasSuffix(s, ")") && isNumber(code) {
		return code
	}
	return ""
}
