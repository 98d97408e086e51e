package admin

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/pretty"
)

const (
	maxBody    = 256 << 10 // bytes of a body that are shown, without its indentation and with it
	maxRecords = 200
	// maxShownAttempts bounds a page of a line that no proxy wrote.
	maxShownAttempts = 8
)

type capturePage struct {
	ID, Code, Name string
	Tone           pretty.Tone
	Began          time.Time
	Facts          []fact
	Message        string
	Explained      []fact
	Records        []classify.Record
	RecordsTotal   string
	RecordsMore    string
	Attempts       []attemptView
	Commands       []fact
	Ticket         bool
	CodeAddress    string
}

// fact is a name with a value.
type fact struct{ Name, Value string }

type attemptView struct {
	Number, Of        int
	Result            string
	Began             time.Time
	Error             string
	Bars              []bar
	Took              string
	Request, Response *messageView
}

// bar is a phase of an attempt, in thousandths of the whole.
type bar struct {
	Name, Took  string
	From, Width int
}

type messageView struct {
	Title, Side string // Request or Response; request or response
	Start       string
	Headers     []capture.HeaderLine
	Body        string
	Lines       bool // the body is there to be shown
	Notes       []string
	Size        string
	SHA256      string
	Raw         string // address of all of it
}

func (s *Server) detail(w http.ResponseWriter, r *http.Request) {
	d, ok := s.findDetail(w, r)
	if !ok {
		return
	}
	if d.ID != r.PathValue("id") {
		http.Redirect(w, r, "/captures/"+d.ID, http.StatusSeeOther) // one address for each
		return
	}
	s.show(w, r, http.StatusOK, "capture.html", pretty.Line(strings.TrimSpace(d.Code+" "+d.Operation)), s.newCapturePage(d))
}

func (s *Server) newCapturePage(d *capture.Detail) capturePage {
	code := classify.Explain(classify.Verdict{Outcome: d.Outcome, Code: d.Code, Message: d.Message}, d.API)
	p := capturePage{
		ID: d.ID, Code: pretty.Line(d.Code), Name: code.Message, Tone: pretty.ToneOf(d.Class, d.Outcome), Began: d.Time,
		Message: pretty.Line(d.Message), Ticket: s.options.Ticket != nil,
	}
	if p.Code == "" {
		p.Code = pretty.Line(string(d.Outcome))
	} else {
		p.CodeAddress = "/codes?q=" + url.QueryEscape(d.Code)
	}
	complete := ""
	if !d.Complete {
		complete = "no: a body or an answer is not whole"
	}
	inREST := ""
	if d.API == classify.SOAP {
		inREST = classify.RESTCounterpart(d.Operation)
	}
	p.Facts = facts("Call", strings.ToUpper(string(d.API))+" "+d.Operation, "In REST", inREST, "User", d.User, "Instance", d.Instance,
		"Outcome", string(d.Outcome), "Took", pretty.Duration(d.DurationMS), "Request id", d.RequestID, "Complete", complete,
		"Proxy", proxyOf(d.Proxy))
	turn, retry := pretty.Turn(code.Turn), pretty.Retry(d.Retryable)
	advice := d.Advice
	if d.Outcome == classify.Recovered {
		advice = classify.Explain(classify.Verdict{Outcome: d.Outcome}, d.API).Advice
		turn, retry = "nobody's: the proxy healed it", ""
	}
	p.Explained = facts("What to do", advice, "Meaning", code.Notes, "Class", string(d.Class), "Whose turn", turn, "Retry", retry,
		"Renewal", pretty.Renewal(&d.Capture), "Source", code.Source)
	p.records(d)
	p.Commands = s.commands(d.ID)
	for i := range d.Attempts[:min(len(d.Attempts), maxShownAttempts)] {
		p.Attempts = append(p.Attempts, newAttemptView(d, i))
	}
	return p
}

// facts leaves out those without a value.
func facts(pairs ...string) (all []fact) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if value := strings.TrimSpace(pretty.Line(pairs[i+1])); value != "" {
			all = append(all, fact{pairs[i], value})
		}
	}
	return all
}

func proxyOf(p capture.Proxy) string {
	line := p.Host
	if p.Pod != "" {
		line = strings.TrimPrefix(p.Namespace+"/"+p.Pod, "/") + " on " + p.Host
	}
	return strings.TrimSpace(line + " " + p.Version)
}

func (s *Server) commands(id string) []fact {
	dir, replay := "", ""
	if s.options.CommandDir != "" {
		dir = " --capture-dir " + pretty.ShellWord(s.options.CommandDir)
	}
	if s.options.ReplayFlags != "" {
		replay = " " + s.options.ReplayFlags
	}
	return []fact{
		{"Send it again", "marketo-proxy replay " + id + dir + replay},
		{"Make a ticket", "marketo-proxy ticket " + id + " -o ticket-" + id[:min(len(id), 8)] + ".zip" + dir},
		{"Show in a terminal", "marketo-proxy captures show " + id + dir},
	}
}

