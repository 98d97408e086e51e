package diff

import (
	"bytes"
	"strings"

	"marketo-proxy/jsonscan"
	"marketo-proxy/xmlscan"
)

// parse reads a document; false means that it is too large. What only looks like XML or JSON is plain text.
func parse(d *Document) (*tree, bool) {
	if d.size > MaxSize {
		return nil, false
	}
	b := newBuilder()
	form, ok := plainText, false
	switch start := strings.ToLower(string(head(d.content))); {
	case strings.HasPrefix(start, "<!doctype html"), strings.HasPrefix(start, "<html"):
	case strings.HasPrefix(start, "<"):
		form, ok = xmlForm, b.xml(d.content)
	case strings.HasPrefix(start, "{"), strings.HasPrefix(start, "["):
		form, ok = jsonForm, b.json(d.content)
	}
	if !ok && !b.full() {
		b, form = newBuilder(), plainText
		b.lines(d.content)
	}
	root := b.open[0]
	if form == jsonForm {
		root = root.kids[0]
	}
	return &tree{form, root}, !b.full()
}

// head is the start of a document without what may stand before its first character.
func head(content []byte) []byte {
	content = bytes.TrimLeft(bytes.TrimPrefix(content, []byte("\ufeff")), " \t\r\n")
	return content[:min(len(content), 20)]
}

// builder makes nodes of tokens.
type builder struct {
	open  []*node  // the root, which stands for the document, and what is open in it
	texts [][]byte // of XML, the character data of each that is open
	names map[string]string
	nodes int
}

func newBuilder() *builder {
	return &builder{open: []*node{{}}, texts: [][]byte{nil}, names: map[string]string{}}
}

func (b *builder) top() *node { return b.open[len(b.open)-1] }
func (b *builder) full() bool { return b.nodes > maxNodes }

func (b *builder) add(name string) *node {
	b.nodes++
	n := &node{name: name}
	b.top().kids = append(b.top().kids, n)
	return n
}

// name is the same string for the same name, so that each is kept once.
func (b *builder) name(prefix string, name []byte) string {
	key := prefix + string(name)
	if known, ok := b.names[key]; ok {
		return known
	}
	b.names[key] = key
	return key
}

func (b *builder) enter(n *node) bool {
	b.open, b.texts = append(b.open, n), append(b.texts, nil)
	return len(b.open) <= maxDepth && !b.full()
}

func (b *builder) leave() *node {
	last := len(b.open) - 1
	n := b.open[last]
	b.open, b.texts = b.open[:last], b.texts[:last]
	return n
}

// xml tells whether the content is XML; it may end before its end.
func (b *builder) xml(content []byte) bool {
	var s xmlscan.Scanner
	var ends []string // the qualified names of what is open
	s.Feed(content)
	s.Finish()
	var t xmlscan.Token
	for s.Scan(&t) {
		switch t.Kind {
		case xmlscan.Start:
			if t.More || len(t.Name) == 0 {
				return false
			}
			n := b.add(b.name("", t.Local()))
			if !b.enter(n) {
				return false
			}
			b.attributes(&t)
			if ends = append(ends, string(t.Name)); t.SelfClosing {
				ends = ends[:len(ends)-1]
				b.leave()
			}
		case xmlscan.End:
			if len(ends) == 0 || ends[len(ends)-1] != string(t.Name) {
				return false
			}
			ends = ends[:len(ends)-1]
			b.endElement()
		case xmlscan.Text, xmlscan.CDATA:
			if !b.characters(&t) {
				return false
			}
		}
	}
	for len(b.open) > 1 {
		b.endElement()
	}
	return len(b.open[0].kids) > 0 && !b.full()
}

func (b *builder) characters(t *xmlscan.Token) bool {
	if len(b.open) == 1 {
		return len(bytes.Trim(t.Data, " \t\r\n\ufeff")) == 0
	}
	text := &b.texts[len(b.texts)-1]
	if t.Kind == xmlscan.CDATA {
		*text = append(*text, t.Data...)
	} else {
		*text = xmlscan.Unescape(*text, t.Data)
	}
	return true
}

// attributes become kids, but for those that only declare namespaces.
func (b *builder) attributes(t *xmlscan.Token) {
	for a := range t.Attrs() {
		if string(a.Name) == "xmlns" || bytes.HasPrefix(a.Name, []byte("xmlns:")) {
			continue
		}
		value := string(xmlscan.Unescape(nil, a.Value))
		if string(a.Local()) == "type" && len(a.Local()) < len(a.Name) { // xsi:type is a name with a prefix
			value = value[strings.IndexByte(value, ':')+1:]
		}
		b.add(b.name("@", a.Local())).text = value
	}
}

// endElement puts the text where it belongs: into a kid of its own if there are others.
func (b *builder) endElement() {
	text := strings.TrimSpace(strings.ReplaceAll(string(b.texts[len(b.texts)-1]), "\r\n", "\n"))
	switch {
	case text == "":
	case len(b.top().kids) > 0:
		b.add("#text").text = text
	default:
		b.top().text = text
	}
	b.leave()
}

// json tells whether the content is one JSON text.
func (b *builder) json(content []byte) bool {
	var s jsonscan.Scanner
	var name string   // of the member that follows
	var pieces []byte // of a key or value
	s.Feed(content)
	s.Finish()
	for t, ok := s.Next(); ok; t, ok = s.Next() {
		switch t.Kind {
		case jsonscan.Sep:
			continue
		case jsonscan.Invalid:
			return false
		case jsonscan.ObjectEnd, jsonscan.ArrayEnd:
			if len(b.open) == 1 {
				return false
			}
			if n := b.leave(); len(n.kids) == 0 {
				n.empty = true
				n.text = map[jsonscan.Kind]string{jsonscan.ObjectEnd: "{}", jsonscan.ArrayEnd: "[]"}[t.Kind]
			}
			continue
		case jsonscan.ObjectStart, jsonscan.ArrayStart:
			n := b.add(name)
			name = ""
			if !b.enter(n) {
				return false
			}
			continue
		}
		piece := t.Raw
		if t.Kind == jsonscan.Key || t.Kind == jsonscan.String {
			piece = jsonscan.Unquote(nil, t.Data)
		}
		if pieces = append(pieces, piece...); t.More {
			continue
		}
		switch t.Kind {
		case jsonscan.Key:
			name = b.name("", pieces)
		case jsonscan.String:
			b.add(name).text = `"` + string(pieces) + `"`
			name = ""
		default:
			b.add(name).text = string(pieces)
			name = ""
		}
		pieces = pieces[:0]
	}
	return s.Valid() && !b.full()
}

// lines makes an item of each line that is not blank.
func (b *builder) lines(content []byte) {
	for line := range bytes.Lines(content) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			b.add("line").text = string(line)
		}
		if b.full() {
			return
		}
	}
}
