package proxy

import "sync"

const blockSize = 32 << 10

// blockPool lends blocks of blockSize; the zero value is ready.
type blockPool struct{ pool sync.Pool }

func (p *blockPool) get() []byte {
	if b, ok := p.pool.Get().(*[blockSize]byte); ok {
		return b[:0]
	}
	return new([blockSize]byte)[:0]
}

func (p *blockPool) put(b []byte) { p.pool.Put((*[blockSize]byte)(b[:blockSize])) }

// queue holds bytes between upstream and the application. It belongs to one goroutine.
type queue struct {
	pool   *blockPool
	blocks [][]byte
	first  [1][]byte // for blocks: most answers need one
	start  int       // of the bytes not yet taken, in the first block
	size   int
}

// room is free space behind the last byte, never empty. What was taken before is no longer valid.
func (q *queue) room() []byte {
	n := len(q.blocks)
	if n > 0 && q.size == 0 {
		q.blocks[n-1], q.start = q.blocks[n-1][:0], 0
		for _, b := range q.blocks[:n-1] {
			q.pool.put(b)
		}
		q.blocks = q.blocks[n-1:]
		return q.blocks[0][:blockSize]
	}
	if n == 0 {
		q.blocks = q.first[:0]
	}
	if n == 0 || len(q.blocks[n-1]) == blockSize {
		q.blocks = append(q.blocks, q.pool.get())
		n++
	}
	return q.blocks[n-1][len(q.blocks[n-1]):blockSize]
}

// grow makes the first n bytes of room part of the queue.
func (q *queue) grow(n int) {
	last := len(q.blocks) - 1
	q.blocks[last] = q.blocks[last][:len(q.blocks[last])+n]
	q.size += n
}

// take removes up to most bytes, at least one; they stay valid until the next call of room or take.
func (q *queue) take(most int) []byte {
	for q.start == len(q.blocks[0]) {
		q.pool.put(q.blocks[0])
		q.blocks, q.start = q.blocks[1:], 0
	}
	chunk := q.blocks[0][q.start:]
	chunk = chunk[:min(len(chunk), most)]
	q.start += len(chunk)
	q.size -= len(chunk)
	return chunk
}

// back puts the last n bytes of what was taken back.
func (q *queue) back(n int) {
	q.start -= n
	q.size += n
}

func (q *queue) release() {
	for _, b := range q.blocks {
		q.pool.put(b)
	}
	q.blocks, q.start, q.size = nil, 0, 0
}
