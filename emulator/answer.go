package emulator

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is what a handler has to say. Its body is made while it is sent, so that it may have any size.
type answer struct {
	status      int
	contentType string // without charset
	outcome     string // for Counts
	file        bool   // of the bulk API: never compressed, no charset
	length      int64  // if it is known beforehand
	head        http.Header
	body        func(*document) error
}

// document is where a body is written. Large answers watch Room.
type document struct {
	io.Writer
	size    int64 // wanted; 0 is no matter
	written int64
	charset string
}

func (d *document) Write(p []byte) (int, error) {
	n, err := d.Writer.Write(p)
	d.written += int64(n)
	return n, err
}

// tail is what is left free for the rest of a document whose size is chosen.
const tail = 8 << 10

// room tells whether more filling is wanted.
func (d *document) room() bool { return d.written < d.size-tail }

// fit is how many pieces of that length make up the filling.
func (d *document) fit(length int) int { return int(max(0, d.size-tail) / int64(length)) }

// pad fills up with line ends, which XML, JSON and CSV allow behind their end.
func (d *document) pad() error {
	line := bytes.Repeat([]byte{'\n'}, 4<<10)
	for d.written < d.size {
		if _, err := d.Write(line[:min(int64(len(line)), d.size-d.written)]); err != nil {
			return err
		}
	}
	return nil
}

