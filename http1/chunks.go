package http1

import (
	"bytes"
	"errors"
	"io"
	"net/http"
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

var errLineTooLong = Malformed("a line of its chunks is too long")

// Chunked reads a chunked body. The zero value is at its beginning.
type Chunked struct {
	MaxTrailer int         // bound on the trailers; 0: 8 KiB
	Trailer    http.Header // after the end: its trailers, but for those that would change how the message is read

	state    chunkState
	left     int64 // of a chunk
	taken    int64 // bytes so far
	overhead int64 // what chunks cost beyond a fair share
}

// Read reads the body from in. It waits only while it has nothing to return; with the last bytes, or after them, comes io.EOF.
func (c *Chunked) Read(in *Reader, p []byte) (n int, err error) {
	for {
		wait := n == 0
		switch c.state {
		case chunkSize:
			line, err := in.Line(maxChunkLine, wait)
			if err != nil {
				return n, Cut(err)
			}
			if line == nil {
				return n, nil
			}
			if err := c.begin(line); err != nil {
				return n, err
			}
		case chunkData:
			if n == len(p) || !wait && in.Buffered() == 0 {
				return n, nil
			}
			if c.taken > wideSize && in.Buffered() == 0 {
				in.Widen()
			}
			m, err := in.Read(p[n:][:min(int64(len(p)-n), c.left)])
			n += m
			c.taken += int64(m)
			if c.left -= int64(m); c.left == 0 {
				c.state = chunkEnd
			}
			if err != nil {
				return n, Cut(err)
			}
		case chunkEnd:
			line, err := in.Line(len("\r\n"), wait)
			if err != nil {
				return n, Cut(err)
			}
			if line == nil {
				return n, nil
			}
			if string(line) != "\r\n" {
				return n, Malformed("a chunk is longer than its size")
			}
			c.state = chunkSize
		case chunkTrailer:
			trailer, err := in.Head(c.maxTrailer(), wait)
			if err != nil {
				return n, Cut(err)
			}
			if trailer == nil {
				return n, nil
			}
			if err := c.setTrailer(trailer); err != nil {
				return n, err
			}
			return n, io.EOF
		}
	}
}

// begin reads the size of a chunk. As RFC 9112 has it, its line ends in CRLF; extensions are ignored, but may not be most of what
// is sent.
func (c *Chunked) begin(line []byte) error {
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || bytes.IndexByte(text, '\r') >= 0 {
		return Malformed("a line of its chunks does not end in CRLF")
	}
	digits, _, _ := bytes.Cut(bytes.TrimRight(text, " \t"), []byte(";"))
	size, ok := parseHex(digits)
	if !ok {
		return Malformed("the size of a chunk is not a number")
	}
	c.overhead = max(0, c.overhead+int64(len(line))+2-16-min(2*size, 1<<20))
	if c.overhead > maxChunkOverhead {
		return Malformed("its chunks have little in them")
	}
	c.left, c.state = size, chunkData
	if size == 0 {
		c.state = chunkTrailer
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

func (c *Chunked) setTrailer(lines []byte) error {
	if len(lines) == len("\r\n") {
		return nil
	}
	if bytes.Count(lines, []byte("\n")) != bytes.Count(lines, []byte("\r\n")) {
		return Malformed("a line of its trailers does not end in CRLF")
	}
	trailer, err := ParseFields(string(lines))
	if err != nil {
		return err
	}
	for name := range trailer {
		if FramingField(name) {
			delete(trailer, name)
		}
	}
	c.Trailer = trailer
	return nil
}

// Cut makes an end of the connection the error that says it came too early.
func Cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (c *Chunked) maxTrailer() int {
	if c.MaxTrailer > 0 {
		return c.MaxTrailer
	}
	return readerSize
}
