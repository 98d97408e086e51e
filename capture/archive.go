package capture

import (
	"container/heap"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"marketo-proxy/journal"
)

// minPrefix is the least length of an id's beginning that is taken for the id.
const minPrefix = 8

// idLength is that of a UUID as text.
const idLength = 36

// ErrNotFound tells that no capture has the id.
var ErrNotFound = errors.New("there is no such capture")

// Archive reads the captures in a directory, also while a process writes them. Its methods may be called concurrently, and
// block as long as the disk does.
type Archive struct {
	// Appended is Stats.Appended of the journal that writes, where it is of this process: then Follow looks at the disk only when it
	// has changed. nil: Follow looks five times a second.
	Appended func() int64

	dir    string
	reader *journal.Reader
}

// OpenArchive returns the archive in an existing directory.
func OpenArchive(dir string) (*Archive, error) {
	reader, err := journal.OpenReader(dir)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	return &Archive{dir: dir, reader: reader}, nil
}

// Stored is a capture in the archive: its head, and the way to the rest.
type Stored struct {
	Capture // without Attempts
	Handle
}

// Handle is the way to a capture in the archive. It is small, so that many can be kept.
type Handle struct {
	entry journal.Entry // without its head
}

func newStored(e journal.Entry) (*Stored, error) {
	s := &Stored{}
	if err := json.Unmarshal(e.Head, &s.Capture); err != nil {
		return nil, fmt.Errorf("capture: a line that is no capture: %w", err)
	}
	if s.ID == "" {
		return nil, errors.New("capture: a line that is no capture: it has no id")
	}
	s.Attempts = nil
	e.Head = nil
	s.entry = e
	return s, nil
}

// Size is the number of bytes of the capture's line.
func (h Handle) Size() int64 { return h.entry.Size }

// Open reads the whole line as it stands in the journal, without its newline. The error is fs.ErrNotExist if it was dropped
// meanwhile.
func (h Handle) Open() (io.ReadCloser, error) {
	r, err := h.entry.Open()
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	return r, nil
}

// Search yields what q chooses, the newest first by the time that the call began, reading heads only, until ctx ends. Each error
// comes without a capture, tells of something that could not be read, and does not end the iteration.
func (a *Archive) Search(ctx context.Context, q Query) iter.Seq2[*Stored, error] {
	return func(yield func(*Stored, error) bool) {
		w := window{left: q.Limit, unlimited: q.Limit == 0, yield: yield}
		for e, err := range a.reader.Newest(q.Since) {
			if ctx.Err() != nil {
				return
			}
			var s *Stored
			if err == nil {
				s, err = newStored(e)
			}
			if err != nil {
				w.done = !yield(nil, err)
			} else {
				w.add(s, q.Matches(&s.Capture))
			}
			if w.done {
				return
			}
		}
		w.release(time.Time{})
	}
}

// orderSlack is how much later than the end of its call a capture may have come to the journal.
const orderSlack = 2 * time.Second

// window puts captures in the order of their begin. The journal has them in the order of their ends, so that what follows
// an entry began before that entry ended: whatever began later is next.
type window struct {
	waiting   newestFirst
	left      int
	unlimited bool
	done      bool
	yield     func(*Stored, error) bool
}

// add takes the next entry of the journal, to be yielded or only as a mark of how far the journal was read.
func (w *window) add(s *Stored, chosen bool) {
	ended := s.Time.Add(time.Duration(s.DurationMS * float64(time.Millisecond)))
	if chosen {
		heap.Push(&w.waiting, s)
	}
	w.release(ended.Add(orderSlack))
}

// release yields what began at limit or later.
func (w *window) release(limit time.Time) {
	for !w.done && len(w.waiting) > 0 && !w.waiting[0].Time.Before(limit) {
		s := heap.Pop(&w.waiting).(*Stored)
		w.left--
		w.done = !w.yield(s, nil) || w.left == 0 && !w.unlimited
	}
}

// newestFirst is a heap.
type newestFirst []*Stored

func (h newestFirst) Len() int      { return len(h) }
func (h newestFirst) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *newestFirst) Push(x any)   { *h = append(*h, x.(*Stored)) }
func (h newestFirst) Less(i, j int) bool {
	if order := h[i].Time.Compare(h[j].Time); order != 0 {
		return order > 0
	}
	return h[i].ID > h[j].ID
}

func (h *newestFirst) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return s
}

