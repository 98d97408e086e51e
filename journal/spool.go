package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
)

// Spool is a temporary file without a name in the journal's directory, so that it ends with the process. One goroutine may
// write and close it; ReadAt and Size may be called concurrently with that.
type Spool struct {
	journal  *Journal
	file     *os.File
	size     atomic.Int64
	reserved int64 // what the file has, be it of an earlier spool
	spoilt   bool  // a write failed
	closing  sync.Once
}

// Spool makes an empty spool file. It blocks as long as the disk does.
func (j *Journal) Spool() (*Spool, error) {
	if f, size := j.spare.take(); f != nil {
		return &Spool{journal: j, file: f, reserved: size}, nil
	}
	f, err := unnamed(j.dir)
	if err != nil {
		f, err = named(j.dir)
	}
	if gone(err) {
		j.vanished.Store(true) // only the writer makes the directory again
		poke(j.wake)
	}
	if err != nil {
		return nil, fmt.Errorf("journal: spool: %w", err)
	}
	return &Spool{journal: j, file: f}, nil
}

// named makes a file and takes its name away: the way for file systems without O_TMPFILE.
func named(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, spoolPrefix+"*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Write appends p. Its bytes count towards the journal's size: the oldest segments are dropped for them, and ErrFull says
// that nothing is left to drop. What was written before an error stays readable.
func (s *Spool) Write(p []byte) (int, error) {
	before := s.reserved
	if more := s.Size() + int64(len(p)) - before; more > 0 {
		if err := s.journal.reserve(more, &s.journal.extra, ""); err != nil {
			return 0, err
		}
		s.reserved += more
	}
	n, err := s.file.WriteAt(p, s.size.Load())
	if isFull(err) && s.journal.makeRoom(int64(len(p)-n)) {
		var more int
		more, err = s.file.WriteAt(p[n:], s.size.Load()+int64(n))
		n += more
		s.journal.futile.Store(err != nil)
	}
	s.size.Add(int64(n))
	if err != nil {
		s.spoilt = true
		used := max(before, s.Size())
		s.journal.release(s.reserved-used, &s.journal.extra)
		s.reserved = used
		return n, fmt.Errorf("journal: spool: %w", err)
	}
	return n, nil
}

// ReadAt reads what was written. Behind that the file may have bytes of an earlier spool, which nobody gets.
func (s *Spool) ReadAt(p []byte, off int64) (int, error) {
	left := max(0, s.Size()-off)
	if int64(len(p)) <= left {
		return s.file.ReadAt(p, off)
	}
	n, err := s.file.ReadAt(p[:left], off)
	if err == nil {
		err = io.EOF
	}
	return n, err
}

// Size is the number of bytes written.
func (s *Spool) Size() int64 { return s.size.Load() }

// WriteTo copies everything to w; between files the kernel copies. It may be repeated, but not run twice at a time.
func (s *Spool) WriteTo(w io.Writer) (int64, error) {
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.Copy(w, io.LimitReader(s.file, s.Size()))
	if err == nil && n < s.Size() {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close gives the file and its bytes back. Closing again is harmless.
func (s *Spool) Close() error {
	err := error(os.ErrClosed)
	s.closing.Do(func() {
		if err = nil; !s.spoilt && s.journal.spare.keep(s.file, s.reserved, func() { s.journal.dropSpare() }) {
			return
		}
		err = s.file.Close()
		s.journal.release(s.reserved, &s.journal.extra)
	})
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
