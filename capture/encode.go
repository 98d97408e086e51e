package capture

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"marketo-proxy/classify"
	"marketo-proxy/decode"
	"marketo-proxy/jsonscan"
	"marketo-proxy/redact"
)

// line is an exchange on its way to become one line of JSON. Bodies stream from their recordings, so memory does not grow with
// them. It writes in pieces and remembers the first error.
type line struct {
	exchange *Exchange
	redactor *redact.Redactor
	limit    int64
	plans    [][2]plan // of the request's and the response's body of each attempt
	w        *bufio.Writer
	err      error
}

// compose reads every body once, so that what the line says of them, and its size, are known before it is written.
func (s *Store) compose(e *Exchange) *line {
	var values []string
	for _, secrets := range []func() []string{e.Secrets, s.secrets} {
		if secrets != nil {
			values = append(values, secrets()...)
		}
	}
	l := &line{exchange: e, limit: s.limit, redactor: redact.New(values...), plans: make([][2]plan, len(e.Attempts))}
	for i, a := range e.Attempts {
		l.plans[i][0] = l.plan(a.Request.Body, a.Request.Header)
		if a.Response != nil {
			l.plans[i][1] = l.plan(a.Response.Body, a.Response.Header)
		}
	}
	return l
}

// size is how many bytes of bodies the line will hold, before they are escaped.
func (l *line) size() (n int64) {
	for _, p := range l.plans {
		n += p[0].size + p[1].size
	}
	return n
}

// complete tells whether every body is there and whole.
func (l *line) complete() bool {
	for i, a := range l.exchange.Attempts {
		if a.Response == nil || l.plans[i][0].truncated || l.plans[i][1].truncated {
			return false
		}
	}
	return len(l.exchange.Attempts) > 0
}

// write writes the line.
func (l *line) write(w io.Writer, proxy Proxy) error {
	l.w = bufio.NewWriterSize(w, 4<<10)
	e := l.exchange
	code := classify.ExplainCall(e.Verdict, e.Call)
	head := Capture{
		ID: e.ID, Time: e.Started.UTC(), API: e.Call.API, Operation: e.Call.Operation, Instance: e.Instance, User: e.Call.User,
		Outcome: e.Verdict.Outcome, Code: e.Verdict.Code, Message: l.redactor.Text(e.Verdict.Message),
		Class: code.Class, Retryable: code.Retryable, Advice: code.Advice,
		RequestID: e.Verdict.RequestID, Records: slices.Clone(e.Verdict.Records), Renewal: e.Renewal, RenewalError: l.redactor.Text(e.RenewalError),
		DurationMS: milliseconds(e.Duration), Complete: l.complete(), Proxy: proxy,
	}
	if e.Verdict.RecordsFailed > len(e.Verdict.Records) {
		head.Failed = e.Verdict.RecordsFailed
	}
	for i := range head.Records {
		head.Records[i].Error = l.redactor.Text(head.Records[i].Error)
	}
	l.open(head, `"attempts":null}`)
	l.raw(`"attempts":[`)
	for i, a := range e.Attempts {
		if i > 0 {
			l.raw(",")
		}
		l.attempt(a, l.plans[i])
	}
	l.raw("]}\n")
	if l.err != nil {
		return fmt.Errorf("capture: %w", l.err)
	}
	return l.w.Flush()
}

func (l *line) raw(s string) {
	if l.err == nil {
		_, l.err = l.w.WriteString(s)
	}
}

// open writes v without its end, which must be tail, so that large fields can follow.
func (l *line) open(v any, tail string) {
	b, err := json.Marshal(v)
	if err == nil && !bytes.HasSuffix(b, []byte(tail)) {
		err = fmt.Errorf("capture: %T does not end in %s", v, tail)
	}
	if l.err = errors.Join(l.err, err); l.err == nil {
		_, l.err = l.w.Write(b[:len(b)-len(tail)])
	}
}

func (l *line) attempt(a *Attempt, plans [2]plan) {
	request := RequestLine{
		Method: a.Request.Method, URL: l.redactor.URL(a.Request.URL.String()), HTTPVersion: a.Request.Proto,
		Headers: l.headers(a.Request.Header), BodySize: a.Request.Body.Size(),
	}
	out := AttemptLine{
		Started: a.Started.UTC(), Outcome: a.Verdict.Outcome, Code: a.Verdict.Code, Error: a.Err,
		Timings: a.Timings.line(), Request: request,
	}
	const emptyBody = `"body":{"size":0,"sha256":"","truncated":false}}`
	l.open(out, emptyBody+"}")
	l.body(plans[0])
	l.raw("}")
	if a.Response != nil {
		l.raw(`,"response":`)
		l.open(ResponseLine{
			Status: a.Response.Status, StatusText: a.Response.StatusText, HTTPVersion: a.Response.Proto,
			Headers: l.headers(a.Response.Header), BodySize: a.Response.Body.Size(),
		}, emptyBody)
		l.body(plans[1])
		l.raw("}")
	}
	l.raw("}")
}

// headers are sorted by name: net/http does not keep their order.
func (l *line) headers(h http.Header) []HeaderLine {
	masked := l.redactor.Header(h)
	out := make([]HeaderLine, 0, len(masked))
	for _, name := range slices.Sorted(maps.Keys(masked)) {
		for _, value := range masked[name] {
			out = append(out, HeaderLine{name, value})
		}
	}
	return out
}

