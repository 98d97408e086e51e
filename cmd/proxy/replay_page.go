package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/diff"
	"marketo-proxy/pretty"
	"marketo-proxy/replay"
)

// replayPage shows for people what was sent again, and what came of it.
type replayPage struct {
	page
	capture *capture.Detail
	attempt int
	request *replay.Request
}

var proofs = map[replay.Proof]string{
	replay.ProofHash:    "as captured, to the byte, but for %s (checked by its SHA-256)",
	replay.ProofGzip:    "as captured, but for %s; compressed again, so its SHA-256 could not be checked",
	replay.ProofUnknown: "as captured, but for %s; what was masked is not known, so its SHA-256 could not be checked",
	replay.ProofNone:    "as captured, but for %s",
}

// credential names what is fresh in the request.
func (p *replayPage) credential() string {
	switch {
	case p.request.User == "":
		return ""
	case p.capture.API == classify.SOAP:
		return "requestTimestamp and requestSignature"
	case strings.HasPrefix(p.request.Call.Operation, "identityUsing"):
		return "client_secret"
	}
	return "the access token"
}

func (p *replayPage) proof() string {
	credential := p.credential()
	if credential == "" {
		return strings.Replace(proofs[p.request.Proof], ", but for %s", "", 1)
	}
	return fmt.Sprintf(proofs[p.request.Proof], credential)
}

// head says what is sent.
func (p *replayPage) head(title, sent string) {
	r := p.request
	url, _ := r.Shown()
	p.heading(fmt.Sprintf("%s %s, attempt %d of %d", title, p.capture.ID, p.attempt+1, len(p.capture.Attempts)), bold)
	p.field("call", strings.TrimSpace(string(p.capture.API)+" "+r.Call.Operation))
	p.field("user", r.User)
	p.field(sent, r.Method+" "+url)
	p.field("request", p.proof())
	for _, note := range r.Notes {
		p.field("note", note)
	}
	if r.Writes {
		p.field("note", "this operation may change something in Marketo")
	}
}

// dry shows what would be sent.
func (p *replayPage) dry() error {
	p.head("Would replay", "to")
	p.printf("\n")
	url, header := p.request.Shown()
	p.message(cyan, ">", p.request.Method+" "+url+" HTTP/1.1", shownHeader(header))
	if p.request.Size == 0 {
		return nil
	}
	p.printf("\n")
	end := &lastByte{w: p.w}
	safe := &harmlessWriter{w: end}
	cut := &cutWriter{w: safe, left: p.bodyMax, all: p.bodyMax <= 0}
	if err := p.request.ShowBody(cut); err != nil {
		return err
	}
	if err := safe.Close(); err != nil {
		return err
	}
	if end.last != '\n' {
		p.printf("\n")
	}
	if cut.more {
		p.note("the first %s; --body-max=0 shows all", byteSize(p.bodyMax))
	}
	return nil
}

// cutWriter passes the beginning on.
type cutWriter struct {
	w    io.Writer
	left int64
	all  bool
	more bool // there was more
}

func (c *cutWriter) Write(b []byte) (int, error) {
	part := b
	if !c.all && int64(len(part)) > c.left {
		part, c.more = part[:c.left], true
	}
	c.left -= int64(len(part))
	if _, err := c.w.Write(part); err != nil {
		return 0, err
	}
	return len(b), nil
}

var verdictColors = map[replay.Verdict]string{
	replay.SameFailure: red, replay.Fixed: green, replay.AnotherFailure: purple, replay.SameSuccess: green, replay.FailsNow: red,
}

// result shows both outcomes, the verdict, and what differs.
func (p *replayPage) result(v replay.Verdict, after *replay.Answer, differences diff.Result) {
	before := p.request.Captured()
	p.head("Replay of", "sent to")
	for _, note := range answerNotes(before, after) {
		p.field("note", note)
	}
	p.printf("\n")
	rows := []row{
		{"", "captured", "now"},
		{"time", before.Time.In(p.zone).Format(showTime), after.Time.In(p.zone).Format(showTime)},
		{"outcome", outcomeText(before), outcomeText(after)},
		{"meaning", p.meaning(before), p.meaning(after)},
		{"status", statusText(before), statusText(after)},
		{"records", recordsText(before), recordsText(after)},
		{"request id", before.RequestID, after.RequestID},
		{"size", sizeText(before), sizeText(after)},
		{"took", pretty.Duration(milliseconds(before.Duration)), pretty.Duration(milliseconds(after.Duration))},
	}
	p.rows(rows)
	p.messages(before, after)
	p.printf("\n")
	p.heading("Verdict: "+string(v), verdictColors[v])
	p.printf("\n")
	p.differences(before, after, differences)
}

