package pseudonym

import (
	"bytes"

	"marketo-proxy/jsonscan"
)

// maxLevels is the depth up to which it is known where a value stands. Deeper values are all masked.
const maxLevels = 64

// jsonBody masks JSON: the values of all members that are not known to be Marketo's own. Numbers stay numbers, and strings
// strings. Once it is no JSON any more, nothing is known but the names of fields.
type jsonBody struct {
	m      *Masker
	out    *filter
	scan   jsonscan.Scanner
	levels [maxLevels]level
	value  value // of the string or number that comes in pieces
	text   []byte
	masked []byte
}

// level is an object or array.
type level struct {
	field field  // the last key, or the key that an array belongs to
	name  []byte // what the member "name" of an object says: the name of the field whose value is in the member "value"
}

func newJSON(m *Masker, out *filter) *jsonBody {
	return &jsonBody{m: m, out: out, value: value{m: m}}
}

func (j *jsonBody) write(p []byte) {
	j.scan.Feed(p)
	j.drain()
}

func (j *jsonBody) end() {
	j.scan.Finish()
	j.drain()
}

func (j *jsonBody) drain() {
	for t, ok := j.scan.Next(); ok; t, ok = j.scan.Next() {
		j.token(&t)
	}
}

func (j *jsonBody) token(t *jsonscan.Token) {
	switch t.Kind {
	case jsonscan.ObjectStart, jsonscan.ArrayStart:
		j.open(t)
	case jsonscan.Key, jsonscan.String:
		if !t.Cont {
			j.value.reset()
		}
		j.value.add(t.Data)
		if t.More {
			return
		}
		j.str(t)
		return
	case jsonscan.Number, jsonscan.Invalid:
		if !t.Cont {
			j.value.reset()
		}
		j.value.add(t.Raw)
		if !t.More {
			j.word(t)
		}
		return
	}
	j.out.write(t.Raw)
}

// at is the level of a token at this depth; nil if it is too deep to know.
func (j *jsonBody) at(depth int) *level {
	if depth >= maxLevels {
		return nil
	}
	return &j.levels[depth]
}

func (j *jsonBody) open(t *jsonscan.Token) {
	inner := j.at(t.Depth + 1)
	if inner == nil {
		return
	}
	inner.field, inner.name = field{kind: Attribute}, inner.name[:0]
	if outer := j.at(t.Depth); outer != nil && t.Kind == jsonscan.ArrayStart {
		inner.field = outer.field
	}
}

// around is the name of the member that the object at this depth, or the array that it is in, belongs to.
func (j *jsonBody) around(depth int) string {
	if l := j.at(depth - 1); depth > 0 && l != nil {
		return l.field.name
	}
	return ""
}

// fieldAt is what is known of a value at this depth.
func (j *jsonBody) fieldAt(depth int) field {
	l := j.at(depth)
	switch {
	case l == nil:
		return field{kind: Attribute}
	case !j.scan.Valid():
		return field{name: l.field.name, kind: Attribute, form: masked}
	case l.field.name == "value" && len(l.name) > 0:
		return lookup(l.name)
	}
	return l.field
}

// str takes a whole key or string, which ends with t.
func (j *jsonBody) str(t *jsonscan.Token) {
	j.out.writeString(`"`)
	j.content(t)
	quotes := len(t.Raw) - len(t.Data)
	if quotes == 2 || t.Cont && quotes == 1 { // else it is cut off
		j.out.writeString(`"`)
	}
}

func (j *jsonBody) content(t *jsonscan.Token) {
	if j.value.long() {
		j.out.write(j.value.digest(nil, Attribute))
		if l := j.at(t.Depth); l != nil && t.Kind == jsonscan.Key {
			l.field = field{kind: Attribute}
		}
		return
	}
	raw := j.value.raw
	j.text = jsonscan.Unquote(j.text[:0], raw)
	l := j.at(t.Depth)
	var f field
	if t.Kind == jsonscan.Key {
		f = within(j.text, j.around(t.Depth))
		if l != nil {
			l.field = f
		}
		if j.scan.Valid() && isMemberName(j.text) || f.form != masked {
			j.out.write(raw)
			return
		}
		f.form = masked
	} else {
		f = j.fieldAt(t.Depth)
	}
	var same bool
	j.masked, same = j.m.value(j.masked[:0], f, j.text)
	if same || bytes.Equal(j.masked, j.text) || !j.scan.Valid() && lookup(j.text).form != masked {
		j.out.write(raw)
	} else {
		_ = jsonscan.Escape(j.out, j.masked) // a filter takes all
	}
	if l != nil && t.Kind == jsonscan.String && l.field.name == "name" && f.form == fieldNames {
		l.name = append(l.name[:0], j.text[:min(len(j.text), maxSibling)]...)
	}
}

// isMemberName tells what may be the name of a field. Anything else may be the value of one.
func isMemberName(v []byte) bool {
	return len(v) <= maxFieldName && all(v, func(c byte) bool { return inParameter(c) || c == '@' || c == '#' || c == '/' })
}

// word takes a whole number, or what is no JSON.
func (j *jsonBody) word(t *jsonscan.Token) {
	if j.value.long() {
		j.m.counts[Attribute]++
		j.out.writeString("0")
		return
	}
	raw := j.value.raw
	f := j.fieldAt(t.Depth)
	switch {
	case f.form.allows(raw):
		j.out.write(raw)
	case t.Kind == jsonscan.Number:
		j.masked = j.m.number(j.masked[:0], raw, f.kind)
		j.out.write(j.masked)
	default:
		j.masked = j.m.mask(j.masked[:0], raw, Attribute)
		j.out.write(j.masked)
	}
}

// number masks the digits of a number, but not its exponent, so that it stays one.
func (m *Masker) number(dst, v []byte, kind string) []byte {
	n := len(v)
	if e := bytes.IndexAny(v, "eE"); e >= 0 {
		n = e
	}
	inNumber := func(c byte) bool { return isDigit(c) || c == '-' || c == '+' || c == '.' }
	if !all(v[:n], inNumber) || n < len(v) && !all(v[n+1:], inNumber) || len(v)-n > len("e+308") {
		return m.mask(dst, v, Attribute) // whatever it began like
	}
	if kind == "" {
		kind = Attribute
	}
	m.counts[kind]++
	return append(m.runes(dst, v[:n]), v[n:]...)
}
