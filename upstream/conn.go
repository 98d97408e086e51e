package upstream

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is one connection to an upstream. At any time it belongs to one exchange, or to the pool.
type conn struct {
	key       hostKey
	wire      *wire
	stream    net.Conn             // wire, or TLS over it
	tls       *tls.ConnectionState // nil: none
	abort     func()               // ends all that blocks on the connection; the one thing that others than the owner may call
	reused    bool
	idleSince time.Time
}

// close ends a connection that is at rest; over TLS it says so to the other side.
func (c *conn) close() { _ = c.stream.Close() } // nothing is on its way that could be lost

// poolable tells whether, after a whole exchange, the connection may ever serve another.
func (c *conn) poolable() bool { return c.wire.raw != nil && c.drained() }

// drained tells whether all that was read was given out: a further byte would be of the end of the connection, or of the answer to a
// question that nobody asked.
func (c *conn) drained() bool {
	if len(c.wire.ahead) > 0 {
		return false
	}
	if c.tls == nil {
		return true
	}
	var b [1]byte
	_, err := c.readDry(b[:])
	return err == error(errDry{})
}

// readDry reads what is here already, without asking the kernel; errDry tells that nothing is.
func (c *conn) readDry(p []byte) (int, error) {
	c.wire.dry = true
	n, err := c.stream.Read(p)
	c.wire.dry = false
	return n, err
}

// wireSize is four records of TLS.
const wireSize = 64 << 10

var wires = sync.Pool{New: func() any { return new([wireSize]byte) }}

// wire is the connection as the kernel has it.
type wire struct {
	net.Conn
	raw   syscall.RawConn // nil: it has none
	wrote atomic.Bool     // whether a byte was written since the owner cleared it
	dry   bool            // Read fails with errDry where it would have to ask the kernel
	wide  *[wireSize]byte // of a long answer, more is read at once; nil: not
	ahead []byte          // what wide has that was not taken

	peek   func(fd uintptr) (done bool)
	peeked [1]byte
	silent bool // what peek found
}

func newWire(nc net.Conn) *wire {
	w := &wire{Conn: nc}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			w.raw = raw
		}
	}
	w.peek = func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), w.peeked[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		w.silent = err == syscall.EAGAIN
		return err != syscall.EINTR
	}
	return w
}

// quiet tells, without blocking, whether the connection is open and nothing has come: no byte, no end, no reset.
func (w *wire) quiet() bool {
	w.silent = false
	return w.raw.Read(w.peek) == nil && w.silent
}

func (w *wire) Read(p []byte) (int, error) {
	switch {
	case len(w.ahead) > 0:
	case w.dry:
		return 0, errDry{}
	case w.wide == nil || len(p) >= wireSize:
		return w.Conn.Read(p)
	default:
		n, err := w.Conn.Read(w.wide[:])
		if err != nil {
			return 0, err // it never comes with bytes
		}
		w.ahead = w.wide[:n]
	}
	n := copy(p, w.ahead)
	w.ahead = w.ahead[n:]
	return n, nil
}

// widen reads more at once from now on: TLS alone asks for a record at a time, and every question costs.
func (w *wire) widen() {
	if w.wide == nil {
		w.wide = wires.Get().(*[wireSize]byte)
	}
}

// narrow gives the memory back that widen took, if nothing is in it.
func (w *wire) narrow() {
	if w.wide != nil && len(w.ahead) == 0 {
		wires.Put(w.wide)
		w.wide, w.ahead = nil, nil
	}
}

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if n > 0 {
		w.wrote.Store(true)
	}
	return n, err
}

// errDry is a net.Error that is temporary, or crypto/tls would never read again.
type errDry struct{}

func (errDry) Error() string   { return "upstream: not to be read now" }
func (errDry) Timeout() bool   { return true }
func (errDry) Temporary() bool { return true }
