package http1

import (
	"bytes"
	"io"
	"sync"
)

const (
	readerSize = 8 << 10
	wideSize   = 32 << 10
)

// Reader reads a connection through a buffer. An error is kept until what came before it was taken. It is for one goroutine at a time.
type Reader struct {
	src  io.Reader
	buf  []byte
	r, w int // buf[r:w] is what was read and not taken
	err  error
	own  []byte // what buf was before widen
}

var (
	readers = sync.Pool{New: func() any { return &Reader{buf: make([]byte, readerSize)} }}
	wides   = sync.Pool{New: func() any { return new([wideSize]byte) }}
)

// NewReader returns a Reader of src whose memory is lent: Release gives it back.
func NewReader(src io.Reader) *Reader {
	in := readers.Get().(*Reader)
	in.src = src
	return in
}

// Release gives the memory back; in must not be used any more.
func (in *Reader) Release() {
	if in.own != nil {
		if len(in.buf) == wideSize {
			wides.Put((*[wideSize]byte)(in.buf))
		}
		in.buf = in.own
	}
	if len(in.buf) > readerSize {
		in.buf = make([]byte, readerSize) // one long head does not make every buffer a large one
	}
	*in = Reader{buf: in.buf}
	readers.Put(in)
}

// Widen reads more at once from now on, as is good for a long body in pieces. Nothing must be buffered.
func (in *Reader) Widen() {
	if in.own == nil {
		in.own, in.buf = in.buf, wides.Get().(*[wideSize]byte)[:]
		in.r, in.w = 0, 0
	}
}

// Buffered is the number of bytes that were read from the connection and not taken.
func (in *Reader) Buffered() int { return in.w - in.r }

// Fill reads more, once. There must be room.
func (in *Reader) Fill() error {
	if in.r == in.w {
		in.r, in.w = 0, 0
	}
	n, err := in.readSource(in.buf[in.w:])
	in.w += n
	if n > 0 {
		return nil
	}
	return err
}

// More reads more, once, behind what is buffered, which is less than limit.
func (in *Reader) More(limit int) error {
	in.makeRoom(limit)
	return in.Fill()
}

// readSource returns bytes or an error; an error that came with bytes is kept for the next time.
func (in *Reader) readSource(p []byte) (int, error) {
	if in.err != nil {
		return 0, in.err
	}
	for range 100 {
		n, err := in.src.Read(p)
		if n > 0 {
			in.err = err
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

// Read returns at least one byte, or an error. It waits only if nothing is buffered.
func (in *Reader) Read(p []byte) (int, error) {
	if in.r == in.w {
		if len(p) >= len(in.buf) {
			return in.readSource(p)
		}
		if err := in.Fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.buf[in.r:in.w])
	in.r += n
	return n, nil
}

// Line takes the bytes up to and with the next LF, valid until the next call. Without wait it takes nothing, and returns nil, if that
// is not buffered.
func (in *Reader) Line(limit int, wait bool) ([]byte, error) {
	scanned := 0
	for {
		if i := bytes.IndexByte(in.buf[in.r+scanned:in.w], '\n'); i >= 0 {
			end := in.r + scanned + i + 1
			line := in.buf[in.r:end]
			if len(line) > limit {
				return nil, errLineTooLong
			}
			in.r = end
			return line, nil
		}
		if scanned = in.Buffered(); scanned >= limit {
			return nil, errLineTooLong
		}
		if !wait {
			return nil, nil
		}
		if err := in.More(limit); err != nil {
			return nil, err
		}
	}
}

// Head takes the bytes up to and with the next empty line, valid until the next call. Without wait it takes nothing, and returns nil,
// if that is not buffered.
func (in *Reader) Head(limit int, wait bool) ([]byte, error) {
	line, scanned := 0, 0 // offsets from in.r: where the present line begins, and what was looked at
	for {
		if i := bytes.IndexByte(in.buf[in.r+scanned:in.w], '\n'); i >= 0 {
			end := scanned + i
			empty := end == line || end == line+1 && in.buf[in.r+line] == '\r'
			line, scanned = end+1, end+1
			if scanned > limit {
				return nil, ErrHeadTooLong
			}
			if empty {
				head := in.buf[in.r : in.r+scanned]
				in.r += scanned
				return head, nil
			}
			continue
		}
		if scanned = in.Buffered(); scanned >= limit {
			return nil, ErrHeadTooLong
		}
		if !wait {
			return nil, nil
		}
		if err := in.More(limit); err != nil {
			return nil, err
		}
	}
}

// makeRoom makes room for at least a byte after what is buffered, which is less than limit.
func (in *Reader) makeRoom(limit int) {
	if in.w < len(in.buf) {
		return
	}
	buf := in.buf
	if in.r == 0 {
		buf = make([]byte, min(2*len(in.buf), max(limit, readerSize)))
	}
	in.w = copy(buf, in.buf[in.r:in.w])
	in.r = 0
	in.buf = buf
}

// Quiet tells whether everything that was read was taken, and nothing is known of an end.
func (in *Reader) Quiet() bool { return in.r == in.w && in.err == nil }

// Fail keeps an error that the connection had, for the next read from it.
func (in *Reader) Fail(err error) { in.err = err }

// Peek is what is buffered, valid until the next call.
func (in *Reader) Peek() []byte { return in.buf[in.r:in.w] }

// Skip takes n bytes of what is buffered.
func (in *Reader) Skip(n int) { in.r += n }
