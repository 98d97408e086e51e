package capture

import (
	"crypto/sha256"
	"hash"
	"io"
	"sync"
)

// spooler writes one body to a file in a goroutine of its own, so that a disk that hangs holds nothing up. Its results are
// valid once done is closed.
type spooler struct {
	rec    *Recorder
	pieces chan piece
	done   chan struct{}

	file    SpoolFile
	written int64
	err     error
	hash    hash.Hash // of everything, once some piece was not written

	mu       sync.Mutex
	finished bool
	released bool
}

// piece is a block of a body: its first keep bytes are to be written, all of it belongs to the hash.
type piece struct {
	data []byte
	keep int
}

func startSpooler(rec *Recorder) *spooler {
	s := &spooler{rec: rec, pieces: make(chan piece, spoolQueue), done: make(chan struct{})}
	go s.run()
	return s
}

func (s *spooler) run() {
	s.file, s.err = s.rec.Spool()
	for p := range s.pieces {
		s.take(p)
		s.rec.free(p.data)
	}
	s.mu.Lock()
	s.finished = true
	if s.released && s.file != nil {
		s.file.Close()
	}
	s.mu.Unlock()
	close(s.done)
}

func (s *spooler) take(p piece) {
	wrote := 0
	if s.err == nil && s.hash == nil && p.keep > 0 {
		wrote, s.err = s.file.Write(p.data[:p.keep])
		s.written += int64(wrote)
	}
	if wrote == len(p.data) {
		return
	}
	if s.hash == nil {
		s.hash = sha256.New()
		if s.file != nil {
			// What can't be read back makes a wrong hash; better none at all.
			if _, err := io.Copy(s.hash, io.NewSectionReader(s.file, 0, s.written)); err != nil {
				s.err = err
			}
		}
		s.hash.Write(p.data[wrote:])
		return
	}
	s.hash.Write(p.data)
}

func (s *spooler) isDone() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// release closes the file now, or when the goroutine is done with it.
func (s *spooler) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.released = true
	if s.finished && s.file != nil {
		s.file.Close()
	}
}
