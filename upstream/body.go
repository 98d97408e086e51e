package upstream

import (
	"errors"
	"io"
	"net/http"

	"marketo-proxy/http1"
)

// bodyKind is how a body ends.
type bodyKind uint8

const (
	noBody      bodyKind = iota
	sizedBody            // after Content-Length bytes
	chunkedBody          // with its last chunk
	endlessBody          // with the connection
)

var errTwoReads = errors.New("upstream: two reads of one body at once")

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
		return x.in.Read(p)
	}
	if x.left > wireSize {
		x.c.wire.widen()
	}
	p = p[:min(int64(len(p)), x.left)]
	n, err = x.in.Read(p)
	if err == nil {
		n += x.more(p[n:])
	}
	if x.left -= int64(n); x.left == 0 {
		return n, io.EOF
	}
	return n, http1.Cut(err)
}

// readChunks reads a chunked body, and its trailers with its end.
func (x *exchange) readChunks(p []byte) (int, error) {
	n, err := x.chunks.Read(x.in, p)
	if err == io.EOF {
		for name, values := range x.chunks.Trailer {
			if x.resp.Trailer == nil {
				x.resp.Trailer = make(http.Header, len(x.chunks.Trailer))
			}
			x.resp.Trailer[name] = values
		}
	}
	return n, err
}

// more reads into p what the connection has already, as far as it goes, so that a long answer passes in few pieces.
func (x *exchange) more(p []byte) (n int) {
	if x.c.wire.wide == nil || !x.in.Quiet() {
		return 0
	}
	for n < len(p) {
		m, err := x.c.readDry(p[n:])
		n += m
		if err != nil {
			if err != error(errDry{}) {
				x.in.Fail(err)
			}
			break
		}
	}
	return n
}
