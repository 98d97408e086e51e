package downstream

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"marketo-proxy/http1"
)

// response is the answer to the present request of a connection.
type response struct {
	c       *conn
	req     *http.Request
	body    *body // of the request; nil: none
	header  http.Header
	status  int
	chunked bool
	empty   bool  // the answer has no body, whatever is written
	left    int64 // of the announced length; -1: none is
	begun   bool  // the head was made
	closing bool  // the connection ends with this answer
	failed  error // what a write failed with

	hijacked bool

	buf  *[]byte // what was not written yet; nil: nothing
	room [4][]byte
	vec  net.Buffers
}

const bufferSize = 8 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, bufferSize); return &b }}

// begin makes it the answer to req. It is clear.
func (w *response) begin(req *http.Request) {
	if w.header == nil {
		w.header = make(http.Header, 16)
	}
	w.req, w.left, w.closing = req, -1, req.Close
}

// clear forgets the call, of which nothing may be kept while the connection waits for the next one.
func (w *response) clear() {
	clear(w.header)
	*w = response{c: w.c, header: w.header}
}

// cut ends a connection in the midst of its answer, if that would have ended with the connection: it must not look whole. So TCP resets,
// and TLS does not say that it ends.
func (w *response) cut() {
	if w.hijacked || !w.begun || w.empty || w.chunked || w.left >= 0 {
		return
	}
	nc := plain(w.c.nc)
	if t, ok := nc.(interface{ SetLinger(int) error }); ok {
		_ = t.SetLinger(0) // it fails only on a closed connection
	}
	nc.Close()
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. The head is sent with the first byte of the body, or by Flush; a status below 200 is not
// sent.
func (w *response) WriteHeader(status int) {
	switch {
	case status < 100 || status > 999:
		panic(fmt.Sprintf("downstream: %d is no status", status))
	case w.status == 0 && status >= 200:
		w.status = status
	}
}

// Write implements http.ResponseWriter. What is more than a buffer is on its way when it returns. A client that takes nothing of it
// for writePatience, or writeSlack more, is given up.
func (w *response) Write(p []byte) (int, error) {
	if w.hijacked {
		return 0, http.ErrHijacked
	}
	w.head()
	switch {
	case w.failed != nil:
		return 0, w.failed
	case len(p) == 0:
		return 0, nil
	case w.empty && w.req.Method == http.MethodHead:
		return len(p), nil
	case w.empty:
		return 0, http.ErrBodyNotAllowed
	case w.left >= 0 && int64(len(p)) > w.left:
		return 0, http.ErrContentLength
	}
	if w.left >= 0 {
		w.left -= int64(len(p))
	}
	if w.chunked {
		w.chunk(p)
	} else if b := w.pending(); len(b)+len(p) <= cap(b) {
		*w.buf = append(b, p...)
	} else {
		w.send(p)
	}
	if w.failed != nil {
		return 0, w.failed
	}
	return len(p), nil
}

// chunk writes p as a chunk of its own.
func (w *response) chunk(p []byte) {
	b := append(strconv.AppendInt(w.pending(), int64(len(p)), 16), "\r\n"...)
	if len(b)+len(p)+len("\r\n") <= cap(b) {
		b = append(b, p...)
		*w.buf = append(b, "\r\n"...)
		return
	}
	*w.buf = b
	w.send(p, lineEnd)
}

var lineEnd = []byte("\r\n")

// pending is the buffer, with what was not written yet.
func (w *response) pending() []byte {
	if w.buf == nil {
		w.buf = buffers.Get().(*[]byte)
	}
	return *w.buf
}

// send writes what is in the buffer, and then the parts.
func (w *response) send(parts ...[]byte) {
	if w.failed != nil {
		return
	}
	w.c.writeInTime()
	vec := w.room[:0]
	if w.buf != nil && len(*w.buf) > 0 {
		vec = append(vec, *w.buf)
	}
	if vec = append(vec, parts...); len(vec) == 1 {
		_, w.failed = w.c.nc.Write(vec[0])
	} else if len(vec) > 1 {
		w.vec = vec
		_, w.failed = w.vec.WriteTo(w.c.nc)
	}
	clear(w.room[:])
	if w.buf != nil {
		*w.buf = (*w.buf)[:0]
	}
}

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError sends what was written so far.
func (w *response) FlushError() error {
	if w.hijacked {
		return http.ErrHijacked
	}
	w.head()
	w.send()
	return w.failed
}

// finish sends the end of the answer, and tells whether it is whole and was sent.
func (w *response) finish() bool {
	if w.hijacked {
		return true
	}
	if !w.begun {
		w.WriteHeader(http.StatusOK)
		if _, ok := w.header["Content-Length"]; !ok && w.req.Method != http.MethodHead && hasBody(w.status) {
			w.header["Content-Length"] = []string{"0"}
		}
	}
	w.head()
	if w.chunked {
		*w.buf = append(w.trailers(append(w.pending(), "0\r\n"...)), lineEnd...)
	}
	w.send()
	w.release()
	return w.failed == nil && w.left <= 0
}

func (w *response) release() {
	if w.buf != nil {
		if cap(*w.buf) == bufferSize {
			*w.buf = (*w.buf)[:0] // after a failure it has what was not sent
			buffers.Put(w.buf)
		}
		w.buf = nil
	}
}

// trailers are the fields that were set with http.TrailerPrefix.
func (w *response) trailers(b []byte) []byte {
	for name, values := range w.header {
		if name, ok := strings.CutPrefix(name, http.TrailerPrefix); ok && !http1.FramingField(name) {
			b = appendField(b, name, values)
		}
	}
	return b
}

// head makes the head of the answer.
func (w *response) head() {
	if w.begun {
		return
	}
	w.begun = true
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.frame()
	b := append(w.pending(), statusLine(w.status)...)
	if w.req.ProtoMinor == 0 {
		b[len(b)-len(statusLine(w.status))+len("HTTP/1.")] = '0'
	}
	var room [24]string
	names := room[:0]
	for name := range w.header {
		switch name {
		case "Connection", "Transfer-Encoding":
		case "Content-Length":
			if !w.chunked {
				names = append(names, name)
			}
		default:
			if !strings.HasPrefix(name, http.TrailerPrefix) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	for _, name := range names {
		b = appendField(b, name, w.header[name])
	}
	switch {
	case w.closing && w.req.ProtoMinor > 0:
		b = append(b, "Connection: close\r\n"...)
	case !w.closing && w.req.ProtoMinor == 0:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	if w.chunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	*w.buf = append(b, lineEnd...)
}

// frame decides how the answer ends, and whether its connection ends with it.
func (w *response) frame() {
	if w.body != nil && (!w.body.answer() || w.body.hopeless()) {
		w.closing = true
	}
	if http1.HasToken(w.header["Connection"], "close") || w.c.s.closing.Load() {
		w.closing = true
	}
	switch lengths, ok := w.header["Content-Length"]; {
	case w.req.Method == http.MethodHead, !hasBody(w.status):
		w.empty = true
		if w.status == http.StatusNoContent {
			delete(w.header, "Content-Length")
		}
		return
	case ok && len(lengths) > 0:
		if n, err := http1.ContentLength(lengths); err == nil {
			w.left = n
			return
		}
		delete(w.header, "Content-Length")
	}
	if w.req.ProtoMinor > 0 {
		w.chunked = true
	} else {
		w.closing = true // which is how its body ends
	}
}

func hasBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// appendField appends a line for each value. A name or value that would end the line is left out.
func appendField(b []byte, name string, values []string) []byte {
	for _, v := range values {
		if !endsLine(name) && !endsLine(v) {
			b = append(append(append(append(b, name...), ": "...), v...), lineEnd...)
		}
	}
	return b
}

func endsLine(s string) bool {
	return strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0
}

// statusLine is the first line of an answer.
func statusLine(status int) string {
	if status == http.StatusOK {
		return "HTTP/1.1 200 OK\r\n"
	}
	text := http.StatusText(status)
	if text == "" {
		text = "status code " + strconv.Itoa(status)
	}
	return "HTTP/1.1 " + strconv.Itoa(status) + " " + text + "\r\n"
}

// Hijack implements http.Hijacker. What came behind the request is read from the connection first.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.hijacked {
		return nil, nil, http.ErrHijacked
	}
	c := w.c
	if w.body != nil {
		w.body.end()
	}
	c.unwatch()
	if w.begun {
		w.send()
	}
	w.release()
	w.hijacked = true
	_ = c.nc.SetDeadline(time.Time{}) // it fails only on a closed connection
	nc := c.nc
	if n := c.in.Buffered(); n > 0 {
		nc = &resumed{Conn: nc, ahead: append([]byte(nil), c.in.Peek()...)}
	}
	c.in.Release()
	c.in = nil
	c.s.forget(c)
	return nc, bufio.NewReadWriter(bufio.NewReader(nc), bufio.NewWriter(nc)), nil
}

// resumed is a connection of which something was read already.
type resumed struct {
	net.Conn
	ahead []byte
}

func (r *resumed) Read(p []byte) (int, error) {
	if len(r.ahead) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.ahead)
	r.ahead = r.ahead[n:]
	return n, nil
}
