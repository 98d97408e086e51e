package capture

import (
	"crypto/sha256"
	"hash"
	"io"
	"os"
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

// Recording is what was kept of one body while it streamed past. Write is for one goroutine at a time; everything else may be
// called concurrently with it. A nil *Recording is an empty body.
type Recording struct {
	rec   *Recorder
	mu    sync.Mutex
	limit int64 // bytes to keep
	size  int64 // bytes seen
	kept  int64 // bytes kept, in memory or handed to the spool

	blocks  [][]byte  // in memory: all full but the last
	room    [1][]byte // for blocks: most bodies need one
	spool   *spooler
	piece   piece     // for the spool, not yet sent
	hashing hash.Hash // of a body that is not kept whole and has no spool
	adopted bool      // the block is not from the pool
	closed  bool      // no more is recorded
	cut     bool      // the body itself did not arrive whole
	lost    bool      // the disk did not take what it should

	senders  int // readers that outlive Release
	released bool
}

// New starts a recording.
func (r *Recorder) New() *Recording { return r.Start(new(Recording)) }

// Start is New with memory of the caller's: a Recording that was not used before.
func (r *Recorder) Start(b *Recording) *Recording {
	b.rec, b.limit = r, r.BodyLimit
	b.blocks = b.room[:0]
	return b
}

// KeepAll keeps the rest of the body whatever its size, since it may have to be sent again. A body that is past the limit
// already stays cut.
func (b *Recording) KeepAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept == b.size {
		b.limit = 1 << 62
	}
}

// KeepAtMost keeps no more than n bytes of the body, or less if the limit is lower. It comes before any Write.
func (b *Recording) KeepAtMost(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit = min(b.limit, n)
}

// Write records p. It never fails, and blocks at most the recorder's patience, once per body, when the disk hangs.
func (b *Recording) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(p) == 0 {
		return len(p), nil
	}
	n := len(p)
	b.size += int64(n)
	keep := p
	if room := b.limit - b.kept; int64(n) > room {
		keep = p[:max(room, 0)]
	}
	if b.lost || b.kept+int64(n) < b.size { // something before p is missing already
		keep = nil
	}
	if b.spool == nil && b.kept+int64(len(keep)) > b.rec.threshold() {
		b.startSpool()
	}
	switch {
	case b.spool != nil:
		b.kept += int64(len(keep))
		b.toSpool(p, len(keep))
	default:
		b.kept += int64(len(keep))
		b.toMemory(keep)
		if len(keep) < n {
			b.hashRest(p[len(keep):])
		}
	}
	return n, nil
}

// Adopt makes data the whole recording, without copying it; nobody may change it any more. It comes before any Write, and after ReadFull
// it gives back what that returned.
func (b *Recording) Adopt(data []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.freeBlocks()
	b.keep(data, true)
}

// keep makes data the only block.
func (b *Recording) keep(data []byte, adopted bool) {
	b.size, b.kept = int64(len(data)), int64(len(data))
	b.blocks, b.adopted = append(b.room[:0], data), adopted
}

