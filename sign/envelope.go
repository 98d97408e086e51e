package sign

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"
	"strings"

	"marketo-proxy/xmlscan"
)

// maxHead bounds how far into an envelope its AuthenticationHeader is looked for.
const maxHead = 1 << 20

// ErrUnsupported is returned for a body whose AuthenticationHeader can't be found or can't be changed safely: not XML, UTF-16,
// a DOCTYPE, no such header, or one of its values given twice.
var ErrUnsupported = errors.New("no AuthenticationHeader that can be signed")

// Envelope is a SOAP request read up to the end of its AuthenticationHeader. The header is found by local names, as clients use
// any prefix or none for it.
type Envelope struct {
	User, Timestamp, Signature string // text of mktowsUserId, requestTimestamp and requestSignature, without outer white space

	head      []byte // what was read so far
	rest      io.Reader
	user      element
	timestamp element
	signature element
}

// element is where a value stands in the head.
type element struct {
	seen       bool
	start, end int    // of the whole element: the start tag's first byte, and the byte after the end tag
	tag        string // its start tag if it is an empty-element tag
	name       string // qualified
	texts      []text
}

// text is one run of character data inside an element.
type text struct{ start, end int }

// ReadEnvelope reads as much of r, an uncompressed body, as it takes to know the header.
func ReadEnvelope(r io.Reader) (*Envelope, error) {
	e := &Envelope{rest: r}
	s := headScanner{envelope: e}
	for !s.done {
		if len(e.head) >= maxHead {
			return nil, ErrUnsupported
		}
		n, err := e.read()
		s.scanner.Feed(e.head[len(e.head)-n:])
		if scanErr := s.scan(); scanErr != nil {
			return nil, scanErr
		}
		if err != nil && !s.done {
			if err == io.EOF {
				return nil, ErrUnsupported
			}
			return nil, err
		}
	}
	return e.found()
}

// ParseEnvelope is ReadEnvelope for a body that is whole in memory, which must not be changed as long as the Envelope is in use.
func ParseEnvelope(body []byte) (*Envelope, error) {
	head := body[:min(len(body), maxHead)]
	e := &Envelope{head: head[:len(head):len(head)], rest: bytes.NewReader(body[len(head):])}
	s := headScanner{envelope: e}
	s.scanner.Feed(e.head)
	if err := s.scan(); err != nil {
		return nil, err
	}
	if !s.done {
		return nil, ErrUnsupported
	}
	return e.found()
}

// found reads the values, once their places are known.
func (e *Envelope) found() (*Envelope, error) {
	if !e.user.seen {
		return nil, ErrUnsupported
	}
	e.User = e.value(e.user)
	e.Timestamp = e.value(e.timestamp)
	e.Signature = e.value(e.signature)
	return e, nil
}

// read appends up to 4 KiB of the body to the head.
func (e *Envelope) read() (int, error) {
	const step = 4 << 10
	old := len(e.head)
	e.head = append(e.head, make([]byte, step)...)
	n, err := e.rest.Read(e.head[old:])
	e.head = e.head[:old+n]
	return n, err
}

// Complete tells whether both values that a signature needs stand in the header.
func (e *Envelope) Complete() bool { return e.User != "" && e.Timestamp != "" && e.Signature != "" }

// Sign returns the whole body with the two values replaced, every other byte as it was, and by how many bytes it is longer.
// A value that is missing is inserted behind the user id. It may be called once, since the rest of the body is read on.
func (e *Envelope) Sign(timestamp, signature string) (body io.Reader, longer int) {
	return e.SignAs(e.User, timestamp, signature)
}

// SignAs is Sign for another user, whose id, which must need no escaping in XML, takes the place of the envelope's own.
func (e *Envelope) SignAs(user, timestamp, signature string) (body io.Reader, longer int) {
	edits := append(e.edits(e.signature, signature, "requestSignature"), e.edits(e.timestamp, timestamp, "requestTimestamp")...)
	if user != e.User {
		edits = append(edits, e.edits(e.user, user, "mktowsUserId")...)
	}
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Or(a.start-b.start, a.end-b.end) })
	var out []byte
	at := 0
	for _, edit := range edits {
		out = append(out, e.head[at:edit.start]...)
		out = append(out, edit.text...)
		at = edit.end
	}
	out = append(out, e.head[at:]...)
	return io.MultiReader(bytes.NewReader(out), e.rest), len(out) - len(e.head)
}

type edit struct {
	start, end int
	text       string
}

