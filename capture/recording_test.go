package capture

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// file is a spool on a real temporary file.
func file(t interface{ Fatal(...any) }) func() (SpoolFile, error) {
	return func() (SpoolFile, error) {
		f, err := os.CreateTemp("", "recording-")
		if err != nil {
			t.Fatal(err)
		}
		return f, os.Remove(f.Name())
	}
}

// Whatever the limits and the pieces, a recording has the first bytes of the body, its size and its hash.
func TestRecordingKeepsWhatItSaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rec := &Recorder{
			MemoryLimit: int64(rapid.IntRange(0, 200_000).Draw(t, "memory limit")),
			BodyLimit:   int64(rapid.IntRange(0, 300_000).Draw(t, "body limit")),
			Spool:       file(t),
		}
		b := rec.New()
		defer b.Release()
		size := rapid.IntRange(0, 400_000).Draw(t, "size")
		body := make([]byte, size)
		for i := range body {
			body[i] = byte(i * 31 >> 3)
		}
		keepAll := rapid.IntRange(-1, size).Draw(t, "keep all from")
		limit := rec.BodyLimit
		for at := 0; at < size; {
			if keepAll >= 0 && at >= keepAll {
				if int64(at) <= limit {
					limit = int64(size)
				}
				b.KeepAll()
				keepAll = -1
			}
			n := min(rapid.IntRange(1, 70_000).Draw(t, "piece"), size-at)
			_, _ = b.Write(body[at : at+n])
			at += n
		}
		b.Finish(true)
		want := body[:min(limit, int64(size))]
		for range 2 { // it can be read again
			got, err := io.ReadAll(b.Open())
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%v, kept %d bytes, want %d", err, len(got), len(want))
			}
		}
		sum := sha256.Sum256(body)
		if b.Size() != int64(size) || !bytes.Equal(b.Sum(), sum[:]) {
			t.Fatalf("size %d of %d, hash %x", b.Size(), size, b.Sum())
		}
		if whole := len(want) == size; b.Whole() != whole {
			t.Fatalf("whole %v, want %v", b.Whole(), whole)
		}
	})
}

func TestRecordingOfNothing(t *testing.T) {
	var none *Recording
	none.Finish(true)
	none.Release()
	if got, _ := io.ReadAll(none.Open()); len(got) != 0 || none.Size() != 0 || !none.Whole() || len(none.Sum()) != 32 {
		t.Error("no recording is not an empty body")
	}
	b := (&Recorder{MemoryLimit: 1, BodyLimit: 1}).New()
	_, _ = b.Write([]byte("abc"))
	b.Finish(false)
	if got, _ := io.ReadAll(b.Open()); string(got) != "a" || b.Whole() {
		t.Errorf("kept %q", got)
	}
	_, _ = b.Write([]byte("late"))
	if b.Size() != 3 {
		t.Error("a finished recording grew")
	}
	b.Release()
}

// failingFile fails, or hangs, after some bytes.
type failingFile struct {
	SpoolFile
	left   int
	hang   chan struct{}
	closed *atomic.Bool
}

func (f *failingFile) Write(p []byte) (int, error) {
	if f.left >= len(p) {
		f.left -= len(p)
		return f.SpoolFile.Write(p)
	}
	if f.hang != nil {
		<-f.hang
		return 0, errors.New("late")
	}
	n, _ := f.SpoolFile.Write(p[:f.left])
	f.left = 0
	return n, errors.New("no space")
}

func (f *failingFile) Close() error { f.closed.Store(true); return f.SpoolFile.Close() }

