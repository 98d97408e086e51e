package redact

import (
	"bytes"
	"strings"
)

// Password is what Counts calls the password in the userinfo part of a URL.
const Password = "password"

// URL masks a URL or the target of a request: the values of parameters with a secret name in the query and the fragment,
// the password before the host, and secrets in the text of all else. It need not be a valid URL.
func (r *Redactor) URL(s string) string {
	if r.cleanURL(s) {
		return s
	}
	var b strings.Builder
	out := r.sink(&b)
	maskURL(out, s)
	out.close()
	return b.String()
}

func maskURL(out *sink, s string) {
	s, fragment, hasFragment := strings.Cut(s, "#")
	path, query, hasQuery := strings.Cut(s, "?")
	plain := text{out: out}
	if start, end := password(path); end > start {
		plain.write([]byte(path[:start]))
		plain.reset()
		out.maskAs(Password)
		path = path[end:]
	}
	plain.write([]byte(path))
	plain.reset()
	if hasQuery {
		out.writeString("?")
		parameters(out, query)
	}
	if hasFragment {
		out.writeString("#")
		parameters(out, fragment)
	}
}

// cleanURL tells that nothing in s needs to be masked. It says so of those only that are quickly looked through.
func (r *Redactor) cleanURL(s string) bool {
	if !r.clean(s) {
		return false
	}
	b := r.in // which is s now
	query := bytes.IndexAny(b, "?#")
	if query < 0 {
		query = len(b)
	}
	if bytes.IndexByte(b[:query], '@') >= 0 { // there may be a password before it
		return false
	}
	for b = b[query:]; len(b) > 0; {
		// A name goes on up to the equals sign, and begins behind any of these.
		n := bytes.IndexByte(b, '=')
		if n < 0 {
			break
		}
		name := b[bytes.LastIndexAny(b[:n], "?#&")+1 : n]
		if bytes.ContainsAny(name, "%+") || lookupPart(name) >= 0 {
			return false
		}
		b = b[n+1:]
	}
	return true
}

func parameters(out *sink, s string) {
	f := newForm(out)
	f.inURL = true
	f.write([]byte(s))
	f.end()
}

// password returns where the password stands in a URL without query: //user:password@host.
func password(s string) (start, end int) {
	i := strings.Index(s, "//")
	if i < 0 {
		return 0, 0
	}
	i += len("//")
	authority, _, _ := strings.Cut(s[i:], "/")
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return 0, 0
	}
	colon := strings.IndexByte(authority[:at], ':')
	if colon < 0 {
		return 0, 0
	}
	return i + colon + 1, i + at
}
