package ticket

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/url"
	"strings"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/redact"
)

// requestHead is the head of a request as HTTP/1.1 writes it (RFC 9112). A capture has the Host in the URL.
func requestHead(r *capture.RequestLine) string {
	target, host := r.URL, ""
	if u, err := url.Parse(r.URL); err == nil && u.Host != "" {
		target, host = u.RequestURI(), u.Host
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s %s\r\n", oneLine(r.Method), oneLine(target), oneLine(r.HTTPVersion))
	if host != "" && field(r.Headers, "Host") == "" {
		fmt.Fprintf(&out, "Host: %s\r\n", oneLine(host))
	}
	writeFields(&out, r.Headers)
	return out.String()
}

func responseHead(r *capture.ResponseLine) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %d %s\r\n", oneLine(r.HTTPVersion), r.Status, oneLine(r.StatusText))
	writeFields(&out, r.Headers)
	return out.String()
}

func writeFields(out *strings.Builder, headers []capture.HeaderLine) {
	for _, h := range headers {
		fmt.Fprintf(out, "%s: %s\r\n", oneLine(h.Name), oneLine(h.Value))
	}
	out.WriteString("\r\n")
}

// oneLine keeps a forged capture from adding lines to a head.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' {
			return ' '
		}
		return r
	}, s)
}

func field(headers []capture.HeaderLine, name string) string {
	for _, h := range headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// extension is that of the file for a body, by its Content-Type; what that does not tell, the API does, if the body was read as such: there
// are clients that send SOAP with any type or none.
func (e *exchange) extension(p place) string {
	if e.binary[p] && e.b.masker == nil {
		return ".bin"
	}
	kind, _, err := mime.ParseMediaType(e.types[p])
	if err != nil {
		kind, _, _ = strings.Cut(strings.ToLower(e.types[p]), ";")
	}
	switch kind = strings.TrimSpace(kind); {
	case kind == "text/xml", kind == "application/xml", strings.HasSuffix(kind, "+xml"):
		return ".xml"
	case strings.HasSuffix(kind, "/json"), strings.HasSuffix(kind, "+json"):
		return ".json"
	case strings.HasSuffix(kind, "/csv"):
		return ".csv"
	case e.API == classify.SOAP && (p.side == capture.RequestSide || e.understood(p)):
		return ".xml"
	case e.API == classify.REST && p.side == capture.ResponseSide && e.understood(p):
		return ".json"
	}
	return ".txt"
}

// understood tells that an attempt was judged by what its answer says.
func (e *exchange) understood(p place) bool {
	outcome := e.Attempts[p.attempt].Outcome
	return outcome == classify.Fault || outcome == classify.Partial
}

// tallied counts what is written, and how often the marker of secrets is in it.
type tallied struct {
	w       io.Writer
	n       int64
	markers int
	tail    []byte
	err     error
}

func (t *tallied) Write(p []byte) (n int, err error) {
	n, t.err = t.w.Write(p)
	t.n += int64(n)
	const overlap = len(redact.Marker) - 1
	joined := append(t.tail, p[:min(len(p), overlap)]...)
	t.markers += bytes.Count(joined, []byte(redact.Marker)) + bytes.Count(p, []byte(redact.Marker))
	if len(p) >= overlap {
		joined = p
	}
	t.tail = bytes.Clone(joined[max(0, len(joined)-overlap):])
	return n, t.err
}
