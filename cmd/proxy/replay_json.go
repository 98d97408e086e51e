package main

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/diff"
	"marketo-proxy/replay"
)

// replayLine is what --json prints.
type replayLine struct {
	Capture   string         `json:"capture"`
	Attempt   int            `json:"attempt"` // counted from 1
	API       classify.API   `json:"api"`
	Operation string         `json:"operation"`
	Writes    bool           `json:"writes"`
	User      string         `json:"user"`
	Request   requestLine    `json:"request"`
	Notes     []string       `json:"notes,omitempty"`
	Verdict   replay.Verdict `json:"verdict,omitempty"`
	Same      *bool          `json:"same,omitempty"`
	Captured  *answerLine    `json:"captured,omitempty"`
	Now       *answerLine    `json:"now,omitempty"`
	Changes   *int           `json:"differences,omitempty"`
	Diff      []diff.Change  `json:"diff,omitempty"` // the first of them
	DiffNote  string         `json:"diff_note,omitempty"`
}

type requestLine struct {
	Method  string               `json:"method"`
	URL     string               `json:"url"`
	Proof   replay.Proof         `json:"proof,omitempty"`
	Headers []capture.HeaderLine `json:"headers,omitempty"`
	Body    string               `json:"body,omitempty"`
}

type answerLine struct {
	Time       time.Time         `json:"time"`
	Outcome    classify.Outcome  `json:"outcome"` // empty: success
	Code       string            `json:"code"`
	Meaning    string            `json:"meaning,omitempty"`
	Message    string            `json:"message,omitempty"`
	RequestID  string            `json:"request_id,omitempty"`
	Status     int               `json:"status,omitempty"`
	Records    []classify.Record `json:"records,omitempty"`
	Size       int64             `json:"size"`
	DurationMS float64           `json:"duration_ms"`
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (p *replayPage) line() *replayLine {
	r := p.request
	url, _ := r.Shown()
	return &replayLine{
		Capture: p.capture.ID, Attempt: p.attempt + 1, API: p.capture.API, Operation: r.Call.Operation, Writes: r.Writes, User: r.User,
		Request: requestLine{Method: r.Method, URL: url, Proof: r.Proof}, Notes: r.Notes,
	}
}

func (p *replayPage) answerLine(a *replay.Answer) *answerLine {
	return &answerLine{
		Time: a.Time.UTC(), Outcome: a.Outcome, Code: a.Code, Meaning: p.meaning(a), Message: a.Message, RequestID: a.RequestID,
		Status: a.Status, Records: a.Records, Size: a.Size, DurationMS: milliseconds(a.Duration),
	}
}

func (p *replayPage) dryJSON() error {
	line := p.line()
	_, header := p.request.Shown()
	line.Request.Headers = shownHeader(header)
	var body bytes.Buffer
	if err := p.request.ShowBody(&cutWriter{w: &body, left: p.bodyMax, all: p.bodyMax <= 0}); err != nil {
		return err
	}
	line.Request.Body = body.String()
	return p.json(line)
}

func (p *replayPage) resultJSON(v replay.Verdict, after *replay.Answer, d diff.Result) error {
	line, same := p.line(), v.Same()
	line.Verdict, line.Same, line.Changes = v, &same, &d.Total
	line.Notes = append(slices.Clone(line.Notes), answerNotes(p.request.Captured(), after)...)
	line.Captured, line.Now = p.answerLine(p.request.Captured()), p.answerLine(after)
	line.Diff, line.DiffNote = d.Changes, d.Note
	return p.json(line)
}

func (p *replayPage) json(line *replayLine) error {
	var out io.Writer = p.w
	if p.screen.terminal {
		out = &harmlessWriter{w: p.w, json: true}
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(line)
}
