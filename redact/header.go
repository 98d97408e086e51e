package redact

import (
	"net/http"
	"strings"
)

// Header returns a copy of h without secrets: the values of secret headers become Marker, those of Authorization and
// Proxy-Authorization keep their scheme, and secrets in other values, such as a URL in Location, are masked there.
func (r *Redactor) Header(h http.Header) http.Header {
	if h == nil {
		return nil
	}
	masked := make(http.Header, len(h))
	for name, values := range h {
		list := make([]string, len(values))
		for i, v := range values {
			list[i] = r.Field(name, v)
		}
		masked[name] = list
	}
	return masked
}

// Field is Header for one field.
func (r *Redactor) Field(name, value string) string {
	r.in = append(r.in[:0], name...)
	if id := lookupField(r.in); id >= 0 {
		return r.secretHeader(id, value)
	}
	for _, n := range holdsURL {
		if strings.EqualFold(n, name) {
			return r.URL(value)
		}
	}
	return r.Text(value)
}

// holdsURL has the headers whose value is one URL.
var holdsURL = [...]string{"location", "content-location", "referer", "origin", "refresh"}

func (r *Redactor) secretHeader(id int, v string) string {
	if v == "" {
		return v
	}
	r.count(secrets[id].name)
	if scheme, value, ok := strings.Cut(v, " "); ok && value != "" && isScheme([]byte(scheme)) {
		return scheme + " " + Marker
	}
	return Marker
}
