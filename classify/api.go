// Package classify knows Marketo's failures: the code tables, and how to read one from an answer as it streams by. It is
// pure knowledge: no I/O, no state beyond one body.
package classify

import "io"

// API says which of Marketo's two APIs a call belongs to.
type API string

// The two APIs.
const (
	SOAP API = "soap"
	REST API = "rest"
)

// Outcome says how an exchange failed; it is empty for a success.
type Outcome string

// The outcomes.
const (
	Success   Outcome = ""
	Fault     Outcome = "fault"     // a SOAP Fault, or success:false
	Partial   Outcome = "partial"   // some record of a 200 answer failed
	HTTP      Outcome = "http"      // status 400 or more without a fault
	Malformed Outcome = "malformed" // a body that is not what it should be
	Transport Outcome = "transport" // no whole answer
	Client    Outcome = "client"    // the application hung up first
	Recovered Outcome = "recovered" // a fault that the proxy healed
)

// MaxRecords is how many failed records of one answer a Verdict lists; RecordsFailed counts all of them.
const MaxRecords = 1000

// Record is one record of a partial failure.
type Record struct {
	Index  int    `json:"index"` // position in the answer, counted from 0
	Status string `json:"status"`
	Code   string `json:"code,omitempty"` // REST: the reason's code
	Error  string `json:"error,omitempty"`
}

// Verdict is what an answer says about its call. The zero Verdict is a success.
type Verdict struct {
	Outcome       Outcome
	Code          string // number as text, or empty. Partial: the code that all failed records share. HTTP: a status of the table
	Message       string // the answer's own words, UTF-8, at most 1 KiB; may hold personal data
	RequestID     string // REST: requestId, or X-Request-Id
	Records       []Record
	RecordsFailed int
}

// Call is what a request says about itself.
type Call struct {
	API         API
	Operation   string // a documented operation, or Other
	User        string // mktowsUserId, or empty
	MemberCheck bool   // listOperation with ISMEMBEROFLIST: success false is an answer
}

// RequestReader learns a Call from a decoded (UTF-8 or ASCII-compatible) request body written to it in pieces of any size.
// Write never fails and keeps nothing of p.
type RequestReader interface {
	io.Writer
	Call() Call // what is known so far
	Done() bool // nothing more to learn: the rest need not be written
}

// ResponseReader reads a verdict from a decoded response body written to it in pieces of any size.
// Write never fails and keeps nothing of p.
type ResponseReader interface {
	io.Writer
	// Early tells, while the body streams, that the verdict can no longer become Fault: the head of the answer may go.
	// For REST it trusts a success:true or a result with content, as Marketo sends neither with an error and often puts
	// success last; should an error follow all the same, the Verdict is a Fault.
	Early() bool
	// Failing tells that the body read so far already shows a failure.
	Failing() bool
	// Abort ends reading for a reason outside the body, e.g. a decoder that gave up; Verdict is then Malformed with
	// that reason unless a failure was read already.
	Abort(reason string)
	// Verdict is final once the whole body was written. Before that it is what it would be if nothing followed, and asking
	// changes nothing.
	Verdict() Verdict
}

// Answer is what is known of a response before its body.
type Answer struct {
	Call        Call
	Method      string // of the request
	Status      int
	ContentType string
	RequestID   string // REST: X-Request-Id, which the Data Ingestion API has in place of a requestId in the body
}
