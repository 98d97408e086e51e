package capture

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"sync/atomic"
)

// maxInDisk is how many spools may wait for the disk at once. Each of them holds a thread of the operating system while it does, of
// which a process has 10,000 at most before the Go runtime ends it: a disk that hangs must not get there.
const maxInDisk = 256

var errDiskBusy = errors.New("too many bodies wait for the disk")

// spooler writes one body to a file in a goroutine of its own, so that a disk that hangs holds nothing up. Its results are
// valid once done is closed.
type spooler struct {
	rec      *Recorder
	pieces   chan piece
	done     chan struct{}
	released chan struct{}

	file    SpoolFile
	written int64
	err     error
	hash    hash.Hash // of everything, once some piece was not written

	unhashed bool // hash lacks something
	hashing  atomic.Bool
}

// piece is a block of a body: its first keep bytes are to be written, all of it belongs to the hash.
type piece struct {
	data []byte
	keep int
}

// startSpooler begins with blocks, which it frees.
func startSpooler(rec *Recorder, blocks [][]byte) *spooler {
	s := &spooler{rec: rec, pieces: make(chan piece, spoolQueue), done: make(chan struct{}), released: make(chan struct{})}
	go s.run(blocks)
	return s
}

func (s *spooler) run(blocks [][]byte) {
	s.disk(func() { s.file, s.err = s.rec.Spool() })
	for _, b := range blocks {
		s.take(piece{data: b, keep: len(b)})
		s.rec.free(b)
	}
	for p := range s.pieces {
		s.take(p)
		s.rec.free(p.data)
	}
	close(s.done)
	<-s.released
	if s.file != nil {
		s.rec.inDisk.Add(1) // it is never refused, but while many wait for it no more files are made
		s.file.Close()      // its error concerns nobody: the file has no name
		s.rec.inDisk.Add(-1)
		s.rec.disked.Add(1)
	}
}

// disk runs what may block as long as the disk does.
func (s *spooler) disk(f func()) {
	defer s.rec.inDisk.Add(-1)
	if s.rec.inDisk.Add(1) > maxInDisk {
		s.err = errDiskBusy
		return
	}
	f()
	s.rec.disked.Add(1)
}

func (s *spooler) take(p piece) {
	wrote := 0
	if s.err == nil && s.hash == nil && p.keep > 0 {
		s.disk(func() { wrote, s.err = s.file.Write(p.data[:p.keep]) })
		s.written += int64(wrote)
	}
	if wrote == len(p.data) {
		return
	}
	if s.hash == nil {
		s.startHash()
	}
	s.hash.Write(p.data[wrote:])
}

// startHash begins with what was written. What can't be read back makes a wrong hash: then there is none.
func (s *spooler) startHash() {
	s.hash = sha256.New()
	if s.written == 0 {
		return
	}
	s.unhashed = true
	s.hashing.Store(true)
	defer s.hashing.Store(false)
	s.disk(func() {
		_, err := io.Copy(s.hash, io.NewSectionReader(s.file, 0, s.written))
		s.unhashed = err != nil
	})
}

func (s *spooler) isDone() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// release lets the file be closed when the goroutine is done with it. It is called once.
func (s *spooler) release() { close(s.released) }
