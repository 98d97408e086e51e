package pseudonym

import (
	"bytes"
	"hash/fnv"
	"regexp"
	"sync"

	"marketo-proxy/xmlscan"
)

// xmlBody masks XML: the text of all elements, and the values of all attributes, that are not known to be Marketo's own. Names
// of elements and attributes stay. In HTML, which gateways send, all is free text.
type xmlBody struct {
	m     *Masker
	out   *filter
	scan  xmlscan.Scanner
	stack [maxLevels]element
	depth int // of the stack, and beyond

	content value  // of text and CDATA since the last markup, as written
	decoded []byte // what of it means before segment
	segment int    // where the text after the last CDATA section begins in content.raw
	cdata   bool   // content is one CDATA section

	markup value // a comment
	inTag  bool  // in the pieces of a long tag
	more   bool  // the last token, of this kind, goes on
	kind   xmlscan.Kind
	html   bool
	broken bool // tags don't match: what an element means is not sure any more

	masked []byte
	text   []byte
}

// element is one that is open.
type element struct {
	tag     uint64 // hash of the name as written
	field   field
	sibling []byte // text of the last attrName, name or keyType inside: it says what the value beside it is
}

// maxSibling is more than the length of a field's name that can be known.
const maxSibling = 2 * maxFieldName

func newXML(m *Masker, out *filter) *xmlBody {
	return &xmlBody{m: m, out: out, content: value{m: m}, markup: value{m: m}}
}

func (x *xmlBody) write(p []byte) {
	x.scan.Feed(p)
	x.drain()
}

func (x *xmlBody) end() {
	x.scan.Finish()
	x.drain()
	x.flush()
	switch {
	case !x.more:
	case x.kind == xmlscan.Comment:
		x.comment("")
	case x.kind == xmlscan.ProcInst || x.kind == xmlscan.Doctype:
		x.declaration()
	}
}

func (x *xmlBody) drain() {
	var t xmlscan.Token
	for x.scan.Scan(&t) {
		x.token(&t)
		x.more, x.kind = t.More, t.Kind
	}
}

func (x *xmlBody) token(t *xmlscan.Token) {
	switch t.Kind {
	case xmlscan.Text:
		raw := t.Raw
		if x.content.size == 0 {
			raw = bytes.TrimLeft(raw, " \t\r\n")
			x.out.write(t.Raw[:len(t.Raw)-len(raw)])
		}
		x.content.add(raw)
	case xmlscan.CDATA:
		x.section(t)
	case xmlscan.Start:
		x.flush()
		x.start(t)
	case xmlscan.End:
		x.flush()
		x.endTag(t)
	default:
		x.flush()
		x.markup.add(t.Raw)
		if t.More {
			return
		}
		if t.Kind == xmlscan.Comment {
			x.comment("-->")
		} else {
			x.declaration()
		}
	}
}

// section takes a CDATA section, or a piece of one, as part of the text.
func (x *xmlBody) section(t *xmlscan.Token) {
	if !x.more {
		x.cdata = x.content.size == 0
		if !x.content.long() {
			x.decoded = xmlscan.Unescape(x.decoded, x.content.raw[x.segment:])
		}
	}
	x.content.add(t.Raw)
	if x.content.long() {
		return
	}
	x.decoded = append(x.decoded, t.Data...)
	x.segment = len(x.content.raw)
}

// flush masks the text that was collected.
func (x *xmlBody) flush() {
	v := &x.content
	if v.size == 0 {
		return
	}
	defer x.reset()
	if v.long() {
		x.text = v.digest(x.text[:0], Attribute)
		x.out.write(x.text)
		return
	}
	end := len(bytes.TrimRight(v.raw, " \t\r\n"))
	space := v.raw[max(end, x.segment):]
	raw := v.raw[:len(v.raw)-len(space)]
	cdata := x.cdata && x.segment == len(raw)
	x.decoded = xmlscan.Unescape(x.decoded, raw[x.segment:])

	f := x.current()
	if x.html {
		f.form = message
	}
	var same bool
	x.masked, same = x.m.value(x.masked[:0], f, x.decoded)
	switch {
	case same || bytes.Equal(x.masked, x.decoded):
		x.out.write(raw)
	case cdata && !bytes.Contains(x.masked, []byte("]]>")):
		x.out.writeString("<![CDATA[")
		x.out.write(x.masked)
		if !x.more { // else it is cut off
			x.out.writeString("]]>")
		}
	default:
		x.text = x.escape(x.text[:0], x.masked)
		x.out.write(x.text)
	}
	x.out.write(space)
	if (f.form == fieldNames || f.name == "keytype") && 2 <= x.depth && x.depth <= maxLevels {
		parent := &x.stack[x.depth-2]
		parent.sibling = append(parent.sibling[:0], x.decoded[:min(len(x.decoded), maxSibling)]...)
	}
}

