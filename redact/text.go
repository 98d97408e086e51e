package redact

// text looks for secrets in running text: a name, a separator, a value. It knows how they are written in prose, headers,
// URLs, JSON, XML, shell commands and the dumps of programs, also when escaped inside one another. It is used wherever there
// is no structure to go by, and in the values that structure leaves alone.
//
// Bytes written to it come out on the sink, some later; a value is dropped as it streams by, whatever its length.
type text struct {
	out  *sink
	hold []byte // bytes not yet decided on, after done bytes that were passed on and stay as context
	done int
	tags bool // this is the inside of a tag, where a line end is a space

	state state
	id    int     // of the secret whose name was found
	outer int     // 1 + that of the element in whose start tag it was found, or 0
	tag   tagPart // where the name stands
	query bool    // a ? or & stands before the name
	quote byte    // the quote right before the name, or 0
	sep   unit    // the separator

	// Of the value:
	mode  mode
	open  unit   // the quote or the separator that opened it
	depth int    // of brackets
	head  []byte // its first bytes while it may still be a scheme like Bearer
	mask  bool   // the marker was written
	kept  bool   // a scheme was kept
}

type state uint8

const (
	searching state = iota
	afterName
	inTag // in the start tag of an element with a secret name
	afterSep
	inValue
	afterQuoted // after a quoted value
)

type tagPart uint8

const (
	noTag tagPart = iota
	startTag
	endTag
)

type mode uint8

const (
	run     mode = iota // up to a space or a delimiter
	line                // to the end of the line
	quoted              // to the closing quote
	element             // to the next tag
	bracket             // to the closing bracket
)

const (
	context = 24 // bytes before a name that tell where it stands
	maxHead = 12
)

// write looks through p. It keeps nothing of p.
func (t *text) write(p []byte) {
	b, i := p, 0
	if len(t.hold) > 0 {
		t.hold = append(t.hold, p...)
		b, i = t.hold, t.done
	}
	i = t.scan(b, i, false)
	from := max(0, i-context)
	t.hold = append(t.hold[:0], b[from:]...)
	t.done = i - from
}

// idle tells that nothing is under way: what comes is a text on its own.
func (t *text) idle() bool { return t.state == searching && len(t.hold) == 0 }

// pass passes on p, a text on its own after a reset, if no secret name is in it.
func (t *text) pass(p []byte) bool {
	if start, _, _ := names.find(p, 0); start >= 0 {
		return false
	}
	t.out.write(p)
	return true
}

// raw passes on p, a delimiter inside the text that is not part of it.
func (t *text) raw(p []byte) {
	t.settle()
	if len(t.head) > 0 {
		t.writeMask()
	}
	t.out.write(p)
}

// reset ends the text; another one begins.
func (t *text) reset() {
	t.settle()
	if t.state == inValue {
		t.endValue()
	}
	t.state, t.outer = searching, 0
}

func (t *text) settle() {
	if len(t.hold) > t.done {
		t.scan(t.hold, t.done, true)
	}
	t.hold, t.done = t.hold[:0], 0
}

// scan goes through b from i on and returns up to where it is settled; last tells that nothing follows b for now.
func (t *text) scan(b []byte, i int, last bool) int {
	for i < len(b) {
		if t.state == searching {
			next := t.search(b, i, last)
			if t.state == searching {
				return next
			}
			i = next
			continue
		}
		if t.state == inTag {
			if !last && len(b)-i < names.longest {
				break
			}
			if n := t.nameInTag(b, i); n > 0 {
				i += n
				continue
			}
		}
		u, ok := readUnit(b[i:], last)
		if !ok {
			break
		}
		i += t.step(u, b[i:i+u.n])
	}
	return i
}

// search passes on b[i:] up to the end of the next secret name, or as far as no name can begin.
func (t *text) search(b []byte, i int, last bool) int {
	for from := i; ; {
		start, end, id := names.find(b, from)
		if start < 0 {
			end = len(b)
			if !last {
				end = max(i, len(b)-names.longest+1)
			}
			t.out.write(b[i:end])
			return end
		}
		if beginsName(b[:start], secrets[id].part) {
			t.out.write(b[i:end])
			t.begin(b[:start], id, 0)
			return end
		}
		from = start + 1
	}
}

