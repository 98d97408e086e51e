package upstream

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"marketo-proxy/http1"
)

const (
	// memoryBody is the largest body that is read before it is sent.
	memoryBody = 64 << 10

	// inlineWrite is the most that the caller writes before it reads the answer. A socket's buffer takes that much whatever the other
	// side does, so the two can't wait for each other.
	inlineWrite = 16 << 10
)

// outgoing is a request made ready.
type outgoing struct {
	buf      *buffer       // head, and the body if it is in memory
	body     io.ReadCloser // what follows; nil: nothing
	length   int64         // of body; -1: chunked
	trailer  http.Header   // after a chunked body; its values may be set while the body is read
	expects  bool          // body waits for a 100
	harmless bool          // a GET or HEAD without a body
	isHead   bool
	closing  bool // the other side is asked to close
}

// buffer is memory for heads and small bodies.
type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return &buffer{make([]byte, 0, 4<<10)} }}

// release gives the memory back. It must be called once, by the last who uses it.
func (b *buffer) release() {
	if cap(b.b) > 2*memoryBody {
		return // one long head does not make every buffer a large one
	}
	b.b = b.b[:0]
	buffers.Put(b)
}

// compose makes req ready. With an error, the body is still to be closed.
func (o *outgoing) compose(req *http.Request) error {
	body, length, err := framing(req)
	if err != nil {
		return err
	}
	o.length = length
	o.buf = buffers.Get().(*buffer)
	if err := o.fill(req, body); err != nil {
		o.buf.release()
		o.buf = nil
		return err
	}
	return nil
}

func (o *outgoing) fill(req *http.Request, body io.ReadCloser) (err error) {
	if o.buf.b, err = appendHead(o.buf.b, req, body != nil, o.length); err != nil {
		return err
	}
	o.isHead = req.Method == http.MethodHead
	o.harmless = body == nil && (o.isHead || req.Method == http.MethodGet || req.Method == "")
	o.closing = req.Close || http1.HasToken(req.Header["Connection"], "close")
	if body == nil {
		return nil
	}
	o.expects = http1.HasToken(req.Header["Expect"], "100-continue")
	if req.GetBody == nil || o.expects || o.length < 0 || o.length > memoryBody {
		o.body = body
		if o.length < 0 {
			o.trailer = req.Trailer
		}
		return nil
	}
	head := len(o.buf.b)
	o.buf.b = slices.Grow(o.buf.b, int(o.length)+1)[:head+int(o.length)+1] // one more, to see that nothing more comes
	n, err := io.ReadFull(body, o.buf.b[head:])
	switch err {
	case nil, io.EOF, io.ErrUnexpectedEOF:
	default:
		return err
	}
	if int64(n) != o.length {
		return wrongLength(o.length, int64(n))
	}
	o.buf.b = o.buf.b[:head+n]
	_ = body.Close() // it was read to its end
	return nil
}

// discard gives up a request that was not sent, or not whole; what a running upload still uses is left to it.
func (o *outgoing) discard() {
	if o.body != nil {
		_ = o.body.Close() // the call has its error
		o.body = nil
	}
	if o.buf != nil {
		o.buf.release()
		o.buf = nil
	}
}

func wrongLength(announced, n int64) error {
	if n > announced {
		return fmt.Errorf("upstream: the request body is longer than its ContentLength of %d", announced)
	}
	return fmt.Errorf("upstream: the request body has %d bytes, its ContentLength is %d", n, announced)
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // the call has its error
	}
}

// framing returns the body, nil if there is none, and its length, -1 if it is to be chunked.
func framing(req *http.Request) (io.ReadCloser, int64, error) {
	switch {
	case req.Body == nil && req.ContentLength > 0:
		return nil, 0, fmt.Errorf("upstream: a ContentLength of %d without a body", req.ContentLength)
	case req.Body == nil || req.Body == http.NoBody:
		return nil, 0, nil
	case req.ContentLength <= 0, len(req.TransferEncoding) > 0 && req.TransferEncoding[0] == "chunked":
		return req.Body, -1, nil // a length of 0 is an unknown one, says http.Request
	}
	return req.Body, req.ContentLength, nil
}

// appendHead appends the head of req, its fields in alphabetical order. The fields that frame a message come from the request's fields,
// whatever is in its Header; the rest goes out as it is there, after a check that nothing in it can end a line.
func appendHead(b []byte, req *http.Request, hasBody bool, length int64) ([]byte, error) {
	if req.URL == nil || req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return b, errors.New("upstream: the URL is not one of http or https")
	}
	method, host, target := req.Method, req.Host, req.URL.RequestURI()
	if method == "" {
		method = http.MethodGet
	}
	if host == "" {
		host = req.URL.Host
	}
	switch {
	case !http1.ValidName(method) || method == http.MethodConnect:
		return b, fmt.Errorf("upstream: the method %q can't be sent", method)
	case req.URL.Host == "" || !http1.ValidHost(req.URL.Host) || !http1.ValidHost(host):
		return b, errors.New("upstream: the host is missing or not valid")
	case !http1.ValidTarget(target):
		return b, errors.New("upstream: the URL has a space or control character")
	}
	b = append(append(append(b, method...), ' '), target...)
	b = append(append(append(b, " HTTP/1.1\r\nHost: "...), host...), "\r\n"...)
	if req.Close && !http1.HasToken(req.Header["Connection"], "close") {
		b = append(b, "Connection: close\r\n"...)
	}
	switch {
	case length < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case hasBody, method == http.MethodPost, method == http.MethodPut, method == http.MethodPatch:
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), length, 10), "\r\n"...)
	}
	var room [24]string
	names := room[:0]
	if length < 0 && len(req.Trailer) > 0 {
		for name := range req.Trailer {
			if !http1.ValidName(name) || http1.FramingField(name) {
				return b, fmt.Errorf("upstream: the trailer name %q is not allowed", name)
			}
			names = append(names, name)
		}
		slices.Sort(names)
		b = append(append(append(b, "Trailer: "...), strings.Join(names, ",")...), "\r\n"...)
		names = names[:0]
	}
	for name := range req.Header {
		if !http1.FramingField(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var err error
	for _, name := range names {
		if b, err = appendField(b, name, req.Header[name]); err != nil {
			return b, err
		}
	}
	return append(b, "\r\n"...), nil
}

// appendField appends a line for each value. An empty User-Agent is how users of net/http say that there shall be none.
func appendField(b []byte, name string, values []string) ([]byte, error) {
	if !http1.ValidName(name) {
		return b, fmt.Errorf("upstream: the field name %q is not valid", name)
	}
	if name == "User-Agent" && len(values) > 0 && values[0] == "" {
		return b, nil
	}
	for _, v := range values {
		if !http1.ValidValue(v) {
			return b, fmt.Errorf("upstream: the value of field %s is not valid", name) // which may be a secret
		}
		b = append(append(append(append(b, name...), ": "...), v...), "\r\n"...)
	}
	return b, nil
}
