package redact

import "io"

// chunk is how many bytes are read and written at a time, smallChunk how many are read first.
const (
	chunk      = 32 << 10
	smallChunk = 4 << 10
)

// sink is where masked output goes: the last layer, that replaces known values wherever they stand, and a buffer.
type sink struct {
	w    io.Writer
	red  *Redactor
	buf  []byte
	full int // length of buf at which it is flushed
	err  error
}

// sink begins a part that goes to w. There is one at a time.
func (r *Redactor) sink(w io.Writer) *sink {
	r.out = sink{w: w, red: r, buf: r.out.buf[:0], full: chunk}
	if r.values != nil {
		r.out.full += r.values.longest
	}
	return &r.out
}

func (s *sink) write(p []byte) {
	for len(s.buf)+len(p) > s.full {
		n := max(0, s.full-len(s.buf))
		s.buf = append(s.buf, p[:n]...)
		s.flush(false)
		p = p[n:]
	}
	s.buf = append(s.buf, p...)
}

func (s *sink) writeString(p string) { s.buf = append(s.buf, p...) }

// close flushes all that is left.
func (s *sink) close() {
	s.flush(true)
	s.w = nil
}

// appender is a writer to memory.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

// mask writes the marker for the value of secrets[id].
func (s *sink) mask(id int) { s.maskAs(secrets[id].name) }

func (s *sink) maskAs(name string) {
	s.writeString(Marker)
	s.red.count(name)
}

// flush passes on what is certain, at the last call everything. After an error nothing is written.
func (s *sink) flush(last bool) {
	b, i := s.buf, 0
	if values := s.red.values; values != nil {
		for {
			start, end, _ := values.find(b, i)
			if start < 0 || !last && start+values.longest > len(b) { // a longer value may begin there
				break
			}
			s.pass(b[i:start])
			s.pass([]byte(Marker))
			s.red.count(KnownValue)
			i = end
		}
		if !last {
			keep := max(i, len(b)-values.longest+1)
			s.pass(b[i:keep])
			s.buf = b[:copy(b, b[keep:])]
			return
		}
	}
	s.pass(b[i:])
	s.buf = b[:0]
}

func (s *sink) pass(p []byte) {
	if s.err == nil && len(p) > 0 {
		_, s.err = s.w.Write(p)
	}
}
