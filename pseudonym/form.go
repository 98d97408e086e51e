package pseudonym

import (
	"bytes"
	"net/url"
)

// formBody masks application/x-www-form-urlencoded and the query of a URL, which are the same: all values but those of known
// fields.
type formBody struct {
	m       *Masker
	out     *filter
	part    value // a name, or a value
	inValue bool
	field   field
	filter  field // what filterType names: it says what filterValues are
	text    []byte
	masked  []byte
}

func newForm(m *Masker, out *filter) *formBody {
	return &formBody{m: m, out: out, part: value{m: m}, filter: field{kind: Attribute}}
}

func (f *formBody) write(p []byte) {
	for len(p) > 0 {
		n := 0
		for n < len(p) && !(p[n] == '=' && !f.inValue) && p[n] != '&' && p[n] != '\r' && p[n] != '\n' {
			n++
		}
		f.part.add(p[:n])
		if n == len(p) {
			return
		}
		f.flush(p[n] == '=')
		f.out.write(p[n : n+1])
		p = p[n+1:]
	}
}

func (f *formBody) end() { f.flush(false) }

// flush takes what was collected: a name if an equals sign follows, else a value, if only one without a name.
func (f *formBody) flush(isName bool) {
	defer f.part.reset()
	raw := f.part.raw
	switch {
	case isName && !f.part.long():
		f.text = unescapeForm(f.text[:0], raw)
		f.field, f.inValue = lookup(f.text), true
		if !all(f.text, inParameter) {
			raw = f.escape(f.m.mask(f.masked[:0], f.text, Attribute))
		}
		f.out.write(raw)
		return
	case !f.inValue:
		f.field = field{kind: Attribute}
	}
	f.inValue = isName
	if f.part.long() {
		f.out.write(f.escape(f.part.digest(nil, Attribute)))
		return
	}
	f.text = unescapeForm(f.text[:0], raw)
	var same bool
	f.masked, same = f.m.parameter(f.masked[:0], f.field, f.filter, f.text)
	if f.field.name == "filtertype" {
		f.filter = lookup(f.text)
	}
	if same || bytes.Equal(f.masked, f.text) {
		f.out.write(raw)
		return
	}
	f.out.write(f.escape(f.masked))
}

func (f *formBody) escape(v []byte) []byte { return []byte(url.QueryEscape(string(v))) }

// parameter is value for a parameter: filterValues is a list of values of another field.
func (m *Masker) parameter(dst []byte, f, filter field, v []byte) (out []byte, same bool) {
	if f.name != "filtervalues" {
		return m.value(dst, f, v)
	}
	for i, part := range bytes.Split(v, []byte(",")) {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, same = m.value(dst, filter, part); same {
			dst = append(dst, part...)
		}
	}
	return dst, false
}

// unescapeForm appends the meaning of a name or value; what is no escape stays.
func unescapeForm(dst, v []byte) []byte {
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(v) && unhex(v[i+1]) >= 0 && unhex(v[i+2]) >= 0:
			c = byte(unhex(v[i+1])<<4 | unhex(v[i+2]))
			i += 2
		}
		dst = append(dst, c)
	}
	return dst
}

// isForm tells whether b, the start of a body, looks like a form: a name and an equals sign.
func isForm(b []byte) bool {
	n := bytes.IndexByte(b, '=')
	return n > 0 && n <= maxFieldName && all(b[:n], inParameter) && bytes.IndexByte(b[:n], ' ') < 0
}

// inParameter tells what names of parameters are made of.
func inParameter(c byte) bool {
	return isLetter(c) || isDigit(c) || bytes.IndexByte([]byte("_-.[]:$ "), c) >= 0
}
