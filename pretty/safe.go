package pretty

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Harmless tells that a character can't steer a terminal nor hide in text: none of Unicode's controls, and none of the invisible ones
// that reorder it.
func Harmless(r rune) bool { return unicode.IsGraphic(r) }

// Rune is raw, the bytes of r, or an escape that shows them if they are not harmless.
func Rune(r rune, raw string) string {
	switch {
	case r == utf8.RuneError && len(raw) == 1:
		return fmt.Sprintf(`\x%02x`, raw[0])
	case Harmless(r):
		return raw
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// Line is s on one line, with everything escaped that is not harmless.
func Line(s string) string {
	return replace(s, func(r rune, _ string) (string, bool) { return " ", r == '\n' || r == '\t' || r == '\r' })
}

// Text is s with everything escaped that is not harmless, but for lines and tabs; a carriage return before a newline is dropped.
func Text(s string) string {
	return replace(s, func(r rune, after string) (string, bool) {
		if r == '\r' && strings.HasPrefix(after, "\n") {
			return "", true
		}
		return string(r), r == '\n' || r == '\t'
	})
}

// replace escapes what is not harmless, unless special knows better.
func replace(s string, special func(r rune, after string) (string, bool)) string {
	var out strings.Builder
	out.Grow(len(s))
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		with, ok := special(r, s[n:])
		if !ok {
			with = Rune(r, s[:n])
		}
		out.WriteString(with)
		s = s[n:]
	}
	return out.String()
}
