package admin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

const (
	// maxEntries bounds the index, so its memory: 200,000 entries take 14 to 45 MiB, by how long their messages are and how much they differ. Older captures
	// are searched for on disk.
	maxEntries = 200_000
	maxMessage = 160 // bytes of a message that are kept
	maxUser    = 80  // of a user; real ones are shorter, but an application can write anything there
	maxWords   = 4096
	firstBatch = 256
	maxBatch   = 16 << 10
	pruneEvery = time.Minute
	// A capture comes to the journal after its call ended: at once, or minutes later from a disk that hangs.
	appendSlack = 5 * time.Minute
)

// index is what the page shows of each capture in a list, in memory, in the order of their begin. It reads the heads of what is there once,
// the newest first, and then follows the journal. It may be used concurrently.
type index struct {
	archive *capture.Archive
	now     func() time.Time
	cancel  context.CancelFunc
	running sync.WaitGroup
	past    chan struct{} // closed when all that was there is in

	mu       sync.RWMutex
	entries  []entry // the oldest first
	limit    int
	cut      bool // there is more on disk, older than the first entry
	damaged  int  // lines that could not be read
	kinds    map[kind]*kind
	messages map[string]string
	streams  map[*stream]bool
}

// entry is a capture in a list.
type entry struct {
	id      uuid.UUID
	began   int64 // ns since 1970
	ms      float32
	kind    *kind
	message string // its beginning
}

// kind is what many captures have in common, so it is kept once.
type kind struct {
	api       classify.API
	code      string
	class     classify.Class
	outcome   classify.Outcome
	operation string
	user      string
}

// newIndex returns at once and reads on in the background, until close.
func newIndex(archive *capture.Archive, now func() time.Time, limit int) *index {
	ctx, cancel := context.WithCancel(context.Background())
	x := &index{
		archive: archive, now: now, cancel: cancel, limit: limit, past: make(chan struct{}),
		kinds: map[kind]*kind{}, messages: map[string]string{}, streams: map[*stream]bool{},
	}
	added := archive.Follow(ctx, capture.Query{}) // before the look at what is there, so that nothing is missed between
	x.running.Go(func() {
		for s, err := range added {
			x.take(s, err)
		}
	})
	x.running.Go(func() { x.readPast(ctx) })
	x.running.Go(func() { x.keepTrue(ctx) })
	return x
}

// close ends all streams and what runs in the background. What was read can still be looked at.
func (x *index) close() {
	x.cancel()
	x.running.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	for s := range x.streams {
		x.end(s)
	}
}

func (x *index) readPast(ctx context.Context) {
	defer close(x.past)
	read := 0
	batch := make([]entry, 0, firstBatch)
	for s, err := range x.archive.Search(ctx, capture.Query{Limit: x.limit}) {
		if err != nil {
			x.noteDamage(err)
			continue
		}
		read++
		x.mu.Lock()
		e, ok := x.entry(&s.Capture)
		x.mu.Unlock()
		if !ok {
			continue
		}
		if batch = append(batch, e); len(batch) == cap(batch) {
			x.prepend(batch)
			batch = make([]entry, 0, min(2*len(batch), maxBatch)) // as much again, so that moving what is there costs little
		}
	}
	if ctx.Err() != nil {
		return
	}
	x.prepend(batch)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.cut = x.cut || read == x.limit
}

// prepend puts a batch, the newest first, before what is there.
func (x *index) prepend(batch []entry) {
	slices.Reverse(batch)
	x.mu.Lock()
	defer x.mu.Unlock()
	joined := make([]entry, 0, len(batch)+len(x.entries)+firstBatch)
	joined = append(append(joined, batch...), x.entries...)
	if len(batch) > 0 && len(x.entries) > 0 && compare(batch[len(batch)-1], x.entries[0]) >= 0 { // some came while this was read
		slices.SortFunc(joined, compare)
		joined = slices.CompactFunc(joined, func(a, b entry) bool { return a.id == b.id })
	}
	x.entries = joined
	x.bound()
	x.publish(event{name: "index"})
}

// take adds what the journal was given.
func (x *index) take(s *capture.Stored, err error) {
	if err != nil {
		x.noteDamage(err)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	e, ok := x.entry(&s.Capture)
	if !ok {
		return
	}
	at, there := slices.BinarySearchFunc(x.entries, e, compare)
	if there {
		return
	}
	x.entries = slices.Insert(x.entries, at, e)
	x.bound()
	x.publish(event{name: "capture", capture: &s.Capture})
}

// bound drops the oldest. The caller holds mu.
func (x *index) bound() {
	if len(x.entries) > x.limit {
		x.drop(len(x.entries) - x.limit + x.limit/64) // some more, so that not each one that is added moves all
		x.cut = true
	}
}

func (x *index) drop(n int) {
	kept := make([]entry, len(x.entries)-n, len(x.entries)-n+firstBatch)
	copy(kept, x.entries[n:])
	x.entries = kept
}

// keepTrue leaves out what retention dropped.
func (x *index) keepTrue(ctx context.Context) {
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			x.prune()
		}
	}
}

// prune drops the captures of calls that had ended before the oldest segment was begun.
func (x *index) prune() {
	oldest, ok, err := x.archive.Oldest()
	if errors.Is(err, fs.ErrNotExist) || err == nil && !ok {
		oldest, err = x.now(), nil
	}
	if err != nil {
		return // what is no longer there says so when it is opened
	}
	limit := oldest.Add(-appendSlack).UnixNano()
	x.mu.Lock()
	defer x.mu.Unlock()
	gone := func(e entry) bool { return e.began+int64(e.ms*1e6) < limit }
	n := 0
	for n < len(x.entries) && gone(x.entries[n]) {
		n++
	}
	if n == 0 {
		return
	}
	x.drop(n)
	x.cut = false // what is left on disk is newer than what was dropped
	x.kinds, x.messages = map[kind]*kind{}, map[string]string{}
	x.publish(event{name: "index"})
}

func (x *index) noteDamage(err error) {
	if errors.Is(err, fs.ErrNotExist) {
		return // dropped while it was read
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.damaged++
}

// entry makes one that shares its texts with others. The caller holds mu. It is false for what has no id that Find would take.
func (x *index) entry(c *capture.Capture) (entry, bool) {
	id, err := uuid.Parse(c.ID)
	if err != nil {
		return entry{}, false
	}
	k := kind{c.API, c.Code, c.Class, c.Outcome, c.Operation, beginning(c.User, maxUser)}
	shared, ok := x.kinds[k]
	if !ok {
		if len(x.kinds) >= maxWords {
			clear(x.kinds)
		}
		shared = &k
		x.kinds[k] = shared
	}
	return entry{id: id, began: c.Time.UnixNano(), ms: float32(c.DurationMS), kind: shared, message: x.intern(beginning(c.Message, maxMessage))}, true
}

func (x *index) intern(s string) string {
	shared, ok := x.messages[s]
	if !ok {
		if len(x.messages) >= maxWords {
			clear(x.messages)
		}
		shared = strings.Clone(s)
		x.messages[shared] = shared
	}
	return shared
}

func beginning(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// compare is the order of an index.
func compare(a, b entry) int {
	return cmp.Or(cmp.Compare(a.began, b.began), bytes.Compare(a.id[:], b.id[:]))
}