// ReadFull makes the next n bytes of r the whole recording, and returns them; they are valid until Release and must not be changed. Its
// error is that of io.ReadFull; the bytes are those before it. It comes before any Write.
func (b *Recording) ReadFull(r io.Reader, n int) ([]byte, error) {
	var data []byte
	small := n <= smallBlock
	if small {
		data = b.rec.block(smallBlock)[:n]
	} else {
		data = make([]byte, n)
	}
	n, err := io.ReadFull(r, data)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep(data[:n], !small)
	return data[:n], err
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

func (b *Recording) toMemory(p []byte) {
	for len(p) > 0 {
		last := len(b.blocks) - 1
		if last < 0 || len(b.blocks[last]) == cap(b.blocks[last]) {
			size := smallBlock
			if len(b.blocks) > 0 || len(p) > smallBlock {
				size = largeBlock
			}
			b.blocks = append(b.blocks, b.rec.block(size))
			last++
		}
		block := b.blocks[last]
		n := copy(block[len(block):cap(block)], p)
		b.blocks[last] = block[:len(block)+n]
		p = p[n:]
	}
}

// hashRest carries the hash on where bytes are no longer kept; what was kept stands in memory.
func (b *Recording) hashRest(p []byte) {
	if b.hashing == nil {
		b.hashing = sha256.New()
		for _, block := range b.blocks {
			b.hashing.Write(block)
		}
	}
	b.hashing.Write(p)
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

// startSpool moves the recording to a file. Without one, the recording stays in memory and is cut at the memory limit.
func (b *Recording) startSpool() {
	if b.rec.Spool == nil {
		b.limit = min(b.limit, b.kept)
		return
	}
	b.spool = startSpooler(b.rec, b.blocks)
	b.blocks = nil
}

// toSpool copies p into blocks, since p belongs to the stream; the first keep bytes are to be kept, the rest only hashed.
func (b *Recording) toSpool(p []byte, keep int) {
	for len(p) > 0 && !b.lost {
		if b.piece.data == nil {
			b.piece.data = b.rec.block(b.rec.spoolSize())
		}
		to := &b.piece
		n := copy(to.data[len(to.data):cap(to.data)], p)
		to.data = to.data[:len(to.data)+n]
		to.keep += min(keep, n) // what is not kept comes last
		p, keep = p[n:], max(keep-n, 0)
		if len(to.data) == cap(to.data) {
			b.send()
		}
	}
}

// send hands the piece to the spool, unless the disk hangs.
func (b *Recording) send() {
	p := b.piece
	b.piece = piece{}
	if p.data == nil {
		return
	}
	if !b.lost {
		select {
		case b.spool.pieces <- p:
			return
		default:
		}
	}
	began := time.Now()
	for looks := 0; !b.lost; {
		done := b.rec.disked.Load()
		timer := time.NewTimer(b.rec.patience() / 2)
		select {
		case b.spool.pieces <- p:
			timer.Stop()
			return
		case <-timer.C:
			// The first hash of a large body takes its time; that is no disk that hangs. Nor is one that gets other bodies done,
			// as where a processor is short. A process that was paused finds its timer run out: the second look tells.
			if looks++; b.spool.hashing.Load() || b.rec.disked.Load() != done {
				looks = 0
			}
			b.lost = looks == 2 || time.Since(began) > diskPatience
		}
	}
	b.rec.free(p.data)
}

func (r *Recorder) patience() time.Duration {
	if r.Patience > 0 {
		return r.Patience
	}
	return 100 * time.Millisecond
}

// Memory is what was kept, where that lies in memory in one piece. It is valid until Release, and must not be changed. Call it after
// Finish.
func (b *Recording) Memory() ([]byte, bool) {
	if b == nil {
		return nil, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed || b.spool != nil || len(b.blocks) != 1 {
		return nil, false
	}
	return b.blocks[0], true
}

// Finish ends the recording; whole tells whether the body itself came to its end. Later writes are ignored.
func (b *Recording) Finish(whole bool) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.closed = true
	b.cut = !whole
	if b.spool != nil {
		b.send()
		close(b.spool.pieces)
	}
}

func (b *Recording) spooled() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.spool != nil
}

// Size is the number of bytes seen so far.
func (b *Recording) Size() int64 {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size
}

// Whole tells, after Finish, whether every byte of the body is there to be read again. It waits for the spool for at
// most two seconds.
func (b *Recording) Whole() bool {
	if b == nil {
		return true
	}
	kept, ok := b.settled()
	b.mu.Lock()
	defer b.mu.Unlock()
	return ok && !b.cut && kept == b.size
}

// settled waits until the spool has what it was sent, and returns how many bytes can be read. It waits once: a disk that hangs is
// not asked again.
func (b *Recording) settled() (kept int64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	spool := b.spool
	if spool == nil {
		return b.kept, true
	}
	if !b.lost && !spool.isDone() {
		b.mu.Unlock()
		timer := time.NewTimer(diskPatience)
		defer timer.Stop()
		select {
		case <-spool.done:
		case <-timer.C:
		}
		b.mu.Lock()
	}
	if !spool.isDone() {
		b.lost = true
		return 0, false
	}
	return spool.written, !b.lost && spool.err == nil
}

// Open reads what was kept from its start. It may be called several times after Finish, until Release.
func (b *Recording) Open() io.Reader {
	if b == nil {
		return io.LimitReader(nil, 0)
	}
	kept, _ := b.settled()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spool != nil {
		if kept == 0 {
			return io.LimitReader(nil, 0)
		}
		return io.NewSectionReader(b.spool.file, 0, kept)
	}
	readers := make([]io.Reader, len(b.blocks))
	for i, block := range b.blocks {
		readers[i] = &blockReader{block}
	}
	return io.MultiReader(readers...)
}

type blockReader struct{ rest []byte }

func (r *blockReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Sum is the SHA-256 of the bytes seen, or nil when the disk lost some before they were hashed. Call it after Finish.
func (b *Recording) Sum() []byte {
	if b == nil {
		return sha256.New().Sum(nil)
	}
	kept, _ := b.settled()
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.lost, b.spool != nil && (!b.spool.isDone() || b.spool.unhashed):
		return nil
	case b.hashing != nil:
		return b.hashing.Sum(nil)
	case b.spool != nil && b.spool.hash != nil:
		return b.spool.hash.Sum(nil)
	}
	if b.spool == nil && len(b.blocks) == 1 {
		sum := sha256.Sum256(b.blocks[0])
		return sum[:]
	}
	sum := sha256.New()
	if b.spool != nil {
		if _, err := io.Copy(sum, io.NewSectionReader(b.spool.file, 0, kept)); err != nil {
			return nil
		}
		return sum.Sum(nil)
	}
	for _, block := range b.blocks {
		sum.Write(block)
	}
	return sum.Sum(nil)
}

// OpenForSending is Open for a body that goes out again: it stays readable after Release, until it is closed, since whoever sends
// it may still be at it when the exchange has ended. Close may come while a Read is under way, and waits for it.
func (b *Recording) OpenForSending() io.ReadCloser {
	r := b.Open()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.senders++
	return &sending{recording: b, r: r}
}

type sending struct {
	recording *Recording
	mu        sync.Mutex
	r         io.Reader // nil: closed
}

func (s *sending) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.r == nil {
		return 0, os.ErrClosed
	}
	return s.r.Read(p)
}

func (s *sending) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.r == nil {
		return nil
	}
	s.r = nil
	b := s.recording
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.senders--; b.senders == 0 && b.released {
		b.free()
	}
	return nil
}

// Release gives memory and file back, once nobody sends the body any more.
func (b *Recording) Release() {
	if b == nil {
		return
	}
	b.Finish(false)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.released = true; b.senders == 0 {
		b.free()
	}
}

func (b *Recording) freeBlocks() {
	if !b.adopted {
		for _, block := range b.blocks {
			b.rec.free(block)
		}
	}
	b.blocks, b.room[0] = nil, nil
}

func (b *Recording) free() {
	b.freeBlocks()
	if b.spool != nil {
		b.spool.release()
		b.spool = nil
	}
	b.kept, b.size, b.lost = 0, 0, true
}
