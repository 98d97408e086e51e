package proxy

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/lifetime"
)

// entry says how a call came in and where it goes. A door makes it, before the call reaches the Transport.
type entry struct {
	api      classify.API
	upstream *url.URL // scheme, host and base path
	self     string   // scheme and host that the client itself used, for the WSDL
}

// call is one call of an application while it is under way.
type call struct {
	t      *Transport
	in     *http.Request
	entry  *entry
	ex     capture.Exchange
	bearer *bearer // nil: not a call that has an access token

	// Most calls need one of each, which one allocation gives.
	body      payload
	recording capture.Recording
	first     answer
	attempts  [1]*capture.Attempt

	ctx lifetime.Context // ends when the application hangs up, when the call takes too long, and with the call

	mu      sync.Mutex // guards what the upload, in a goroutine of the upstream transport, shares with the call
	request requestWatch
	timeout timeout // ends the call when Marketo takes too long: first for a piece of the request, then for the answer
	sent    bool    // it is the answer that is waited for
	over    bool

	upstreamTime time.Duration // spent waiting for Marketo
	clientTime   time.Duration // spent waiting for the application
	settled      bool
}

// Do makes the call and returns once the head of the answer can go out: for an answer that may yet turn out to be a fault, that is
// when the fault was read. Where there is no answer to pass on, it makes one. Reading the body of the response to its end, or closing
// it, ends the call.
func (t *Transport) Do(req *http.Request, e *entry) *http.Response {
	c := &call{t: t, in: req, entry: e}
	c.ctx.Begin(req.Context())
	c.timeout.ctx = &c.ctx
	c.ex = capture.Exchange{Started: t.now(), Instance: t.instance(e.upstream), Attempts: c.attempts[:0]}
	c.request.reader = classify.NewRequestReader(e.api, req.Method, req.URL.RequestURI(), req.Header)
	c.request.done = c.request.reader.Done()
	c.ex.Call = c.request.reader.Call()
	inFlight := t.inFlight.Add(1)
	t.cfg.Observer.Begun(e.api)
	if inFlight > int64(t.cfg.MaxInFlight) {
		return c.unsent(&payload{recording: t.cfg.Recorder.New()}, errBusy)
	}

	if e.api == classify.REST {
		c.authorize()
	}
	body, err := c.firstPayload()
	if err != nil {
		return c.unsent(body, err)
	}
	a, err := c.attempt(body)
	if err != nil {
		return c.unanswered(a, err)
	}
	a.peek()
	if a.expired() {
		var again *payload
		if again, c.ex.Renewal = c.renewal(a); again != nil {
			a.drop()
			if a, err = c.attempt(again); err != nil {
				return c.unanswered(a, err)
			}
			a.peek()
			if a.expired() {
				c.refused()
			}
		}
	}
	c.learnToken(a)
	return c.respond(a)
}

// attempt sends the request once. With an error the returned answer has no response.
func (c *call) attempt(body *payload) (*answer, error) {
	a := c.begin(body)
	a.trace.WroteRequest = c.armTimeout
	resp, err := c.t.upstream.Do(&c.ctx, &a.sent, &a.trace)
	now := c.t.now()
	c.upstreamTime += now.Sub(a.attempt.Started)
	a.attempt.Timings = timings(&a.trace)
	if err != nil {
		return a, err
	}
	c.armTimeout() // also when the answer came before the request was sent
	c.t.clock(resp.Header, now)
	a.begin(resp)
	return a, nil
}

// begin notes an attempt.
func (c *call) begin(body *payload) *answer {
	a := &c.first
	if len(c.ex.Attempts) > 0 {
		a = new(answer)
	}
	a.c = c
	c.outgoing(body, a)
	a.attempt.Started = c.t.now()
	a.attempt.Request = capture.RequestHead{
		Method: a.sent.Method, URL: &a.url, Proto: "HTTP/1.1", Header: a.sent.Header, Body: body.recording,
	}
	a.attempt.Timings = unsent
	c.ex.Attempts = append(c.ex.Attempts, &a.attempt)
	return a
}

// unsent ends a call of which nothing was sent; the capture has its request all the same.
func (c *call) unsent(body *payload, err error) *http.Response {
	return c.unanswered(c.begin(body), err)
}

