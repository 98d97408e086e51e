package redact

import "bytes"

// multipartBody masks multipart bodies (RFC 2046): the content of a part with a secret name, and secrets in the headers and
// the content of the other parts, each read as the body it is.
type multipartBody struct {
	out       *sink
	text      *text // for lines outside the content
	depth     int
	delimiter []byte // with the line feed before it, which belongs to it
	begun     bool   // something came before, so a delimiter needs its line feed
	hold      []byte // what may be the start of a delimiter, or a header line
	place     place
	long      bool   // in a line longer than maxHeader
	part      masker // the content of this part
	id        int    // of the next part's name, or negative
}

// place is where in a multipart body the next byte stands.
type place uint8

const (
	inContent   place = iota // of a part, or before the first
	inDelimiter              // the rest of its line
	inHeader
)

const maxHeader = 4 << 10

// multipartBoundary returns the delimiter line that b, the start of a body, begins with; nil if there is none. known is false
// if more is needed to tell.
func multipartBoundary(b []byte) (boundary []byte, known bool) {
	const longest = len("--") + 70 // RFC 2046, section 5.1.1
	n := bytes.IndexAny(b[:min(len(b), longest+1)], "\r\n")
	switch {
	case n < 0:
		return nil, len(b) > longest || len(b) >= 2 && b[1] != '-'
	case n < 3 || b[1] != '-':
		return nil, true
	}
	return bytes.Clone(b[:n]), true
}

func newMultipart(out *sink, depth int, boundary []byte) *multipartBody {
	t := &text{out: out}
	return &multipartBody{
		out: out, text: t, depth: depth, delimiter: append([]byte("\n"), boundary...), part: &plain{text{out: out}}, id: -1,
	}
}

func (m *multipartBody) write(p []byte) {
	m.hold = append(m.hold, p...)
	for b := m.hold; ; {
		n := 0
		if m.place == inContent {
			n = m.content(b)
		} else {
			n = m.line(b)
		}
		if b = b[n:]; n == 0 {
			m.hold = append(m.hold[:0], b...)
			return
		}
	}
}

func (m *multipartBody) end() {
	if m.place != inContent {
		m.text.write(m.hold)
		m.text.reset()
		return
	}
	m.part.write(m.hold)
	m.part.end()
}

// content takes the content of a part, as far as it is certain, with the delimiter if it is in b. It returns how much it took.
func (m *multipartBody) content(b []byte) int {
	if !m.begun {
		if len(b) < len(m.delimiter) { // enough for it without its line feed, and the byte after it
			return 0
		}
		m.begun = true
		if bytes.HasPrefix(b, m.delimiter[1:]) {
			return m.delimit(b[:0], m.delimiter[1:])
		}
	}
	for from := 0; ; {
		start := bytes.Index(b[from:], m.delimiter)
		if start < 0 {
			// The start of a delimiter, with a carriage return before it and a byte after it, is held back.
			n := max(from, len(b)-len(m.delimiter)-1)
			m.part.write(b[:n])
			return n
		}
		start += from
		after := start + len(m.delimiter)
		content := b[:start]
		if start > 0 && b[start-1] == '\r' {
			content = b[:start-1]
		}
		if after == len(b) {
			m.part.write(content)
			return len(content)
		}
		if bytes.IndexByte([]byte("- \t\r\n"), b[after]) >= 0 {
			return m.delimit(content, b[len(content):after])
		}
		from = start + 1
	}
}

// delimit takes the end of a part and the delimiter after it.
func (m *multipartBody) delimit(content, delimiter []byte) int {
	m.part.write(content)
	m.part.end()
	m.text.write(delimiter) // that it is one is a guess
	m.place, m.id = inDelimiter, -1
	return len(content) + len(delimiter)
}

// line takes a whole line outside the content, or what there is of a long one, and returns how much it took.
func (m *multipartBody) line(b []byte) int {
	n := bytes.IndexByte(b, '\n') + 1
	whole := n > 0
	if !whole {
		if len(b) == 0 || len(b) < maxHeader && !m.long {
			return 0
		}
		n = len(b)
	}
	b = b[:n]
	m.text.write(b)
	if !m.long {
		m.startLine(b)
	}
	if m.long = !whole; whole {
		m.text.reset()
	}
	return n
}

func (m *multipartBody) startLine(b []byte) {
	blank := len(bytes.TrimRight(b, "\r\n")) == 0
	switch {
	case m.place == inDelimiter && bytes.HasPrefix(b, []byte("--")): // the last one
		m.place, m.part = inContent, &plain{text{out: m.out}}
	case m.place == inDelimiter:
		m.place = inHeader
	case blank:
		m.place, m.part = inContent, m.newPart()
	case hasPrefix(b, "content-disposition:"):
		m.id = lookupPart(partName(b))
	}
}

func (m *multipartBody) newPart() masker {
	if m.id >= 0 {
		return &secretBody{out: m.out, id: m.id}
	}
	return newSniffer(m.out, m.depth+1)
}

// secretBody is a body that is one secret.
type secretBody struct {
	out    *sink
	id     int
	masked bool
}

func (s *secretBody) write(p []byte) {
	if len(p) > 0 && !s.masked {
		s.out.mask(s.id)
		s.masked = true
	}
}

func (s *secretBody) end() {}

// partName is the name parameter of a Content-Disposition line.
func partName(b []byte) []byte {
	for {
		n := bytes.IndexByte(b, ';')
		if n < 0 {
			return nil
		}
		b = bytes.TrimLeft(b[n+1:], " \t")
		if !hasPrefix(b, "name") {
			continue
		}
		value := bytes.TrimLeft(b[len("name"):], " \t")
		if len(value) == 0 || value[0] != '=' {
			continue
		}
		value = bytes.TrimLeft(value[1:], " \t\"")
		if end := bytes.IndexAny(value, "\";\r\n"); end >= 0 {
			value = value[:end]
		}
		return value
	}
}
