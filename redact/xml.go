package redact

import (
	"bytes"
	"unicode/utf8"

	"marketo-proxy/xmlscan"
)

// xmlBody masks XML: the content of elements with a secret name up to the matching end tag, and secrets in attributes, text,
// comments and CDATA sections, which are read as XML again.
type xmlBody struct {
	out   *sink
	text  *text
	top   text // what text points to, but for XML in XML
	depth int  // how often this is XML in XML
	scan  xmlscan.Scanner
	more  bool // the token before goes on
	id    int  // of the tag's name while in a tag, or negative

	broken bool // this piece of markup holds another

	inner   *xmlBody // for comments and CDATA sections
	wasOpen bool     // inner was in a secret element before this section

	secret int    // of the secret element around, if open > 0
	local  []byte // its local name
	open   int    // it and elements of the same name inside
	masked bool   // the marker stands for its content
}

// newXML begins a body. The one that is no part of another takes the memory of the one before.
func newXML(out *sink, depth int) *xmlBody {
	x := &out.red.xml
	if depth > 0 {
		x = new(xmlBody)
	}
	x.scan.Reset()
	*x = xmlBody{out: out, depth: depth, scan: x.scan, local: x.local[:0], top: text{out: out, hold: x.top.hold[:0], head: x.top.head[:0]}}
	x.text = &x.top
	return x
}

func (x *xmlBody) write(p []byte) {
	x.scan.Feed(p)
	x.drain()
}

func (x *xmlBody) end() {
	x.scan.Finish()
	x.drain()
	if x.inner != nil && x.more {
		x.inner.end()
	}
	x.text.reset()
}

func (x *xmlBody) drain() {
	var t xmlscan.Token
	for {
		if x.leap() {
			continue
		}
		if !x.scan.Scan(&t) {
			return
		}
		if x.open > 0 {
			x.inside(&t)
		} else {
			x.outside(&t)
		}
		x.more = t.More
	}
}

// leap takes the text that follows and the tag behind it, if that is nothing but a name, in one step where nothing is to be masked.
func (x *xmlBody) leap() bool {
	if x.open > 0 || x.more || x.inner != nil && x.inner.open > 0 {
		return false
	}
	raw, name, end, ok := x.scan.Leap()
	if !ok {
		return false
	}
	t := xmlscan.Token{Kind: xmlscan.Start, Name: name}
	tag := len(raw) - len("<>") - len(name)
	if end {
		t.Kind = xmlscan.End
		tag--
	}
	if x.text.idle() && isName(name) && (end || lookup(localName(name)) < 0) {
		if start, _, _ := names.find(raw[:tag], 0); start < 0 {
			x.out.write(raw)
			return true
		}
	}
	if tag > 0 {
		x.text.write(raw[:tag])
	}
	t.Raw = raw[tag:]
	x.outside(&t)
	return true
}

// outside takes a token that is in no secret element.
func (x *xmlBody) outside(t *xmlscan.Token) {
	switch t.Kind {
	case xmlscan.Text:
		if x.inner != nil && x.inner.open > 0 { // of a secret element that begins in a CDATA section before
			x.inner.inside(t)
			return
		}
		x.text.write(t.Raw)
	case xmlscan.Start:
		x.closeInner()
		x.startTag(t)
	case xmlscan.End:
		x.closeInner()
		x.endTag(t)
	case xmlscan.Comment:
		x.section(t, "<!--", "-->")
		if !t.More && !x.wasOpen {
			x.closeInner()
		}
	case xmlscan.CDATA:
		x.section(t, "<![CDATA[", "]]>")
	default:
		x.closeInner()
		x.separate(t.Raw, x.own(), t.More)
	}
}

// separate masks one piece of markup apart from the text around it. Where it holds a < besides its first own bytes it is
// broken: it may have swallowed a start tag, and the text goes on behind it.
func (x *xmlBody) separate(raw []byte, own int, more bool) {
	if !x.more {
		x.text.reset()
		x.broken = false
		if !more && x.text.pass(raw) {
			return
		}
	}
	x.broken = x.broken || bytes.IndexByte(raw[own:], '<') >= 0
	x.text.tags = true
	x.text.write(raw)
	x.text.tags = false
	if !more && !x.broken {
		x.text.reset()
	}
}