// A disk that fails cuts the recording; size and hash are still those of the whole body.
func TestSpoolFails(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
	for _, after := range []int{0, 100, 40_000, 400_000} {
		var closed atomic.Bool
		rec := &Recorder{MemoryLimit: 10_000, BodyLimit: 1 << 20, Spool: func() (SpoolFile, error) {
			f, err := file(t)()
			return &failingFile{SpoolFile: f, left: after, closed: &closed}, err
		}}
		b := rec.New()
		_, _ = b.Write(body[:300_000])
		_, _ = b.Write(body[300_000:])
		b.Finish(true)
		got, err := io.ReadAll(b.Open())
		if err != nil || len(got) > after || !bytes.HasPrefix(body, got) {
			t.Errorf("after %d: %v, %d bytes", after, err, len(got))
		}
		sum := sha256.Sum256(body)
		if b.Whole() || b.Size() != int64(len(body)) || !bytes.Equal(b.Sum(), sum[:]) {
			t.Errorf("after %d: whole %v, size %d, sum %x", after, b.Whole(), b.Size(), b.Sum())
		}
		b.Release()
		waitFor(t, closed.Load)
	}
	rec := &Recorder{MemoryLimit: 10, BodyLimit: 1 << 20, Spool: func() (SpoolFile, error) { return nil, errors.New("no files") }}
	b := rec.New()
	_, _ = b.Write(body)
	b.Finish(true)
	sum := sha256.Sum256(body)
	if got, _ := io.ReadAll(b.Open()); len(got) != 0 || b.Whole() || !bytes.Equal(b.Sum(), sum[:]) {
		t.Errorf("without a file: %d bytes, whole %v", len(got), b.Whole())
	}
	b.Release()
}

// A disk that hangs holds the traffic up once, as long as the patience is, and no goroutine stays when it answers.
func TestSpoolHangs(t *testing.T) {
	hang := make(chan struct{})
	var closed atomic.Bool
	rec := &Recorder{MemoryLimit: 10, BodyLimit: 64 << 20, Patience: 50 * time.Millisecond, Spool: func() (SpoolFile, error) {
		f, err := file(t)()
		return &failingFile{SpoolFile: f, hang: hang, closed: &closed}, err
	}}
	b := rec.New()
	began := time.Now()
	for range 200 {
		_, _ = b.Write(make([]byte, 64<<10))
	}
	b.Finish(true)
	if b.Whole() || b.Sum() != nil {
		t.Error("a recording that lost bytes says it is whole")
	}
	b.Release()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("a hanging disk held the stream up for %s", took)
	}
	close(hang)
	waitFor(t, closed.Load)
}

// waitFor waits for what a goroutine does after it was told to.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for range 500 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it did not happen within 5 s")
}

// A disk that hangs while a crowd of large bodies passes must not take a thread of the system for each.
func TestHangingDiskTakesFewThreads(t *testing.T) {
	hang := make(chan struct{})
	var waiting atomic.Int32
	rec := &Recorder{MemoryLimit: 10, BodyLimit: 1 << 20, Patience: time.Millisecond, Spool: func() (SpoolFile, error) {
		waiting.Add(1)
		<-hang
		return nil, errors.New("late")
	}}
	var all []*Recording
	for range 2 * maxInDisk {
		b := rec.New()
		_, _ = b.Write(make([]byte, 100))
		b.Finish(true)
		all = append(all, b)
	}
	waitFor(t, func() bool { return waiting.Load() == maxInDisk })
	close(hang)
	for _, b := range all {
		if b.Whole() {
			t.Error("a body that was not kept says it is whole")
		}
		b.Release()
	}
}

// lingering is a spool whose end waits for the disk.
type lingering struct {
	SpoolFile
	waiting *atomic.Int32
	hang    chan struct{}
}

func (l *lingering) Close() error {
	l.waiting.Add(1)
	<-l.hang
	l.waiting.Add(-1)
	return l.SpoolFile.Close()
}

// Nor must the files that it has already: the end of one may wait for the disk as well, and then no more of them are made.
func TestHangingEndsTakeFewThreads(t *testing.T) {
	hang := make(chan struct{})
	var waiting atomic.Int32
	open := file(t)
	rec := &Recorder{MemoryLimit: 10, BodyLimit: 1 << 20, Spool: func() (SpoolFile, error) {
		f, err := open()
		return &lingering{f, &waiting, hang}, err
	}}
	body := func() (whole bool) {
		b := rec.New()
		defer b.Release()
		_, _ = b.Write(make([]byte, 100))
		b.Finish(true)
		return b.Whole()
	}
	for n := range int32(maxInDisk) {
		if !body() {
			t.Fatal("a body is not whole while the disk has room for it")
		}
		waitFor(t, func() bool { return waiting.Load() == n+1 })
	}
	if body() {
		t.Errorf("a file was made, though %d wait for the disk", waiting.Load())
	}
	close(hang)
	waitFor(t, func() bool { return waiting.Load() == 0 })
	waitFor(t, body)
}

