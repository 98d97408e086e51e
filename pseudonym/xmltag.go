package pseudonym

import (
	"bytes"

	"marketo-proxy/xmlscan"
)

// start takes a start tag or a piece of one.
func (x *xmlBody) start(t *xmlscan.Token) {
	switch {
	case x.inTag:
		x.longTag(t)
	case len(t.Name) == 0 && len(t.Raw) == xmlscan.MaxTag:
		name := t.Raw[1:]
		if n := bytes.IndexAny(name, " \t\r\n/>"); n > 0 && isName(name[:n]) {
			name = name[:n]
		} else {
			name = []byte("masked")
		}
		x.text = append(x.text[:0], name...)
		x.m.counts[Attribute]++
		x.out.writeString("<")
		x.out.write(x.text)
		x.out.writeString(` masked="too long"`)
		x.inTag = true
	default:
		x.html = x.html || x.depth == 0 && bytes.EqualFold(t.Name, []byte("html"))
		if x.isProper(t) {
			x.attributes(t)
		} else {
			x.broken = true
			x.junk(t.Raw, "<")
		}
		if len(t.Name) > 0 && !t.SelfClosing {
			x.push(t.Name)
		}
	}
}

// longTag takes the other pieces of a start tag of which nothing but the name stays, in x.text.
func (x *xmlBody) longTag(t *xmlscan.Token) {
	if t.More {
		return
	}
	x.inTag = false
	if t.SelfClosing {
		x.out.writeString("/>")
		return
	}
	x.out.writeString(">")
	x.push(x.text)
}

// junk masks what is no tag but looks like one: a quote that was left open, a sign in a text, or the end of what was cut off.
func (x *xmlBody) junk(raw []byte, open string) {
	x.out.writeString(open)
	x.masked = x.m.mask(x.masked[:0], raw[len(open):], Attribute)
	x.out.write(x.masked)
}

// isProper tells a start tag that is as XML, or in HTML as HTML, has it.
func (x *xmlBody) isProper(t *xmlscan.Token) bool {
	if len(t.Name) == 0 || !isName(t.Name) || bytes.IndexByte(t.Raw[1:], '<') >= 0 {
		return false
	}
	for a := range t.Attrs() {
		if len(a.Name) == 0 || !isName(a.Name) || !x.html && isAlone(t.Raw, a) {
			return false
		}
	}
	return true
}

// isAlone tells an attribute without a value.
func isAlone(raw []byte, a xmlscan.Attr) bool {
	return len(a.Value) == 0 && a.Start >= len(a.Name) && &raw[a.Start-len(a.Name)] == &a.Name[0]
}

// attributes writes a start tag with masked attributes.
func (x *xmlBody) attributes(t *xmlscan.Token) {
	done := 0
	for a := range t.Attrs() {
		start, value := a.Start, a.Value
		f := lookup(a.Name)
		switch {
		case isAlone(t.Raw, a):
			start, value = a.Start-len(a.Name), a.Name
			f.form = message
		case isMarkup(a.Name):
			continue
		case x.html:
			f.form = message
		}
		x.text = xmlscan.Unescape(x.text[:0], value)
		var same bool
		if x.masked, same = x.m.value(x.masked[:0], f, x.text); same || bytes.Equal(x.masked, x.text) {
			continue
		}
		x.out.write(t.Raw[done:start])
		x.text = x.escape(x.text[:0], x.masked)
		x.out.write(x.text)
		done = a.End
	}
	x.out.write(t.Raw[done:])
}

// isMarkup tells the attributes that say how to read the document: of namespaces, schemas and envelopes.
func isMarkup(name []byte) bool {
	prefix, local, ok := bytes.Cut(name, []byte(":"))
	if !ok {
		return string(name) == "xmlns"
	}
	switch string(prefix) {
	case "xmlns":
		return true
	case "xsi", "xml":
		switch string(local) {
		case "nil", "type", "schemaLocation", "noNamespaceSchemaLocation", "lang", "space":
			return true
		}
	}
	switch string(local) {
	case "encodingStyle", "mustUnderstand", "actor", "role", "relay":
		return true
	}
	return false
}

func (x *xmlBody) endTag(t *xmlscan.Token) {
	switch {
	case x.inTag:
	case len(t.Name) == 0 && len(t.Raw) == xmlscan.MaxTag:
		x.broken, x.inTag = true, true
		x.out.writeString("</masked")
	case len(t.Name) > 0 && isName(t.Name) && len(bytes.TrimSpace(t.Raw[2+len(t.Name):len(t.Raw)-1])) == 0:
		x.out.write(t.Raw)
		x.pop(t.Name)
		return
	default:
		x.junk(t.Raw, "</")
		x.pop(t.Name)
		x.broken = true
		return
	}
	if !t.More {
		x.out.writeString(">")
		x.inTag = false
	}
}

// isName tells that there is nothing but a name in a name; the scanner lets pass all that is no space and no slash.
func isName(name []byte) bool {
	for _, c := range name {
		if !isLetter(c) && !isDigit(c) && c != ':' && c != '-' && c != '_' && c != '.' && c < 0x80 {
			return false
		}
	}
	return true
}
