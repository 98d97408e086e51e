package downstream

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"marketo-proxy/http1"
	"marketo-proxy/lifetime"
)

// refusal is the answer to what is no request.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return "downstream: refused: " + r.text }

func malformed(text string) error { return &refusal{http.StatusBadRequest, text} }

// request reads the head of the next request. What it has of a body is the response's, too. An error that is no refusal is of the connection.
func (c *conn) request() (*http.Request, error) {
	text, err := c.head()
	if err != nil {
		return nil, err
	}
	line, rest := http1.CutLine(text)
	ctx := new(lifetime.Context)
	ctx.Begin(c.ctx)
	req := c.blank.WithContext(ctx)
	c.hangup.ctx = ctx
	if err := parseLine(line, req); err != nil {
		return nil, err
	}
	if req.Header, err = http1.ParseFields(rest); err != nil {
		return nil, malformed(strings.TrimPrefix(err.Error(), http1.ErrMalformed.Error()+": "))
	}
	if err := setHost(req); err != nil {
		return nil, err
	}
	req.RemoteAddr, req.TLS = c.remote, c.tls
	connection := req.Header["Connection"]
	keeps := req.ProtoMinor == 0 && http1.HasToken(connection, "keep-alive")
	req.Close = http1.HasToken(connection, "close") || req.ProtoMinor == 0 && !keeps
	c.posted = req.Method == http.MethodPost
	c.w.begin(req)
	b, err := c.frame(req)
	if err != nil {
		return nil, err
	}
	if expectations := req.Header["Expect"]; http1.HasToken(expectations, "100-continue") {
		if b != nil && req.ProtoMinor > 0 {
			b.expected = true
		}
	} else if len(expectations) > 0 && expectations[0] != "" {
		return nil, &refusal{http.StatusExpectationFailed, "the only expectation that can be met is 100-continue"}
	}
	req.Body = http.NoBody
	if b != nil {
		req.Body = b
		c.w.body = b
	}
	return req, nil
}

// head reads the lines up to the empty one.
func (c *conn) head() (string, error) {
	if c.in.Buffered() == 0 {
		c.readFor(headPatience, 2*headPatience)
		if err := c.in.Fill(); err != nil {
			return "", err
		}
	}
	if err := c.skipLineEnds(); err != nil {
		return "", err
	}
	head, err := c.in.Head(maxHead, false)
	if head == nil && err == nil {
		c.state.CompareAndSwap(active, waiting) // of the one before: the server may close on half a head
		c.setReadDeadline(time.Now().Add(headPatience))
		if err = c.firstLine(); err == nil {
			head, err = c.in.Head(maxHead, true)
		}
	}
	if err == http1.ErrHeadTooLong {
		return "", &refusal{http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("the head of a request may have %d KiB", maxHead>>10)}
	}
	if err == nil && !c.state.CompareAndSwap(waiting, active) && !c.state.CompareAndSwap(fresh, active) && c.state.Load() == closed {
		return "", net.ErrClosed // nobody will get the answer
	}
	return string(head), err // the one allocation of which all names and values are parts
}

// skipLineEnds takes line ends before a request away that some clients send behind a body (RFC 9112 section 2.2).
func (c *conn) skipLineEnds() error {
	if !c.posted {
		return nil
	}
	for range 4 {
		if c.in.Buffered() == 0 {
			c.readFor(headPatience, 2*headPatience)
			if err := c.in.Fill(); err != nil {
				return err
			}
		}
		if b := c.in.Peek()[0]; b != '\r' && b != '\n' {
			return nil
		}
		c.in.Skip(1)
	}
	return nil
}

// firstLine waits for the first line of a head that comes in pieces: what is no HTTP/1.1 may never send an empty one.
func (c *conn) firstLine() error {
	scanned := 0
	for {
		if i := bytes.IndexByte(c.in.Peek()[scanned:], '\n'); i >= 0 {
			line, _ := http1.CutLine(string(c.in.Peek()[:scanned+i+1]))
			return parseLine(line, new(http.Request))
		}
		if scanned = c.in.Buffered(); scanned >= maxHead {
			return http1.ErrHeadTooLong
		}
		if err := c.in.More(maxHead); err != nil {
			return err
		}
	}
}

// parseLine reads a request line.
func parseLine(line string, req *http.Request) (err error) {
	method, rest, _ := strings.Cut(line, " ")
	target, proto, _ := strings.Cut(rest, " ")
	if !http1.ValidName(method) || target == "" {
		return malformed("its first line is not a method, a target and a version")
	}
	major, minor, ok := http.ParseHTTPVersion(proto)
	switch {
	case !ok:
		return malformed("its first line does not end in a version of HTTP")
	case major != 1:
		return &refusal{http.StatusHTTPVersionNotSupported, "the version spoken here is HTTP/1.1"}
	}
	req.Method, req.RequestURI, req.Proto, req.ProtoMajor, req.ProtoMinor = method, target, proto, major, minor
	if authority := method == http.MethodConnect && target[0] != '/'; authority {
		if req.URL, err = url.ParseRequestURI("http://" + target); err == nil {
			req.URL.Scheme = ""
		}
	} else {
		req.URL, err = url.ParseRequestURI(target)
	}
	if err != nil {
		return malformed("its target is not a URL")
	}
	return nil
}

// setHost takes the host out of the header. That of an absolute target counts for more (RFC 9112 section 3.2.2).
func setHost(req *http.Request) error {
	hosts := req.Header["Host"]
	switch {
	case len(hosts) > 1:
		return malformed("it has more than one Host")
	case len(hosts) == 0 && req.ProtoMinor > 0 && req.Method != http.MethodConnect:
		return malformed("it has no Host")
	case len(hosts) == 1 && !http1.ValidHost(hosts[0]):
		return malformed("its Host is not one")
	}
	delete(req.Header, "Host")
	if req.Host = req.URL.Host; req.Host == "" && len(hosts) == 1 {
		req.Host = hosts[0]
	}
	return nil
}

// frame decides how the body ends, by RFC 9112 section 6.3. No body is nil.
func (c *conn) frame(req *http.Request) (*body, error) {
	codings, hasCoding := req.Header["Transfer-Encoding"]
	lengths, hasLength := req.Header["Content-Length"]
	delete(req.Header, "Transfer-Encoding")
	length := int64(0)
	if hasLength {
		var err error
		if length, err = http1.ContentLength(lengths); err != nil {
			return nil, malformed("its Content-Length is not one number")
		}
		req.Header["Content-Length"] = lengths[:1]
	}
	if !hasCoding || req.ProtoMinor == 0 { // HTTP/1.0 does not know codings
		if hasCoding {
			req.Close = true
			c.w.closing = true
		}
		if req.ContentLength = length; length == 0 {
			return nil, nil
		}
		return &body{c: c, left: length}, nil
	}
	if len(codings) != 1 || !http1.EqualToken(codings[0], "chunked") {
		return nil, &refusal{http.StatusNotImplemented, "the only transfer coding known is chunked"}
	}
	if hasLength {
		delete(req.Header, "Content-Length")
		c.w.closing = true // a sign of smuggling (RFC 9112 section 6.1)
	}
	trailer, err := http1.AnnouncedTrailer(req.Header)
	if err != nil {
		return nil, malformed("it announces a trailer that may not be one")
	}
	req.Trailer = trailer
	req.ContentLength = -1
	req.TransferEncoding = chunkedCoding
	return &body{c: c, chunks: new(http1.Chunked), req: req}, nil
}

var chunkedCoding = []string{"chunked"}
