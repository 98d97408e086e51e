package capture

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"marketo-proxy/classify"
	"marketo-proxy/decode"
	"marketo-proxy/jsonscan"
	"marketo-proxy/redact"
)

// line is an exchange on its way to become one line of JSON. Bodies stream from their recordings, unless they are small, so memory
// does not grow with them. A line can be used again.
type line struct {
	exchange *Exchange
	proxy    []byte // JSON
	redactor *redact.Redactor
	limit    int64
	plans    []plan // of the request's and the response's body of each attempt, in turns
	masked   []byte // what the plans know of the contents
	names    []string

	b   []byte    // what is written
	w   io.Writer // where it goes when there is much of it; nil: it stays
	err error     // of w
}

// compose reads every body once, so that what the line says of them, and its size, are known before it is written.
func (s *Store) compose(e *Exchange) *line {
	var values []string
	for _, secrets := range []func() []string{e.Secrets, s.secrets} {
		if secrets != nil {
			values = append(values, secrets()...)
		}
	}
	l, ok := s.lines.Get().(*line)
	if !ok {
		l = &line{redactor: redact.New(), limit: s.limit, proxy: s.proxy}
	}
	l.exchange = e
	l.redactor.Reset(values...)
	for _, a := range e.Attempts {
		l.plan(a.Request.Body, a.Request.Header)
		if a.Response != nil {
			l.plan(a.Response.Body, a.Response.Header)
		} else {
			l.plans = append(l.plans, plan{})
		}
	}
	return l
}

// recycle ends the use of a line. One that a large exchange has made large is left to the garbage collector.
func (s *Store) recycle(l *line) {
	if cap(l.masked) > 2*smallContent || l.w != nil {
		return
	}
	clear(l.plans)
	l.exchange, l.plans, l.masked = nil, l.plans[:0], l.masked[:0]
	s.lines.Put(l)
}

// size is how many bytes of bodies the line will hold, before they are escaped.
func (l *line) size() (n int64) {
	for _, p := range l.plans {
		n += p.size
	}
	return n
}

// complete tells whether every body is there and whole.
func (l *line) complete() bool {
	for i, a := range l.exchange.Attempts {
		if a.Response == nil || l.plans[2*i].truncated || l.plans[2*i+1].truncated {
			return false
		}
	}
	return len(l.exchange.Attempts) > 0
}

// appendTo appends the line to b.
func (l *line) appendTo(b []byte) []byte {
	l.b = b
	l.write()
	b, l.b = l.b, nil
	return b
}

// flushSize is from how many bytes on a line goes to its writer.
const flushSize = 32 << 10

// writeTo writes the line to w in pieces.
func (l *line) writeTo(w io.Writer) error {
	l.w, l.b = w, make([]byte, 0, 2*flushSize)
	l.write()
	l.flush(0)
	if l.err != nil {
		return fmt.Errorf("capture: %w", l.err)
	}
	return nil
}

// flush passes on what is written if it is more than some bytes.
func (l *line) flush(more int) {
	if l.w == nil || len(l.b) <= more {
		return
	}
	if l.err == nil {
		_, l.err = l.w.Write(l.b)
	}
	l.b = l.b[:0]
}

// write writes the line: a Capture, as encoding/json would have it, but for the texts of bodies.
func (l *line) write() {
	e := l.exchange
	code := classify.ExplainCall(e.Verdict, e.Call)
	l.string(`{"id":`, e.ID)
	l.time(`,"time":`, e.Started)
	l.string(`,"api":`, string(e.Call.API))
	l.string(`,"operation":`, e.Call.Operation)
	l.string(`,"instance":`, e.Instance)
	l.string(`,"user":`, e.Call.User)
	l.string(`,"outcome":`, string(e.Verdict.Outcome))
	l.string(`,"code":`, e.Verdict.Code)
	l.string(`,"message":`, l.redactor.Text(e.Verdict.Message))
	l.string(`,"class":`, string(code.Class))
	l.bool(`,"retryable":`, code.Retryable)
	l.string(`,"advice":`, code.Advice)
	l.optional(`,"request_id":`, e.Verdict.RequestID)
	if len(e.Verdict.Records) > 0 {
		l.records(e.Verdict.Records)
	}
	if e.Verdict.RecordsFailed > len(e.Verdict.Records) {
		l.int(`,"records_failed":`, int64(e.Verdict.RecordsFailed))
	}
	l.optional(`,"renewal":`, string(e.Renewal))
	l.optional(`,"renewal_error":`, l.redactor.Text(e.RenewalError))
	l.milliseconds(`,"duration_ms":`, e.Duration)
	l.bool(`,"complete":`, l.complete())
	l.raw(`,"proxy":`)
	l.b = append(l.b, l.proxy...)
	l.raw(`,"attempts":[`)
	for i, a := range e.Attempts {
		if i > 0 {
			l.raw(",")
		}
		l.attempt(a, &l.plans[2*i], &l.plans[2*i+1])
	}
	l.raw("]}\n")
}

func (l *line) records(records []classify.Record) {
	l.raw(`,"records":[`)
	for i, r := range records {
		if i > 0 {
			l.raw(",")
		}
		l.int(`{"index":`, int64(r.Index))
		l.string(`,"status":`, r.Status)
		l.optional(`,"code":`, r.Code)
		l.optional(`,"error":`, l.redactor.Text(r.Error))
		l.raw("}")
		l.flush(flushSize)
	}
	l.raw("]")
}

