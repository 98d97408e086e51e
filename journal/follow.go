package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"time"
)

const followInterval = 200 * time.Millisecond

// Follow yields the lines that are appended after it was called, in the order of the file, within some 200 ms, until ctx ends or
// the loop is left. It can be iterated once. It goes on over new, compressed and dropped segments, and when the directory is missing for a while. Errors are
// yielded without an entry and do not end it. If appended is not nil, it is Stats.Appended of the journal that writes: the disk is looked at
// only when it has changed.
func Follow(ctx context.Context, dir string, appended func() int64) iter.Seq2[Entry, error] {
	f := &follower{dir: dir, seen: map[string]int64{}}
	f.start()
	return func(yield func(Entry, error) bool) {
		ticker := time.NewTicker(followInterval)
		defer ticker.Stop()
		for seen := int64(-1); ; {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if appended != nil {
				n := appended()
				if n == seen {
					continue
				}
				seen = n
			}
			unread := false
			if !f.poll(func(e Entry, err error) bool {
				unread = unread || err != nil
				return ctx.Err() == nil && yield(e, err)
			}) {
				return
			}
			if unread {
				seen = -1 // look again, whatever comes
			}
		}
	}
}

// follower knows how far each segment was read.
type follower struct {
	dir    string
	recent recent
	seen   map[string]int64 // stem to offset in the plain text; finished segments are at finished
}

const finished = 1 << 62

// start marks everything that is there as read.
func (f *follower) start() {
	names, err := listSegments(f.dir)
	if err != nil {
		return // nothing is there yet
	}
	for _, n := range names {
		f.seen[n.stem] = finished
		if !n.compressed {
			f.seen[n.stem] = wholeLines(n.path(f.dir))
		}
	}
}

// wholeLines is where the last whole line of a file ends.
func wholeLines(path string) int64 {
	file, err := os.Open(path)
	if err != nil {
		return finished // compressed or dropped in this moment, so it was closed before
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0
	}
	end := info.Size()
	_ = backwards(file, end, func(l line) bool { // what can't be read now is told by the next poll
		if l.torn {
			end = l.start
		}
		return false
	})
	return end
}

func (f *follower) poll(yield func(Entry, error) bool) bool {
	names, err := listSegments(f.dir)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) || yield(Entry{}, fmt.Errorf("journal: %w", err))
	}
	there := make(map[string]bool, len(names))
	for _, n := range names {
		there[n.stem] = true
		if f.seen[n.stem] < finished && !f.segment(n, yield) {
			return false
		}
	}
	for stem := range f.seen {
		if !there[stem] {
			delete(f.seen, stem)
		}
	}
	return true
}

func (f *follower) segment(n name, yield func(Entry, error) bool) bool {
	file, n, err := openSegment(f.dir, n)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) || yield(Entry{}, fmt.Errorf("journal: %w", err))
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return yield(Entry{}, fmt.Errorf("journal: %w", err))
	}
	if n.compressed {
		from := f.seen[n.stem]
		f.seen[n.stem] = finished
		return f.compressed(file, info.Size(), n, from, yield)
	}
	return f.plain(file, info.Size(), n, yield)
}

// plain yields the whole lines that were added to an open segment.
func (f *follower) plain(file *os.File, size int64, n name, yield func(Entry, error) bool) bool {
	from := f.seen[n.stem]
	if size <= from {
		f.seen[n.stem] = size // shorter: a batch was taken back
		return true
	}
	cut, err := cutLines(file, span{from, size})
	for _, l := range cut {
		f.seen[n.stem] = l.end + 1
		e, reason, err := plainEntry(file, line{span: l}, place{dir: f.dir, name: n, recent: &f.recent})
		if err == nil && reason != "" {
			err = &DamageError{n.path(f.dir), l.start, reason}
		}
		if err != nil {
			e = Entry{}
		}
		if !yield(e, err) {
			return false
		}
	}
	if err != nil {
		return yield(Entry{}, fmt.Errorf("journal: %w", err))
	}
	return true
}

// cutLines finds the lines in a part of a file that are ended by a newline.
func cutLines(r io.ReaderAt, part span) ([]span, error) {
	var lines []span
	start := part.start
	buf := make([]byte, min(lineBlock, part.end-part.start))
	for off := part.start; off < part.end; {
		b := buf[:min(int64(len(buf)), part.end-off)]
		if n, err := r.ReadAt(b, off); n < len(b) {
			return lines, err
		}
		for at := 0; ; {
			i := indexNewline(b[at:])
			if i < 0 {
				break
			}
			at += i + 1
			lines = append(lines, span{start, off + int64(at) - 1})
			start = off + int64(at)
		}
		off += int64(len(b))
	}
	return lines, nil
}

// compressed yields the lines from a place on in a segment that was closed since the last poll.
func (f *follower) compressed(file *os.File, size int64, n name, from int64, yield func(Entry, error) bool) bool {
	more := true
	members, err := readMembers(file, size, func(offset int64, reason string) {
		more = more && yield(Entry{}, &DamageError{n.path(f.dir), offset, reason})
	})
	if err != nil && more {
		more = yield(Entry{}, fmt.Errorf("journal: %w", err))
	}
	for _, m := range members {
		if m.plain.end <= from || !more {
			continue
		}
		entries, damage := memberEntries(file, m, place{dir: f.dir, name: n, member: m, recent: &f.recent})
		if damage != nil {
			more = yield(Entry{}, damage)
		}
		for _, e := range entries {
			if e.at.plain.start >= from {
				more = more && yield(e, nil)
			}
		}
	}
	return more
}