// A body that is sent again is read after its exchange may have ended, as Marketo can answer before it took all of it. Its memory must
// not become another body's meanwhile.
func TestReadingOutlivesTheExchange(t *testing.T) {
	for name, limit := range map[string]int64{"memory": 1 << 20, "spool": 10} {
		rec := &Recorder{MemoryLimit: limit, BodyLimit: 64 << 20, Spool: file(t)}
		body := bytes.Repeat([]byte("mine"), 50_000)
		b := rec.New()
		_, _ = b.Write(body)
		b.Finish(true)
		again := b.OpenForSending()
		first := make([]byte, 1000)
		if _, err := io.ReadFull(again, first); err != nil {
			t.Fatal(err)
		}
		b.Release()
		for range 50 {
			other := rec.New()
			_, _ = other.Write(bytes.Repeat([]byte("your"), 50_000))
			other.Finish(true)
			defer other.Release()
		}
		rest, err := io.ReadAll(again)
		if err != nil || !bytes.Equal(append(first, rest...), body) {
			t.Errorf("%s: %v, what is sent is not what was recorded", name, err)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
		if n, err := again.Read(first); n != 0 || err == nil {
			t.Errorf("%s: %d bytes after the end, %v", name, n, err)
		}
		_ = again.Close() // a second time has no effect
	}
}

// A crowd of large bodies must not take a megabyte each.
func TestMemoryIsShared(t *testing.T) {
	rec := &Recorder{MemoryLimit: 1 << 20, BodyLimit: 64 << 20, Spool: file(t)}
	var all []*Recording
	for range 200 {
		b := rec.New()
		_, _ = b.Write(make([]byte, 900<<10))
		all = append(all, b)
	}
	for _, b := range all {
		b.Finish(true)
		if !b.Whole() {
			t.Error("a body is not whole")
		}
	}
	if used := rec.inMemory.Load(); used > memoryBudget+8<<20 {
		t.Errorf("%d bytes in memory for 200 bodies of 900 KiB", used)
	}
	for _, b := range all {
		b.Release()
	}
	if used := rec.inMemory.Load(); used != 0 {
		t.Errorf("%d bytes in use after the release of all", used)
	}
}

func TestReadFull(t *testing.T) {
	for _, size := range []int{1, smallBlock, smallBlock + 1, 3 * largeBlock} {
		rec := &Recorder{MemoryLimit: 1 << 20, BodyLimit: 64 << 20}
		body := bytes.Repeat([]byte("x"), size)
		for _, come := range []int{size, size - 1} { // whole, and cut
			b := rec.New()
			data, err := b.ReadFull(iotest.OneByteReader(bytes.NewReader(body[:come])), size)
			if (err == nil) != (come == size) || !bytes.Equal(data, body[:come]) {
				t.Errorf("%d of %d: %v, %d bytes", come, size, err, len(data))
			}
			b.Finish(err == nil)
			kept, err := io.ReadAll(b.Open())
			if sum := sha256.Sum256(data); err != nil || !bytes.Equal(kept, data) || b.Size() != int64(come) || b.Whole() != (come == size) ||
				!bytes.Equal(b.Sum(), sum[:]) {
				t.Errorf("%d of %d: %d bytes kept, %v", come, size, len(kept), err)
			}
			b.Release()
		}
		b := rec.New()
		if _, err := b.ReadFull(bytes.NewReader(body), size); err != nil {
			t.Fatal(err)
		}
		b.Adopt([]byte("another"))
		b.Finish(true)
		if kept, _ := io.ReadAll(b.Open()); string(kept) != "another" {
			t.Errorf("%q was put in its place", kept)
		}
		b.Release()
		if used := rec.inMemory.Load(); used != 0 {
			t.Errorf("%d bytes in use after the release of all", used)
		}
	}
}
