package ticket

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/pretty"
)

// short names a kind as a filter would.
func (k kind) short() string {
	return strings.TrimSpace(strings.ToUpper(string(k.api)) + " " + cmp.Or(k.code, string(k.outcome)))
}

// name is short with Adobe's words.
func (g *group) name() string {
	switch {
	case g.kind.outcome == classify.Recovered:
		return strings.TrimSpace(strings.ToUpper(string(g.kind.api))+" "+g.kind.code) + ", healed by the proxy"
	case g.kind.code == "":
		return g.kind.short() + " (" + g.explained.Message + ")"
	}
	return g.kind.short() + " " + g.explained.Message
}

// rank orders kinds by what support can do about them.
func (g *group) rank() int {
	switch g.kind.outcome {
	case classify.Recovered:
		return 9
	case classify.Client:
		return 8
	case classify.Partial:
		return 5
	case classify.Transport:
		return 4
	case classify.HTTP, classify.Malformed:
		return 2
	}
	switch g.explained.Class {
	case classify.ClassMarketo:
		return 0
	case classify.ClassUnknown:
		return 1
	case classify.ClassRenew:
		if g.rejectedFresh() > 0 {
			return 3
		}
		return 5
	case classify.ClassAnswer:
		return 7
	}
	return 6
}

// verdict tells whether support can't help with this kind, and what to do in place of a ticket, else before it is sent. advice may
// be empty in the second case.
func (g *group) verdict(now time.Time) (useless bool, advice string) {
	advice = g.explained.Advice
	switch g.kind.outcome {
	case classify.Recovered:
		return true, "Nothing failed for the application: the proxy renewed the credential, and the second attempt succeeded. " +
			"If it happens often, see how long the application keeps a signature or token, and check its clock."
	case classify.Client:
		return true, fmt.Sprintf("The application closed the connection before it had the whole answer; the longest of these "+
			"calls had taken %s by then. %s",
			pretty.Duration(g.longest), advice)
	case classify.Partial:
		return true, advice
	case classify.Transport:
		return false, "Run `marketo-proxy check` where the proxy runs: a ticket helps only if name, connection and TLS are " +
			"well from there."
	}
	switch g.explained.Class {
	case classify.ClassQuota:
		return true, g.quota(now)
	case classify.ClassThrottled:
		return true, g.throttled() + advice
	case classify.ClassAccess, classify.ClassCaller, classify.ClassAnswer:
		return true, advice
	case classify.ClassRenew:
		return g.renew()
	}
	return false, advice
}

// quota says when the calls that are counted begin anew: at 00:00 US Central (Adobe, REST API, "Limits").
func (g *group) quota(now time.Time) string {
	reset := nextMidnight(g.last)
	what := "A daily limit is used up. It "
	if g.kind.code == "20015" || g.kind.code == "607" {
		what = "The day's quota of calls is used up; all clients of the instance share it. It "
	}
	at := fmt.Sprintf("at 00:00 US Central (%s UTC)", reset.UTC().Format("2006-01-02 15:04"))
	if reset.After(now) {
		return what + "resets in " + words(reset.Sub(now)) + ", " + at + ". " + g.explained.Advice
	}
	return what + "was reset " + words(now.Sub(reset)) + " ago, " + at + ": calls pass again. If it comes back: " + g.explained.Advice
}

func (g *group) throttled() string {
	switch g.kind.code {
	case "20023", "606":
		return fmt.Sprintf("In the worst 20 s, %s captured. Marketo allows 100 in 20 s, whether they fail or not, to all "+
			"clients of the instance together. ",
			calls(mostWithin(g.calls, 20*time.Second), "rejected call was", "rejected calls were"))
	case "20024", "615":
		return fmt.Sprintf("At most %s in flight at once. Marketo works on 10 calls at once, whether they fail or not, for all "+
			"clients of the instance together. ",
			calls(mostAtOnce(g.calls), "captured call was", "captured calls were"))
	}
	return ""
}

// rejectedFresh is how often Marketo took a fresh credential of the proxy's for expired.
func (g *group) rejectedFresh() int {
	return g.renewals.counts[string(capture.RenewalFailed)] - g.refusals.sum()
}

// renew tells a wrong clock from a credential that nobody renews, and both from a fresh one that Marketo rejects.
func (g *group) renew() (useless bool, advice string) {
	offset, known := g.offset()
	n := func(r capture.Renewal) int { return g.renewals.counts[string(r)] }
	rest := g.kind.api == classify.REST
	switch {
	case known && offset.Abs() > clockOff && !rest: // a token's life does not hang on the caller's clock
		return true, fmt.Sprintf("The clock of the proxy's host is %s Marketo's: set it right (NTP), and look at the clock of "+
			"the host that signs.", aheadOf(-offset))
	case g.rejectedFresh() > 0 && rest:
		return false, "The access token that the proxy had just fetched was rejected too."
	case g.rejectedFresh() > 0:
		return false, "The proxy's own, fresh credential was rejected too: check that the key in --credentials-dir is the one " +
			"in Marketo's Admin."
	case g.refusals.sum() > 0:
		return true, "The proxy asked the identity service for a new access token and got none: check that the secret in " +
			"--credentials-dir is the one that Marketo's Admin shows for this client, and that the client still exists."
	case n(capture.BadSignature) > 0 && rest:
		return true, "The proxy renews an access token only if it saw it issued: let the application fetch its tokens through " +
			"the proxy, too. Tokens from before a restart of the proxy are renewed by the application."
	case n(capture.BadSignature) > 0:
		return true, "The signature in the request does not fit the key that the proxy has for this user: one of the two is wrong."
	case n(capture.RenewalDisabled) > 0:
		return true, "The proxy is told never to renew a credential (--sign=never); with --sign=expired it heals such calls."
	case n(capture.UnsupportedBody) > 0 && rest:
		return true, "The proxy could not send these requests again: their bodies were not kept whole. Let the application fetch a " +
			"new access token when expires_in has passed."
	case n(capture.UnsupportedBody) > 0:
		return true, "The proxy could not renew a credential in these requests: no header for it was found, or the body was " +
			"too large to be kept. Let the application renew it before each call."
	}
	return true, g.explained.Advice
}

// mostWithin is the largest number of calls that began within a time.
func mostWithin(all []span, d time.Duration) int {
	starts := make([]int64, len(all))
	for i, s := range all {
		starts[i] = s.start
	}
	slices.Sort(starts)
	most, from := 0, 0
	for i, at := range starts {
		for at-starts[from] >= int64(d) {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// mostAtOnce is the largest number of calls in flight at one time.
func mostAtOnce(all []span) int {
	type edge struct {
		at   int64
		step int
	}
	edges := make([]edge, 0, 2*len(all))
	for _, s := range all {
		edges = append(edges, edge{s.start, 1}, edge{max(s.end, s.start+1), -1})
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.step, b.step)) })
	now, most := 0, 0
	for _, e := range edges {
		now += e.step
		most = max(most, now)
	}
	return most
}
