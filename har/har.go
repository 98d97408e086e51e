// Package har writes captures as an HTTP Archive (HAR 1.2), the format that the developer tools of browsers open.
//
// The format: http://www.softwareishard.com/blog/har-12-spec/. Fields of our own start with an underscore, as it asks.
package har

import (
	"net/url"
	"strings"

	"marketo-proxy/capture"
)

// Creator names the program that writes an archive.
type Creator struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// An entry and its parts are written in pieces, so that bodies can stream; what is missing here for HAR is added there.
type (
	entry struct {
		Started string  `json:"startedDateTime"`
		Time    float64 `json:"time"` // ms

		Capture        string `json:"_capture"`
		Attempt        int    `json:"_attempt"`        // from 1
		AttemptOutcome string `json:"_attemptOutcome"` // empty for a success
		AttemptCode    string `json:"_attemptCode"`    // the others are of the whole capture
		API            string `json:"_api"`
		Operation      string `json:"_operation"`
		Instance       string `json:"_instance"`
		User           string `json:"_user"`
		Outcome        string `json:"_outcome"`
		Code           string `json:"_code"`
		Class          string `json:"_class"`
		Message        string `json:"_message"`
		RequestID      string `json:"_requestId,omitempty"`

		Cache   empty   `json:"cache"`
		Timings timings `json:"timings"`
	}

	empty struct{}

	timings struct {
		Blocked float64 `json:"blocked"`
		DNS     float64 `json:"dns"`
		Connect float64 `json:"connect"`
		Send    float64 `json:"send"`
		Wait    float64 `json:"wait"`
		Receive float64 `json:"receive"`
		SSL     float64 `json:"ssl"`
	}

	request struct {
		Method      string  `json:"method"`
		URL         string  `json:"url"`
		HTTPVersion string  `json:"httpVersion"`
		Cookies     []empty `json:"cookies"` // always []: a capture has no cookie unmasked
		Headers     []pair  `json:"headers"`
		QueryString []pair  `json:"queryString"`
		HeadersSize int64   `json:"headersSize"` // -1: net/http does not keep them as they were
		BodySize    int64   `json:"bodySize"`
		SHA256      string  `json:"_sha256,omitempty"` // of the body on the wire
		Truncated   bool    `json:"_truncated,omitempty"`
	}

	postData struct {
		MimeType string  `json:"mimeType"`
		Params   []empty `json:"params"`              // always []: the text has them
		Encoding string  `json:"_encoding,omitempty"` // "base64"; HAR has this for responses only
	}

	response struct {
		Status      int     `json:"status"` // 0: none came
		StatusText  string  `json:"statusText"`
		HTTPVersion string  `json:"httpVersion"`
		Cookies     []empty `json:"cookies"`
		Headers     []pair  `json:"headers"`
		RedirectURL string  `json:"redirectURL"`
		HeadersSize int64   `json:"headersSize"`
		BodySize    int64   `json:"bodySize"` // -1: unknown
		SHA256      string  `json:"_sha256,omitempty"`
		Truncated   bool    `json:"_truncated,omitempty"`
		Error       string  `json:"_error,omitempty"` // where browsers' tools have it
	}

	content struct {
		MimeType string `json:"mimeType"`
		Encoding string `json:"encoding,omitempty"` // "base64"
	}

	pair struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
)

func newEntry(c *capture.Capture, i int) entry {
	a := &c.Attempts[i]
	t := newTimings(a.Timings)
	return entry{
		Started: a.Started.Format("2006-01-02T15:04:05.000Z07:00"), Time: t.sum(), Timings: t,
		Capture: c.ID, Attempt: i + 1, AttemptOutcome: string(a.Outcome), AttemptCode: a.Code,
		API: string(c.API), Operation: c.Operation, Instance: c.Instance, User: c.User,
		Outcome: string(c.Outcome), Code: c.Code, Class: string(c.Class), Message: c.Message, RequestID: c.RequestID,
	}
}

// maxTiming is a year in ms: a sum of more could become infinite, which JSON can't say.
const maxTiming = 365 * 24 * 3600 * 1000

// newTimings keeps to what HAR says: send, wait and receive are never negative, the others are -1 where they do not apply.
func newTimings(t capture.TimingsLine) timings {
	needed := func(ms float64) float64 { return min(max(ms, 0), maxTiming) }
	optional := func(ms float64) float64 {
		if ms < 0 {
			return -1
		}
		return needed(ms)
	}
	return timings{
		Blocked: optional(t.Blocked), DNS: optional(t.DNS), Connect: optional(t.Connect), SSL: optional(t.SSL),
		Send: needed(t.Send), Wait: needed(t.Wait), Receive: needed(t.Receive),
	}
}

// sum leaves ssl out, since connect contains it.
func (t timings) sum() (ms float64) {
	for _, phase := range []float64{t.Blocked, t.DNS, t.Connect, t.Send, t.Wait, t.Receive} {
		ms += max(phase, 0)
	}
	return ms
}

func newRequest(r *capture.RequestLine) request {
	return request{
		Method: r.Method, URL: r.URL, HTTPVersion: r.HTTPVersion, Cookies: []empty{}, Headers: pairs(r.Headers),
		QueryString: query(r.URL), HeadersSize: -1, BodySize: max(r.BodySize, -1), SHA256: r.Body.SHA256, Truncated: r.Body.Truncated,
	}
}

// newResponse takes nil for a response that never came.
func newResponse(r *capture.ResponseLine, reason string) response {
	if r == nil {
		return response{Cookies: []empty{}, Headers: []pair{}, HeadersSize: -1, BodySize: -1, Error: reason}
	}
	return response{
		Status: max(r.Status, 0), StatusText: r.StatusText, HTTPVersion: r.HTTPVersion, Cookies: []empty{}, Headers: pairs(r.Headers),
		RedirectURL: header(r.Headers, "Location"), HeadersSize: -1, BodySize: max(r.BodySize, -1),
		SHA256: r.Body.SHA256, Truncated: r.Body.Truncated, Error: reason,
	}
}

func pairs(headers []capture.HeaderLine) []pair {
	out := make([]pair, len(headers))
	for i, h := range headers {
		out[i] = pair(h)
	}
	return out
}

func header(headers []capture.HeaderLine, name string) string {
	for _, h := range headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// query keeps the order of the parameters, and what can't be unescaped as it stands.
func query(address string) []pair {
	out := []pair{}
	_, raw, _ := strings.Cut(address, "?")
	raw, _, _ = strings.Cut(raw, "#")
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		out = append(out, pair{unescape(name), unescape(value)})
	}
	return out
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// mimeType is that of a body; HAR wants one even where a message has none.
func mimeType(headers []capture.HeaderLine) string {
	if t := header(headers, "Content-Type"); t != "" {
		return t
	}
	return "x-unknown" // as browsers' tools write it
}
