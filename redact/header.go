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
		id := lookupField([]byte(name))
		list := make([]string, len(values))
		for i, v := range values {
			switch {
			case id >= 0:
				list[i] = r.secretHeader(id, v)
			case holdsURL[strings.ToLower(name)]:
				list[i] = r.URL(v)
			default:
				list[i] = r.Text(v)
			}
		}
		masked[name] = list
	}
	return masked
}

// holdsURL has the headers whose value is one URL.
var holdsURL = map[string]bool{"location": true, "content-location": true, "referer": true, "origin": true, "refresh": true}

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
