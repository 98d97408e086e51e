package classify

import (
	"bytes"
	"net/http"
	"strings"
)

const (
	// methodGET is how a POST says that it is a GET, as Adobe advises for a URI that got too long: in the query or, as node-marketo
	// and marketorestpython do it, in the form of the body. The first _method counts.
	methodGET  = methodName + "GET"
	methodName = "_method="

	// maxForm is how much of a form is looked at: Marketo takes no longer one (Adobe, "Error Codes", 413).
	maxForm = 1 << 20
)

// restRequest knows everything from the start, but for a form that may say it is a GET.
type restRequest struct {
	call    Call
	asGET   string // the operation if it says so
	left    int    // bytes of the form that are still looked at
	matched int    // bytes of methodGET that the parameter begins with; -1: it is another
}

func newRESTRequest(method, path, contentType string) *restRequest {
	r := &restRequest{call: Call{API: REST, Operation: RESTOperation(method, path)}}
	if method != http.MethodPost || !isForm(contentType) {
		return r
	}
	path, query, _ := strings.Cut(path, "?")
	if _, said := methodParameter(query); said {
		return r
	}
	if r.asGET = RESTOperation(http.MethodGet, path); r.asGET != Other {
		r.left = maxForm
	}
	return r
}

func isForm(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), "application/x-www-form-urlencoded")
}

// methodParameter is the value of the first parameter _method of a query.
func methodParameter(query string) (value string, found bool) {
	for query != "" {
		var parameter string
		parameter, query, _ = strings.Cut(query, "&")
		if value, found = strings.CutPrefix(parameter, methodName); found {
			return value, true
		}
	}
	return "", false
}

func (r *restRequest) Done() bool { return r.left == 0 }

// Call takes a form that ends behind _method=GET for whole: nothing tells the end.
func (r *restRequest) Call() Call {
	call := r.call
	if r.matched == len(methodGET) {
		call.Operation = r.asGET
	}
	return call
}

func (r *restRequest) Write(p []byte) (int, error) {
	n := len(p)
	p = p[:min(n, r.left)]
	r.left -= len(p)
	for len(p) > 0 {
		if r.matched < 0 {
			next := bytes.IndexByte(p, '&')
			if next < 0 {
				break
			}
			p, r.matched = p[next+1:], 0
			continue
		}
		if !r.match(p[0]) {
			r.left = 0
			break
		}
		p = p[1:]
	}
	return n, nil
}

// match takes one more byte of a parameter that may be _method. It is false when nothing that follows matters.
func (r *restRequest) match(c byte) (undecided bool) {
	switch {
	case r.matched < len(methodGET) && c == methodGET[r.matched]:
		r.matched++
	case r.matched == len(methodGET) && c == '&':
		return false
	case r.matched >= len(methodName): // another method
		r.matched = -1
		return false
	case c == '&':
		r.matched = 0
	default:
		r.matched = -1
	}
	return true
}
