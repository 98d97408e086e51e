package ticket

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/pretty"
	"marketo-proxy/redact"
)

// summary writes SUMMARY.md: the sections by what support can do about them, each to be understood alone.
func (b *builder) summary(w io.Writer) error {
	s := &summary{b: b}
	useful := slices.ContainsFunc(b.found.groups, func(g *group) bool {
		useless, _ := g.verdict(b.o.Now)
		return !useless
	})
	if len(b.found.groups) > 1 {
		s.overview(useful)
	}
	for _, g := range b.found.groups {
		s.section(g)
	}
	s.about()
	// Put together, what each part could not be might look like a secret's place.
	return redact.New(b.o.Secrets...).Body(w, &s.out)
}

type summary struct {
	b   *builder
	out bytes.Buffer
}

func (s *summary) printf(format string, args ...any) { fmt.Fprintf(&s.out, format, args...) }

// free is text that may hold anything: masked, and harmless in Markdown.
func (s *summary) free(text string) string { return plain(s.b.text(text)) }

// name is a word from outside, harmless in Markdown.
func (s *summary) name(word string) string { return plain(s.b.name(word)) }

func (s *summary) overview(useful bool) {
	all, found := s.b.found, 0
	instances := tally{}
	for _, g := range all.groups {
		found += g.count
		for name, n := range g.instances.counts {
			instances.count(name, n)
		}
	}
	s.printf("# Marketo %s: %s failed in %d ways\n\n", s.name(strings.Join(instances.sorted(), ", ")), calls(found, "call", "calls"), len(all.groups))
	if !useful {
		s.printf("**No ticket is needed for any of them:** each section says what to do instead.\n\n")
	}
	s.printf("| failure | calls | last (UTC) | for support |\n|---|--:|---|---|\n")
	for _, g := range all.groups {
		useless, _ := g.verdict(s.b.o.Now)
		s.printf("| %s | %d | %s | %s |\n", g.name(), g.count, g.last.UTC().Format("2006-01-02 15:04:05"), map[bool]string{true: "no", false: "yes"}[useless])
	}
	s.printf("\n")
}

func (s *summary) section(g *group) {
	mark := "#"
	if len(s.b.found.groups) > 1 {
		mark = "##"
	}
	s.printf("%s %s: %s%s on %s\n\n", mark, g.name(), calls(g.count, "call", "calls"), s.of(&g.operations), s.name(strings.Join(g.instances.sorted(), ", ")))
	useless, advice := g.verdict(s.b.o.Now)
	if useless {
		s.printf("**No ticket for this: Marketo's support can't help.** %s\n\n", advice)
	}
	s.table(g)
	if !useless || g.explained.Class == classify.ClassRenew {
		s.tried(g)
		s.clock(g)
	}
	s.histogram(g)
	s.exchanges(g)
	if !useless {
		s.asked(g)
	}
}

// of names the operation, if there is one only.
func (s *summary) of(operations *tally) string {
	if len(operations.counts) != 1 || operations.others > 0 {
		return ""
	}
	if name := operations.sorted()[0]; name != "" && name != "other" {
		return " of " + s.name(name)
	}
	return ""
}

func (s *summary) table(g *group) {
	line := func(name, value string) {
		if value != "" {
			s.printf("| %s | %s |\n", name, value)
		}
	}
	s.printf("| | |\n|---|---|\n")
	line("instance", s.list(&g.instances, 5, s.name))
	line("endpoint", s.list(&g.endpoints, 10, s.name))
	line("API", strings.ToUpper(string(g.kind.api)))
	line("operation", s.list(&g.operations, 10, s.name))
	meaning := plain(g.explained.Message) + ". " + g.explained.Notes
	if g.explained.Source != "" {
		meaning += " (" + g.explained.Source + ")"
	}
	if g.kind.code != "" {
		line("code", g.kind.code)
	} else {
		line("code", "none: "+string(g.kind.outcome))
	}
	line("meaning", meaning)
	line("message", s.list(&g.messages, 3, s.free))
	if g.count == 1 {
		line("time", both(g.first))
	} else {
		line("first", both(g.first))
		line("last", both(g.last))
	}
	line("calls", fmt.Sprintf("%d, of which %d attached", g.count, s.b.included[g]))
	line("answer", s.list(&g.answers, 5, s.name))
	line("answered by", s.list(&g.servers, 3, s.name))
	if g.count == 1 {
		line("duration", pretty.Duration(g.longest))
	} else {
		line("duration", fmt.Sprintf("median %s of those attached, longest %s", pretty.Duration(median(g.durations)), pretty.Duration(g.longest)))
	}
	line("API users", s.list(&g.users, 10, s.name))
	s.printf("\n")
}