// edits puts value in place of the element's text.
func (e *Envelope) edits(el element, value, localName string) []edit {
	if !el.seen {
		name := localName
		if prefix, _, ok := strings.Cut(e.user.name, ":"); ok {
			name = prefix + ":" + localName
		}
		return []edit{{e.user.end, e.user.end, "<" + name + ">" + value + "</" + name + ">"}}
	}
	if el.tag != "" {
		open := strings.TrimRight(strings.TrimSuffix(el.tag, "/>"), " \t\r\n")
		return []edit{{el.start, el.end, open + ">" + value + "</" + el.name + ">"}}
	}
	runs := e.trim(el.texts)
	if len(runs) == 0 { // <name></name>, or only white space and comments
		at := el.end - len("</>") - len(el.name)
		if len(el.texts) > 0 {
			at = el.texts[0].start
		} else if i := bytes.LastIndex(e.head[el.start:el.end], []byte("</")); i >= 0 {
			at = el.start + i
		}
		return []edit{{at, at, value}}
	}
	edits := []edit{{runs[0].start, runs[0].end, value}}
	for _, run := range runs[1:] {
		edits = append(edits, edit{run.start, run.end, ""})
	}
	return edits
}

// trim drops white space at both ends, and runs of nothing else.
func (e *Envelope) trim(texts []text) []text {
	var runs []text
	for _, t := range texts {
		if len(bytes.TrimSpace(e.head[t.start:t.end])) > 0 {
			runs = append(runs, t)
		}
	}
	if len(runs) > 0 {
		first, last := &runs[0], &runs[len(runs)-1]
		first.start = first.end - len(bytes.TrimLeft(e.head[first.start:first.end], " \t\r\n"))
		last.end = last.start + len(bytes.TrimRight(e.head[last.start:last.end], " \t\r\n"))
	}
	return runs
}

// value is the XML text of an element without outer white space. References are resolved in character data, not in CDATA.
func (e *Envelope) value(el element) string {
	var out []byte
	for _, t := range el.texts {
		if t.start >= len("<![CDATA[") && bytes.HasSuffix(e.head[:t.start], []byte("<![CDATA[")) {
			out = append(out, e.head[t.start:t.end]...)
			continue
		}
		out = xmlscan.Unescape(out, e.head[t.start:t.end])
	}
	return strings.TrimSpace(string(out))
}

// headScanner follows the path Envelope/Header/AuthenticationHeader/value by depth.
type headScanner struct {
	envelope *Envelope
	scanner  xmlscan.Scanner
	depth    int
	onPath   int      // how many of the open elements are on the path
	inside   *element // the value that is being read
	done     bool
}

func (s *headScanner) scan() error {
	var t xmlscan.Token
	for {
		if !s.scanner.Scan(&t) || s.done {
			return nil
		}
		var err error
		switch t.Kind {
		case xmlscan.Doctype:
			err = ErrUnsupported
		case xmlscan.Start:
			err = s.start(&t)
		case xmlscan.End:
			err = s.end(&t)
		case xmlscan.Text, xmlscan.CDATA:
			s.text(&t)
		}
		if err != nil {
			return err
		}
	}
}

func (s *headScanner) start(t *xmlscan.Token) error {
	if t.More {
		return ErrUnsupported
	}
	local := string(t.Local())
	depth := s.depth
	if !t.SelfClosing {
		s.depth++
	}
	if s.inside != nil { // markup inside a value
		return ErrUnsupported
	}
	if depth < 3 {
		if depth == s.onPath && local == [...]string{"Envelope", "Header", "AuthenticationHeader"}[depth] && !t.SelfClosing {
			s.onPath++
			return nil
		}
		if depth == 0 || depth == 1 && s.onPath == 1 && local == "Body" {
			return ErrUnsupported // not an envelope, or no header before the body
		}
		return nil
	}
	if depth != 3 || s.onPath != 3 {
		return nil
	}
	var el *element
	switch local {
	case "mktowsUserId":
		el = &s.envelope.user
	case "requestTimestamp":
		el = &s.envelope.timestamp
	case "requestSignature":
		el = &s.envelope.signature
	default:
		return nil
	}
	if el.seen {
		return ErrUnsupported
	}
	*el = element{seen: true, start: int(t.Offset), end: int(t.Offset) + len(t.Raw), name: string(t.Name)}
	if t.SelfClosing {
		el.tag = string(t.Raw)
		return nil
	}
	s.inside = el
	return nil
}

func (s *headScanner) end(t *xmlscan.Token) error {
	if s.depth == 0 {
		return ErrUnsupported
	}
	s.depth--
	if s.inside != nil && s.depth == 3 {
		if string(t.Name) != s.inside.name {
			return ErrUnsupported
		}
		s.inside.end = int(t.Offset) + len(t.Raw)
		s.inside = nil
	}
	if s.depth < s.onPath {
		s.done = s.onPath == 3
		s.onPath = s.depth
	}
	return nil
}

func (s *headScanner) text(t *xmlscan.Token) {
	if s.inside == nil || len(t.Data) == 0 {
		return
	}
	start := int(t.Offset)
	if bytes.HasPrefix(t.Raw, []byte("<![CDATA[")) && t.Kind == xmlscan.CDATA && len(t.Data) < len(t.Raw) {
		start += len("<![CDATA[")
	}
	if n := len(s.inside.texts); n > 0 && s.inside.texts[n-1].end == start {
		s.inside.texts[n-1].end += len(t.Data) // the rest of a run that came in pieces
		return
	}
	s.inside.texts = append(s.inside.texts, text{start, start + len(t.Data)})
}
