package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// keep is the goroutine that compresses closed segments and drops old ones.
func (j *Journal) keep() {
	defer close(j.tidied)
	ticker := time.NewTicker(j.interval())
	defer ticker.Stop()
	var logged string // reason of the last error, so that one that stays is told once
	for {
		select {
		case <-j.tidyUp:
		case <-ticker.C:
			j.missing()
			poke(j.wake) // the open segment may have become old
		case <-j.quit:
			return
		}
		err := errors.Join(j.retain(), j.sealAll())
		if err != nil && Reason(err) != logged {
			j.log("keeping the journal in order failed", err)
		}
		logged = Reason(err)
	}
}

// interval is how often age is looked at: often enough that a segment outlives its age by a hundredth at most.
func (j *Journal) interval() time.Duration {
	if j.maxAge == 0 {
		return time.Minute
	}
	return max(10*time.Millisecond, min(time.Minute, j.maxAge/100))
}

// sealAll compresses what is closed and still plain. What could not be compressed now stays as it is, readable, and is tried
// again later.
func (j *Journal) sealAll() error {
	var errs []error
	for tried := map[*segment]bool{}; ; {
		s := j.plain(tried)
		if s == nil || j.stopping.Load() {
			return errors.Join(errs...)
		}
		tried[s] = true
		err := j.seal(s)
		if err != nil && !errors.Is(err, errLeftOff) && !errors.Is(err, ErrFull) && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
}

// plain returns the oldest closed segment that is not compressed and not tried yet.
func (j *Journal) plain(tried map[*segment]bool) *segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.segments {
		if !s.compressed && !tried[s] {
			return s
		}
	}
	return nil
}

// errLeftOff tells that the segment was dropped meanwhile, or that the journal is being closed.
var errLeftOff = errors.New("journal: left off")

// seal replaces a plain segment by a compressed one. At each moment, also if the process ends, every line can be found once.
func (j *Journal) seal(s *segment) error {
	j.sealing.Lock()
	defer j.sealing.Unlock()
	j.mu.Lock()
	file, end, newest, counted := s.file, s.end, s.newest, s.lines
	j.busy = s
	j.mu.Unlock()
	defer func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.busy = nil
	}()
	plain := filepath.Join(j.dir, file)
	in, err := os.Open(plain)
	if err != nil {
		return fmt.Errorf("journal: seal: %w", err)
	}
	defer in.Close()
	text := &cancelReader{r: in, cancelled: func() bool { return s.dropped.Load() || j.stopping.Load() }}
	cut, err := cutMembers(text, end)
	if err != nil {
		return fmt.Errorf("journal: seal %s: %w", plain, err)
	}
	if counted < 0 {
		if cut.torn > 0 {
			j.log("torn line dropped", &DamageError{File: plain, Offset: end - cut.torn, Reason: "the last line is not whole"})
		}
		j.count(s, cut.lines)
	}
	if cut.lines == 0 {
		j.dropping.Lock()
		defer j.dropping.Unlock()
		_, err := j.drop(s)
		return err
	}
	target := fmt.Sprintf("%s-%d%s", s.stem, cut.lines, gzSuffix)
	size, err := j.compress(text, cut.members, filepath.Join(j.dir, target), newest, s)
	if err != nil {
		return fmt.Errorf("journal: seal %s: %w", plain, err)
	}
	return j.replace(s, plain, target, size)
}

func (j *Journal) count(s *segment, lines int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !s.dropped.Load() {
		s.lines = lines
		j.records += lines
	}
}

// compress writes the members to a temporary file, makes that durable and gives it its name. Its bytes count as extra.
func (j *Journal) compress(text io.ReaderAt, members []span, target string, newest time.Time, s *segment) (size int64, err error) {
	tmp := filepath.Join(j.dir, s.stem+tmpSuffix)
	out, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	budget := &budgetFile{File: out, reserve: func(n int64) error { return j.reserve(n, &j.extra, s.stem) }}
	defer func() {
		out.Close()
		if err != nil {
			os.Remove(tmp)
			j.release(budget.reserved, &j.extra)
		}
	}()
	if err := writeMembers(budget, text, members, j.rest); err != nil {
		return 0, err
	}
	if err := j.sync(out); err != nil {
		return 0, err
	}
	// The age of the lines has to outlive a restart.
	if err := os.Chtimes(tmp, newest, newest); err != nil {
		return 0, err
	}
	if s.dropped.Load() {
		return 0, errLeftOff
	}
	if err := os.Rename(tmp, target); err != nil {
		return 0, err
	}
	return budget.reserved, nil
}

// rest leaves the processor to the traffic for nineteen twentieths of the time: in a storm of failures compressing a line costs as much
// as all else about it. What is not compressed in time is dropped plain.
func (j *Journal) rest(worked time.Duration) {
	timer := time.NewTimer(min(19*worked, 500*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-j.quit:
	}
}

// replace puts the compressed file into the books and removes the plain one. size bytes are reserved as extra.
func (j *Journal) replace(s *segment, plain, target string, size int64) error {
	compressed := filepath.Join(j.dir, target)
	// Only when the new name is durable may the old file go.
	err := syncDir(j.dir)
	j.mu.Lock()
	j.extra -= size
	if s.dropped.Load() || err != nil {
		j.mu.Unlock()
		return errors.Join(err, os.Remove(compressed))
	}
	old := s.bytes
	s.file, s.compressed, s.bytes = target, true, size
	j.stored += size
	j.mu.Unlock()
	err = os.Remove(plain)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil {
		j.release(old, &j.stored)
	}
	return err
}

// budgetFile is a file whose bytes are reserved before they are written.
type budgetFile struct {
	*os.File
	reserve  func(int64) error
	reserved int64
}

func (f *budgetFile) Write(p []byte) (int, error) {
	if err := f.reserve(int64(len(p))); err != nil {
		return 0, err
	}
	f.reserved += int64(len(p))
	return f.File.Write(p)
}

// cancelReader fails once it is cancelled, so that a long copy ends soon.
type cancelReader struct {
	r         io.ReaderAt
	cancelled func() bool
}

func (c *cancelReader) ReadAt(p []byte, off int64) (int, error) {
	if c.cancelled() {
		return 0, errLeftOff
	}
	return c.r.ReadAt(p, off)
}
