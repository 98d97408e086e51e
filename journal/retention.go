package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// reserve takes n bytes of the journal's size for what account counts, dropping the oldest segments for them. With a stem,
// only segments older than that one are dropped.
func (j *Journal) reserve(n int64, account *int64, before string) error {
	if j.tryReserve(n, account) {
		return nil
	}
	j.dropping.Lock()
	defer j.dropping.Unlock()
	for !j.tryReserve(n, account) {
		if j.dropSpare() > 0 {
			continue
		}
		freed, err := j.dropOldest(before)
		if err != nil {
			return err
		}
		if freed < 0 {
			return ErrFull
		}
	}
	return nil
}

func (j *Journal) tryReserve(n int64, account *int64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n > 0 && j.stored+j.extra+n > j.maxSize {
		return false
	}
	*account += n
	return true
}

func (j *Journal) release(n int64, account *int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	*account -= n
}

// dropOldest removes the oldest closed segment and returns how many bytes that gave, -1 if there is none to drop. The caller
// holds dropping.
func (j *Journal) dropOldest(before string) (freed int64, err error) {
	j.mu.Lock()
	if len(j.segments) == 0 || before != "" && j.segments[0].stem >= before {
		j.mu.Unlock()
		return -1, nil
	}
	s := j.segments[0]
	j.mu.Unlock()
	return j.drop(s)
}

// drop removes a closed segment. The caller holds dropping. A keeper that is busy with it leaves off by itself. One whose file can't be removed stays.
func (j *Journal) drop(s *segment) (freed int64, err error) {
	j.mu.Lock()
	i := slices.Index(j.segments, s)
	if i < 0 {
		j.mu.Unlock()
		return 0, nil
	}
	j.segments = slices.Delete(j.segments, i, i+1)
	s.dropped.Store(true)
	path := filepath.Join(j.dir, s.file)
	j.mu.Unlock()

	err = os.Remove(path)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.dropped.Store(false)
		j.insert(s)
		return 0, fmt.Errorf("journal: drop the oldest: %w", err)
	}
	j.stored -= s.bytes
	j.records -= max(s.lines, 0)
	return s.bytes, nil
}

// insert puts a closed segment in its place. The caller holds mu.
func (j *Journal) insert(s *segment) {
	i, _ := slices.BinarySearchFunc(j.segments, s.stem, func(s *segment, stem string) int { return strings.Compare(s.stem, stem) })
	j.segments = slices.Insert(j.segments, i, s)
}

// makeRoom answers a disk that is full before the journal's size is reached: the oldest captures go first then too. When
// that was of no use, because someone else takes the room, nothing more is dropped until a write succeeds again.
func (j *Journal) makeRoom(n int64) bool {
	if j.futile.Swap(true) {
		return false
	}
	if n -= j.dropSpare(); n <= 0 {
		return true
	}
	room, busy := j.dropFor(n)
	if busy {
		j.sealing.Lock() // the room is there once the keeper has closed its file
		defer j.sealing.Unlock()
	}
	return room
}

// dropFor drops the oldest segments for n bytes. It tells whether anything was dropped, and whether the keeper has some of it
// open still.
func (j *Journal) dropFor(n int64) (room, busy bool) {
	j.dropping.Lock()
	defer j.dropping.Unlock()
	j.mu.Lock()
	held := j.busy
	var all int64
	for _, s := range j.segments {
		all += s.bytes
	}
	j.mu.Unlock()
	if all < n { // even all of them would not help
		return false, false
	}
	for n > 0 {
		freed, err := j.dropOldest("")
		if freed < 0 || err != nil {
			break
		}
		n -= freed
		room = true
	}
	return room, held != nil && held.dropped.Load()
}

func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// retain drops what is too old, and what is too much since the size was made smaller.
func (j *Journal) retain() error {
	j.dropping.Lock()
	defer j.dropping.Unlock()
	for {
		s := j.expired()
		if s == nil {
			break
		}
		if _, err := j.drop(s); err != nil {
			return err
		}
	}
	for j.Stats().Bytes > j.maxSize {
		if freed, err := j.dropOldest(""); freed < 0 || err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) expired() *segment {
	if j.maxAge == 0 {
		return nil
	}
	limit := j.now().Add(-j.maxAge)
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.segments {
		if s.newest.Before(limit) {
			return s
		}
	}
	return nil
}

// missing drops from the books what someone else removed from the directory.
func (j *Journal) missing() {
	j.dropping.Lock()
	defer j.dropping.Unlock()
	j.mu.Lock()
	known := slices.Clone(j.segments)
	j.mu.Unlock()
	for _, s := range known {
		j.mu.Lock()
		path := filepath.Join(j.dir, s.file)
		j.mu.Unlock()
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		j.mu.Lock()
		if i := slices.Index(j.segments, s); i >= 0 && path == filepath.Join(j.dir, s.file) {
			j.segments = slices.Delete(j.segments, i, i+1)
			j.stored -= s.bytes
			j.records -= max(s.lines, 0)
		}
		j.mu.Unlock()
	}
}
