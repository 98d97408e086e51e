package har

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"

	"marketo-proxy/capture"
	"marketo-proxy/jsonscan"
)

// Bodies opens the content of one body of a capture; an empty one where there is none.
type Bodies func(attempt int, side capture.Side) (io.ReadCloser, error)

// Writer writes an archive to a stream, a body at a time, so that memory does not grow with it. It is for one goroutine.
type Writer struct {
	w       *bufio.Writer
	entries int
	err     error // the first of w
}

// NewWriter begins an archive on w.
func NewWriter(w io.Writer, creator Creator) *Writer {
	h := &Writer{w: bufio.NewWriterSize(w, 32<<10)}
	h.raw(`{"log":{"version":"1.2","creator":`)
	h.value(creator)
	h.raw(`,"pages":[],"entries":[`)
	return h
}

// BodyError tells that a body could not be read to its end. The archive is whole all the same: the entry has what came before,
// and says so in "_error".
type BodyError struct {
	Capture string // id
	Attempt int    // from 0
	Side    capture.Side
	Err     error
}

func (e *BodyError) Error() string {
	side := "request"
	if e.Side == capture.ResponseSide {
		side = "response"
	}
	return fmt.Sprintf("har: %s: body of the %s of attempt %d: %v", e.Capture, side, e.Attempt+1, e.Err)
}

func (e *BodyError) Unwrap() error { return e.Err }

// Add writes an entry for each attempt of c, with the contents of the bodies from open. As in capture.Detail, a body is not text
// where its Base64 is not nil. Errors other than joined *BodyError are those of the stream, and final.
func (h *Writer) Add(c *capture.Capture, open Bodies) error {
	var lost []error
	for i := range c.Attempts {
		a := &c.Attempts[i]
		h.next()
		h.begin(newEntry(c, i))
		h.raw(`,"request":`)
		h.begin(newRequest(&a.Request))
		lost = append(lost, h.requestBody(c, i, open))
		h.raw(`},"response":`)
		h.begin(newResponse(a.Response, a.Error))
		lost = append(lost, h.responseBody(c, i, open))
		h.raw("}}")
	}
	if h.err != nil {
		return fmt.Errorf("har: write: %w", h.err)
	}
	return errors.Join(lost...)
}

// next separates entries, one a line.
func (h *Writer) next() {
	if h.entries++; h.entries > 1 {
		h.raw(",")
	}
	h.raw("\n")
}

// Close ends the archive. It does not close the stream.
func (h *Writer) Close() error {
	h.raw("\n]}}\n")
	if h.err == nil {
		h.err = h.w.Flush()
	}
	if h.err != nil {
		return fmt.Errorf("har: write: %w", h.err)
	}
	return nil
}

// requestBody writes postData where there is a body.
func (h *Writer) requestBody(c *capture.Capture, i int, open Bodies) error {
	r := &c.Attempts[i].Request
	if r.BodySize <= 0 && r.Body.Size <= 0 {
		return nil
	}
	p := postData{MimeType: mimeType(r.Headers), Params: []empty{}}
	if r.Body.Base64 != nil {
		p.Encoding = "base64"
	}
	h.raw(`,"postData":`)
	h.begin(p)
	_, err := h.text(open, i, capture.RequestSide, r.Body.Base64 != nil)
	return h.end(c, i, capture.RequestSide, err)
}

// responseBody writes content. Its size is counted while it is written, so it comes last.
func (h *Writer) responseBody(c *capture.Capture, i int, open Bodies) error {
	p, binary := content{MimeType: mimeType(nil)}, false
	if r := c.Attempts[i].Response; r != nil {
		p.MimeType, binary = mimeType(r.Headers), r.Body.Base64 != nil
	} else {
		open = func(int, capture.Side) (io.ReadCloser, error) { return io.NopCloser(eof{}), nil }
	}
	if binary {
		p.Encoding = "base64"
	}
	h.raw(`,"content":`)
	h.begin(p)
	size, err := h.text(open, i, capture.ResponseSide, binary)
	h.raw(fmt.Sprintf(`,"size":%d`, size))
	return h.end(c, i, capture.ResponseSide, err)
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// end closes postData or content, after saying what is missing.
func (h *Writer) end(c *capture.Capture, attempt int, side capture.Side, err error) error {
	if err != nil {
		h.raw(`,"_error":`)
		h.value("not whole: " + err.Error())
		err = &BodyError{c.ID, attempt, side, err}
	}
	h.raw("}")
	return err
}

// text writes the field "text" and returns how many bytes of content it says; bytes that are no UTF-8 are replaced, and the replacement
// counts. The error is that of reading.
func (h *Writer) text(open Bodies, attempt int, side capture.Side, binary bool) (size int64, err error) {
	h.raw(`,"text":"`)
	defer h.raw(`"`)
	body, err := open(attempt, side)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	out := &escaper{h: h}
	if !binary {
		dst := transform.NewWriter(out, runes.ReplaceIllFormed())
		_, err = io.Copy(dst, body)
		err = errors.Join(err, dst.Close())
		return out.n, err
	}
	dst := base64.NewEncoder(base64.StdEncoding, out)
	size, err = io.Copy(dst, body)
	return size, errors.Join(err, dst.Close())
}

func (h *Writer) raw(s string) {
	if h.err == nil {
		_, h.err = h.w.WriteString(s)
	}
}

func (h *Writer) value(v any) {
	b, err := json.Marshal(v)
	if h.err == nil {
		h.err = err
	}
	h.raw(string(b))
}

// begin writes an object of at least one field without its end, so that more fields can follow.
func (h *Writer) begin(v any) {
	b, err := json.Marshal(v)
	if h.err == nil {
		h.err = err
	}
	if len(b) > 0 {
		h.raw(string(b[:len(b)-1]))
	}
}

// escaper escapes UTF-8 for the inside of a JSON string. It never fails: an error of the stream is kept by the Writer, and is not
// to be mistaken for one of the body.
type escaper struct {
	h *Writer
	n int64 // bytes that were escaped
}

func (e *escaper) Write(p []byte) (int, error) {
	e.n += int64(len(p))
	if e.h.err == nil {
		e.h.err = jsonscan.Escape(e.h.w, p)
	}
	return len(p), nil
}
