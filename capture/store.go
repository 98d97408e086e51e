package capture

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"marketo-proxy/journal"
)

// bigExchange is from how many recorded bytes on a capture is made in a file in place of memory.
const bigExchange = 1 << 20

// Store writes failed exchanges to a journal, masked. Its methods may be called concurrently.
type Store struct {
	journal *journal.Journal
	proxy   []byte          // Proxy as JSON
	limit   int64           // bytes of a body that are kept
	big     atomic.Int32    // large exchanges that are being written
	secrets func() []string // values that must not be written, besides those that their names give away
	lines   sync.Pool       // *line
	written sync.Pool       // *[]byte, for lines on their way to the disk
}

// NewStore returns a Store on j. secrets, which may be nil, is asked for every capture.
func NewStore(j *journal.Journal, proxy Proxy, bodyLimit int64, secrets func() []string) *Store {
	s := &Store{journal: j, limit: bodyLimit, secrets: secrets}
	s.proxy, _ = json.Marshal(proxy) // strings only
	return s
}

// Save makes the capture and hands it to the journal. It releases the exchange's recordings, and does not wait for the disk: the
// channel gets nil once the capture is safe there, or why it is lost.
func (s *Store) Save(e *Exchange) <-chan error {
	if e.recorded() < bigExchange && !e.spooled() { // nothing to wait for
		l := s.compose(e)
		defer s.recycle(l)
		if l.size() < bigExchange { // or it is larger decompressed
			defer e.Release()
			return s.saveSmall(l)
		}
	}
	done := make(chan error, 1)
	if s.big.Add(1) > maxInDisk {
		s.big.Add(-1)
		e.Release()
		done <- fmt.Errorf("capture: %w", journal.ErrQueueFull)
		return done
	}
	go func() {
		defer s.big.Add(-1)
		defer e.Release()
		done <- s.saveBig(e)
	}()
	return done
}

func (s *Store) saveSmall(l *line) <-chan error {
	b, ok := s.written.Get().(*[]byte)
	if !ok {
		b = new([]byte)
	}
	*b = l.appendTo(slices.Grow((*b)[:0], 2<<10+int(l.size()+l.size()/8)))
	return s.journal.Append(journal.Record{Line: *b, Free: func() {
		if cap(*b) <= smallContent {
			s.written.Put(b)
		}
	}})
}

// saveBig makes the line in a file.
func (s *Store) saveBig(e *Exchange) error {
	spool, err := s.journal.Spool()
	if err != nil {
		return err
	}
	defer spool.Close()
	if err := s.compose(e).writeTo(spool); err != nil {
		return err
	}
	return <-s.journal.Append(journal.Record{Source: spool, Size: spool.Size()})
}

// spooled tells whether a body has to be read from the disk.
func (e *Exchange) spooled() bool {
	for _, a := range e.Attempts {
		if a.Request.Body.spooled() || a.Response != nil && a.Response.Body.spooled() {
			return true
		}
	}
	return false
}

// recorded is how many bytes of bodies the exchange has.
func (e *Exchange) recorded() (n int64) {
	for _, a := range e.Attempts {
		n += a.Request.Body.Size()
		if a.Response != nil {
			n += a.Response.Body.Size()
		}
	}
	return n
}

// Recorder returns a recorder that spools to the journal's directory.
func (s *Store) Recorder(memoryLimit int64) *Recorder {
	return &Recorder{MemoryLimit: memoryLimit, BodyLimit: s.limit, Spool: func() (SpoolFile, error) {
		spool, err := s.journal.Spool()
		if err != nil {
			return nil, err // not a nil *journal.Spool, which is no nil SpoolFile
		}
		return spool, nil
	}}
}

var _ io.WriterTo = (*journal.Spool)(nil) // the journal copies it inside the kernel
