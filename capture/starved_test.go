package capture

import (
	"bytes"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// waiting is a spool that takes its time for each write.
type waiting struct {
	SpoolFile
	each time.Duration
}

func (w *waiting) Write(p []byte) (int, error) {
	time.Sleep(w.each)
	return w.SpoolFile.Write(p)
}

// Where many bodies share a busy machine one may wait long for its turn; the disk does not hang as long as it gets others done.
func TestBusyIsNoHang(t *testing.T) {
	open := file(t)
	var slow atomic.Bool
	rec := &Recorder{MemoryLimit: 10, BodyLimit: 64 << 20, Patience: 20 * time.Millisecond, Spool: func() (SpoolFile, error) {
		f, err := open()
		if slow.Load() {
			f = &waiting{f, 40 * time.Millisecond}
		}
		return f, err
	}}
	stop := make(chan struct{})
	var others sync.WaitGroup
	other := rec.New()
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
				_, _ = other.Write(make([]byte, spoolBlock/2))
			}
		}
	})
	time.Sleep(50 * time.Millisecond) // it has its file
	slow.Store(true)
	crowded := rec.New()
	for range spoolQueue + 4 {
		_, _ = crowded.Write(bytes.Repeat([]byte("x"), spoolBlock))
	}
	crowded.Finish(true)
	close(stop)
	others.Wait()
	if !crowded.Whole() {
		t.Error("a body that had to wait for others is cut")
	}
	other.Finish(true)
	other.Whole() // waits for it
	other.Release()
	crowded.Release()
}
