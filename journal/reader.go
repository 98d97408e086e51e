package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"
	"time"
)

// clockSlack is how far a clock may have been set back without a line being overlooked.
const clockSlack = time.Hour

// Reader reads the journal in a directory, or a copy of one. It takes no lock and may run while the journal is written:
// segments that vanish meanwhile are left out. Its methods may be called concurrently.
type Reader struct {
	dir    string
	recent recent
}

// OpenReader returns a reader for an existing directory.
func OpenReader(dir string) (*Reader, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("journal: %s: not a directory", dir)
	}
	return &Reader{dir: dir}, nil
}

// Oldest is when the oldest segment that is still there was begun: whatever was appended before is gone. It is false if there is none.
func (r *Reader) Oldest() (begun time.Time, ok bool, err error) {
	segments, err := listSegments(r.dir)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("journal: %w", err)
	}
	if len(segments) == 0 {
		return time.Time{}, false, nil
	}
	return segments[0].created(), true, nil
}

// Newest yields every line that was in the journal when the iteration began, the newest first. Segments that ended before
// since are left out; lines of older times may come all the same. An error is yielded without an entry and does not end the
// iteration: a *DamageError for what is not whole, else what kept a segment from being read.
func (r *Reader) Newest(since time.Time) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		segments, err := listSegments(r.dir)
		if err != nil {
			yield(Entry{}, fmt.Errorf("journal: %w", err))
			return
		}
		for _, s := range slices.Backward(after(segments, since)) {
			if !r.segment(s, yield) {
				return
			}
		}
	}
}

// Find returns the line with an id. For a UUIDv7 (RFC 9562, section 5.7) only segments that ended after its time are read.
// ErrNotFound tells that there is none.
func (r *Reader) Find(id string) (Entry, error) {
	segments, err := listSegments(r.dir)
	if err != nil {
		return Entry{}, fmt.Errorf("journal: %w", err)
	}
	for _, s := range likeliest(segments, id) {
		var found Entry
		var failed error
		r.segment(s, func(e Entry, err error) bool {
			var damage *DamageError
			switch {
			case err == nil && e.ID() == id:
				found = e
			case err != nil && !errors.As(err, &damage):
				failed = err
			}
			return found.Head == nil
		})
		if found.Head != nil {
			return found, nil
		}
		if failed != nil {
			return Entry{}, failed
		}
	}
	return Entry{}, fmt.Errorf("journal: %s: %w", id, ErrNotFound)
}

// likeliest orders the segments that may hold an id: first the one that was open at its time and those after it.
func likeliest(segments []name, id string) []name {
	t, ok := uuidTime(id)
	if !ok {
		slices.Reverse(segments)
		return segments
	}
	possible := after(segments, t)
	next := 0
	for next < len(possible) && !possible[next].created().After(t) {
		next++
	}
	first := max(next-1, 0)
	before := slices.Clone(possible[:first])
	slices.Reverse(before)
	return append(slices.Clone(possible[first:]), before...)
}

// after leaves out the segments that ended before t: a segment ended when the next one was begun.
func after(segments []name, t time.Time) []name {
	if t.IsZero() {
		return segments
	}
	limit := t.Add(-clockSlack)
	for len(segments) > 1 && segments[1].created().Before(limit) {
		segments = segments[1:]
	}
	return segments
}

// listSegments is listNames with one file for each segment, the compressed one where there is a choice.
func listSegments(dir string) ([]name, error) {
	names, err := listNames(dir)
	if err != nil {
		return nil, err
	}
	return slices.CompactFunc(names, func(a, b name) bool { return a.stem == b.stem }), nil
}

// segment yields the lines of one segment, the newest first, and tells whether to go on.
func (r *Reader) segment(n name, yield func(Entry, error) bool) bool {
	f, n, err := openSegment(r.dir, n)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) || yield(Entry{}, fmt.Errorf("journal: %w", err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return yield(Entry{}, fmt.Errorf("journal: %w", err))
	}
	if n.compressed {
		return r.compressed(f, info.Size(), n, yield)
	}
	return r.plain(f, info.Size(), n, yield)
}

// openSegment opens a segment, under its new name if it was compressed since it was listed.
func openSegment(dir string, n name) (*os.File, name, error) {
	f, err := os.Open(n.path(dir))
	if !errors.Is(err, fs.ErrNotExist) || n.compressed {
		return f, n, err
	}
	names, listErr := listSegments(dir)
	if listErr != nil {
		return nil, n, listErr
	}
	i, ok := slices.BinarySearchFunc(names, n.stem, func(n name, stem string) int { return strings.Compare(n.stem, stem) })
	if !ok || names[i].file == n.file {
		return nil, n, err
	}
	f, err = os.Open(names[i].path(dir))
	return f, names[i], err
}

func (r *Reader) plain(f *os.File, size int64, n name, yield func(Entry, error) bool) bool {
	path, more := n.path(r.dir), true
	err := backwards(f, size, func(l line) bool {
		e, reason, err := plainEntry(f, l, place{dir: r.dir, name: n, recent: &r.recent})
		switch {
		case err != nil:
			more = yield(Entry{}, fmt.Errorf("journal: %w", err))
		case l.torn && r.growing(n):
		case reason != "":
			more = yield(Entry{}, &DamageError{path, l.start, reason})
		default:
			more = yield(e, nil)
		}
		return more
	})
	if err != nil && more {
		return yield(Entry{}, fmt.Errorf("journal: %w", err))
	}
	return more
}

// growing tells whether a last line without an end is just being written.
func (r *Reader) growing(n name) bool {
	if !inUse(r.dir) {
		return false
	}
	names, err := listSegments(r.dir)
	return err == nil && len(names) > 0 && names[len(names)-1].stem <= n.stem
}

func (r *Reader) compressed(f *os.File, size int64, n name, yield func(Entry, error) bool) bool {
	path, more := n.path(r.dir), true
	members, err := readMembers(f, size, func(offset int64, reason string) {
		more = more && yield(Entry{}, &DamageError{path, offset, reason})
	})
	if err != nil && more {
		more = yield(Entry{}, fmt.Errorf("journal: %s: %w", path, err))
	}
	for _, m := range slices.Backward(members) {
		if !more {
			return false
		}
		at := place{dir: r.dir, name: n, member: m, recent: &r.recent}
		entries, damage := memberEntries(f, m, at)
		if damage != nil {
			more = yield(Entry{}, damage)
		}
		for _, e := range slices.Backward(entries) {
			more = more && yield(e, nil)
		}
	}
	return more
}
