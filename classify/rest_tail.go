package classify

import (
	"bytes"

	"marketo-proxy/jsonscan"
)

// skimmable tells whether nothing but the end of the answer is wanted after this token: a long list that was asked for with GET, of
// which no element can be a record that failed. The token is the end of an element, so that the scanner stands between two.
func (r *restResponse) skimmable(t *jsonscan.Token) bool {
	return t.Kind == jsonscan.ObjectEnd && t.Depth == 2 && t.Offset > skimAfter && r.inResult() &&
		r.reads && !r.jobs && !r.failure && r.failed == 0
}

// withTail is the reader after what follows the result, which is the end of what was not read.
func (r *restResponse) withTail() *restResponse {
	for rest := r.tail.b; ; {
		n := bytes.IndexByte(rest, ']')
		if n < 0 {
			break
		}
		if whole := r.after(rest[n:]); whole != nil {
			return whole
		}
		rest = rest[n+1:]
	}
	whole := *r
	switch success, said := r.tail.lastSuccess(); {
	case !said || !bytes.HasSuffix(r.tail.b, []byte("}")):
		whole.reason = "not JSON: the input ends early"
	case !success: // too much follows to be understood, but not that
		whole.failure = true
	}
	return &whole
}

// lastSuccess is the last value of "success" in the tail, if there is one.
func (t *tail) lastSuccess() (success, said bool) {
	const name = `"success"`
	n := bytes.LastIndex(t.b, []byte(name))
	if n < 0 {
		return false, false
	}
	return !bytes.HasPrefix(bytes.TrimLeft(t.b[n+len(name):], xmlSpace+`:"`), []byte("false")), true
}

// after goes on with b behind the last element that was read, or returns nil if it is not the rest of the answer, which always says
// whether it was a success.
func (r *restResponse) after(b []byte) *restResponse {
	whole := *r
	whole.skims = false
	whole.scanner.Feed(b)
	whole.tokens()
	whole.scanner.Finish()
	whole.tokens()
	if !whole.scanner.Valid() || !whole.scanner.Complete() || !whole.success && !whole.failure {
		return nil
	}
	return &whole
}
