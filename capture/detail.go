package capture

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"marketo-proxy/jsonscan"
)

const (
	// A line up to here is read into memory once; the bodies of a longer one are read from the disk each time.
	smallLine = 1 << 20
	// maxDetail bounds what a line may have besides the contents of its bodies.
	maxDetail = 32 << 20
)

// Side is the request or the response of an attempt.
type Side int

// The sides.
const (
	RequestSide Side = iota
	ResponseSide
)

// Detail is a capture with its attempts. The contents of the bodies are apart, for Body to read: Text is empty everywhere, and
// Base64 is empty, but nil only where the content is text or there is none.
type Detail struct {
	Capture
	contents map[bodyPlace]content
	open     func() (io.ReadCloser, error) // the line
}

// bodyPlace is where a body belongs, content where in the line it stands: a JSON string with its quotes.
type bodyPlace struct {
	attempt int
	side    Side
}

type content struct {
	start, end int64
	binary     bool
}

// Detail reads the capture up to its end, keeping no body in memory but those of small captures.
func (h Handle) Detail() (*Detail, error) {
	r, err := h.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if h.Size() > smallLine {
		return newDetail(r, h.Size(), h.Open)
	}
	line := make([]byte, h.Size())
	if _, err := io.ReadFull(r, line); err != nil {
		return nil, fmt.Errorf("capture: read: %w", err)
	}
	return ParseDetail(line)
}

// ParseDetail reads a line of a journal, which must not be changed afterwards.
func ParseDetail(line []byte) (*Detail, error) {
	return newDetail(bytes.NewReader(line), int64(len(line)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(line)), nil })
}

func newDetail(r io.Reader, size int64, open func() (io.ReadCloser, error)) (*Detail, error) {
	b := bodiless{contents: map[bodyPlace]content{}, attempt: -1}
	if err := b.read(r, size); err != nil {
		return nil, fmt.Errorf("capture: read: %w", err)
	}
	d := &Detail{contents: b.contents, open: open}
	if err := json.Unmarshal(b.rest.Bytes(), &d.Capture); err != nil {
		return nil, fmt.Errorf("capture: a line that is no capture: %w", err)
	}
	for i := range d.Attempts {
		a := &d.Attempts[i]
		d.mark(&a.Request.Body, i, RequestSide)
		if a.Response != nil {
			d.mark(&a.Response.Body, i, ResponseSide)
		}
	}
	return d, nil
}

func (d *Detail) mark(b *BodyLine, attempt int, side Side) {
	b.Text, b.Base64 = "", nil
	if d.contents[bodyPlace{attempt, side}].binary {
		b.Base64 = []byte{}
	}
}

// Body reads the content of a body, decoded and masked as it was captured; it is empty where there is none. Read's error tells
// of damage. The caller closes it.
func (d *Detail) Body(attempt int, side Side) (io.ReadCloser, error) {
	c, ok := d.contents[bodyPlace{attempt, side}]
	if !ok {
		return io.NopCloser(strings.NewReader("")), nil
	}
	line, err := d.open()
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, line, c.start); err != nil {
		line.Close()
		return nil, fmt.Errorf("capture: read: %w", err)
	}
	size := c.end - c.start
	text := &stringReader{in: io.LimitReader(line, size), fed: make([]byte, min(size, 32<<10))}
	if c.binary {
		return readCloser{base64.NewDecoder(base64.StdEncoding, text), line}, nil
	}
	return readCloser{text, line}, nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

// stringReader decodes a JSON string as it streams.
type stringReader struct {
	in      io.Reader
	scanner jsonscan.Scanner
	fed     []byte
	decoded []byte // of it, rest is not yet read
	rest    []byte
	err     error
}

func (r *stringReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if t, ok := r.scanner.Next(); ok {
			r.decoded = jsonscan.Unquote(r.decoded[:0], t.Data)
			r.rest = r.decoded
			continue
		}
		if r.err != nil {
			return 0, r.err
		}
		n, err := r.in.Read(r.fed)
		r.scanner.Feed(r.fed[:n])
		if r.err = err; errors.Is(err, io.EOF) {
			r.scanner.Finish()
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// bodiless splits a line into the contents of its bodies, of which it notes the places, and the rest.
type bodiless struct {
	rest     bytes.Buffer
	contents map[bodyPlace]content
	keys     [6]string // the last key at each depth
	attempt  int
	inside   bool // of a content
	place    bodyPlace
}

func (b *bodiless) read(r io.Reader, size int64) error {
	var scanner jsonscan.Scanner
	buf := make([]byte, min(size+1, 64<<10))
	for {
		n, err := r.Read(buf)
		scanner.Feed(buf[:n])
		if errors.Is(err, io.EOF) {
			scanner.Finish()
		}
		for t, ok := scanner.Next(); ok; t, ok = scanner.Next() {
			b.take(&t)
		}
		switch {
		case b.rest.Len() > maxDetail:
			return fmt.Errorf("more than %d bytes besides its bodies", maxDetail)
		case errors.Is(err, io.EOF):
			return scanner.Err()
		case err != nil:
			return err
		}
	}
}

func (b *bodiless) take(t *jsonscan.Token) {
	switch t.Kind {
	case jsonscan.Key:
		if t.Depth < len(b.keys) {
			b.keys[t.Depth] = ""
			if t.Whole() {
				b.keys[t.Depth] = string(jsonscan.Unquote(nil, t.Data))
			}
		}
	case jsonscan.Sep, jsonscan.ObjectEnd, jsonscan.ArrayEnd:
	default:
		b.value(t)
	}
	if !b.inside {
		b.rest.Write(t.Raw)
		return
	}
	c := b.contents[b.place]
	c.end = t.Offset + int64(len(t.Raw))
	b.contents[b.place] = c
	if !t.More {
		b.inside = false
		b.rest.WriteString(`""`)
	}
}

// value looks where a value stands: attempts is at depth 1, its elements at 2, request and response at 3, body at 4 and
// its content at 5. Names are compared as encoding/json does.
func (b *bodiless) value(t *jsonscan.Token) {
	if t.Cont || !strings.EqualFold(b.keys[1], "attempts") {
		return
	}
	switch t.Depth {
	case 1:
		b.attempt = -1 // encoding/json takes the last one
		clear(b.contents)
	case 2:
		b.attempt++
	case 5:
		if t.Kind == jsonscan.String && strings.EqualFold(b.keys[4], "body") {
			b.begin(t)
		}
	}
}

func (b *bodiless) begin(t *jsonscan.Token) {
	text, binary := strings.EqualFold(b.keys[5], "text"), strings.EqualFold(b.keys[5], "base64")
	request, response := strings.EqualFold(b.keys[3], "request"), strings.EqualFold(b.keys[3], "response")
	if !text && !binary || !request && !response {
		return
	}
	b.inside, b.place = true, bodyPlace{b.attempt, RequestSide}
	if response {
		b.place.side = ResponseSide
	}
	b.contents[b.place] = content{start: t.Offset, binary: binary}
}