func (p *capturePage) records(d *capture.Detail) {
	if len(d.Records) == 0 {
		return
	}
	total := max(d.Failed, len(d.Records))
	p.RecordsTotal = plural(total, "failed record")
	for _, r := range d.Records[:min(len(d.Records), maxRecords)] {
		r.Status, r.Code, r.Error = pretty.Line(r.Status), pretty.Line(r.Code), pretty.Line(r.Error)
		p.Records = append(p.Records, r)
	}
	if more := total - len(p.Records); more > 0 {
		p.RecordsMore = number(more)
	}
}

func newAttemptView(d *capture.Detail, i int) attemptView {
	a := &d.Attempts[i]
	view := attemptView{
		Number: i + 1, Of: len(d.Attempts), Result: strings.TrimSpace(pretty.Line(string(a.Outcome) + " " + a.Code)), Began: a.Started, Error: pretty.Line(a.Error),
	}
	view.timings(a.Timings)
	r := &a.Request
	view.Request = newMessageView(d, i, capture.RequestSide, strings.TrimSpace(r.Method+" "+r.URL+" "+r.HTTPVersion), r.Headers, &r.Body)
	if r := a.Response; r != nil {
		start := strings.TrimSpace(fmt.Sprintf("%s %d %s", r.HTTPVersion, r.Status, r.StatusText))
		view.Response = newMessageView(d, i, capture.ResponseSide, start, r.Headers, &r.Body)
	}
	return view
}

// timings leaves out the phases that do not apply. As in HAR, ssl is part of connect.
func (v *attemptView) timings(t capture.TimingsLine) {
	phases := []struct {
		name string
		ms   float64
	}{
		{"blocked", t.Blocked}, {"dns", t.DNS}, {"connect", t.Connect - max(t.SSL, 0)}, {"tls", t.SSL},
		{"send", t.Send}, {"wait", t.Wait}, {"receive", t.Receive},
	}
	total := 0.0
	for _, p := range phases {
		total += max(p.ms, 0)
	}
	if total <= 0 {
		return
	}
	v.Took = pretty.Duration(total)
	from := 0.0
	for _, p := range phases {
		if p.ms < 0.05 { // else it would say 0.0
			continue
		}
		start, end := int(from/total*1000), int((from+p.ms)/total*1000)
		v.Bars = append(v.Bars, bar{p.name, pretty.Duration(p.ms), start, max(end-start, 2)})
		from += p.ms
	}
}

func newMessageView(d *capture.Detail, attempt int, side capture.Side, start string, headers []capture.HeaderLine, body *capture.BodyLine) *messageView {
	v := &messageView{Title: "Request", Side: "request", Start: pretty.Line(start), SHA256: body.SHA256}
	if side == capture.ResponseSide {
		v.Title, v.Side = "Response", "response"
	}
	for _, h := range headers {
		v.Headers = append(v.Headers, capture.HeaderLine{Name: pretty.Line(h.Name), Value: pretty.Line(h.Value)})
	}
	v.Raw = fmt.Sprintf("/api/captures/%s/%d/%s", d.ID, attempt+1, v.Side)
	v.Size = pretty.Size(body.Size)
	if body.Size == 0 {
		return v
	}
	if body.Base64 != nil {
		v.Notes = append(v.Notes, "This body is no text.")
	} else if err := v.read(d, attempt, side); err != nil {
		v.Notes = append(v.Notes, "The rest can't be read: "+err.Error())
	}
	if body.Truncated {
		v.Notes = append(v.Notes, "Not the whole body: the rest was not kept.")
	}
	return v
}

func (v *messageView) read(d *capture.Detail, attempt int, side capture.Side) error {
	body, err := d.Body(attempt, side)
	if err != nil {
		return err
	}
	defer body.Close()
	out := &shortText{left: maxBody}
	err = pretty.Body(out, io.LimitReader(body, maxBody))
	v.Body, v.Lines = pretty.Text(strings.ToValidUTF8(out.String(), "\ufffd")), out.Len() > 0
	more, _ := io.CopyN(io.Discard, body, 1)
	if more > 0 || errors.Is(err, errShort) {
		v.Notes = append(v.Notes, "Only the first "+pretty.Size(maxBody)+" are shown.")
	}
	if errors.Is(err, errShort) {
		return nil
	}
	return err
}

var errShort = errors.New("that is enough")

// shortText keeps the beginning of what is written to it, and then ends the writing.
type shortText struct {
	strings.Builder
	left int
}

func (s *shortText) Write(p []byte) (int, error) {
	n := min(len(p), s.left)
	s.left -= n
	s.Builder.Write(p[:n])
	if n < len(p) {
		return n, errShort
	}
	return n, nil
}