// list gives the words with their counts, the most frequent first; a single one without.
func (s *summary) list(t *tally, most int, safe func(string) string) string {
	words := t.sorted()
	var parts []string
	rest := t.others
	for i, word := range words {
		if i >= most {
			rest += t.counts[word]
			continue
		}
		text := safe(word)
		if text == "" {
			if len(words) == 1 {
				return ""
			}
			text = "none"
		}
		if len(words) > 1 || t.others > 0 {
			text = fmt.Sprintf("%s (%d)", text, t.counts[word])
		}
		parts = append(parts, text)
	}
	if rest > 0 {
		parts = append(parts, fmt.Sprintf("others (%d)", rest))
	}
	return strings.Join(parts, ", ")
}

// tried says what the proxy did about the failures.
func (s *summary) tried(g *group) {
	did, words := []string{}, renewals
	if g.kind.api == classify.REST {
		words = tokenRenewals
	}
	add := func(n int, what string) {
		if n > 0 && what != "" {
			did = append(did, calls(n, "call", "calls")+": "+what)
		}
	}
	for _, name := range g.renewals.sorted() {
		r, n := capture.Renewal(name), g.renewals.counts[name]
		if r == capture.RenewalFailed {
			n = g.rejectedFresh()
		}
		add(n, words[r])
	}
	if n := g.refusals.sum(); n > 0 {
		add(n, "not sent again, no new access token could be had ("+s.list(&g.refusals, 3, s.free)+")")
	}
	if len(did) == 0 {
		did = []string{"each call was sent once. A failed call is sent again only where its signature or token had expired."}
	}
	s.printf("**Tried by the proxy** (marketo-proxy, between the application and Marketo): %s\n\n", strings.TrimSuffix(strings.Join(did, "; "), ".")+".")
}

var (
	renewals = map[capture.Renewal]string{
		capture.RenewalRecovered: "signed anew, sent once more, succeeded",
		capture.RenewalFailed:    "signed anew, sent once more, failed again",
		capture.NoCredential:     "not renewed, the proxy has no key of this user",
		capture.BadSignature:     "not renewed, the signature in the request does not fit the key of this user",
		capture.UnsupportedBody:  "not renewed, no credential that could be replaced was found in the request",
		capture.RenewalDisabled:  "not renewed, by configuration",
	}
	tokenRenewals = map[capture.Renewal]string{
		capture.RenewalRecovered: "a new access token fetched, sent once more, succeeded",
		capture.RenewalFailed:    "a new access token fetched, sent once more, failed again",
		capture.NoCredential:     "no new access token fetched, the proxy has no secret of this client",
		capture.BadSignature:     "no new access token fetched, the proxy has not seen the old one issued to a client",
		capture.UnsupportedBody:  "not sent again, the body of the request was not kept whole",
		capture.RenewalDisabled:  "no new access token fetched, by configuration",
	}
)

func (s *summary) clock(g *group) {
	offset, known := g.offset()
	if !known {
		s.printf("**Clocks**: not compared, since no answer had a `Date`.\n\n")
		return
	}
	verdict := fmt.Sprintf("the caller's clock agrees with Marketo's (median difference %.1f s", offset.Seconds())
	if offset.Abs() > clockOff {
		verdict = fmt.Sprintf("**the caller's clock is %s Marketo's** (median difference %.0f s", aheadOf(-offset), offset.Seconds())
	}
	s.printf("**Clocks**: %s, `Date` of %s minus when it came; `Date` has whole seconds).\n\n", verdict, calls(len(g.offsets), "answer", "answers"))
}

// maxBars is how many lines the histogram has: from more hours on it counts days.
const maxBars = 48

func (s *summary) histogram(g *group) {
	unit, layout, name := int64(1), "2006-01-02 15:00", "hour"
	first, last := g.first.Unix()/3600, g.last.Unix()/3600
	if first == last {
		return
	}
	if last-first >= maxBars {
		unit, layout, name = 24, "2006-01-02", "day"
	}
	bars := map[int64]int{}
	for hour, n := range g.hours {
		bars[hour/unit*unit] += n
	}
	s.printf("| %s (UTC) | calls |\n|---|--:|\n", name)
	lines := 0
	for at := first / unit * unit; at <= last; at += unit {
		if bars[at] == 0 && last-first >= maxBars {
			continue
		}
		if lines++; lines > 2*maxBars {
			s.printf("| later | … |\n")
			break
		}
		s.printf("| %s | %d |\n", time.Unix(at*3600, 0).UTC().Format(layout), bars[at])
	}
	s.printf("\n")
}

