// Package pretty puts captures into a form for people, on a terminal and on a page: bodies into lines, constants into words.
package pretty

import (
	"fmt"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

var renewals = map[capture.Renewal]string{
	capture.RenewalRecovered: "the call had expired; signed again and sent once more, it succeeded",
	capture.RenewalFailed:    "the call had expired; signed again and sent once more, it failed again",
	capture.NoCredential:     "the call had expired; not signed again, since no key is known for this user (--credentials-dir)",
	capture.BadSignature:     "the call had expired; not signed again, since its own signature does not fit the key",
	capture.UnsupportedBody:  "the call had expired; not signed again, since its body has no header that could be renewed",
	capture.RenewalDisabled:  "the call had expired; not signed again, by --sign=never",
}

var turns = map[string]string{
	classify.TurnProxy:         "this proxy's, if it has the key; else the application's",
	classify.TurnApplication:   "the application's: whoever wrote or runs it",
	classify.TurnAdministrator: "an administrator's: of the Marketo instance, or of this host and its network",
	classify.TurnMarketo:       "Marketo's: wait, and open a ticket if it lasts",
	classify.TurnNobody:        "nobody's: this is an answer, not an incident",
}

// Renewal says what became of an expired signature; it is empty where none expired.
func Renewal(r capture.Renewal) string { return renewals[r] }

// Turn says whose turn it is.
func Turn(turn string) string { return turns[turn] }

// Retry says whether the same call can succeed.
func Retry(yes bool) string {
	if yes {
		return "yes, the same call can succeed soon"
	}
	return "no"
}

// Duration writes milliseconds with three digits at most.
func Duration(ms float64) string {
	switch {
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.2f s", ms/1000)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}
