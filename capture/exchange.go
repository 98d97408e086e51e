// Package capture keeps what passed between an application and Marketo: exchanges and their bodies while they run, and
// for those that failed the line in the journal, with every secret masked before it is written.
package capture

import (
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"marketo-proxy/classify"
)

// Exchange is one call of an application, with every attempt made for it. It belongs to the goroutine that serves the
// call until it is finished; observers get it finished and must not change it.
type Exchange struct {
	ID           string    // UUIDv7: sorts by the time when the failure showed, unique over pods; empty for a success
	Started      time.Time // when the head of the request had been read
	Call         classify.Call
	Instance     string // Munchkin id or host of the upstream
	Attempts     []*Attempt
	Verdict      classify.Verdict // of the whole call
	Renewal      Renewal
	RenewalError string          // why no new token could be had; free of addresses and secrets
	QueryToken   bool            // REST: the application sent its access token in the query
	Duration     time.Duration   // to the end of the answer
	Overhead     time.Duration   // the part of Duration that was neither Marketo's nor the application's
	Captured     bool            // a line for the journal was made
	Secrets      func() []string // values in this exchange that must not be written anywhere; nil: none. It may read recordings
}

// Renewal is what became of an expired signature or access token; empty when none expired.
type Renewal string

// The results of a renewal.
const (
	RenewalRecovered Renewal = "recovered"        // the second answer is good
	RenewalFailed    Renewal = "failed"           // sent again, and failed again; or no new token could be had
	NoCredential     Renewal = "no_credential"    // no key is known for that user or client
	BadSignature     Renewal = "bad_signature"    // the caller does not hold the key, or the token was not seen issued to it, so none is lent
	UnsupportedBody  Renewal = "unsupported_body" // no header to renew could be found, or the body was not kept
	RenewalDisabled  Renewal = "disabled"         // --sign=never
)

// Attempt is one request to Marketo and what came back.
type Attempt struct {
	Started  time.Time
	Request  RequestHead
	Response *ResponseHead // nil when none came
	Err      string        // why there is no whole answer; free of addresses and secrets
	Timings  Timings
	Verdict  classify.Verdict
}

// RequestHead is a request as it was sent, with the recording of its body.
type RequestHead struct {
	Method, Proto string
	URL           *url.URL
	Header        http.Header
	Body          *Recording
}

// ResponseHead is a response as it was received, with the recording of its body.
type ResponseHead struct {
	Status     int
	StatusText string
	Proto      string
	Header     http.Header
	Body       *Recording
}

// Timings are HAR's phases of one attempt; a negative one does not apply.
type Timings struct {
	Blocked, DNS, Connect, TLS, Send, Wait, Receive time.Duration
}

// NewID returns a new id for an exchange.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// Class is the class of the exchange's code.
func (e *Exchange) Class() classify.Class {
	return classify.Explain(e.Verdict, e.Call.API).Class
}

// Last is the attempt whose answer the application got, or nil.
func (e *Exchange) Last() *Attempt {
	if len(e.Attempts) == 0 {
		return nil
	}
	return e.Attempts[len(e.Attempts)-1]
}

// Release gives the memory and files of all recordings back. The exchange's bodies can't be read afterwards.
func (e *Exchange) Release() {
	for _, a := range e.Attempts {
		a.Request.Body.Release()
		if a.Response != nil {
			a.Response.Body.Release()
		}
	}
}
