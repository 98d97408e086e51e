// Package decode turns a message body as it went over the wire into the text that was meant: content encodings and
// charsets, in a stream, with a bound against decompression bombs.
package decode

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// A body that grows beyond bombFloor bytes and more than bombRatio times its compressed size is taken for a bomb. Real
// XML compresses some 10 to 50 times; the most that deflate can do is 1,032.
const (
	bombFloor = 64 << 20
	bombRatio = 200
)

// ErrBomb is returned when a compressed body expands beyond all reason.
var ErrBomb = errors.New("the compressed body expands more than 200 times")

// headSize is how much of a text is looked at for its charset.
const headSize = 256

// Supported tells whether a Content-Encoding can be decoded: none, identity and gzip, the only ones that Marketo
// documents.
func Supported(contentEncoding string) bool {
	_, ok := parse(contentEncoding)
	return ok
}

// Gzipped tells whether a Content-Encoding is gzip.
func Gzipped(contentEncoding string) bool {
	gzipped, ok := parse(contentEncoding)
	return ok && gzipped
}

func parse(contentEncoding string) (gzipped, ok bool) {
	switch strings.ToLower(strings.TrimSpace(contentEncoding)) {
	case "", "identity":
		return false, true
	case "gzip", "x-gzip":
		return true, true
	}
	return false, false
}

// NewReader returns the decoded content of r as UTF-8: decompressed by contentEncoding, converted from UTF-16 where a
// byte order mark or the first characters show it, and from the single-byte charsets that an XML declaration or
// contentType names. Other text comes out as it is. Bytes that are invalid in the charset pass unchanged where it is
// UTF-8. The error of a damaged or hostile body comes from Read, after the bytes before it.
func NewReader(r io.Reader, contentEncoding, contentType string) io.Reader {
	content, err := newContent(r, contentEncoding)
	if err != nil {
		return failing{err}
	}
	buffered := bufio.NewReader(content)
	head, _ := buffered.Peek(headSize) // a short body is no error here: Read reports it
	if enc := charset(head, contentType); enc != nil {
		return transform.NewReader(buffered, enc.NewDecoder())
	}
	return buffered
}

// Stands tells whether NewReader gives a body that is whole in memory back as it is.
func Stands(body []byte, contentEncoding, contentType string) bool {
	gzipped, ok := parse(contentEncoding)
	return ok && !gzipped && charset(body[:min(len(body), headSize)], contentType) == nil
}

// charset is what the text that begins with head has to be converted from, or nil.
func charset(head []byte, contentType string) encoding.Encoding {
	if enc := sniffUTF16(head); enc != nil {
		return enc
	}
	return singleByte(declaredCharset(head, contentType))
}

// ErrUTF16 is returned for content that came from UTF-16, which is not written again.
var ErrUTF16 = errors.New("content in UTF-16 can't be encoded again")

// NewEncoder turns content that NewReader made UTF-8 back into the single-byte charset that it names, an XML declaration before
// contentType. Other content comes out as it is. A character that the charset lacks is an error of Read.
func NewEncoder(content io.Reader, contentType string) (io.Reader, error) {
	buffered := bufio.NewReader(content)
	head, _ := buffered.Peek(headSize) // a short body is no error here: Read reports it
	charset := declaredCharset(head, contentType)
	if strings.HasPrefix(strings.ToLower(charset), "utf-16") {
		return nil, ErrUTF16
	}
	if enc := singleByte(charset); enc != nil {
		return transform.NewReader(buffered, enc.NewEncoder()), nil
	}
	return buffered, nil
}

// newContent undoes the content encoding only.
func newContent(r io.Reader, contentEncoding string) (io.Reader, error) {
	gzipped, ok := parse(contentEncoding)
	if !ok {
		return nil, fmt.Errorf("content encoding %q is not supported", contentEncoding)
	}
	if !gzipped {
		return r, nil
	}
	counted := &countingReader{r: r}
	return &gunzip{in: counted}, nil
}

// gunzip reads the header lazily, so that constructing it never blocks, and watches the ratio.
type gunzip struct {
	in  *countingReader
	z   *gzip.Reader
	out int64
	err error // stays: bufio.Reader.Peek forgets the errors it meets
}

func (g *gunzip) Read(p []byte) (n int, err error) {
	if g.err != nil {
		return 0, g.err
	}
	if g.z == nil {
		if g.z, err = gzip.NewReader(g.in); err != nil {
			g.err = wrapGzip(err)
			return 0, g.err
		}
	}
	n, err = g.z.Read(p)
	g.out += int64(n)
	g.err = wrapGzip(err)
	if g.out > bombFloor && g.out > bombRatio*g.in.n {
		g.err = ErrBomb
	}
	return n, g.err
}

