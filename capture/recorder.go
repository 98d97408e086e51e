package capture

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// SpoolFile is a temporary file without a name. Write may block as long as the disk does.
type SpoolFile interface {
	io.Writer
	io.ReaderAt
	io.Closer
}

// Recorder makes recordings that share their memory. Its methods may be called concurrently.
type Recorder struct {
	MemoryLimit int64                     // a body above this many bytes goes to a spool file
	BodyLimit   int64                     // a body is kept up to this many bytes
	Spool       func() (SpoolFile, error) // nil: what is above MemoryLimit is not kept
	Patience    time.Duration             // how long a body waits for a slow disk before it is given up; 0: two seconds
	small       sync.Pool                 // *[smallBlock]byte
	large       sync.Pool                 // *[largeBlock]byte
	spools      sync.Pool                 // *[spoolBlock]byte
	inDisk      atomic.Int32              // spools that wait for the disk
	disked      atomic.Int64              // times that the disk was done with something
	inMemory    atomic.Int64              // bytes of blocks in use
}

const (
	smallBlock = 4 << 10
	largeBlock = 32 << 10

	// Past this much recorded memory in all, new bodies spool as soon as they outgrow two blocks, so that a crowd of
	// large bodies cannot take the memory that each alone may have.
	memoryBudget = 16 << 20

	// What goes to the disk at once, while memory is not short: waking the goroutine that writes costs more than a small write.
	spoolBlock = 256 << 10
	// Blocks on their way to the disk, per body.
	spoolQueue = 16

	// How long a finished recording waits for its spool.
	diskPatience = 2 * time.Second
)

// New starts a recording.
func (r *Recorder) New() *Recording { return r.Start(new(Recording)) }

// Start is New with memory of the caller's: a Recording that was not used before.
func (r *Recorder) Start(b *Recording) *Recording {
	b.rec, b.limit = r, r.BodyLimit
	b.blocks = b.room[:0]
	return b
}

func (r *Recorder) threshold() int64 {
	if r.inMemory.Load() > memoryBudget {
		return min(r.MemoryLimit, smallBlock+largeBlock)
	}
	return r.MemoryLimit
}

func (r *Recorder) spoolSize() int {
	if r.inMemory.Load() > memoryBudget {
		return largeBlock
	}
	return spoolBlock
}

// block returns an empty block of one of the three sizes.
func (r *Recorder) block(size int) []byte {
	r.inMemory.Add(int64(size))
	switch size {
	case smallBlock:
		if p, ok := r.small.Get().(*[smallBlock]byte); ok {
			return p[:0]
		}
	case largeBlock:
		if p, ok := r.large.Get().(*[largeBlock]byte); ok {
			return p[:0]
		}
	case spoolBlock:
		if p, ok := r.spools.Get().(*[spoolBlock]byte); ok {
			return p[:0]
		}
	}
	return make([]byte, 0, size)
}

func (r *Recorder) free(block []byte) {
	r.inMemory.Add(-int64(cap(block)))
	switch cap(block) {
	case smallBlock:
		r.small.Put((*[smallBlock]byte)(block[:smallBlock]))
	case largeBlock:
		r.large.Put((*[largeBlock]byte)(block[:largeBlock]))
	case spoolBlock:
		r.spools.Put((*[spoolBlock]byte)(block[:spoolBlock]))
	}
}

func (r *Recorder) patience() time.Duration {
	if r.Patience > 0 {
		return r.Patience
	}
	return 100 * time.Millisecond
}
