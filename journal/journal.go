// Package journal keeps lines of JSON on disk so that an acknowledged one survives kill -9 and power loss: segments, group
// commit, retention by size and age, and reading back newest first.
//
// A line is an object with its small fields first and the big one, "attempts", last, so that a list needs no more than the heads
// of the lines.
//
// A directory holds one open segment NAME.jsonl, and closed ones, compressed in the background to NAME-LINES.jsonl.gz. NAME
// begins with the time of its creation and sorts by it. Nothing is ever appended to a segment of an earlier process.
package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxQueued      = 4096
	maxQueuedBytes = 64 << 20
	maxSegment     = 64 << 20
	maxSegmentAge  = time.Hour
)

// Options say where a journal is and how much it may keep.
type Options struct {
	Dir         string                        // made if missing, 0700
	MaxSize     int64                         // bytes of everything under Dir, spool files included
	MaxAge      time.Duration                 // of the newest line of a segment; 0: no limit
	SegmentSize int64                         // bytes; 0: 64 MiB; never more than an eighth of MaxSize or of the disk
	Now         func() time.Time              // nil: time.Now
	Log         func(event string, err error) // nil: silent; what went wrong in the background. Must not block.
}

// Record is one line: either Line, or Source and Size for one that is too big for memory. It must not be changed, nor the
// Source be closed, before it is acknowledged.
type Record struct {
	Line   []byte      // a JSON object and the newline that ends it, the only one
	Free   func()      // nil, or called once when a queued Line has been written or given up, before that is told. Must not block.
	Source io.WriterTo // writes such a line; asked again after a failed attempt; a *Spool is copied inside the kernel
	Size   int64       // how many bytes Source writes
}

// Stats is what a journal holds.
type Stats struct {
	Bytes    int64 // of everything under the directory, spool files included
	Records  int64 // lines; those that an earlier process left unsealed count once they are sealed
	Appended int64 // lines that were written since Open; it never falls
}

// Journal writes one directory. Its methods may be called concurrently; no lock is ever held while the disk is asked for
// something, so a disk that hangs blocks neither Append nor Stats.
type Journal struct {
	dir         string
	maxSize     int64
	maxAge      time.Duration
	segmentSize int64
	segmentAge  time.Duration
	now         func() time.Time
	log         func(event string, err error)
	sync        func(*os.File) error // fdatasync, but for the tests

	wake     chan struct{} // there is something to write, or a segment may have become old
	tidyUp   chan struct{} // there is something to compress or to drop
	quit     chan struct{} // closed by Close
	written  chan struct{} // closed when the writer has ended
	tidied   chan struct{} // closed when the keeper has ended
	vanished atomic.Bool   // a spool found no directory; the writer is to look
	stopping atomic.Bool
	sealing  sync.Mutex // held while a segment is compressed, or the directory read
	dropping sync.Mutex // one goroutine at a time makes room
	spare    spare
	futile   atomic.Bool // the disk was full even after dropping segments; no more are dropped until a write succeeds

	mu          sync.Mutex // guards what follows; never held during I/O
	closed      bool
	queue       []*pending // lines in memory
	bulky       []*pending // lines in files
	queued      int        // records not yet acknowledged
	queuedBytes int64      // and their bytes in memory
	segments    []*segment // closed, oldest first
	busy        *segment   // the one the keeper has open
	stored      int64      // bytes of segments, the open one included
	extra       int64      // bytes of spool and temporary files, and of the lock file
	records     int64
	appended    int64

	lock *os.File // owned by the writer once it runs
	last string   // the newest segment name so far; owned by the writer
	open *segment // owned by the writer; nil: none
	buf  []byte   // owned by the writer
}

type pending struct {
	Record
	size int64
	done chan error
}

// Open prepares the directory and takes it for this process: ErrLocked tells that another one has it. Left-over temporary
// files are removed, segments left by a crash are sealed in the background. The directory must be writable.
func Open(o Options) (*Journal, error) {
	return open(o, fdatasync)
}