// Find returns the capture with an id, or with the only id that begins so; eight characters are the least. ErrNotFound
// tells that there is none, an *AmbiguousError that there are several.
func (a *Archive) Find(id string) (*Stored, error) {
	id = strings.ToLower(strings.TrimSpace(id))
	if len(id) < minPrefix {
		return nil, fmt.Errorf("capture: %q is too short for an id: give at least %d characters of it", id, minPrefix)
	}
	if len(id) < idLength && strings.Trim(id, "0123456789abcdef-") == "" {
		return a.findPrefix(id)
	}
	e, err := a.reader.Find(id)
	if errors.Is(err, journal.ErrNotFound) {
		return nil, fmt.Errorf("capture: %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	return newStored(e)
}

// AmbiguousError tells that several captures have ids that begin with a prefix.
type AmbiguousError struct {
	Prefix string
	IDs    []string // some of them
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("capture: several ids begin with %s: %s", e.Prefix, strings.Join(e.IDs, ", "))
}

// findPrefix needs to look only at what came after the least time that the prefix can mean.
func (a *Archive) findPrefix(prefix string) (*Stored, error) {
	var found *Stored
	several := &AmbiguousError{Prefix: prefix}
	for e, err := range a.reader.Newest(prefixTime(prefix)) {
		if err != nil || !strings.HasPrefix(e.ID(), prefix) {
			continue
		}
		s, err := newStored(e)
		if err != nil || found != nil && found.ID == s.ID {
			continue
		}
		found = s
		if several.IDs = append(several.IDs, s.ID); len(several.IDs) > 4 {
			break
		}
	}
	switch len(several.IDs) {
	case 0:
		return nil, fmt.Errorf("capture: %s…: %w", prefix, ErrNotFound)
	case 1:
		return found, nil
	}
	return nil, several
}

// prefixTime is the earliest time of a UUIDv7 that begins so: its first 48 bits are milliseconds since 1970 (RFC 9562, section
// 5.7).
func prefixTime(prefix string) time.Time {
	digits := strings.ReplaceAll(prefix, "-", "") + strings.Repeat("0", 12)
	b, err := hex.DecodeString(digits[:12])
	if err != nil {
		return time.Time{}
	}
	var ms int64
	for _, x := range b {
		ms = ms<<8 | int64(x)
	}
	return time.UnixMilli(ms)
}

// Oldest is when the oldest segment that is still there was begun: captures of calls that ended before it have been dropped. It is
// false if there is none.
func (a *Archive) Oldest() (begun time.Time, ok bool, err error) {
	if begun, ok, err = a.reader.Oldest(); err != nil {
		err = fmt.Errorf("capture: %w", err)
	}
	return begun, ok, err
}

// Follow yields the captures that are added after it was called and that q chooses, until ctx ends or the loop is left; it can be
// iterated once. If q has Since, those that are there already come first, the oldest first. Errors are as in Search; Limit does not count.
func (a *Archive) Follow(ctx context.Context, q Query) iter.Seq2[*Stored, error] {
	ctx, cancel := context.WithCancel(ctx)
	added := a.added(ctx, q)
	return func(yield func(*Stored, error) bool) {
		defer cancel()
		known := map[string]bool{}
		if !q.Since.IsZero() && !a.backlog(ctx, q, known, yield) {
			return
		}
		for f := range added {
			if f.err == nil && known[f.capture.ID] {
				delete(known, f.capture.ID) // it came between the start of following and the look at what is there
				continue
			}
			if !yield(f.capture, f.err) {
				return
			}
		}
	}
}

func (a *Archive) backlog(ctx context.Context, q Query, known map[string]bool, yield func(*Stored, error) bool) bool {
	var there []*Stored
	q.Limit = 0
	for s, err := range a.Search(ctx, q) {
		if ctx.Err() != nil || err != nil && !yield(nil, err) {
			return false
		}
		if err == nil {
			there = append(there, s)
			known[s.ID] = true
		}
	}
	for i := len(there) - 1; i >= 0; i-- {
		if ctx.Err() != nil || !yield(there[i], nil) {
			return false
		}
	}
	return true
}

type following struct {
	capture *Stored
	err     error
}

// added starts to follow at once, so that nothing is missed while the caller looks at what is there.
func (a *Archive) added(ctx context.Context, q Query) <-chan following {
	added := make(chan following)
	appended := journal.Follow(ctx, a.dir, a.Appended)
	go func() {
		defer close(added)
		for e, err := range appended {
			f := following{err: err}
			if err == nil {
				f.capture, f.err = newStored(e)
			}
			if f.err == nil && !q.Matches(&f.capture.Capture) {
				continue
			}
			select {
			case added <- f:
			case <-ctx.Done():
				return
			}
		}
	}()
	return added
}
