package capture

import (
	"crypto/sha256"
	"hash"
	"io"
	"sync"
	"time"
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
