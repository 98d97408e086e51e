package journal

import (
	"os"
	"sync"
	"time"
)

const (
	maxSpare      = 16 << 20
	sparePatience = 5 * time.Second
)

// spare is the file of the last spool, for the next one to write over: that costs a third of filling a new one, and none of freeing
// it. It goes soon after nobody wanted it. Its bytes stay reserved. The zero value has none; it may be used concurrently.
type spare struct {
	mu    sync.Mutex
	file  *os.File // nil: there is none
	size  int64
	timer *time.Timer // drops it
	over  bool        // no more are kept
}

// take returns the file and how many bytes it has, or nil.
func (s *spare) take() (f *os.File, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, size = s.file, s.size; f != nil {
		s.timer.Stop()
		s.file = nil
	}
	return f, size
}

// keep tells whether it took f; drop is called when that has waited for too long.
func (s *spare) keep(f *os.File, size int64, drop func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil || s.over || size > maxSpare {
		return false
	}
	s.file, s.size = f, size
	s.timer = time.AfterFunc(sparePatience, drop)
	return true
}

func (s *spare) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
}

func (s *spare) bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return 0
	}
	return s.size
}

// dropSpare gives the spare file's room back, and tells how much that was.
func (j *Journal) dropSpare() (freed int64) {
	f, size := j.spare.take()
	if f == nil {
		return 0
	}
	f.Close() // its error concerns nobody: the file has no name
	j.release(size, &j.extra)
	return size
}