func (l *line) attempt(a *Attempt, request, response *plan) {
	l.time(`{"startedDateTime":`, a.Started)
	l.optional(`,"outcome":`, string(a.Verdict.Outcome))
	l.optional(`,"code":`, a.Verdict.Code)
	l.optional(`,"error":`, a.Err)
	l.timings(a.Timings)
	l.string(`,"request":{"method":`, a.Request.Method)
	l.string(`,"url":`, l.redactor.URL(a.Request.URL.String()))
	l.message(a.Request.Proto, a.Request.Header, a.Request.Body, request)
	if r := a.Response; r != nil {
		l.int(`,"response":{"status":`, int64(r.Status))
		l.string(`,"statusText":`, r.StatusText)
		l.message(r.Proto, r.Header, r.Body, response)
	}
	l.raw("}")
}

// timings are the phases in milliseconds; -1 where one does not apply. As in HAR, ssl is part of connect.
func (l *line) timings(t Timings) {
	connect := t.Connect
	if t.TLS > 0 && connect >= 0 {
		connect += t.TLS
	}
	l.phase(`,"timings":{"blocked":`, t.Blocked)
	l.phase(`,"dns":`, t.DNS)
	l.phase(`,"connect":`, connect)
	l.phase(`,"ssl":`, t.TLS)
	l.phase(`,"send":`, t.Send)
	l.phase(`,"wait":`, t.Wait)
	l.phase(`,"receive":`, t.Receive)
	l.raw("}")
}

func (l *line) phase(name string, d time.Duration) {
	if d < 0 {
		d = -time.Millisecond
	}
	l.milliseconds(name, d)
}

// message writes what a request and a response have in common, up to its end. Headers are sorted by name: net/http does not keep
// their order.
func (l *line) message(proto string, h http.Header, body *Recording, p *plan) {
	l.string(`,"httpVersion":`, proto)
	l.raw(`,"headers":[`)
	l.names = l.names[:0]
	for name := range h {
		l.names = append(l.names, name)
	}
	slices.Sort(l.names)
	separator := `{"name":`
	for _, name := range l.names {
		for _, value := range h[name] {
			l.string(separator, name)
			l.string(`,"value":`, l.redactor.Field(name, value))
			l.raw("}")
			separator = `,{"name":`
		}
	}
	l.int(`],"bodySize":`, body.Size())
	l.flush(flushSize)
	l.body(p)
	l.raw("}")
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
func (l *line) plan(b *Recording, h http.Header) {
	p := plan{body: b, encoding: h.Get("Content-Encoding"), contentType: h.Get("Content-Type")}
	p.truncated = !b.Whole() || b.Size() > l.limit
	whole, ok := b.Memory()
	switch {
	case b.Size() == 0:
	case !decode.Supported(p.encoding):
		p.truncated = true
	case ok && int64(len(whole)) <= min(smallContent, l.limit) && decode.Stands(whole, p.encoding, p.contentType):
		start := len(l.masked)
		l.masked = l.redactor.Append(l.masked, whole)
		p.content = l.masked[start:]
		p.size, p.text = int64(len(p.content)), utf8.Valid(p.content)
	default:
		var check utf8Check
		if err := l.content(&check, &p); err != nil {
			p.truncated = true
		}
		p.size, p.text = check.size, check.ok()
		if check.size <= smallContent {
			p.content = check.seen
		}
	}
	l.plans = append(l.plans, p)
}

// body writes the field "body".
func (l *line) body(p *plan) {
	l.int(`,"body":{"size":`, p.body.Size())
	l.raw(`,"sha256":"`)
	l.b = hex.AppendEncode(l.b, p.body.Sum())
	l.bool(`","truncated":`, p.truncated)
	switch {
	case p.size == 0:
	case p.text:
		l.raw(`,"text":"`)
		_ = l.content(jsonText{l}, p) // what it may say, it said when it was planned
		l.raw(`"`)
	default:
		l.raw(`,"base64":"`)
		e := base64.NewEncoder(base64.StdEncoding, rawText{l})
		_ = l.content(e, p)
		_ = e.Close()
		l.raw(`"`)
	}
	l.raw("}")
}

var errLimit = errors.New("the decoded body is larger than the limit")

// content writes the decoded, masked body to dst, up to the limit. An error means that it is not all.
func (l *line) content(dst io.Writer, p *plan) error {
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

// jsonText escapes what is written to it, valid UTF-8, for a JSON string; rawText takes it as it is.
type (
	jsonText struct{ l *line }
	rawText  struct{ l *line }
)

func (t jsonText) Write(p []byte) (int, error) {
	t.l.b = jsonscan.AppendEscaped(t.l.b, p)
	t.l.flush(flushSize)
	return len(p), t.l.err
}

func (t rawText) Write(p []byte) (int, error) {
	t.l.b = append(t.l.b, p...)
	t.l.flush(flushSize)
	return len(p), t.l.err
}

// UntilHead is the time until the head of the answer.
func (t Timings) UntilHead() (sum time.Duration) {
	for _, d := range []time.Duration{t.Blocked, t.DNS, t.Connect, t.TLS, t.Send, t.Wait} {
		sum += max(d, 0)
	}
	return sum
}
