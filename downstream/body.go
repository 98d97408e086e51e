package downstream

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"marketo-proxy/http1"
)

// body is the body of a request. A handler may read it in one goroutine while it writes its answer in another; after the handler has
// returned nobody reads it but the server.
type body struct {
	c      *conn
	chunks *http1.Chunked // nil: left bytes
	left   int64
	req    *http.Request // whose trailers it sets; nil: none

	mu     sync.Mutex // held while it is read
	err    error      // how it ended; io.EOF is well
	read   int64
	waited time.Duration // for the client
	set    time.Time     // when the deadline was last set

	closed atomic.Bool

	turn     sync.Mutex // guards what follows
	expected bool       // the client waits for a 100
	answered bool       // and has got another answer
	over     bool       // the handler has returned
}

// Read implements io.Reader. Its sender must make progress: it may keep readers waiting for a minute, and a second more for each
// kilobyte that it sent.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.take(p)
}

// Close implements io.Closer. It does not wait for a Read.
func (b *body) Close() error {
	b.closed.Store(true)
	return nil
}

// take reads; the caller holds mu.
func (b *body) take(p []byte) (n int, err error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	if err := b.proceed(); err != nil {
		return 0, err
	}
	b.c.reads = b
	if b.chunks != nil {
		n, err = b.chunks.Read(b.c.in, p)
	} else {
		n, err = b.c.in.Read(p[:min(int64(len(p)), b.left)])
		if b.left -= int64(n); b.left == 0 && err == nil {
			err = io.EOF
		} else {
			err = http1.Cut(err)
		}
	}
	b.c.reads = nil
	b.read += int64(n)
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) && b.closed.Load() {
		return n, err // the latter was caused by end
	}
	b.err = err
	if err == io.EOF {
		b.finish()
	}
	return n, err
}

// finish tells of the end: the trailers, and that the connection is free to be watched.
func (b *body) finish() {
	if b.chunks != nil && len(b.chunks.Trailer) > 0 {
		if b.req.Trailer == nil {
			b.req.Trailer = make(http.Header, len(b.chunks.Trailer))
		}
		for name, values := range b.chunks.Trailer {
			b.req.Trailer[name] = values
		}
	}
	if !b.closed.Load() {
		b.c.watch()
	}
}

// receive reads from the connection, in time. The deadline is set at most once a second.
func (b *body) receive(p []byte) (int, error) {
	now := time.Now()
	if now.Sub(b.set) > time.Second {
		b.set = now
		b.hurry(now.Add(bodyGrace + time.Duration(b.read/bodyMinRate)*time.Second - b.waited))
	}
	n, err := b.c.nc.Read(p)
	b.waited += time.Since(now)
	return n, err
}

// hurry sets the deadline, unless end did.
func (b *body) hurry(deadline time.Time) {
	b.turn.Lock()
	defer b.turn.Unlock()
	if !b.over {
		_ = b.c.nc.SetReadDeadline(deadline) // it fails only on a closed connection
	}
}

// proceed tells a client that waits to be told that it may send its body.
func (b *body) proceed() error {
	b.turn.Lock()
	defer b.turn.Unlock()
	if !b.expected || b.answered {
		return nil
	}
	b.expected = false
	return b.c.write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
}

// answer notes that the answer begins, and tells whether the client will surely send the rest of its body: one that waits for a 100 may
// or may not, and then its connection can't go on.
func (b *body) answer() (certain bool) {
	b.turn.Lock()
	defer b.turn.Unlock()
	b.answered = true
	return !b.expected
}

// end takes the body from whoever still reads it. Then the connection is the caller's.
func (b *body) end() {
	b.closed.Store(true)
	if !b.mu.TryLock() {
		b.turn.Lock()
		b.over = true
		_ = b.c.nc.SetReadDeadline(longAgo)
		b.turn.Unlock()
		b.mu.Lock()
	}
	b.c.readBy = time.Time{} // others have set it
	b.mu.Unlock()
}

// drain reads what is left, as far as that is worth it, and tells whether all was. Only after end.
func (b *body) drain() bool {
	if b.err != nil {
		return b.err == io.EOF
	}
	if b.chunks == nil && b.left > maxDrain || !b.answer() {
		return false
	}
	b.c.setReadDeadline(time.Now().Add(drainPatience))
	b.set = b.c.readBy // receive leaves it alone
	var waste [4 << 10]byte
	for n := 0; n < maxDrain; {
		m, err := b.take(waste[:])
		if n += m; err != nil {
			return err == io.EOF
		}
	}
	return false
}

// hopeless tells of a body that broke, or of which so much is left that its connection is better given up. It is no promise: another
// goroutine may be reading.
func (b *body) hopeless() bool {
	if !b.mu.TryLock() {
		return false
	}
	defer b.mu.Unlock()
	return b.err != nil && b.err != io.EOF || b.err == nil && b.chunks == nil && b.left > maxDrain
}

// longAgo is a deadline that ends a read at once.
var longAgo = time.Unix(1, 0)
