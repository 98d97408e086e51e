package upstream

import (
	"bytes"
	"io"
	"sync"
)

const (
	incomingSize = 8 << 10
	wideSize     = 32 << 10
)

// incoming reads a connection through a buffer. An error is kept until what came before it was taken.
type incoming struct {
	src  io.Reader
	buf  []byte
	r, w int // buf[r:w] is what was read and not taken
	err  error
	own  []byte // what buf was before widen
}

var (
	incomings = sync.Pool{New: func() any { return &incoming{buf: make([]byte, incomingSize)} }}
	wides     = sync.Pool{New: func() any { return new([wideSize]byte) }}
)

func newIncoming(src io.Reader) *incoming {
	in := incomings.Get().(*incoming)
	in.src = src
	return in
}

// release gives the memory back; in must not be used any more.
func (in *incoming) release() {
	if in.own != nil {
		if len(in.buf) == wideSize {
			wides.Put((*[wideSize]byte)(in.buf))
		}
		in.buf = in.own
	}
	if len(in.buf) > incomingSize {
		in.buf = make([]byte, incomingSize) // one long head does not make every buffer a large one
	}
	*in = incoming{buf: in.buf}
	incomings.Put(in)
}

// widen reads more at once from now on, as is good for a long body in pieces. Nothing must be buffered.
func (in *incoming) widen() {
	if in.own == nil {
		in.own, in.buf = in.buf, wides.Get().(*[wideSize]byte)[:]
		in.r, in.w = 0, 0
	}
}

func (in *incoming) buffered() int { return in.w - in.r }

// fill reads more, once. There must be room.
func (in *incoming) fill() error {
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

// readSource returns bytes or an error; an error that came with bytes is kept for the next time.
func (in *incoming) readSource(p []byte) (int, error) {
	if in.err != nil {
		return 0, in.err
	}
	for range 100 {
		n, err := in.src.Read(p)
		in.err = err
		if n > 0 {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
	in.err = io.ErrNoProgress
	return 0, in.err
}

// read returns at least one byte, or an error. It waits only if nothing is buffered.
func (in *incoming) read(p []byte) (int, error) {
	if in.r == in.w {
		if len(p) >= len(in.buf) {
			return in.readSource(p)
		}
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.buf[in.r:in.w])
	in.r += n
	return n, nil
}

// more reads into p what c has already, as far as it goes, so that a long answer passes in few pieces.
func (in *incoming) more(c *conn, p []byte) (n int) {
	if c.wire.wide == nil || in.buffered() > 0 || in.err != nil {
		return 0
	}
	for n < len(p) {
		m, err := c.readDry(p[n:])
		n += m
		if err != nil {
			if err != error(errDry{}) {
				in.err = err
			}
			break
		}
	}
	return n
}

// line takes the bytes up to and with the next LF, valid until the next call. Without wait it takes nothing, and returns nil, if that
// is not buffered.
func (in *incoming) line(limit int, wait bool) ([]byte, error) {
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
		if scanned = in.buffered(); scanned >= limit {
			return nil, errLineTooLong
		}
		if !wait {
			return nil, nil
		}
		in.makeRoom(limit)
		if err := in.fill(); err != nil {
			return nil, err
		}
	}
}

// head takes the bytes up to and with the next empty line, valid until the next call. Without wait it takes nothing, and returns nil,
// if that is not buffered.
func (in *incoming) head(limit int, wait bool) ([]byte, error) {
	line, scanned := 0, 0 // offsets from in.r: where the present line begins, and what was looked at
	for {
		if i := bytes.IndexByte(in.buf[in.r+scanned:in.w], '\n'); i >= 0 {
			end := scanned + i
			empty := end == line || end == line+1 && in.buf[in.r+line] == '\r'
			line, scanned = end+1, end+1
			if scanned > limit {
				return nil, errHeadTooLong
			}
			if empty {
				head := in.buf[in.r : in.r+scanned]
				in.r += scanned
				return head, nil
			}
			continue
		}
		if scanned = in.buffered(); scanned >= limit {
			return nil, errHeadTooLong
		}
		if !wait {
			return nil, nil
		}
		in.makeRoom(limit)
		if err := in.fill(); err != nil {
			return nil, err
		}
	}
}

// makeRoom makes room for at least a byte after what is buffered, which is less than limit.
func (in *incoming) makeRoom(limit int) {
	if in.w < len(in.buf) {
		return
	}
	buf := in.buf
	if in.r == 0 {
		buf = make([]byte, min(2*len(in.buf), max(limit, incomingSize)))
	}
	in.w = copy(buf, in.buf[in.r:in.w])
	in.r = 0
	in.buf = buf
}