func (x *xmlBody) reset() {
	x.content.reset()
	x.decoded, x.segment, x.cdata = x.decoded[:0], 0, false
}

// current is the field that the open element is.
func (x *xmlBody) current() field {
	switch {
	case x.depth == 0, x.depth > maxLevels:
		return field{kind: Attribute}
	case x.depth == 1:
		return x.stack[0].field
	}
	f, parent := x.stack[x.depth-1].field, &x.stack[x.depth-2]
	switch f.name {
	case "attrvalue", "value":
		if len(parent.sibling) > 0 {
			f = lookup(parent.sibling)
		}
	case "keyvalue":
		f.form = keyForm(parent.sibling)
	case "stringitem", "integeritem":
		if f = parent.field; f.name == "keyvalues" && x.depth > 2 {
			f.form = keyForm(x.stack[x.depth-3].sibling)
		}
	}
	if x.broken && f.form != message {
		f.form = masked
	}
	return f
}

func (x *xmlBody) push(name []byte) {
	if x.depth < maxLevels {
		around := ""
		if x.depth > 0 {
			around = x.stack[x.depth-1].field.name
		}
		e := &x.stack[x.depth]
		e.tag, e.field, e.sibling = hashOf(name), within(name, around), e.sibling[:0]
	}
	x.depth++
}

func (x *xmlBody) pop(name []byte) {
	if x.depth == 0 {
		x.broken = true
		return
	}
	x.depth--
	if x.depth < maxLevels && x.stack[x.depth].tag != hashOf(name) {
		x.broken = true
	}
}

func hashOf(name []byte) uint64 {
	h := fnv.New64a()
	h.Write(name)
	return h.Sum64()
}

// comment masks a comment as free text. shut is its end, empty if it was cut off.
func (x *xmlBody) comment(shut string) {
	const open = "<!--"
	x.out.writeString(open)
	if x.markup.long() {
		x.out.write(x.markup.digest(nil, Message))
	} else {
		content := bytes.TrimSuffix(bytes.TrimPrefix(x.markup.raw, []byte(open)), []byte(shut))
		x.masked = x.m.text(x.masked[:0], content)
		x.out.write(x.masked)
	}
	x.out.writeString(shut)
	x.markup.reset()
}

// declaration masks <?…?> or <!…>. Those that every document may have stay; others, which may define entities, lose their
// content.
func (x *xmlBody) declaration() {
	raw := x.markup.raw
	if !x.markup.long() && isPlainDeclaration(raw) {
		x.html = x.html || x.depth == 0 && bytes.EqualFold(raw[:min(len(raw), len(htmlType))], []byte(htmlType))
		x.out.write(raw)
	} else {
		x.broken = x.broken || x.depth > 0 // it may have swallowed a tag
		x.m.counts[Attribute]++
		x.out.writeString("<!-- masked -->")
	}
	x.markup.reset()
}

const htmlType = "<!doctype html"

func isPlainDeclaration(raw []byte) bool {
	return len(raw) <= 256 && (xmlDeclaration().Match(raw) || htmlDeclaration().Match(raw))
}

// These say nothing but what a document is.
var (
	xmlDeclaration = expression(`^<\?xml\s+version\s*=\s*["'][0-9.]+["'](\s+encoding\s*=\s*["'][A-Za-z0-9._-]+["'])?` +
		`(\s+standalone\s*=\s*["'](yes|no)["'])?\s*\?>$`)
	htmlDeclaration = expression(`(?i)^<!doctype\s+html(\s+public\s+"-//(W3C|IETF)//DTD [A-Z0-9. ]+//EN"` +
		`(\s+"https?://www\.w3\.org/[A-Za-z0-9/._-]+")?)?\s*>$`)
)

// expression is compiled when it is asked for the first time.
func expression(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

// escape appends text as it may stand in an element or, in quotes of either kind, in an attribute.
func (x *xmlBody) escape(dst, text []byte) []byte {
	for i, c := range text {
		switch c {
		case '&':
			if x.html && i+1 < len(text) && isLetter(text[i+1]) { // a reference of HTML, or all the same to browsers
				dst = append(dst, c)
				continue
			}
			dst = append(dst, "&amp;"...)
		case '<':
			dst = append(dst, "&lt;"...)
		case '>':
			dst = append(dst, "&gt;"...)
		case '"':
			dst = append(dst, "&quot;"...)
		case '\'':
			dst = append(dst, "&apos;"...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
