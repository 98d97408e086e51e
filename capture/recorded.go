package capture

import (
	"crypto/sha256"
	"io"
	"os"
	"sync"
	"time"
)

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
