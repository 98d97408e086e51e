package redact

import (
	"bytes"

	"marketo-proxy/jsonscan"
)

// jsonBody masks JSON: the value of a member with a secret name, at any depth and of any type but true, false and null, and
// secrets in the text of the other strings. From where it is no JSON any more, what is between strings is read as text too.
type jsonBody struct {
	out  *sink
	text *text
	scan jsonscan.Scanner
	name []byte // of a member, unquoted

	secret int  // of the member whose value comes next, or is being masked; negative if none
	last   int  // of the string before, if that is a secret name, or negative
	depth  int  // of the secret object or array around, or negative
	broken bool // no JSON any more
}

func newJSON(out *sink) *jsonBody {
	return &jsonBody{out: out, text: &text{out: out}, secret: -1, last: -1, depth: -1}
}

func (j *jsonBody) write(p []byte) {
	j.scan.Feed(p)
	j.drain()
}

func (j *jsonBody) end() {
	j.scan.Finish()
	j.drain()
	j.text.reset()
}

func (j *jsonBody) drain() {
	for t, ok := j.scan.Next(); ok; t, ok = j.scan.Next() {
		j.broken = j.broken || !j.scan.Valid()
		switch {
		case j.depth >= 0:
			j.inside(t)
		case j.secret >= 0:
			j.value(t)
		default:
			j.outside(t)
		}
	}
}

// outside takes a token that is no part of a secret member.
func (j *jsonBody) outside(t jsonscan.Token) {
	switch {
	case t.Kind == jsonscan.Key && t.Whole():
		j.secret, j.last = j.lookup(t.Data), -1
	case t.Kind == jsonscan.String && t.Whole():
		j.last = j.lookup(t.Data)
	case t.Kind == jsonscan.Sep && j.last >= 0:
		j.separate(t.Raw)
	default:
		j.last = -1
	}
	switch {
	case j.broken:
		j.text.write(t.Raw)
	case t.Kind == jsonscan.Key || t.Kind == jsonscan.String:
		if t.Whole() && j.text.pass(t.Raw) {
			return
		}
		j.text.write(t.Raw)
		if !t.More {
			j.text.reset()
		}
	default:
		j.out.write(t.Raw)
	}
}

// separate takes what follows a string with a secret name: with a colon there, this is no JSON, but that was a name.
func (j *jsonBody) separate(sep []byte) {
	switch n := bytes.IndexAny(sep, ":,"); {
	case n < 0:
	case sep[n] == ':':
		j.secret, j.last = j.last, -1
	default:
		j.last = -1
	}
}

func (j *jsonBody) lookup(name []byte) int {
	if len(name) > maxName {
		return -1
	}
	j.name = jsonscan.Unquote(j.name[:0], name)
	return lookupPart(j.name)
}

// value takes a token after a secret name.
func (j *jsonBody) value(t jsonscan.Token) {
	switch t.Kind {
	case jsonscan.Sep:
		j.outside(t)
		return
	case jsonscan.String, jsonscan.Number, jsonscan.Invalid:
		j.maskScalar(t)
		if t.More {
			return
		}
	case jsonscan.ObjectStart, jsonscan.ArrayStart:
		j.text.reset()
		j.out.writeString(`"`)
		j.out.mask(j.secret)
		j.out.writeString(`"`)
		j.depth = t.Depth
		return
	default:
		j.secret = -1
		j.outside(t)
		return
	}
	j.secret = -1
}

// maskScalar puts the marker in the place of a string, or as a string in the place of anything else.
func (j *jsonBody) maskScalar(t jsonscan.Token) {
	if len(t.Raw) == len(`""`) && t.Kind == jsonscan.String && t.Whole() {
		j.outside(t)
		return
	}
	if !t.Cont {
		j.text.reset()
		j.out.writeString(`"`)
		j.out.mask(j.secret)
	}
	quotes := len(t.Raw) - len(t.Data)
	if t.Cont {
		quotes++
	}
	if !t.More && (t.Kind != jsonscan.String || quotes == 2) { // not in a string that the end of the body cut off
		j.out.writeString(`"`)
	}
}

// inside drops a token of a secret object or array.
func (j *jsonBody) inside(t jsonscan.Token) {
	if (t.Kind == jsonscan.ObjectEnd || t.Kind == jsonscan.ArrayEnd) && t.Depth == j.depth {
		j.depth, j.secret = -1, -1
	}
}
