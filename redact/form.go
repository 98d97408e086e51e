package redact

// maxName is the length in bytes up to which a name is looked at, escapes and all.
const maxName = 256

// formBody masks application/x-www-form-urlencoded: the value of a field with a secret name, and secrets in the text of the
// other values. As there is no way to be sure that a body is a form, a field may hold anything.
type formBody struct {
	out   *sink
	text  *text
	name  []byte // of the field, as written, up to maxName
	field fieldState
	id    int  // of a secret field
	inURL bool // a query: line ends mean nothing, and a ? begins another one, as in #/route?access_token=…
}

type fieldState uint8

const (
	fieldName fieldState = iota
	fieldValue
	secretStart // at the start of a secret value
	secretValue
)

func newForm(out *sink) *formBody { return &formBody{out: out, text: &text{out: out}} }

func (f *formBody) write(p []byte) {
	for len(p) > 0 {
		n := 0
		switch f.field {
		case fieldName:
			for n < len(p) && p[n] != '=' && !(f.inURL && p[n] == '?') && !f.ends(p[n]) {
				n++
			}
			f.name = append(f.name, p[:min(n, maxName-len(f.name))]...)
			f.text.write(p[:n])
		case fieldValue:
			for n < len(p) && !f.ends(p[n]) {
				n++
			}
			f.text.write(p[:n])
		default:
			for n < len(p) && !f.ends(p[n]) {
				n++
			}
			if n > 0 && f.field == secretStart {
				f.out.mask(f.id)
				f.field = secretValue
			}
		}
		if n < len(p) {
			f.delimiter(p[n : n+1])
			n++
		}
		p = p[n:]
	}
}

// delimiter takes the = after a name, or what ends a field.
func (f *formBody) delimiter(p []byte) {
	if p[0] != '=' {
		f.text.reset()
		f.out.write(p)
		f.field, f.name = fieldName, f.name[:0]
		return
	}
	f.id, f.field = lookupPart(unescape(f.name)), fieldValue
	if f.id < 0 {
		f.text.write(p)
		return
	}
	f.field = secretStart
	f.text.reset()
	f.out.write(p)
}

func (f *formBody) end() { f.text.reset() }

// ends tells that c ends a field.
func (f *formBody) ends(c byte) bool { return c == '&' || !f.inURL && (c == '\r' || c == '\n') }

// unescape decodes percent escapes and plus signs in place. What is no escape stays.
func unescape(b []byte) []byte {
	n := 0
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(b) && unhex(b[i+1]) >= 0 && unhex(b[i+2]) >= 0:
			c = byte(unhex(b[i+1])<<4 | unhex(b[i+2]))
			i += 2
		}
		b[n] = c
		n++
	}
	return b[:n]
}

// formStart tells whether b, the start of a body, looks like a form: a name and an equals sign. known is false if more is
// needed to tell.
func formStart(b []byte) (is, known bool) {
	for i, c := range b {
		switch {
		case c == '=':
			return i > 0, true
		case isLetter(c), isDigit(c), c == '_', c == '-', c == '.', c == '~', c == '%', c == '+', c == '*', c == '[', c == ']', c == '$', c == '!':
		default:
			return false, true
		}
	}
	return false, false
}
