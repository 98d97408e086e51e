package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/pretty"
)

type capturesShow struct {
	captureFlags
	ID      string   `arg:"" help:"Id of a capture, or its first characters: at least 8, and as many as make it the only one."`
	BodyMax byteSize `help:"Bytes to show of each body; 0: all." default:"64KiB" placeholder:"SIZE"`
	JSON    bool     `name:"json" help:"The capture as it is on disk: one JSON object on one line."`
	UTC     bool     `name:"utc" help:"Times in UTC in place of the local zone."`
}

// Run shows one capture.
func (c *capturesShow) Run(w *world) error {
	s, err := c.find(c.ID)
	if err != nil {
		return err
	}
	screen := w.screen()
	out := bufio.NewWriter(w.stdout)
	if c.JSON {
		var dst io.Writer = out
		if screen.terminal {
			dst = &harmlessWriter{w: out, json: true}
		}
		return errors.Join(copyLine(dst, s.Handle), out.Flush())
	}
	d, err := s.Detail()
	if err != nil {
		return err
	}
	p := &page{w: out, screen: screen, zone: w.clock(c.UTC).Location(), bodyMax: int64(c.BodyMax)}
	p.capture(d)
	if screen.terminal {
		program := programName()
		p.printf("\n%s\n", screen.paint(dim, printable(fmt.Sprintf("send it again: %s replay %s", program, shorten(d.ID, screen.idLength())))))
	}
	return errors.Join(p.err, out.Flush())
}

// page writes a capture for people. Every text of the capture comes from outside, and is escaped.
type page struct {
	w       *bufio.Writer // keeps the first error of writing for Flush
	screen  screen
	zone    *time.Location
	bodyMax int64
	err     error // what could not be read
}

func (p *page) printf(format string, args ...any) { fmt.Fprintf(p.w, format, args...) }

// field prints a line of the head, if there is something to say.
func (p *page) field(name, value string) {
	if value = printable(value); value != "" {
		p.printf("  %s%s\n", p.screen.paint(dim, fmt.Sprintf("%-12s", name)), value)
	}
}

func (p *page) heading(text, color string) {
	if p.screen.color && color == "" {
		color = bold
	}
	p.printf("%s\n", p.screen.paint(color, printable(text)))
}

const showTime = "2006-01-02 15:04:05.000 MST"

func (p *page) capture(d *capture.Detail) {
	color := classColor(d.Class, d.Outcome)
	p.heading("Capture "+d.ID, bold)
	p.field("time", d.Time.In(p.zone).Format(showTime))
	p.field("call", strings.TrimSpace(string(d.API)+" "+d.Operation))
	if d.API == classify.SOAP {
		p.field("in REST", classify.RESTCounterpart(d.Operation))
	}
	p.field("instance", d.Instance)
	p.field("user", d.User)
	p.printf("  %s%s\n", p.screen.paint(dim, fmt.Sprintf("%-12s", "outcome")), p.screen.paint(color, printable(strings.TrimSpace(string(d.Outcome)+" "+d.Code))))
	p.field("message", d.Message)
	p.field("request id", d.RequestID)
	p.field("renewal", pretty.Renewal(&d.Capture))
	p.field("duration", pretty.Duration(d.DurationMS))
	p.field("proxy", proxyLine(d.Proxy))
	if !d.Complete {
		p.field("complete", "no: a body or an answer is not whole")
	}
	p.printf("\n")
	p.explain(d)
	p.records(d)
	for i := range d.Attempts {
		p.attempt(d, i)
	}
}

func proxyLine(p capture.Proxy) string {
	line := strings.TrimSpace(p.Version + " on " + p.Host)
	if p.Pod != "" {
		line += ", pod " + strings.TrimPrefix(p.Namespace+"/"+p.Pod, "/")
	}
	return line
}

// explain says what the failure means. Class, retryable and advice are those of the time of the capture.
func (p *page) explain(d *capture.Detail) {
	code := classify.Explain(classify.Verdict{Outcome: d.Outcome, Code: d.Code, Message: d.Message}, d.API)
	p.heading(strings.TrimSpace(d.Code+" "+code.Message), classColor(d.Class, d.Outcome))
	p.field("meaning", code.Notes)
	p.field("class", string(d.Class))
	if d.Outcome == classify.Recovered {
		p.field("whose turn", "nobody's: the proxy healed it")
	} else {
		p.field("retry", pretty.Retry(d.Retryable))
		p.field("whose turn", pretty.Turn(code.Turn))
	}
	p.field("advice", d.Advice)
}

