package upstream

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"marketo-proxy/http1"
)

// errUnwanted ends an upload whose call was answered without the 100 that it waited for.
var errUnwanted = errors.New("upstream: the answer came before the request body was asked for")

// upload sends a request, or the body of one, beside the goroutine that reads the answer. It doesn't touch the http.Request, which the
// caller may use as soon as Do returned.
type upload struct {
	c        *conn
	body     io.ReadCloser // what streams; nil: all is in memory
	length   int64
	trailer  http.Header
	wrote    func() // nil: nobody wants to know
	patience time.Duration
	proceed  chan bool // whether to go on, for a body that waits for a 100; else nil

	done   chan struct{} // closed after what follows was set
	err    error
	ofBody bool      // err is the fault of the body
	at     time.Time // when all was sent
}

func newUpload(x *exchange, body io.ReadCloser) *upload {
	u := &upload{
		c: x.c, body: body, length: x.out.length, trailer: x.out.trailer, wrote: x.trace.WroteRequest,
		patience: or(x.t.ExpectContinueTimeout, defaultExpectContinueTimeout), done: make(chan struct{}),
	}
	if x.out.expects {
		u.proceed = make(chan bool, 1)
	}
	return u
}

// run writes what is in memory, or the body, and closes that.
func (u *upload) run(memory []byte) {
	if u.body == nil {
		_, u.err = u.c.stream.Write(memory)
	} else {
		u.err = u.stream()
		_ = u.body.Close() // it was read to its end, or the call has its error
	}
	if u.err == nil {
		u.at = time.Now()
		if u.wrote != nil {
			u.wrote()
		}
	}
	close(u.done)
	if u.ofBody || u.err != nil && !u.c.wire.wrote.Load() {
		u.c.abort() // no answer is to be expected; who waits for one finds the reason in err
	}
}

// decide tells a body that waits for a 100 whether to go on. Only the first time counts. A nil upload has no body that waits.
func (u *upload) decide(proceed bool) {
	if u == nil || u.proceed == nil {
		return
	}
	select {
	case u.proceed <- proceed:
	default:
	}
}

// ended tells whether the upload is done; it waits for that for some time.
func (u *upload) ended(patience time.Duration) bool {
	select {
	case <-u.done:
		return true
	default:
	}
	if patience <= 0 {
		return false
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-u.done:
		return true
	case <-timer.C:
		return false
	}
}

// What stands before and after the data of a chunk.
const (
	chunkHead = len("7fff\r\n")
	chunkTail = len("\r\n0\r\n\r\n")
)

var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

func (u *upload) stream() error {
	if u.proceed != nil {
		timer := time.NewTimer(u.patience)
		defer timer.Stop()
		select {
		case proceed := <-u.proceed:
			if !proceed {
				return errUnwanted
			}
		case <-timer.C:
		}
	}
	buf := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buf)
	if u.length < 0 {
		return u.chunks(buf[:])
	}
	return u.sized(buf[:])
}

// sized sends exactly as many bytes as were announced. Only when they are sent is it known whether the body has more.
func (u *upload) sized(buf []byte) error {
	for left := u.length; ; {
		n, err := u.read(buf[:max(1, min(int64(len(buf)), left))])
		if int64(n) > left {
			return u.fault(wrongLength(u.length, u.length+1))
		}
		if n > 0 {
			if _, err := u.c.stream.Write(buf[:n]); err != nil {
				return err
			}
			left -= int64(n)
		}
		switch {
		case err == io.EOF && left > 0:
			return u.fault(wrongLength(u.length, u.length-left))
		case err == io.EOF:
			return nil
		case err != nil:
			return u.fault(err)
		}
	}
}

// chunks sends what each Read gives as a chunk, in one write.
func (u *upload) chunks(buf []byte) error {
	for {
		n, err := u.read(buf[chunkHead : len(buf)-chunkTail])
		if err != nil && err != io.EOF {
			return u.fault(err) // what came with the error is of no use: the message can't be completed
		}
		out := buf[chunkHead : chunkHead+n]
		if n > 0 {
			var head [chunkHead]byte
			size := append(strconv.AppendInt(head[:0], int64(n), 16), "\r\n"...)
			out = buf[chunkHead-len(size) : chunkHead+n]
			copy(out, size)
			out = append(out, "\r\n"...)
		}
		last := err == io.EOF
		if last {
			if out, err = appendTrailer(append(out, "0\r\n"...), u.trailer); err != nil {
				return u.fault(err)
			}
		}
		if _, err := u.c.stream.Write(out); err != nil || last {
			return err
		}
	}
}

// read returns bytes of the body, or an error, or both.
func (u *upload) read(p []byte) (int, error) {
	for range 100 {
		if n, err := u.body.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

func (u *upload) fault(err error) error {
	u.ofBody = true
	return err
}

func appendTrailer(b []byte, trailer http.Header) ([]byte, error) {
	var err error
	for name, values := range trailer {
		if http1.FramingField(name) {
			continue
		}
		if b, err = appendField(b, name, values); err != nil {
			return b, err
		}
	}
	return append(b, "\r\n"...), nil
}
