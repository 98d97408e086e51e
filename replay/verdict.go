package replay

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/diff"
)

// Answer is what came of a request, when it was captured or now.
type Answer struct {
	Time       time.Time
	Outcome    classify.Outcome
	Code       string
	Message    string // without secrets
	RequestID  string
	Records    []classify.Record
	Failed     int // records
	Status     int // 0: none came
	StatusText string
	Duration   time.Duration // to the end of the answer
	Size       int64         // on the wire
	Clock      time.Duration // how far the clock of the answer's Date is ahead of the local one
	Cut        bool          // it was not kept whole

	content diff.Document // decoded and masked
}

// Verdict says what became of a failure.
type Verdict string

// The verdicts.
const (
	SameFailure    Verdict = "same failure"
	Fixed          Verdict = "fixed"
	AnotherFailure Verdict = "another failure"
	SameSuccess    Verdict = "same success" // the captured attempt had succeeded, after the renewal of an expired one
	FailsNow       Verdict = "fails now"    // so it had, but does no longer
)

// Same tells that the outcome is that of the capture.
func (v Verdict) Same() bool { return v == SameFailure || v == SameSuccess }

// Captured is the answer of the time of the capture.
func (r *Request) Captured() *Answer { return &r.before }

// Judge compares an answer with the captured one: first what became of the failure, then what differs.
func (r *Request) Judge(after *Answer) (Verdict, diff.Result) {
	before := &r.before
	v := AnotherFailure
	switch {
	case before.Outcome == classify.Success && after.Outcome == classify.Success:
		v = SameSuccess
	case before.Outcome == classify.Success:
		v = FailsNow
	case after.Outcome == classify.Success:
		v = Fixed
	case sameFailure(before, after):
		v = SameFailure
	}
	return v, diff.Compare(&before.content, &after.content)
}

// sameFailure tells whether two failures are one: the outcome and the code, and where there is no code, what stands for it.
func sameFailure(a, b *Answer) bool {
	switch {
	case a.Outcome != b.Outcome, a.Code != b.Code:
		return false
	case a.Outcome == classify.HTTP:
		return a.Status == b.Status
	case a.Outcome == classify.Partial:
		return max(a.Failed, len(a.Records)) == max(b.Failed, len(b.Records)) && slices.EqualFunc(a.Records, b.Records, func(a, b classify.Record) bool {
			return a.Index == b.Index && a.Status == b.Status && a.Code == b.Code
		})
	}
	return true
}

// captured is the answer of an attempt, but for its content.
func captured(d *capture.Detail, attempt int) Answer {
	line := &d.Attempts[attempt]
	a := Answer{Time: line.Started, Outcome: line.Outcome, Code: line.Code, Duration: took(line.Timings)}
	if line.Outcome == d.Outcome {
		a.Message, a.RequestID, a.Records, a.Failed = d.Message, d.RequestID, d.Records, d.Failed
	}
	if line.Error != "" {
		a.Message = line.Error
	}
	if line.Response != nil {
		a.Status, a.StatusText, a.Size = line.Response.Status, line.Response.StatusText, line.Response.Body.Size
		a.Cut = line.Response.Body.Truncated
	}
	return a
}

// took is the sum of the phases; ssl is part of connect.
func took(t capture.TimingsLine) time.Duration {
	var ms float64
	for _, phase := range []float64{t.Blocked, t.DNS, t.Connect, t.Send, t.Wait, t.Receive} {
		ms += max(phase, 0)
	}
	return time.Duration(ms * float64(time.Millisecond))
}

// takeAnswer reads the content of the captured answer.
func (r *Request) takeAnswer(d *capture.Detail, attempt int) error {
	body, err := d.Body(attempt, capture.ResponseSide)
	if err != nil {
		return fmt.Errorf("replay: the captured answer can't be read: %w", err)
	}
	_, err = io.Copy(&r.before.content, body)
	if err = errors.Join(err, body.Close()); err != nil {
		return fmt.Errorf("replay: the captured answer can't be read: %w", err)
	}
	return nil
}
