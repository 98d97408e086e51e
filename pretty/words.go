// Package pretty puts captures into a form for people, on a terminal and on a page: bodies into lines, constants into words.
package pretty

import (
	"fmt"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

// renewals say what became of an expired signature, tokenRenewals of an access token that had expired or was missing (--sign=always).
var (
	renewals = map[capture.Renewal]string{
		capture.RenewalRecovered: "the call had expired; signed again and sent once more, it succeeded",
		capture.RenewalFailed:    "the call had expired; signed again and sent once more, it failed again",
		capture.NoCredential:     "the call had expired; not signed again, since no key is known for this user (--credentials-dir)",
		capture.BadSignature:     "the call had expired; not signed again, since its own signature does not fit the key",
		capture.UnsupportedBody:  "the call had expired; not signed again, since its body has no header that could be renewed",
		capture.RenewalDisabled:  "the call had expired; not signed again, by --sign=never",
	}
	tokenRenewals = map[capture.Renewal]string{
		capture.RenewalRecovered: "the access token had expired; with a new one and sent once more, the call succeeded",
		capture.RenewalFailed:    "the access token had expired; with a new one and sent once more, the call failed again",
		capture.NoCredential:     "no new access token was fetched, since no secret is known for its client (--credentials-dir)",
		capture.BadSignature:     "the access token had expired; no new one was fetched, since the proxy did not see it issued",
		capture.UnsupportedBody:  "the access token had expired; the call was not sent again, since its body was not kept whole",
		capture.RenewalDisabled:  "the access token had expired; no new one was fetched, by --sign=never",
	}
)

var turns = map[string]string{
	classify.TurnProxy:         "this proxy's, if it has the user's key or the client's secret; else the application's",
	classify.TurnApplication:   "the application's: whoever wrote or runs it",
	classify.TurnAdministrator: "an administrator's: of the Marketo instance, or of this host and its network",
	classify.TurnMarketo:       "Marketo's: wait, and open a ticket if it lasts",
	classify.TurnNobody:        "nobody's: this is an answer, not an incident",
}

// Renewal says what became of an expired signature or access token, and why no new token could be had; it is empty where none
// expired.
func Renewal(c *capture.Capture) string {
	switch {
	case c.API != classify.REST:
		return renewals[c.Renewal]
	case c.RenewalError != "":
		return "no new access token could be had: " + c.RenewalError
	}
	return tokenRenewals[c.Renewal]
}

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