// outgoing makes the request for Marketo: the application's own, with only the address and the hop-by-hop fields changed.
func (c *call) outgoing(body *payload, a *answer) {
	u := &a.url
	*u = *c.in.URL
	u.Scheme, u.Host, u.User = c.entry.upstream.Scheme, c.entry.upstream.Host, nil
	if base := strings.TrimSuffix(c.entry.upstream.Path, "/"); base != "" {
		u.Path = base + u.Path
		if u.RawPath != "" {
			u.RawPath = base + u.RawPath
		}
	}
	u.Fragment = ""
	header := c.in.Header // as it is, unless something in it has to change
	wsdl := wantsWSDL(c.in)
	length := header["Content-Length"] // upstream writes its own; the capture shows this one
	other := len(length) > 0 && (body.length < 0 || length[0] != strconv.FormatInt(body.length, 10))
	if wsdl || other || c.bearer.inHeader() {
		header = maps.Clone(header)
	}
	if wsdl {
		delete(header, "Accept-Encoding") // its addresses are rewritten
	}
	if other && body.length < 0 {
		delete(header, "Content-Length")
	} else if other {
		header["Content-Length"] = []string{strconv.FormatInt(body.length, 10)}
	}
	c.bearer.put(u, header)
	a.sent = http.Request{
		Method:        c.in.Method,
		URL:           u,
		Host:          c.entry.upstream.Host,
		Header:        header,
		Body:          body.open(),
		GetBody:       body.reopen(),
		ContentLength: body.length,
		Trailer:       c.in.Trailer,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
	}
}

// respond hands the answer to the door.
func (c *call) respond(a *answer) *http.Response {
	resp := a.resp
	v, _ := c.overall(a.verdict())
	captured := v.Outcome != classify.Success && !c.skips(v)
	if captured && a.ended { // as nearly always: who reads an id, and no more, finds its capture
		c.settle(a.final)
	}
	rewrites := resp.StatusCode == http.StatusOK && wantsWSDL(c.in)
	head := resp.Header
	if captured || rewrites || c.renewed() || !isPassable(head) {
		head = passable(head)
	}
	if captured {
		head[headerCapture] = []string{c.id()}
	}
	if c.renewed() {
		head[headerAttempts] = []string{strconv.Itoa(len(c.ex.Attempts))}
	}
	a.out = *resp
	out := &a.out
	out.Header = head
	out.Trailer = passableTrailer(resp.Trailer)
	out.Body = a
	out.Request = c.in
	if rewrites {
		rewriteWSDL(out, c.entry.self+c.in.URL.EscapedPath())
	}
	return out
}

// unanswered ends a call that has no answer to pass on, and makes one.
func (c *call) unanswered(a *answer, err error) *http.Response {
	f := explain(&c.ctx, err, c.gone())
	a.attempt.Err = f.reason
	c.settle(classify.Verdict{Outcome: f.outcome, Message: f.reason})
	id := ""
	if c.ex.Captured {
		id = c.ex.ID
	}
	resp := ownAnswer(c.in, c.entry.api, f.status, c.ex.Verdict.Message, id)
	if c.renewed() {
		resp.Header.Set(headerAttempts, strconv.Itoa(len(c.ex.Attempts)))
	}
	c.ctx.Cancel(nil)
	return resp
}

func (c *call) gone() bool { return c.in.Context().Err() != nil }

// renewed tells whether a second attempt was made.
func (c *call) renewed() bool { return len(c.ex.Attempts) > 1 }

// id is the capture's; most calls need none.
func (c *call) id() string {
	if c.ex.ID == "" {
		c.ex.ID = capture.NewID()
	}
	return c.ex.ID
}

func (c *call) skips(v classify.Verdict) bool { return v.Code != "" && c.t.cfg.Skip[v.Code] }

// armTimeout starts the time that Marketo has for its answer; it starts once per call.
func (c *call) armTimeout() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.sent && !c.over {
		c.sent = true
		c.t.timeouts.start(&c.timeout)
	}
}

// instance is the Munchkin id where it is known: from the configuration or from a host like 123-abc-456.mktoapi.com.
func (t *Transport) instance(upstream *url.URL) string {
	if t.cfg.Instance != "" {
		return t.cfg.Instance
	}
	if id, domain, ok := strings.Cut(upstream.Hostname(), "."); ok && (domain == "mktoapi.com" || domain == "mktorest.com") {
		return strings.ToUpper(id)
	}
	return upstream.Host
}
