// Package redact takes secrets out of headers, URLs, bodies and texts before they are written anywhere: first by structure
// (the value that belongs to a secret name), then by looking for known values. All else comes out byte for byte.
package redact

import (
	"encoding/json"
	"maps"
	"net/url"
	"strings"
)

// Marker stands for each secret that was taken out.
const Marker = "REDACTED"

// KnownValue is what Counts calls the known values found outside their places.
const KnownValue = "known value"

// minValue is the length in bytes from which a known value is looked for: a shorter one is found by chance too often.
const minValue = 8

// Redactor masks the parts of one exchange. It is not safe for concurrent use; making one is cheap.
type Redactor struct {
	known  map[string]bool
	values *needles
	counts map[string]int

	in, out []byte // buffers of Body and of all output, kept for the next part
}

// New makes a Redactor that knows values, see Values.
func New(values ...string) *Redactor {
	r := &Redactor{counts: make(map[string]int)}
	r.Values(values...)
	return r
}

// Values adds secret values, e.g. the signature or token that was sent and the keys they were made with. Whatever passes
// from now on is searched for them and for their usual encodings (URL, JSON, XML), whatever the case. Values shorter than
// 8 bytes, or with Marker in them, are left out.
func (r *Redactor) Values(values ...string) {
	added := false
	for _, v := range values {
		if len(v) < minValue || strings.Contains(lowerString(v), lowerString(Marker)) {
			continue
		}
		for _, e := range encodings(v) {
			if e = lowerString(e); !r.known[e] {
				if r.known == nil {
					r.known = make(map[string]bool)
				}
				r.known[e], added = true, true
			}
		}
	}
	if !added {
		return
	}
	var list []needle
	for v := range r.known {
		list = append(list, needle{text: v})
	}
	r.values = newNeedles(list)
}

// encodings are the forms in which v may stand in a URL or body.
func encodings(v string) []string {
	list := []string{v, url.QueryEscape(v), url.PathEscape(v), xmlAll.Replace(v), xmlText.Replace(v)}
	for _, escapeHTML := range []bool{true, false} {
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(escapeHTML)
		if enc.Encode(v) == nil {
			quoted := strings.Trim(b.String(), "\"\n")
			list = append(list, quoted, strings.ReplaceAll(quoted, "/", `\/`))
		}
	}
	return list
}

// Counts tells how often each name was masked since New; the caller owns the map.
func (r *Redactor) Counts() map[string]int { return maps.Clone(r.counts) }

func (r *Redactor) count(name string) { r.counts[name]++ }

// The replacers spell values as XML writers do: in attributes or everywhere, and in character data.
var (
	xmlAll  = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;")
	xmlText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
)

// Text masks a short text, such as an error message.
func (r *Redactor) Text(s string) string {
	var b strings.Builder
	out := r.sink(&b)
	t := text{out: out}
	t.write([]byte(s))
	t.reset()
	out.close()
	return b.String()
}