// own is how much of a piece of markup is its own <.
func (x *xmlBody) own() int {
	if x.more {
		return 0
	}
	return len("<")
}

func (x *xmlBody) startTag(t *xmlscan.Token) {
	rest, own := t.Raw, x.own()
	if !x.more {
		x.text.reset()
		name := tagName(t)
		x.id = lookup(localName(name))
		if isName(name) {
			x.out.write(t.Raw[:len("<")+len(name)])
			rest, own = rest[len("<")+len(name):], 0
		}
		if x.id >= 0 {
			x.local = append(x.local[:0], localName(name)...)
		}
	}
	switch {
	case len(rest) <= 2 && !x.more && !t.More: // > or />
		x.out.write(rest)
	case x.id >= 0 && bytes.ContainsAny(bytes.TrimSuffix(rest, []byte(">")), "<>"):
		// A quote was left open: the tag has swallowed the content, and more.
		x.out.writeString(" ")
		x.out.mask(x.id)
		if !t.More {
			x.out.writeString(">")
		}
	default:
		x.separate(rest, own, t.More)
	}
	if x.id >= 0 && !t.More && !t.SelfClosing {
		x.secret, x.open, x.masked = x.id, 1, false
	}
}

func (x *xmlBody) endTag(t *xmlscan.Token) {
	if len(t.Raw) == len("</>")+len(t.Name) && isName(t.Name) {
		x.text.reset()
		x.out.write(t.Raw)
		return
	}
	x.separate(t.Raw, x.own(), t.More)
}

// inside takes a token in a secret element. Elements of the same name are counted, others are not: an end tag that is
// missing inside must not hide the one that counts.
func (x *xmlBody) inside(t *xmlscan.Token) {
	switch {
	case t.Kind == xmlscan.Start && !t.SelfClosing && !t.More && x.same(t.Name):
		x.open++
	case t.Kind == xmlscan.End && !x.more && x.same(tagName(t)):
		if x.open--; x.open == 0 {
			x.out.write(t.Raw)
			return
		}
	}
	if !x.masked {
		x.out.mask(x.secret)
		x.masked = true
	}
}

func (x *xmlBody) same(name []byte) bool { return bytes.EqualFold(localName(name), x.local) }

// section masks a comment or CDATA section, reading what is in it as XML.
func (x *xmlBody) section(t *xmlscan.Token, open, shut string) {
	content := t.Raw
	if !x.more {
		x.text.raw(content[:len(open)])
		content = content[len(open):]
		x.wasOpen = x.inner != nil && x.inner.open > 0
	}
	if !t.More {
		content = content[:len(content)-len(shut)]
	}
	if x.depth >= maxDepth {
		x.text.write(content)
	} else {
		if x.inner == nil {
			x.inner = newXML(x.out, x.depth+1)
			x.inner.text = x.text
		}
		x.inner.write(content)
	}
	if t.More {
		return
	}
	if x.inner != nil {
		x.inner.endSection()
	}
	x.text.raw([]byte(shut))
}

// closeInner ends what sections before have left open.
func (x *xmlBody) closeInner() {
	if x.inner != nil {
		x.inner.open = 0
	}
}

// endSection is the end of a comment or CDATA section. An element may go on in the next one.
func (x *xmlBody) endSection() {
	x.scan.Finish()
	x.drain()
	if x.inner != nil && x.more {
		x.inner.endSection()
	}
	x.scan.Reset()
	x.more = false
}

// tagName is the qualified name in the first piece of a tag, also of one that did not come whole.
func tagName(t *xmlscan.Token) []byte {
	if len(t.Name) > 0 {
		return t.Name
	}
	b := bytes.TrimPrefix(t.Raw[1:], []byte("/"))
	if n := bytes.IndexAny(b, " \t\r\n/>"); n >= 0 {
		b = b[:n]
	}
	return b
}

// isName tells that there is nothing but a name in a name; the scanner lets pass all that is no space and no slash.
func isName(name []byte) bool {
	for _, c := range name {
		if !nameBytes[c] {
			return false
		}
	}
	return true
}

var nameBytes = bytesOf(func(c byte) bool {
	return isLetter(c) || isDigit(c) || c == ':' || c == '-' || c == '_' || c == '.' || c >= utf8.RuneSelf
})

func localName(name []byte) []byte {
	return name[bytes.IndexByte(name, ':')+1:]
}