// answerNotes are what must be known of the two answers to judge them.
func answerNotes(before, after *replay.Answer) (notes []string) {
	if off := after.Clock; off.Abs() > maxClockError {
		notes = append(notes, fmt.Sprintf("the local clock is off by %s: set it (NTP), or signatures made here may be refused", -off.Round(time.Second)))
	}
	if before.Cut {
		notes = append(notes, "the captured answer was not kept whole")
	}
	if after.Cut {
		notes = append(notes, "the new answer is in an encoding that is not understood")
	}
	return notes
}

type row struct{ name, before, after string }

// rows prints two columns; a row without anything in them is left out.
func (p *replayPage) rows(rows []row) {
	width := 0
	for i := range rows {
		rows[i].before, rows[i].after = printable(rows[i].before), printable(rows[i].after)
		width = max(width, cells(rows[i].before))
	}
	if p.screen.columns > 0 {
		width = min(width, max((p.screen.columns-16)/2, 10))
	}
	for _, r := range rows {
		if r.before+r.after == "" {
			continue
		}
		before := cut(orDash(r.before), width)
		color := ""
		if r.name == "" {
			color = dim
		}
		after := orDash(r.after)
		if p.screen.columns > 0 {
			after = cut(after, max(p.screen.columns-16-width, 10))
		}
		p.printf("  %s%s%s  %s\n", p.screen.paint(dim, fmt.Sprintf("%-12s", r.name)), p.screen.paint(color, before),
			strings.Repeat(" ", max(width-cells(before), 0)), p.screen.paint(color, after))
	}
}

// messages prints what the answers say themselves, below the columns since it is long.
func (p *replayPage) messages(before, after *replay.Answer) {
	if before.Message == after.Message {
		p.field("message", before.Message)
		return
	}
	p.field("message", before.Message)
	p.field("now", after.Message)
}

func outcomeText(a *replay.Answer) string {
	if a.Outcome == classify.Success {
		return "success"
	}
	return strings.TrimSpace(string(a.Outcome) + " " + a.Code)
}

func (p *replayPage) meaning(a *replay.Answer) string {
	return classify.Explain(classify.Verdict{Outcome: a.Outcome, Code: a.Code, Message: a.Message}, p.capture.API).Message
}

func statusText(a *replay.Answer) string {
	if a.Status == 0 {
		return "no answer"
	}
	return strings.TrimSpace(fmt.Sprint(a.Status) + " " + a.StatusText)
}

func recordsText(a *replay.Answer) string {
	if n := max(a.Failed, len(a.Records)); n > 0 {
		return fmt.Sprintf("%d failed", n)
	}
	return ""
}

func sizeText(a *replay.Answer) string {
	if a.Status == 0 {
		return ""
	}
	return fmt.Sprintf("%d bytes", a.Size)
}

// differences prints path and values of each.
func (p *replayPage) differences(before, after *replay.Answer, d diff.Result) {
	switch {
	case before.Status == 0 && after.Status == 0:
		p.printf("There is no answer to compare.\n")
		return
	case d.Total == 0:
		p.printf("The answers do not differ.\n")
		return
	}
	p.heading(fmt.Sprintf("Differences: %d", d.Total), "")
	for _, c := range d.Changes {
		path := c.Path
		if path == "" {
			path = "(all of it)"
		}
		switch {
		case c.After == nil:
			p.change(red, "  - ", path+": ", *c.Before)
		case c.Before == nil:
			p.change(green, "  + ", path+": ", *c.After)
		default:
			p.printf("  %s\n", p.screen.paint(bold, printable(path)))
			p.change(red, "    - ", "", *c.Before)
			p.change(green, "    + ", "", *c.After)
		}
	}
	if more := d.Total - len(d.Changes); more > 0 {
		p.printf("  … and %d more\n", more)
	}
	if d.Note != "" {
		p.note("%s", d.Note)
	}
}

func (p *replayPage) change(color, mark, path, value string) {
	if value == "" {
		value = "(empty)"
	}
	p.printf("%s\n", p.screen.paint(color, mark+printable(path+value)))
}

func sortedKeys(h http.Header) []string { return slices.Sorted(maps.Keys(h)) }