// send applies the effects and writes the answer. It panics with http.ErrAbortHandler where the connection is to end.
func (c *call) send(a answer) {
	e := &c.effects
	if e.slow > 0 && !c.wait(e.slow) {
		c.count("client")
		panic(http.ErrAbortHandler)
	}
	switch {
	case e.hang:
		c.count("hang")
		select {
		case <-c.r.Context().Done():
		case <-c.emulator.closed:
		}
		panic(http.ErrAbortHandler)
	case e.reset:
		c.count("reset")
		c.resetConnection()
		panic(http.ErrAbortHandler)
	case e.page != "":
		a = page(e.page)
	case e.empty:
		a = answer{status: http.StatusOK, contentType: a.contentType, outcome: "empty"}
	case e.malformed:
		a.outcome = "malformed"
	}
	if e.badGzip {
		a.outcome = "badgzip"
	}
	if e.cut {
		a.outcome = "cut"
	}
	c.count(a.outcome)
	if a.length == 0 && e.size > heldExact {
		a.length = e.size
	}
	out := &output{call: c, answer: a, hold: max(held, int(min(e.size, heldExact)))}
	var sink io.Writer = out
	var closers []io.Closer
	if e.charset != "" {
		encoder := charsetWriter(e.charset, out)
		sink, closers = encoder, append(closers, encoder)
		out.answer.length = 0
	}
	if a.body != nil {
		doc := &document{Writer: sink, size: e.size, charset: e.charset}
		err := a.body(doc)
		if err == nil {
			err = doc.pad()
		}
		for _, closer := range closers {
			if err == nil {
				err = closer.Close()
			}
		}
		if err != nil { // the client is gone
			panic(http.ErrAbortHandler)
		}
	}
	if err := out.close(); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// page is an answer from something in front of Marketo that knows no SOAP and no JSON.
func page(name string) answer {
	status, _ := strconv.Atoi(name[len("http"):])
	text, contentType := http.StatusText(status)+"\n", "text/plain"
	if strings.HasPrefix(name, "html") {
		contentType = "text/html"
		text = fmt.Sprintf("<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n<center><h1>%[1]d %[2]s</h1></center>\r\n"+
			"<hr><center>gateway</center>\r\n</body>\r\n</html>\r\n", status, http.StatusText(status))
	}
	return answer{status: status, contentType: contentType, outcome: name, body: func(d *document) error {
		_, err := io.WriteString(d, text)
		return err
	}}
}

// resetConnection ends the connection with a TCP reset, as far as the server lets it.
func (c *call) resetConnection() {
	hijacker, ok := c.w.(http.Hijacker)
	if !ok {
		return
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return
	}
	raw := conn
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		raw = wrapped.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	raw.Close()
}

// gzipFrom is the size from which Marketo compresses answers (REST documentation, "Performance").
const gzipFrom = 1024

// An answer up to held bytes is held back to the end, so that it gets a Content-Length. One of a chosen size gets that as
// Content-Length; up to heldExact it is held back too, as it may come out larger than was asked for.
const (
	held      = 32 << 10
	heldExact = 4 << 20
)

// output sends a body, compressed and with Content-Length or not, and in the way the effects ask for.
type output struct {
	call   *call
	answer answer
	hold   int // bytes to hold back
	buffer []byte
	begun  bool
	zip    *gzip.Writer
	sent   int64 // bytes of the body on the wire
	stop   int64 // where to cut it off; 0 is nowhere
}

func (o *output) Write(p []byte) (int, error) {
	if o.begun {
		return o.pass(p)
	}
	o.buffer = append(o.buffer, p...)
	if len(o.buffer) > o.hold {
		if err := o.begin(false); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// begin writes the head, and what was held back. If whole, that is all there is.
func (o *output) begin(whole bool) error {
	o.begun = true
	e := &o.call.effects
	if e.malformed {
		o.buffer = o.buffer[:len(o.buffer)/2]
		whole = true
	}
	header := o.call.w.Header()
	maps.Copy(header, o.answer.head)
	contentType := o.answer.contentType
	if o.answer.body != nil && !o.answer.file {
		charset := e.charset
		if charset == "" {
			charset = "UTF-8"
		}
		contentType += ";charset=" + charset
	}
	header.Set("Content-Type", contentType)

	length := int64(-1)
	compress := o.compress()
	switch {
	case e.badGzip:
		header.Set("Content-Encoding", "gzip")
	case compress:
		header.Set("Content-Encoding", "gzip")
		header.Set("Vary", "Accept-Encoding")
	}
	switch {
	case compress && whole:
		var b bytes.Buffer
		zip := gzip.NewWriter(&b)
		zip.Write(o.buffer) // into memory
		zip.Close()
		o.buffer, length = b.Bytes(), int64(b.Len())
	case compress:
		o.zip = gzip.NewWriter(wire{o})
	case whole:
		length = int64(len(o.buffer))
	case o.answer.length > 0:
		length = o.answer.length
	}
	if length >= 0 && !e.chunked {
		header.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	if e.cut {
		o.stop = e.cutAfter
		if o.stop == 0 {
			o.stop = max(1, int64(len(o.buffer))/2)
			if length > 0 {
				o.stop = max(1, length/2)
			}
		}
		if length > 1 {
			o.stop = min(o.stop, length-1)
		}
	}
	o.call.w.WriteHeader(o.answer.status)
	if e.chunked {
		o.flush()
	}
	buffer := o.buffer
	o.buffer = nil
	_, err := o.pass(buffer)
	return err
}

// compress decides by the effect, then by what the client accepts.
func (o *output) compress() bool {
	e := &o.call.effects
	switch {
	case e.badGzip || e.encoding == "identity":
		return false
	case e.encoding == "gzip":
		return len(o.buffer) > 0
	}
	return !o.call.emulator.options.NoGzip && !o.answer.file && len(o.buffer) >= gzipFrom &&
		accepts(o.call.r.Header.Get("Accept-Encoding"), "gzip")
}

// accepts reads Accept-Encoding.
func accepts(header, coding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, parameters, _ := strings.Cut(part, ";")
		if name = strings.TrimSpace(name); !strings.EqualFold(name, coding) && name != "*" {
			continue
		}
		q := strings.TrimPrefix(strings.ReplaceAll(parameters, " ", ""), "q=")
		quality, err := strconv.ParseFloat(q, 64)
		return q == "" || err == nil && quality > 0
	}
	return false
}

func (o *output) pass(p []byte) (int, error) {
	if o.call.effects.malformed && o.sent > 0 {
		return len(p), nil
	}
	if o.zip != nil {
		return o.zip.Write(p)
	}
	return wire{o}.Write(p)
}

// close ends the answer.
func (o *output) close() error {
	if !o.begun {
		if err := o.begin(true); err != nil {
			return err
		}
	}
	if o.zip != nil {
		if err := o.zip.Close(); err != nil {
			return err
		}
	}
	if o.stop > 0 { // shorter than it was to be cut
		o.flush()
		panic(http.ErrAbortHandler)
	}
	return nil
}

func (o *output) flush() {
	if err := http.NewResponseController(o.call.w).Flush(); err != nil {
		return // a ResponseWriter that can't
	}
}

// wire is the last writer: in drops, and up to the cut.
type wire struct{ *output }

func (w wire) Write(p []byte) (int, error) {
	n := len(p)
	cutting := w.stop > 0 && w.sent+int64(n) >= w.stop
	if cutting {
		p = p[:w.stop-w.sent]
	}
	for drop := w.call.effects.drip; len(p) > 0; {
		piece := p
		if drop > 0 {
			piece = p[:min(len(p), 64)]
		}
		written, err := w.call.w.Write(piece)
		w.sent += int64(written)
		if err != nil {
			return 0, err
		}
		p = p[len(piece):]
		if drop > 0 {
			w.flush()
			if !w.call.wait(drop) {
				return 0, w.call.r.Context().Err()
			}
		}
	}
	if cutting {
		w.flush()
		time.Sleep(10 * time.Millisecond) // so that what was written leaves before the connection ends
		panic(http.ErrAbortHandler)
	}
	return n, nil
}
