package capture

import (
	"time"

	"marketo-proxy/classify"
)

// Capture is an exchange as it stands in the journal: one line of JSON, with attempts last.
type Capture struct {
	ID           string            `json:"id"`
	Time         time.Time         `json:"time"` // UTC
	API          classify.API      `json:"api"`
	Operation    string            `json:"operation"`
	Instance     string            `json:"instance"`
	User         string            `json:"user"`
	Outcome      classify.Outcome  `json:"outcome"`
	Code         string            `json:"code"`
	Message      string            `json:"message"`
	Class        classify.Class    `json:"class"`
	Retryable    bool              `json:"retryable"`
	Advice       string            `json:"advice"`
	RequestID    string            `json:"request_id,omitempty"` // REST: what Marketo's support asks for
	Records      []classify.Record `json:"records,omitempty"`
	Failed       int               `json:"records_failed,omitempty"` // all of them, where records lists only the first
	Renewal      Renewal           `json:"renewal,omitempty"`
	RenewalError string            `json:"renewal_error,omitempty"` // why no new token could be had
	DurationMS   float64           `json:"duration_ms"`
	Complete     bool              `json:"complete"` // every body is whole
	Proxy        Proxy             `json:"proxy"`
	Attempts     []AttemptLine     `json:"attempts"`
}

// Proxy says which process wrote a capture.
type Proxy struct {
	Version   string `json:"version"`
	Host      string `json:"host"`
	Pod       string `json:"pod"`
	Namespace string `json:"namespace"`
}

// AttemptLine is one attempt, in the terms of HAR 1.2.
type AttemptLine struct {
	Started  time.Time        `json:"startedDateTime"`
	Outcome  classify.Outcome `json:"outcome,omitempty"`
	Code     string           `json:"code,omitempty"`
	Error    string           `json:"error,omitempty"`
	Timings  TimingsLine      `json:"timings"`
	Request  RequestLine      `json:"request"`
	Response *ResponseLine    `json:"response,omitempty"`
}

// RequestLine is the request of an attempt.
type RequestLine struct {
	Method      string       `json:"method"`
	URL         string       `json:"url"`
	HTTPVersion string       `json:"httpVersion"`
	Headers     []HeaderLine `json:"headers"`
	BodySize    int64        `json:"bodySize"`
	Body        BodyLine     `json:"body"`
}

// ResponseLine is the response of an attempt.
type ResponseLine struct {
	Status      int          `json:"status"`
	StatusText  string       `json:"statusText"`
	HTTPVersion string       `json:"httpVersion"`
	Headers     []HeaderLine `json:"headers"`
	BodySize    int64        `json:"bodySize"`
	Body        BodyLine     `json:"body"`
}

// HeaderLine is one field of a header.
type HeaderLine struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// BodyLine is a body: size and sha256 are of the bytes as they went over the wire; text is decoded and masked; base64 stands in
// its place where it is not text.
type BodyLine struct {
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`
	Truncated bool   `json:"truncated"`
	Text      string `json:"text,omitempty"`
	Base64    []byte `json:"base64,omitempty"`
}

// TimingsLine are the phases of an attempt in milliseconds; -1 where one does not apply. As in HAR, ssl is part of connect.
type TimingsLine struct {
	Blocked float64 `json:"blocked"`
	DNS     float64 `json:"dns"`
	Connect float64 `json:"connect"`
	SSL     float64 `json:"ssl"`
	Send    float64 `json:"send"`
	Wait    float64 `json:"wait"`
	Receive float64 `json:"receive"`
}
