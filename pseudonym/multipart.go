package pseudonym

import "bytes"

// multipartBody masks multipart bodies (RFC 2046), as uploads of bulk files are: each part as the body it is, and of the headers
// of the parts all but their types and the names of fields.
type multipartBody struct {
	m         *Masker
	out       *filter
	depth     int
	delimiter []byte // with the line feed before it, which belongs to it
	hold      []byte // what may be the start of a delimiter
	line      value  // a line outside the contents, until it is whole
	place     partPlace
	part      masker
	header    partHeader
}

// partPlace is where in a multipart body the next byte stands.
type partPlace uint8

const (
	inDelimiter partPlace = iota // the rest of its line
	inHeader
	inContent
)

// partHeader is what the header of a part says of it.
type partHeader struct {
	contentType string
	name        field
	file        bool
	encoded     bool // base64 or the like
}

// isBoundary tells a delimiter, of characters that RFC 2046, section 5.1.1 allows.
func isBoundary(b []byte) bool {
	return len(b) > 2 && len(b) <= 72 && all(b, func(c byte) bool {
		return isLetter(c) || isDigit(c) || bytes.IndexByte([]byte("'()+_,-./:=? "), c) >= 0
	})
}

func newMultipart(m *Masker, out *filter, delimiter []byte, depth int) *multipartBody {
	return &multipartBody{m: m, out: out, depth: depth, delimiter: append([]byte("\n"), delimiter...), line: value{m: m}}
}

func (b *multipartBody) write(p []byte) {
	for len(p) > 0 {
		if b.place == inContent {
			p = b.content(p)
			continue
		}
		n := bytes.IndexByte(p, '\n')
		if n < 0 {
			b.line.add(p)
			return
		}
		b.line.add(p[:n])
		b.endLine()
		b.out.writeString("\n")
		p = p[n+1:]
	}
}

func (b *multipartBody) end() {
	if b.place != inContent {
		b.endLine()
		return
	}
	b.part.write(b.hold)
	b.part.end()
}

// content passes on the content of a part, as far as it is certain. It returns what follows the delimiter, if there is one.
func (b *multipartBody) content(p []byte) []byte {
	b.hold = append(b.hold, p...)
	n := bytes.Index(b.hold, b.delimiter)
	if n < 0 {
		n = max(0, len(b.hold)-len(b.delimiter)-len("\r"))
		b.part.write(b.hold[:n])
		b.hold = b.hold[:copy(b.hold, b.hold[n:])]
		return nil
	}
	size := n
	if n > 0 && b.hold[n-1] == '\r' {
		size--
	}
	b.part.write(b.hold[:size])
	b.part.end()
	n += len(b.delimiter)
	rest := p[len(p)-(len(b.hold)-n):]
	b.out.write(b.hold[size:n])
	b.hold, b.place, b.header = b.hold[:0], inDelimiter, partHeader{}
	return rest
}

// endLine takes a whole line outside of the contents.
func (b *multipartBody) endLine() {
	defer b.line.reset()
	if b.line.long() {
		b.out.write(b.line.digest(nil, Message))
		b.place = inHeader
		return
	}
	line := bytes.TrimRight(b.line.raw, "\r")
	rest := b.line.raw[len(line):]
	switch {
	case b.place == inDelimiter && b.line.size > 0 && bytes.HasPrefix(line, b.delimiter[1:]): // the first one
		b.out.write(line)
		b.place = inHeader
	case b.place == inDelimiter && string(line) == "--":
		b.out.write(line)
		b.place, b.part = inContent, newPlain(b.m, b.out)
	case b.place == inDelimiter:
		b.out.write(b.m.text(nil, line))
		b.place = inHeader
	case len(line) == 0:
		b.place, b.part = inContent, b.newPart()
	default:
		b.headerLine(line)
	}
	b.out.write(rest)
}

func (b *multipartBody) newPart() masker {
	switch {
	case b.header.encoded:
		return &binary{m: b.m, out: b.out}
	case b.header.file || b.header.name.name == "" || b.header.contentType != "":
		return newSniffer(b.m, b.out, b.header.contentType, b.depth+1)
	}
	return &single{m: b.m, out: b.out, field: b.header.name, value: value{m: b.m}}
}

func (b *multipartBody) headerLine(line []byte) {
	name, v, _ := bytes.Cut(line, []byte(":"))
	switch string(bytes.ToLower(name)) {
	case "content-disposition":
		b.out.write(line[:len(line)-len(v)])
		b.disposition(v)
		return
	case "content-type":
		if b.header.contentType == "" {
			b.header.contentType = string(bytes.ToLower(bytes.TrimSpace(v)))
		}
	case "content-transfer-encoding":
		switch string(bytes.ToLower(bytes.TrimSpace(v))) {
		case "7bit", "8bit", "binary":
		default:
			b.header.encoded = true
		}
	case "content-length":
	default:
		b.out.write(b.m.text(nil, line))
		return
	}
	b.out.write(line)
}

// disposition masks the value of a Content-Disposition, as form-data; name="file"; filename="leads.csv".
func (b *multipartBody) disposition(v []byte) {
	for i, part := range bytes.Split(v, []byte(";")) {
		if i > 0 {
			b.out.writeString(";")
		}
		key, value, ok := bytes.Cut(part, []byte("="))
		if !ok {
			b.out.write(b.m.text(nil, part))
			continue
		}
		b.out.write(part[:len(part)-len(value)])
		content := bytes.Trim(value, `" `)
		if string(bytes.ToLower(bytes.TrimSpace(key))) == "name" {
			b.header.name = lookup(content)
			if len(content) > 0 && isIdent(content) {
				b.out.write(value)
				continue
			}
		} else {
			b.header.file = true
			if ext := bytes.ToLower(content[max(0, len(content)-4):]); string(ext) == ".csv" || string(ext) == ".tsv" {
				b.header.contentType = "text/csv"
			}
		}
		b.out.write(b.m.fileName(value))
	}
}

// fileName masks the name of a file, in quotes or not; its extension says what it is and stays.
func (m *Masker) fileName(v []byte) []byte {
	start, end := 0, len(v)
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		start, end = 1, end-1
	}
	name := v[start:end]
	if n := bytes.LastIndexByte(name, '.'); n >= 0 && len(name)-n <= len(".jsonl") {
		name = name[:n]
	}
	masked := m.mask(bytes.Clone(v[:start]), name, Attribute)
	return append(masked, v[start+len(name):]...)
}

// single is a body that is the value of one field.
type single struct {
	m     *Masker
	out   *filter
	field field
	value value
}

func (s *single) write(p []byte) { s.value.add(p) }

func (s *single) end() {
	if s.value.long() {
		s.out.write(s.value.digest(nil, Attribute))
		return
	}
	masked, same := s.m.value(nil, s.field, s.value.raw)
	if same {
		masked = s.value.raw
	}
	s.out.write(masked)
}
