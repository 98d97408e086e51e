package upstream

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// bodyKind is how a body ends.
type bodyKind uint8

const (
	noBody      bodyKind = iota
	sizedBody            // after Content-Length bytes
	chunkedBody          // with its last chunk
	endlessBody          // with the connection
)

// chunkState is what comes next in a chunked body.
type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkData
	chunkEnd
	chunkTrailer
)

const (
	maxChunkLine     = 4 << 10
	maxChunkOverhead = 16 << 10
)

var (
	errLineTooLong = malformed("a line of its chunks is too long")
	errTwoReads    = errors.New("upstream: two reads of one body at once")
)

// Read reads the body of the answer. With its last bytes comes io.EOF, and the connection is free.
func (x *exchange) Read(p []byte) (int, error) {
	if err := x.enter(); err != nil {
		return 0, err
	}
	n, err := x.readBody(p)
	return n, x.leave(err)
}

// Close ends an answer that was not read to its end, and with it the connection. It does not wait for a Read, which it ends.
func (x *exchange) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil || x.closed {
		return nil
	}
	x.closed = true
	if x.reading {
		x.c.abort()
		return nil
	}
	x.err = http.ErrBodyReadAfterClose
	x.finish(false)
	return nil
}

// enter begins a Read.
func (x *exchange) enter() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil {
		return x.err
	}
	if x.reading {
		return errTwoReads
	}
	x.reading = true
	return nil
}

// leave ends a Read that had err, and the exchange if that was the last.
func (x *exchange) leave(err error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.reading = false
	switch {
	case x.closed:
		err = http.ErrBodyReadAfterClose
	case err == nil:
		return nil
	case err != io.EOF:
		err = x.explain(err)
	}
	x.err = err
	x.finish(err == io.EOF)
	return err
}

func (x *exchange) readBody(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	switch x.kind {
	case chunkedBody:
		return x.readChunks(p)
	case endlessBody:
		return x.in.read(p)
	}
	if x.left > wireSize {
		x.c.wire.widen()
	}
	p = p[:min(int64(len(p)), x.left)]
	n, err = x.in.read(p)
	if err == nil {
		n += x.in.more(x.c, p[n:])
	}
	if x.left -= int64(n); x.left == 0 {
		return n, io.EOF
	}
	return n, cut(err)
}

// readChunks waits only while it has nothing to return.
func (x *exchange) readChunks(p []byte) (n int, err error) {
	for {
		wait := n == 0
		switch x.chunk {
		case chunkSize:
			line, err := x.in.line(maxChunkLine, wait)
			if err != nil {
				return n, cut(err)
			}
			if line == nil {
				return n, nil
			}
			if err := x.beginChunk(line); err != nil {
				return n, err
			}
		case chunkData:
			if n == len(p) || !wait && x.in.buffered() == 0 {
				return n, nil
			}
			if x.taken > wideSize && x.in.buffered() == 0 {
				x.in.widen()
			}
			m, err := x.in.read(p[n:][:min(int64(len(p)-n), x.left)])
			n += m
			x.taken += int64(m)
			if x.left -= int64(m); x.left == 0 {
				x.chunk = chunkEnd
			}
			if err != nil {
				return n, cut(err)
			}
		case chunkEnd:
			line, err := x.in.line(len("\r\n"), wait)
			if err != nil {
				return n, cut(err)
			}
			if line == nil {
				return n, nil
			}
			if string(line) != "\r\n" {
				return n, malformed("a chunk is longer than its size")
			}
			x.chunk = chunkSize
		case chunkTrailer:
			trailer, err := x.in.head(or(x.t.MaxHeadBytes, defaultMaxHeadBytes), wait)
			if err != nil {
				return n, cut(err)
			}
			if trailer == nil {
				return n, nil
			}
			if err := x.setTrailer(trailer); err != nil {
				return n, err
			}
			return n, io.EOF
		}
	}
}

// beginChunk reads the size of a chunk. As RFC 9112 has it, its line ends in CRLF; extensions are ignored, but may not be most of what
// is sent.
func (x *exchange) beginChunk(line []byte) error {
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || bytes.IndexByte(text, '\r') >= 0 {
		return malformed("a line of its chunks does not end in CRLF")
	}
	digits, _, _ := bytes.Cut(bytes.TrimRight(text, " \t"), []byte(";"))
	size, ok := parseHex(digits)
	if !ok {
		return malformed("the size of a chunk is not a number")
	}
	x.overhead = max(0, x.overhead+int64(len(line))+2-16-min(2*size, 1<<20))
	if x.overhead > maxChunkOverhead {
		return malformed("its chunks have little in them")
	}
	x.left, x.chunk = size, chunkData
	if size == 0 {
		x.chunk = chunkTrailer
	}
	return nil
}

func parseHex(digits []byte) (n int64, ok bool) {
	if len(digits) == 0 || len(digits) > 15 {
		return 0, false
	}
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | int64(c)
	}
	return n, true
}

// setTrailer adds the trailers, but for those that would change how the message is read.
func (x *exchange) setTrailer(lines []byte) error {
	if len(lines) == len("\r\n") {
		return nil
	}
	if bytes.Count(lines, []byte("\n")) != bytes.Count(lines, []byte("\r\n")) {
		return malformed("a line of its trailers does not end in CRLF")
	}
	trailer, err := parseFields(string(lines))
	if err != nil {
		return err
	}
	if x.resp.Trailer == nil {
		x.resp.Trailer = make(http.Header, len(trailer))
	}
	for name, values := range trailer {
		if !framingField(name) {
			x.resp.Trailer[name] = values
		}
	}
	return nil
}
