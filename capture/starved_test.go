package capture

import (
	"bytes"
	"sync"
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
	rec := &Recorder{MemoryLimit: 10, BodyLimit: 64 << 20, Patience: 20 * time.Millisecond}
	record := func(each time.Duration, blocks int) *Recording {
		rec.Spool = func() (SpoolFile, error) {
			f, err := open()
			return &waiting{f, each}, err
		}
		b := rec.New()
		for range blocks {
			_, _ = b.Write(bytes.Repeat([]byte("x"), spoolBlock))
		}
		b.Finish(true)
		return b
	}
	stop := make(chan struct{})
	var others sync.WaitGroup
	rec.Spool = open
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
	crowded := record(40*time.Millisecond, spoolQueue+4)
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