// plan is how a body will stand in the line.
type plan struct {
	body                  *Recording
	encoding, contentType string
	truncated             bool
	size                  int64  // of the decoded, masked content
	text                  bool   // it is UTF-8
	content               []byte // all of it, if it is small
}

// smallContent is up to where the content of a body is kept between its plan and the line.
const smallContent = 64 << 10

// plan reads the body once, since what the line says of it comes before it. A body in an encoding that can't be undone is left
// out: it may hold a secret that nobody can see.
func (l *line) plan(b *Recording, h http.Header) plan {
	p := plan{body: b, encoding: h.Get("Content-Encoding"), contentType: h.Get("Content-Type")}
	p.truncated = !b.Whole() || b.Size() > l.limit
	if b.Size() == 0 {
		return p
	}
	if !decode.Supported(p.encoding) {
		p.truncated = true
		return p
	}
	var check utf8Check
	if err := l.content(&check, p); err != nil {
		p.truncated = true
	}
	p.size, p.text = check.size, check.ok()
	if check.size <= smallContent {
		p.content = check.seen
	}
	return p
}

// body writes the field "body".
func (l *line) body(p plan) {
	l.raw(fmt.Sprintf(`"body":{"size":%d,"sha256":"%s","truncated":%t`, p.body.Size(), hex.EncodeToString(p.body.Sum()), p.truncated))
	switch {
	case l.err != nil, p.size == 0:
	case p.text:
		l.raw(`,"text":"`)
		_ = l.content(jsonText{l}, p) // what it may say, it said when it was planned
		l.raw(`"`)
	default:
		l.raw(`,"base64":"`)
		e := base64.NewEncoder(base64.StdEncoding, l.w)
		_ = l.content(e, p)
		if err := e.Close(); l.err == nil {
			l.err = err
		}
		l.raw(`"`)
	}
	l.raw("}")
}

var errLimit = errors.New("the decoded body is larger than the limit")

// content writes the decoded, masked body to dst, up to the limit. An error means that it is not all.
func (l *line) content(dst io.Writer, p plan) error {
	if p.content != nil {
		_, err := dst.Write(p.content)
		return err
	}
	decoded := &limited{r: decode.NewReader(io.LimitReader(p.body.Open(), l.limit), p.encoding, p.contentType), left: l.limit}
	err := l.redactor.Body(dst, decoded)
	return errors.Join(err, decoded.err)
}

// limited ends a stream at a limit, or where it breaks, and remembers why.
type limited struct {
	r    io.Reader
	left int64
	err  error
}

func (r *limited) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, io.EOF
	}
	if r.left == 0 {
		var more [1]byte
		if n, _ := r.r.Read(more[:]); n > 0 {
			r.err = errLimit
		}
		return 0, io.EOF
	}
	n, err := r.r.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if err != nil && err != io.EOF {
		r.err, err = err, io.EOF
	}
	return n, err
}

// utf8Check tells whether what is written to it is UTF-8, and keeps the first of it.
type utf8Check struct {
	size    int64
	seen    []byte
	invalid bool
	rest    []byte // an incomplete rune
}

func (c *utf8Check) Write(p []byte) (int, error) {
	n := len(p)
	c.size += int64(n)
	if c.size <= smallContent {
		c.seen = append(c.seen, p...)
	}
	if c.invalid {
		return n, nil
	}
	for len(c.rest) > 0 && len(p) > 0 && !utf8.FullRune(c.rest) {
		c.rest, p = append(c.rest, p[0]), p[1:]
	}
	if len(c.rest) > 0 && utf8.FullRune(c.rest) {
		c.invalid = !utf8.Valid(c.rest)
		c.rest = c.rest[:0]
	}
	end := len(p)
	for i := 1; i <= min(len(p), utf8.UTFMax-1); i++ {
		if b := p[len(p)-i]; utf8.RuneStart(b) {
			if !utf8.FullRune(p[len(p)-i:]) {
				end = len(p) - i
			}
			break
		}
	}
	c.invalid = c.invalid || !utf8.Valid(p[:end])
	c.rest = append(c.rest, p[end:]...)
	return n, nil
}

func (c *utf8Check) ok() bool { return !c.invalid && len(c.rest) == 0 }

// jsonText escapes what is written to it, valid UTF-8, for a JSON string.
type jsonText struct{ l *line }

func (t jsonText) Write(p []byte) (int, error) {
	if t.l.err == nil {
		t.l.err = jsonscan.Escape(t.l.w, p)
	}
	return len(p), t.l.err
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (t Timings) line() TimingsLine {
	ms := func(d time.Duration) float64 {
		if d < 0 {
			return -1
		}
		return milliseconds(d)
	}
	connect := t.Connect
	if t.TLS > 0 && connect >= 0 {
		connect += t.TLS
	}
	return TimingsLine{ms(t.Blocked), ms(t.DNS), ms(connect), ms(t.TLS), ms(t.Send), ms(t.Wait), ms(t.Receive)}
}

// UntilHead is the time until the head of the answer.
func (t Timings) UntilHead() (sum time.Duration) {
	for _, d := range []time.Duration{t.Blocked, t.DNS, t.Connect, t.TLS, t.Send, t.Wait} {
		sum += max(d, 0)
	}
	return sum
}