// nameInTag passes on the secret name at b[i:] that stands in the start tag of a secret element, and returns its length.
func (t *text) nameInTag(b []byte, i int) int {
	n, id := names.at(b[i:])
	if n == 0 || !beginsName(b[:i], secrets[id].part) {
		return 0
	}
	t.out.write(b[i : i+n])
	t.begin(b[:i], id, t.id+1)
	return n
}

// begin notes where the name after b stands.
func (t *text) begin(b []byte, id, outer int) {
	*t = text{
		out: t.out, hold: t.hold, done: t.done, tags: t.tags, head: t.head[:0],
		state: afterName, id: id, outer: outer, tag: tagBefore(b),
	}
	if len(b) > 0 {
		switch c := b[len(b)-1]; c {
		case '?', '&':
			t.query = true
		case '"', '\'':
			t.quote = c
		}
	}
	for _, end := range []string{"&amp;", "%26", "%3f", `\u0026`} {
		t.query = t.query || hasSuffix(b, end)
	}
}

// step takes the unit u, written as raw, and returns how much of it is settled: nothing if only the state changed.
func (t *text) step(u unit, raw []byte) int {
	pass := true
	switch t.state {
	case afterName:
		pass = t.stepName(u)
	case inTag:
		if u.c == '>' {
			t.separate(u)
		}
	case afterSep:
		pass = t.stepSep(u)
	case inValue:
		return t.stepValue(u, raw)
	case afterQuoted:
		pass = t.stepQuoted(u)
	}
	if !pass { // the state changed, and takes u again
		return 0
	}
	t.out.write(raw)
	return len(raw)
}

// stepName looks for the separator: access_token=, "access_token" :, [access_token] =>, <access_token>. It returns false
// if u is no part of that.
func (t *text) stepName(u unit) bool {
	switch u.c {
	case '=', ':':
		t.separate(u)
		return true
	case '>':
		if t.tag != endTag {
			t.separate(u)
			return true
		}
	case '"', '\'', '\\', ']':
		return true
	case ' ', '\t', '\n', '\r':
		if t.tag == startTag {
			t.state = inTag
			return true
		}
		if t.blank(u) {
			return true
		}
	}
	t.leave()
	return false
}

// stepQuoted finds out whether what was taken for a value was a name itself, as in broken JSON.
func (t *text) stepQuoted(u unit) bool {
	switch {
	case u.c == ':' || u.c == '=':
		t.mask, t.kept = false, false
		t.separate(u)
		return true
	case t.blank(u):
		return true
	}
	t.leave()
	return false
}

// leave ends the look at a name and goes on as before it.
func (t *text) leave() {
	t.state, t.mask, t.kept = searching, false, false
	if t.outer > 0 {
		t.state, t.id, t.tag, t.outer = inTag, t.outer-1, startTag, 0
	}
}

func (t *text) separate(u unit) { t.state, t.sep, t.open = afterSep, u, u }

// stepSep looks for the start of the value and returns false if u is already part of it.
func (t *text) stepSep(u unit) bool {
	t.state = inValue
	if t.sep.c == '>' && t.tag == startTag {
		t.mode = element
		return false
	}
	switch {
	case t.blank(u), u.c == '=', u.c == '>', u.c == '+' && t.sep.enc == percent: // a space in a form
		t.state = afterSep
		return true
	case (u.c == '"' || u.c == '\'') && (!secrets[t.id].line || t.query || t.sep.c != ':' || t.quote != 0):
		t.mode, t.open = quoted, u
		return true
	case u.c == '[', u.c == '{':
		t.mode = bracket
	case secrets[t.id].line && !t.query:
		t.mode = line
	default:
		t.mode = run
	}
	return false
}

// blank tells that u is a space between a name, its separator and its value.
func (t *text) blank(u unit) bool {
	return u.c == ' ' || u.c == '\t' || t.tags && (u.c == '\n' || u.c == '\r')
}