func (p *page) records(d *capture.Detail) {
	if len(d.Records) == 0 {
		return
	}
	p.printf("\n")
	p.heading(fmt.Sprintf("Failed records: %d", max(d.Failed, len(d.Records))), "")
	for _, r := range d.Records {
		p.printf("  %s\n", printable(strings.TrimSpace(fmt.Sprintf("#%d %s %s", r.Index, r.Status, strings.TrimSpace(r.Code+" "+r.Error)))))
	}
	if d.Failed > len(d.Records) {
		p.printf("  … and %d more\n", d.Failed-len(d.Records))
	}
}

func (p *page) attempt(d *capture.Detail, i int) {
	a := &d.Attempts[i]
	p.printf("\n")
	title := fmt.Sprintf("Attempt %d of %d", i+1, len(d.Attempts))
	if result := strings.TrimSpace(string(a.Outcome) + " " + a.Code); result != "" {
		title += ": " + result
	}
	p.heading(title, "")
	p.field("started", a.Started.In(p.zone).Format(showTime))
	p.field("timings", timingsLine(a.Timings))
	p.field("error", a.Error)

	r := &a.Request
	p.printf("\n")
	p.message(cyan, ">", strings.TrimSpace(r.Method+" "+r.URL+" "+r.HTTPVersion), r.Headers)
	p.body(d, i, capture.RequestSide, &r.Body)
	if a.Response == nil {
		p.printf("\n%s\n", p.screen.paint(red, "< no answer"))
		return
	}
	p.printf("\n")
	p.message(purple, "<", strings.TrimSpace(fmt.Sprintf("%s %d %s", a.Response.HTTPVersion, a.Response.Status, a.Response.StatusText)), a.Response.Headers)
	p.body(d, i, capture.ResponseSide, &a.Response.Body)
}

// timingsLine leaves out the phases that do not apply.
func timingsLine(t capture.TimingsLine) string {
	var parts []string
	for _, phase := range []struct {
		name string
		ms   float64
	}{
		{"blocked", t.Blocked}, {"dns", t.DNS}, {"connect", t.Connect}, {"tls", t.SSL}, {"send", t.Send}, {"wait", t.Wait}, {"receive", t.Receive},
	} {
		if phase.ms >= 0.05 { // else it would say 0.0
			parts = append(parts, phase.name+" "+pretty.Duration(phase.ms))
		}
	}
	return strings.Join(parts, ", ")
}

func (p *page) message(color, mark, first string, headers []capture.HeaderLine) {
	mark = p.screen.paint(color, mark)
	p.printf("%s %s\n", mark, p.screen.paint(bold, printable(first)))
	for _, h := range headers {
		p.printf("%s %s %s\n", mark, p.screen.paint(dim, printable(h.Name)+":"), printable(h.Value))
	}
}

func (p *page) body(d *capture.Detail, attempt int, side capture.Side, b *capture.BodyLine) {
	if b.Size == 0 {
		return
	}
	p.printf("\n")
	if b.Base64 != nil {
		p.note("%d bytes that are no text; --json has them", b.Size)
	} else if err := p.text(d, attempt, side); err != nil {
		p.note("the rest can't be read: %v", err)
		p.err = errors.Join(p.err, err)
	}
	if b.Truncated {
		p.note("not the whole body: %d bytes came over the wire, the rest was not kept", b.Size)
	}
}

func (p *page) note(format string, args ...any) {
	p.printf("%s\n", p.screen.paint(yellow, "["+printable(fmt.Sprintf(format, args...))+"]"))
}

func (p *page) text(d *capture.Detail, attempt int, side capture.Side) error {
	body, err := d.Body(attempt, side)
	if err != nil {
		return err
	}
	defer body.Close()
	var shown io.Reader = body
	if p.bodyMax > 0 {
		shown = io.LimitReader(body, p.bodyMax)
	}
	end := &lastByte{w: p.w}
	safe := &harmlessWriter{w: end}
	err = errors.Join(pretty.Body(safe, shown), safe.Close())
	if end.last != '\n' && end.last != 0 {
		p.printf("\n")
	}
	if more, _ := io.CopyN(io.Discard, body, 1); more > 0 {
		p.note("the first %s; --body-max=0 shows all", byteSize(p.bodyMax))
	}
	return err
}

// lastByte remembers how a text ended.
type lastByte struct {
	w    io.Writer
	last byte
}

func (l *lastByte) Write(p []byte) (int, error) {
	if len(p) > 0 {
		l.last = p[len(p)-1]
	}
	return l.w.Write(p)
}
