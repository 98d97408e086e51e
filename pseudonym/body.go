package pseudonym

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	chunk    = 32 << 10 // bytes read at a time
	maxSniff = 4 << 10  // bytes after which it must be known what a body is
	maxValue = 64 << 10 // bytes up to which a value keeps its shape
	maxParts = 3        // depth of multipart bodies in multipart bodies
)

// BinaryNote stands in place of a body that is no text: nobody could mask it.
const BinaryNote = "(binary content, left out: it can't be masked)\n"

// Body returns src masked as it is read. src is the content of a body as a capture has it: UTF-8, decompressed, without secrets.
// What it is, XML, JSON, CSV, a form, multipart or plain text, is told from its first bytes and contentType. It may be cut off
// anywhere, and may be broken: what can't be understood is masked as a whole. Bytes outside of masked values come out unchanged.
// Memory is bounded whatever src is. An error of src is passed on after what was read before it; Close closes src.
func (m *Masker) Body(contentType string, src io.ReadCloser) io.ReadCloser {
	b := &body{src: src, in: make([]byte, chunk), sink: filter{m: m}}
	b.masker = newSniffer(m, &b.sink, contentType, 0)
	return b
}

// masker takes a body piece by piece and writes it to a filter. It keeps nothing of p.
type masker interface {
	write(p []byte)
	end()
}

type body struct {
	src    io.ReadCloser
	in     []byte
	sink   filter
	masker masker
	read   int // of sink.out
	err    error
}

func (b *body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for b.read == len(b.sink.out) {
		if b.err != nil {
			return 0, b.err
		}
		b.read, b.sink.out = 0, b.sink.out[:0]
		var n int
		n, b.err = b.src.Read(b.in)
		b.masker.write(b.in[:n])
		if b.err != nil {
			b.masker.end()
		}
		b.sink.flush(b.err != nil)
	}
	n := copy(p, b.sink.out[b.read:])
	b.read += n
	return n, nil
}

func (b *body) Close() error { return b.src.Close() }

// sniffer collects the start of a body until it knows what it is.
type sniffer struct {
	m           *Masker
	out         *filter
	contentType string
	depth       int // of multipart bodies around
	start       []byte
	body        masker // nil until known
}

func newSniffer(m *Masker, out *filter, contentType string, depth int) *sniffer {
	return &sniffer{m: m, out: out, contentType: strings.ToLower(contentType), depth: depth}
}

func (s *sniffer) write(p []byte) {
	if s.body == nil {
		n := min(len(p), maxSniff-len(s.start))
		s.start = append(s.start, p[:n]...)
		if len(s.start) < maxSniff {
			return
		}
		s.begin()
		p = p[n:]
	}
	s.body.write(p)
}

func (s *sniffer) end() {
	if s.body == nil {
		s.begin()
	}
	s.body.end()
}

func (s *sniffer) begin() {
	if bytes.HasPrefix(s.start, []byte(bom)) {
		s.out.writeString(bom)
		s.start = s.start[len(bom):]
	}
	s.body = s.sniff()
	s.body.write(s.start)
}

const bom = "\ufeff"

func (s *sniffer) sniff() masker {
	b := s.start
	text := bytes.TrimLeft(b, " \t\r\n")
	switch {
	case len(text) == 0:
		return newPlain(s.m, s.out)
	case isBinary(s.start):
		return &binary{m: s.m, out: s.out}
	case text[0] == '<':
		return newXML(s.m, s.out)
	case text[0] == '{', text[0] == '[', text[0] == '"' && strings.Contains(s.contentType, "json"):
		return newJSON(s.m, s.out)
	case bytes.HasPrefix(b, []byte("--")) && s.depth < maxParts:
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		known := strings.HasPrefix(s.contentType, "multipart/") ||
			bytes.EqualFold(rest[:min(len(rest), len("content-"))], []byte("content-"))
		if boundary := bytes.TrimRight(line, "\r \t"); known && isBoundary(boundary) {
			return newMultipart(s.m, s.out, boundary, s.depth)
		}
	case strings.Contains(s.contentType, "x-www-form-urlencoded"), isForm(b):
		return newForm(s.m, s.out)
	}
	for _, kind := range []string{"csv", "tab-separated", "excel"} {
		if strings.Contains(s.contentType, kind) {
			return newCSV(s.m, s.out)
		}
	}
	if line, _, more := bytes.Cut(b, []byte("\n")); (more || len(s.start) == maxSniff) && isHeader(line) {
		return newCSV(s.m, s.out)
	}
	return newPlain(s.m, s.out)
}

// isBinary tells that b, cut off anywhere, is no text.
func isBinary(b []byte) bool {
	if bytes.IndexByte(b, 0) >= 0 {
		return true
	}
	for i := range min(utf8.UTFMax, len(b)+1) { // of the last character
		if tail := b[len(b)-i:]; utf8.Valid(b[:len(b)-i]) {
			return i > 0 && utf8.FullRune(tail)
		}
	}
	return true
}

// binary puts a note in place of a body.
type binary struct {
	m   *Masker
	out *filter
}

func (b *binary) write([]byte) {}

func (b *binary) end() {
	b.m.counts[Binary]++
	b.out.writeString(BinaryNote)
}

// plain is text without structure, masked line by line.
type plain struct {
	m    *Masker
	out  *filter
	line value
	buf  []byte
}

func newPlain(m *Masker, out *filter) *plain { return &plain{m: m, out: out, line: value{m: m}} }

func (b *plain) write(p []byte) {
	for len(p) > 0 {
		n := bytes.IndexByte(p, '\n')
		if n < 0 {
			b.line.add(p)
			return
		}
		b.line.add(p[:n])
		b.flush()
		b.out.writeString("\n")
		p = p[n+1:]
	}
}

func (b *plain) flush() {
	if b.line.long() {
		b.buf = b.line.digest(b.buf[:0], Message)
	} else {
		b.buf = b.m.text(b.buf[:0], b.line.raw)
	}
	b.out.write(b.buf)
	b.line.reset()
}

func (b *plain) end() { b.flush() }
