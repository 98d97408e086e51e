package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"strconv"
	"time"
)

// callPatience is how long one call may take: longer is a broken answer.
const callPatience = 30 * time.Second

// client is one kept connection that reads HTTP by hand: cheap, and strict about what it gets.
type client struct {
	address string
	tls     *tls.Config // nil: plain
	conn    net.Conn
	in      *bufio.Reader
}

func (c *client) dial() error {
	conn, err := net.Dial("tcp", c.address)
	if err != nil {
		return err
	}
	if c.tls != nil {
		conn = tls.Client(conn, c.tls)
	}
	c.conn = conn
	if c.in == nil {
		c.in = bufio.NewReaderSize(conn, 64<<10)
	} else {
		c.in.Reset(conn)
	}
	return nil
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// call sends a request and checks the answer against want; first is when the first byte of the body came. After an error the
// next call has a new connection.
func (c *client) call(request []byte, want message) (took, first time.Duration, err error) {
	if c.conn == nil {
		if err := c.dial(); err != nil {
			return 0, 0, err
		}
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	began := time.Now()
	if err := c.conn.SetDeadline(began.Add(callPatience)); err != nil {
		return 0, 0, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, 0, fmt.Errorf("write: %w", err)
	}
	h, err := readAnswerHead(c.in)
	if err != nil {
		return 0, 0, fmt.Errorf("head: %w", err)
	}
	if _, err := c.in.Peek(1); err != nil && h.length > 0 {
		return 0, 0, fmt.Errorf("body: %w", err)
	}
	first = time.Since(began)
	size, sum, err := c.body(h)
	if err != nil {
		return 0, 0, fmt.Errorf("body after %d bytes: %w", size, err)
	}
	took = time.Since(began)
	if h.status != want.Status || size != want.Size || sum != want.Sum {
		return 0, 0, fmt.Errorf("status %d, %d bytes, sum %08x; want %d, %d bytes, sum %08x", h.status, size, sum, want.Status, want.Size, want.Sum)
	}
	if h.close {
		c.close()
	}
	return took, first, nil
}

func (c *client) body(h answerHead) (size int64, sum uint32, err error) {
	if h.chunked {
		digest := crc32.New(castagnoli)
		size, err = io.Copy(digest, chunks(c.in))
		return size, digest.Sum32(), err
	}
	for size < h.length {
		if _, err := c.in.Peek(1); err != nil {
			return size, sum, err
		}
		piece, err := c.in.Peek(int(min(int64(c.in.Buffered()), h.length-size)))
		if err != nil {
			return size, sum, err
		}
		sum = crc32.Update(sum, castagnoli, piece)
		size += int64(len(piece))
		if _, err := c.in.Discard(len(piece)); err != nil {
			return size, sum, err
		}
	}
	return size, sum, nil
}

type answerHead struct {
	status  int
	length  int64
	chunked bool
	close   bool
}

var errNoLength = errors.New("an answer without a length")

func readAnswerHead(in *bufio.Reader) (h answerHead, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return h, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return h, fmt.Errorf("status line %q", line)
	}
	if h.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return h, err
	}
	h.length = -1
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return h, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(field, []byte("Content-Length")):
			if h.length, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return h, err
			}
		case bytes.EqualFold(field, []byte("Transfer-Encoding")):
			h.chunked = true
		case bytes.EqualFold(field, []byte("Connection")):
			h.close = bytes.EqualFold(value, []byte("close"))
		}
	}
	if h.length < 0 && !h.chunked {
		return h, errNoLength
	}
	return h, nil
}
