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

// marker is Marker in lower case.
const marker = "redacted"

// KnownValue is what Counts calls the known values found outside their places.
const KnownValue = "known value"

// minValue is the length in bytes from which a known value is looked for: a shorter one is found by chance too often.
const minValue = 8

// Redactor masks the parts of one exchange. It is not safe for concurrent use; making one is cheap, and Reset is cheaper.
type Redactor struct {
	known  map[string]bool
	list   []needle // the known values
	table  needles  // of them
	values *needles // table, or nil if there are none
	counts map[string]int

	// What the parts use one after the other.
	in  []byte
	out sink
	dst appender
	xml xmlBody
}

// New makes a Redactor that knows values, see Values.
func New(values ...string) *Redactor {
	r := &Redactor{known: make(map[string]bool), counts: make(map[string]int)}
	r.Values(values...)
	return r
}

// Reset makes the Redactor ready for another exchange, as New does, keeping its memory.
func (r *Redactor) Reset(values ...string) {
	clear(r.known)
	clear(r.counts)
	clear(r.list)
	r.list, r.values = r.list[:0], nil
	r.Values(values...)
}

// Values adds secret values, e.g. the signature or token that was sent and the keys they were made with. Whatever passes
// from now on is searched for them and for their usual encodings (URL, JSON, XML), whatever the case. Values shorter than
// 8 bytes, or with Marker in them, are left out.
func (r *Redactor) Values(values ...string) {
	added := false
	for _, v := range values {
		if len(v) < minValue || strings.Contains(lowerString(v), marker) {
			continue
		}
		for _, e := range encodings(v) {
			if e = lowerString(e); !r.known[e] {
				r.known[e], added = true, true
				r.list = append(r.list, needle{text: e})
			}
		}
	}
	if added {
		r.table.set(r.list)
		r.values = &r.table
	}
}

// encodings are the forms in which v may stand in a URL or body.
func encodings(v string) []string {
	if consistsOf(v, &unreserved) {
		return []string{v}
	}
	list := []string{v, url.QueryEscape(v), url.PathEscape(v)}
	if consistsOf(v, &unquoted) {
		return list
	}
	list = append(list, xmlAll.Replace(v), xmlText.Replace(v))
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

// unreserved has the characters that stand for themselves in URLs (RFC 3986, section 2.3), and in JSON and XML too.
var unreserved = bytesOf(func(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '-' || c == '.' || c == '_' || c == '~'
})

// unquoted has those that stand for themselves in JSON and XML.
var unquoted = bytesOf(func(c byte) bool { return ' ' < c && c <= '~' && !strings.ContainsRune("\"'<>&\\/", rune(c)) })

func consistsOf(s string, set *[256]bool) bool {
	for i := range len(s) {
		if !set[s[i]] {
			return false
		}
	}
	return true
}

func bytesOf(is func(byte) bool) (set [256]bool) {
	for i := range set {
		set[i] = is(byte(i))
	}
	return set
}

// clean tells that there is neither a secret name nor a known value in s, as in most short texts.
func (r *Redactor) clean(s string) bool {
	r.in = append(r.in[:0], s...)
	if start, _, _ := names.find(r.in, 0); start >= 0 {
		return false
	}
	if r.values == nil {
		return true
	}
	start, _, _ := r.values.find(r.in, 0)
	return start < 0
}

// Text masks a short text, such as an error message.
func (r *Redactor) Text(s string) string {
	if r.clean(s) {
		return s
	}
	var b strings.Builder
	out := r.sink(&b)
	t := text{out: out}
	t.write([]byte(s))
	t.reset()
	out.close()
	return b.String()
}
