package pretty

import (
	"fmt"
	"strings"

	"marketo-proxy/classify"
)

// Tone is how a failure looks.
type Tone string

// The tones; a page and a terminal have a colour for each.
const (
	Bad   Tone = "bad"   // broken
	Busy  Tone = "busy"  // too many calls
	Warn  Tone = "warn"  // the caller does something wrong
	Good  Tone = "good"  // nobody has to do anything
	Renew Tone = "renew" // a credential expired
	Plain Tone = "plain"
)

// ToneOf is that of a class and an outcome, which may be empty.
func ToneOf(class classify.Class, outcome classify.Outcome) Tone {
	if outcome == classify.Recovered {
		return Good
	}
	switch class {
	case classify.ClassMarketo, classify.ClassAccess:
		return Bad
	case classify.ClassThrottled, classify.ClassQuota:
		return Busy
	case classify.ClassCaller:
		return Warn
	case classify.ClassAnswer:
		return Good
	case classify.ClassRenew:
		return Renew
	}
	switch outcome {
	case classify.HTTP, classify.Malformed, classify.Transport:
		return Bad
	}
	return Plain
}

// Size writes a number of bytes with a digit after the point at most.
func Size(n int64) string {
	switch {
	case n == 1:
		return "1 byte"
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// ShellWord is s as a shell reads it as one word, quoted only where it must be.
func ShellWord(s string) string {
	special := func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-+=:@%,", r))
	}
	if s != "" && strings.IndexFunc(s, special) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