func (s *summary) exchanges(g *group) {
	if len(g.rows) == 0 {
		return
	}
	ids := slices.ContainsFunc(g.rows, func(r row) bool { return r.requestID != "" })
	columns, ruler := "time (UTC) | operation | answer", "---|---|---"
	if ids {
		columns, ruler = columns+" | requestId", ruler+"|---"
	}
	s.printf("| %s | folder in `exchanges/` |\n|%s|---|\n", columns, ruler)
	for _, r := range g.rows {
		s.printf("| %s | %s | %s | ", r.time.UTC().Format("2006-01-02 15:04:05.000"), s.name(r.operation), s.name(r.answer))
		if ids {
			s.printf("%s | ", s.name(r.requestID))
		}
		s.printf("%s |\n", folder(r.id))
	}
	s.printf("\n")
}

// asked is what support is to answer.
func (s *summary) asked(g *group) {
	var ask []string
	add := func(format string, args ...any) { ask = append(ask, fmt.Sprintf(format, args...)) }
	ids := ""
	if slices.ContainsFunc(g.rows, func(r row) bool { return r.requestID != "" }) {
		ids = " (requestIds above)"
	}
	switch {
	case g.kind.outcome == classify.Transport && neverSent(&g.answers):
		add("No connection to Marketo came about (see the message). Was the endpoint to be reached at these times, and from our address?")
	case g.kind.outcome == classify.Transport:
		add("Did these calls%s reach Marketo, and was an answer sent? Was there a disturbance of the network or a gateway at these times?", ids)
	case g.kind.outcome == classify.HTTP, g.kind.outcome == classify.Malformed:
		add("Which system on your side gave these answers%s, and why? They are not what the API documents.", ids)
	case g.explained.Class == classify.ClassRenew && g.kind.api == classify.REST:
		add("Why was an access token rejected that your identity service had given immediately before the call%s?", ids)
	case g.explained.Class == classify.ClassRenew:
		add("Why was a credential rejected as expired that was made immediately before the call%s? How old may it be?", ids)
	case g.explained.Class == classify.ClassUnknown && g.kind.code != "":
		add("What does code %s mean, and what should the caller do? The documentation does not have it.", g.kind.code)
		add("What failed in these calls%s?", ids)
	default:
		add("What failed on Marketo's side in these calls%s, and is it still going on?", ids)
	}
	for _, name := range g.operations.sorted() {
		if neverSent(&g.answers) {
			break
		}
		if classify.Writes(g.kind.api, name) {
			add("%s writes: did any of the failed calls take effect all the same? Can they be sent again as they are?", s.name(name))
			break
		}
	}
	add("What can we change to avoid it, or when will it be mended?")
	s.printf("**Asked of Marketo's support**\n\n")
	for i, question := range ask {
		s.printf("%d. %s\n", i+1, question)
	}
	s.printf("\n")
}

// neverSent tells that no call can have taken effect: by the proxy's own words, none got a connection.
func neverSent(answers *tally) bool {
	for answer := range answers.counts {
		kind, _, _ := strings.Cut(answer, ":")
		if kind != "refused" && kind != "dns" && kind != "tls" {
			return false
		}
	}
	return answers.others == 0
}

// about says how far what stands above can be trusted.
func (s *summary) about() {
	mark := "##"
	if len(s.b.found.groups) > 1 {
		mark = "#"
	}
	s.printf("%s About this ticket\n\n", mark)
	s.printf("- `exchanges.har` opens in the developer tools of browsers; `exchanges/` has each message as HTTP, and its body alone; `manifest.json` has the SHA-256 of each file.\n")
	s.printf("- Counted are calls that failed, as the proxy captured them. Successful calls are not captured, so the share of failing calls is not known here.\n")
	if s.b.masker != nil {
		s.printf("- Personal data is replaced by pseudonyms, the same for the same value throughout; secrets say `REDACTED`. All else is as it was sent and received, decompressed.\n")
	} else {
		s.printf("- **Personal data is not masked.** Secrets say `REDACTED`. All else is as it was sent and received, decompressed.\n")
	}
	if len(s.b.missing) == 0 {
		s.printf("- Complete: all failed calls that were asked for are attached whole.\n")
		return
	}
	s.printf("- Not complete:\n")
	const most = 20
	for i, m := range s.b.missing {
		if i == most {
			s.printf("  - and %d more, see `manifest.json`\n", len(s.b.missing)-most+s.b.more)
			break
		}
		s.printf("  - %s\n", m)
	}
}

// String is the missing part in one line.
func (m Missing) String() string {
	if m.Capture == "" {
		return plain(m.What)
	}
	return plain(m.Capture) + ": " + plain(m.What)
}