func wrapGzip(err error) error {
	if err == nil || err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return fmt.Errorf("gzip: %w", err)
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Writer decodes what is written to it and hands it on at once: when Write returns, everything that could be decoded has
// reached the destination. Single-byte charsets pass as they are, since markup is ASCII in them; UTF-16 becomes UTF-8.
type Writer struct {
	dst  io.Writer
	in   []byte // what the coroutine has yet to read
	head [2]byte
	held int // bytes of head, while the encoding is not known yet

	plain  bool // no decoding needed
	next   func() (struct{}, bool)
	stop   func()
	closed bool
	err    error
}

// NewWriter returns a Writer to dst. An unsupported contentEncoding is reported by Err at once, and nothing is handed on.
// Close must be called if anything was written.
func NewWriter(dst io.Writer, contentEncoding string) *Writer {
	w := new(Writer)
	w.Start(dst, contentEncoding)
	return w
}

// Start makes of a zero Writer what NewWriter returns.
func (w *Writer) Start(dst io.Writer, contentEncoding string) {
	w.dst = dst
	gzipped, ok := parse(contentEncoding)
	switch {
	case !ok:
		w.err = fmt.Errorf("content encoding %q is not supported", contentEncoding)
	case gzipped:
		w.start(func(r io.Reader) io.Reader {
			content, _ := newContent(r, contentEncoding)
			buffered := bufio.NewReader(content)
			head, _ := buffered.Peek(2)
			if enc := sniffUTF16(head); enc != nil {
				return transform.NewReader(buffered, enc.NewDecoder())
			}
			return buffered
		})
	}
}

// Err tells why decoding ended early, or nil.
func (w *Writer) Err() error { return w.err }

// Write never fails: after an error, which Err tells, the rest is dropped.
func (w *Writer) Write(p []byte) (int, error) {
	n := len(p)
	if w.err != nil || w.closed {
		return n, nil
	}
	if !w.plain && w.next == nil {
		p = w.sniff(p)
		if len(p) == 0 {
			return n, nil
		}
	}
	w.push(p)
	return n, nil
}

// sniff decides by the first two bytes; it returns what can be pushed now.
func (w *Writer) sniff(p []byte) []byte {
	if w.held == 0 && len(p) >= 2 {
		w.decide(p)
		return p
	}
	for w.held < 2 && len(p) > 0 {
		w.head[w.held] = p[0]
		w.held++
		p = p[1:]
	}
	if w.held < 2 {
		return nil
	}
	w.decide(w.head[:])
	w.push(w.head[:])
	return p
}

func (w *Writer) decide(head []byte) {
	enc := sniffUTF16(head)
	if enc == nil {
		w.plain = true
		return
	}
	w.start(func(r io.Reader) io.Reader { return transform.NewReader(r, enc.NewDecoder()) })
}

func (w *Writer) push(p []byte) {
	if w.plain {
		_, w.err = w.dst.Write(p)
		return
	}
	w.in = p
	if _, more := w.next(); !more && w.err == nil {
		// The decoder saw its end; what follows it is not part of the content.
		w.closed = true
	}
}

// start makes a push decoder of a pull one: the decoder runs as a coroutine that yields whenever it wants more input.
func (w *Writer) start(decoder func(io.Reader) io.Reader) {
	w.next, w.stop = iter.Pull(func(yield func(struct{}) bool) {
		r := decoder(&yieldingReader{w: w, yield: yield})
		buf := make([]byte, 16<<10)
		for {
			n, err := r.Read(buf)
			if n > 0 {
				if _, werr := w.dst.Write(buf[:n]); werr != nil {
					err = werr
				}
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				w.err = err
				return
			}
		}
	})
}

// Close ends the input. It returns Err, or io.ErrUnexpectedEOF if the content was cut.
func (w *Writer) Close() error {
	switch {
	case w.next != nil:
		if !w.closed && w.err == nil {
			w.in = nil
			w.closed = true
			w.next() // the reader sees the end
		}
		w.stop()
	case w.held == 1 && !w.plain && w.err == nil:
		_, w.err = w.dst.Write(w.head[:1])
	}
	w.closed = true
	return w.err
}

type yieldingReader struct {
	w     *Writer
	yield func(struct{}) bool
}

func (y *yieldingReader) Read(p []byte) (int, error) {
	for len(y.w.in) == 0 {
		if y.w.closed || !y.yield(struct{}{}) || y.w.closed {
			return 0, io.EOF
		}
	}
	n := copy(p, y.w.in)
	y.w.in = y.w.in[n:]
	return n, nil
}

// sniffUTF16 looks at the first two bytes (XML 1.0, appendix F): a byte order mark, or "<" in either order.
func sniffUTF16(head []byte) encoding.Encoding {
	if len(head) < 2 {
		return nil
	}
	switch [2]byte(head) {
	case [2]byte{0xFE, 0xFF}, [2]byte{0x00, '<'}:
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case [2]byte{0xFF, 0xFE}, [2]byte{'<', 0x00}:
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	}
	return nil
}

// declaredCharset is the charset of an XML declaration, else that of a Content-Type.
func declaredCharset(head []byte, contentType string) string {
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(head, []byte("<?xml")) {
		decl, _, _ := bytes.Cut(head, []byte("?>"))
		if _, rest, ok := bytes.Cut(decl, []byte("encoding")); ok {
			if rest = bytes.TrimLeft(rest, "= \t\r\n"); len(rest) > 0 {
				if value, _, ok := bytes.Cut(rest[1:], rest[:1]); ok {
					return string(value)
				}
			}
		}
		return ""
	}
	_, params, _ := strings.Cut(strings.ToLower(contentType), "charset=")
	charset, _, _ := strings.Cut(params, ";")
	return strings.Trim(charset, "\" ")
}

// singleByte knows the charsets met in SOAP traffic; nil means to leave the bytes alone.
func singleByte(charset string) encoding.Encoding {
	switch strings.ToLower(charset) {
	case "iso-8859-1", "latin1", "iso8859-1", "l1":
		return charmap.ISO8859_1
	case "iso-8859-15", "latin9":
		return charmap.ISO8859_15
	case "windows-1252", "cp1252":
		return charmap.Windows1252
	}
	return nil
}
