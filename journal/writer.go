package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// write is the goroutine that owns the open segment: it takes all that is queued, writes it, asks the disk once for
// durability, and acknowledges all.
func (j *Journal) write() {
	defer close(j.written)
	for quit := false; !quit; {
		select {
		case <-j.wake:
		case <-j.quit:
			quit = true
		}
		if j.vanished.Swap(false) {
			_ = j.ready(0) // whoever writes next is told
		}
		for {
			runtime.Gosched() // whoever was just acknowledged may have the next record at hand; it shares this commit then
			lines, bulky := j.takeLines(), j.takeBulky()
			if lines == nil && bulky == nil {
				break
			}
			// The short ones do not wait for the long one, nor the long one for an end of the short ones.
			j.commit(lines)
			j.commit(bulky)
		}
		if j.open != nil && j.old(j.open) {
			j.retire()
		}
	}
	if j.open != nil {
		j.retire()
	}
	<-j.tidied // another process may come only when nothing of this one is left
	j.lock.Close()
}

// takeLines takes what the open segment has room for, or, if that is nothing, what a new one has.
func (j *Journal) takeLines() []*pending {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.queue) == 0 {
		return nil
	}
	room := j.segmentSize
	if j.open != nil && j.open.end+j.queue[0].size <= j.segmentSize {
		room -= j.open.end
	}
	n, size := 1, j.queue[0].size
	for n < len(j.queue) && size+j.queue[n].size <= room {
		size += j.queue[n].size
		n++
	}
	batch := j.queue[:n:n]
	j.queue = j.queue[n:]
	if len(j.queue) == 0 {
		j.queue = nil // the backing array is the batch's
	}
	return batch
}

func (j *Journal) takeBulky() []*pending {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.bulky) == 0 {
		return nil
	}
	batch := j.bulky[:1:1]
	j.bulky = j.bulky[1:]
	if len(j.bulky) == 0 {
		j.bulky = nil
	}
	return batch
}

// commit writes a batch and acknowledges it. What failed with its segment is written once more to a new one.
func (j *Journal) commit(batch []*pending) {
	if len(batch) == 0 {
		return
	}
	again, err := j.put(batch)
	if again {
		_, err = j.put(batch)
	}
	if err == nil {
		j.futile.Store(false)
	}
	j.acknowledge(batch, err)
}

// put writes a batch durably. After an error nothing of the batch is left in the journal, as far as the disk allows, and
// again tells whether another try has a chance.
func (j *Journal) put(batch []*pending) (again bool, err error) {
	var size int64
	for _, p := range batch {
		size += p.size
	}
	if err := j.ready(size); err != nil {
		return isFull(err) && j.makeRoom(size), err
	}
	if err := j.reserve(size, &j.stored, ""); err != nil {
		return false, err
	}
	s := j.open
	s.bytes += size
	if j.buf, err = s.write(batch, j.buf); err == nil {
		if err = j.sync(s.f); err == nil {
			s.end += size
			s.lines += int64(len(batch))
			s.newest = j.now()
			return false, nil
		}
		// The kernel may have thrown away what it could not write, so nothing later in this file can be trusted.
		j.undo()
		j.retire()
		if isFull(err) { // delayed allocation: some file systems notice only now
			j.makeRoom(size)
		}
		return true, fmt.Errorf("journal: sync %s: %w", s.file, err)
	}
	err = fmt.Errorf("journal: write %s: %w", s.file, err)
	switch sound := j.undo(); {
	case errors.Is(err, ErrNotALine):
		if !sound {
			j.retire()
		}
		return false, err
	case isFull(err) && sound:
		return j.makeRoom(size), err
	}
	j.retire()
	return true, err
}

// undo cuts the open segment back to its last good line. Without success the segment must be given up; its end is in the
// books, so the keeper copies no more than that.
func (j *Journal) undo() (sound bool) {
	s := j.open
	onDisk := s.end
	err := s.f.Truncate(s.end)
	if err != nil {
		if info, statErr := s.f.Stat(); statErr == nil {
			onDisk = info.Size()
		}
	}
	j.release(s.bytes-onDisk, &j.stored)
	s.bytes = onDisk
	return err == nil
}

// ready sees to it that there is an open segment fit for size more bytes.
func (j *Journal) ready(size int64) error {
	if j.open != nil && !j.open.there(j.dir) {
		j.log("segment vanished", fmt.Errorf("journal: %s was removed or replaced", filepath.Join(j.dir, j.open.file)))
		j.abandon()
	}
	if j.open != nil && j.old(j.open) {
		j.retire()
	}
	if j.open != nil && (j.open.end == 0 || j.open.end+size <= j.segmentSize) {
		return nil
	}
	if !j.attached() {
		if j.open != nil {
			j.abandon()
		}
		if err := j.attach(); err != nil {
			return err
		}
		j.log("directory vanished", fmt.Errorf("journal: %s had been removed or replaced; it is made again", j.dir))
	}
	next, err := j.createSegment()
	if err != nil {
		if j.open == nil {
			return err
		}
		return nil // without a new segment, for want of file descriptors say, the old one grows past its size
	}
	if j.open != nil {
		j.retire()
	}
	j.open = next
	return nil
}

func (j *Journal) old(s *segment) bool { return s.end > 0 && j.now().Sub(s.opened) >= j.segmentAge }

// retire closes the open segment. Each of its lines has been made durable, so nothing is left to be asked of the disk.
func (j *Journal) retire() {
	s := j.open
	j.open = nil
	s.f.Close()
	s.f = nil
	if s.lines == 0 {
		err := os.Remove(filepath.Join(j.dir, s.file))
		if err == nil {
			j.release(s.bytes, &j.stored)
			return
		}
		j.log("empty segment stays", err)
	}
	j.mu.Lock()
	j.insert(s)
	j.mu.Unlock()
	poke(j.tidyUp)
}

// abandon forgets the open segment, whose file is no longer in the directory.
func (j *Journal) abandon() {
	s := j.open
	j.open = nil
	s.f.Close()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stored -= s.bytes
	j.records -= s.lines
}
