package main

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/journal"
)

// hugeCapture writes a line of many units.
type hugeCapture struct {
	head, tail string
	units      int
}

var hugeUnit = bytes.Repeat([]byte(`<lead>x</lead>\n`), 4096)

func newHugeCapture(t testing.TB, units int) *hugeCapture {
	line := testLine(t, testCapture(9, func(c *capture.Capture) { c.Attempts[0].Response.Body = capture.BodyLine{Size: 1, Text: "@@"} }))
	head, tail, _ := strings.Cut(string(line), "@@")
	return &hugeCapture{head, tail, units}
}

func (h *hugeCapture) Size() int64 { return int64(len(h.head) + len(h.tail) + h.units*len(hugeUnit)) }

func (h *hugeCapture) WriteTo(w io.Writer) (n int64, err error) {
	parts := append(slices.Repeat([][]byte{hugeUnit}, h.units), []byte(h.tail))
	for _, p := range append([][]byte{[]byte(h.head)}, parts...) {
		m, err := w.Write(p)
		if n += int64(m); err != nil {
			return n, err
		}
	}
	return n, nil
}

type countingWriter struct{ n int64 }

func (c *countingWriter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// Whatever is done with a large capture, it is never in memory.
func TestMemoryStaysFlat(t *testing.T) {
	units := 1600 // 100 MB
	if underRace {
		units = 256
	}
	dir := t.TempDir()
	j, err := journal.Open(journal.Options{Dir: dir, MaxSize: 2 << 30})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close(context.Background())
	huge := newHugeCapture(t, units)
	if err := <-j.Append(journal.Record{Source: huge, Size: huge.Size()}); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{
		"ls", "ls --json", "show " + testID(9), "export --format har",
	} {
		var out countingWriter
		var errs bytes.Buffer
		peak := watchHeap(func() {
			if code := run(context.Background(), append(strings.Fields("captures "+args), "--capture-dir", dir), nil, &out, &errs); code != exitDone || errs.Len() > 0 {
				t.Errorf("%s: exit %d, %s", args, code, errs.String())
			}
		})
		if whole := strings.Contains(args, "json") || strings.Contains(args, "export"); whole && out.n < int64(units*len(hugeUnit)) {
			t.Errorf("%s: %d bytes", args, out.n)
		}
		if peak > 12<<20 {
			t.Errorf("%s: the heap grew by %d bytes", args, peak)
		}
	}
}

// watchHeap returns by how much the heap grew at most while f ran.
func watchHeap(f func()) uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	base, peak := m.HeapAlloc, m.HeapAlloc
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			}
		}
	}()
	f()
	close(stop)
	<-stopped
	return peak - base
}