func open(o Options, sync func(*os.File) error) (*Journal, error) {
	if o.Dir == "" || o.MaxSize <= 0 || o.MaxAge < 0 {
		return nil, errors.New("journal: a directory and a positive size are needed")
	}
	j := &Journal{
		dir:        o.Dir,
		maxSize:    o.MaxSize,
		maxAge:     o.MaxAge,
		segmentAge: maxSegmentAge,
		now:        o.Now,
		log:        o.Log,
		sync:       sync,
		wake:       make(chan struct{}, 1),
		tidyUp:     make(chan struct{}, 1),
		quit:       make(chan struct{}),
		written:    make(chan struct{}),
		tidied:     make(chan struct{}),
	}
	if j.now == nil {
		j.now = time.Now
	}
	if j.log == nil {
		j.log = func(string, error) {}
	}
	if o.MaxAge > 0 {
		j.segmentAge = min(maxSegmentAge, o.MaxAge/8)
	}
	if err := j.attach(); err != nil {
		return nil, err
	}
	j.segmentSize = o.SegmentSize
	if j.segmentSize <= 0 {
		j.segmentSize = maxSegment
	}
	// Room is made by dropping whole segments, so that several must fit, on a small disk too.
	j.segmentSize = max(1, min(j.segmentSize, o.MaxSize/8, diskSize(o.Dir)/8))
	go j.write()
	go j.keep()
	return j, nil
}

// Append queues a record and returns at once. The channel gets exactly one value: nil once the record is durable, else why
// it was not written. It may never come when the disk hangs.
func (j *Journal) Append(r Record) <-chan error {
	p := &pending{Record: r, size: r.Size, done: make(chan error, 1)}
	if r.Source == nil {
		p.size = int64(len(r.Line))
	}
	if err := j.enqueue(p); err != nil {
		p.done <- err
		return p.done
	}
	poke(j.wake)
	return p.done
}

func (j *Journal) enqueue(p *pending) error {
	if p.size > j.maxSize {
		return fmt.Errorf("journal: a line of %d bytes: %w", p.size, ErrTooBig)
	}
	if p.Source == nil && !isLine(p.Line) || p.size < 0 {
		return ErrNotALine
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return ErrClosed
	}
	if j.queued >= maxQueued || j.queued > 0 && j.queuedBytes+int64(len(p.Line)) > maxQueuedBytes {
		return ErrQueueFull
	}
	j.queued++
	j.queuedBytes += int64(len(p.Line))
	if p.Source != nil {
		j.bulky = append(j.bulky, p)
	} else {
		j.queue = append(j.queue, p)
	}
	return nil
}

// acknowledge tells the callers of a batch what became of it.
func (j *Journal) acknowledge(batch []*pending, err error) {
	var size int64
	for _, p := range batch {
		size += int64(len(p.Line))
	}
	j.mu.Lock()
	j.queued -= len(batch)
	j.queuedBytes -= size
	if err == nil {
		j.records += int64(len(batch))
		j.appended += int64(len(batch))
	}
	j.mu.Unlock()
	for _, p := range batch {
		if p.Free != nil {
			p.Free()
		}
		p.done <- err
	}
}

// Stats tells what the journal holds now.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return Stats{Bytes: j.stored + j.extra - j.spare.bytes(), Records: j.records, Appended: j.appended}
}

// Close writes what is queued and gives the directory free. It waits until ctx ends, and returns its error if the disk was
// not done by then. Spools stay usable. Closing again is harmless.
func (j *Journal) Close(ctx context.Context) error {
	j.mu.Lock()
	if !j.closed {
		j.closed = true
		j.stopping.Store(true)
		close(j.quit)
	}
	j.mu.Unlock()
	j.spare.end()
	j.dropSpare()
	for _, ended := range []chan struct{}{j.tidied, j.written} {
		select {
		case <-ended:
		case <-ctx.Done():
			return fmt.Errorf("journal: close: %w", ctx.Err())
		}
	}
	return nil
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
