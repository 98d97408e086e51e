package ticket

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/journal"
)

// manyCaptures writes a journal of n captures, evenly over some hours up to begin.
func manyCaptures(t testing.TB, n int, hours int) string {
	t.Helper()
	dir := t.TempDir()
	var clock atomic.Int64 // segments are named by it
	now := func() time.Time { return time.Unix(0, clock.Load()) }
	clock.Store(begin.Add(-time.Duration(hours) * time.Hour).UnixNano())
	j, err := journal.Open(journal.Options{Dir: dir, MaxSize: 4 << 30, SegmentSize: 8 << 20, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	var lines [4]string
	for i, c := range []capture.Capture{
		soap(0, "20011", classify.ClassMarketo, "Internal Error (20011)"), soap(0, "20023", classify.ClassThrottled, "Rate Limit Exceeded (20023)"),
		soap(0, "20103", classify.ClassAnswer, "Lead not found (20103)"), rest(0, "611", classify.ClassMarketo, "System error"),
	} {
		lines[i] = string(encoded(t, c))
	}
	stamp := begin.Format(time.RFC3339Nano)
	waiting := make([]<-chan error, 0, 1000)
	for i := range n {
		at := begin.Add(-time.Duration(n-i) * time.Duration(hours) * time.Hour / time.Duration(n))
		clock.Store(at.UnixNano())
		ms := at.UnixMilli()
		name := fmt.Sprintf("%08x-%04x-7000-8000-%012x", ms>>16, ms&0xffff, i)
		line := strings.Replace(strings.Replace(lines[i%4], id(0), name, 1), stamp, at.Format(time.RFC3339Nano), 1)
		if waiting = append(waiting, j.Append(journal.Record{Line: []byte(line)})); len(waiting) == cap(waiting) {
			for _, done := range waiting {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			waiting = waiting[:0]
		}
	}
	if err := j.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The last hour of 100,000 captures makes a ticket in less than 3 s and 100 MiB.
func TestManyCaptures(t *testing.T) {
	n := 100_000
	if testing.Short() || underRace {
		n = 10_000
	}
	dir := manyCaptures(t, n, 24)
	o := options(t, dir)
	o.Query, o.Now = capture.Query{}, begin
	var r *Report
	started := time.Now()
	peak := watchHeap(func() {
		var err error
		if r, err = Write(context.Background(), io.Discard, o); err != nil {
			t.Fatal(err)
		}
	})
	took := time.Since(started)
	found := 0
	for _, k := range r.Kinds {
		found += k.Found
		if k.Included != DefaultPerCode {
			t.Errorf("%+v", k)
		}
	}
	t.Logf("the last hour, %d of %d captures: %.0f ms, %.2f of 3 s; heap %.1f MiB, %.2f of 100 MiB", found, n, float64(took.Milliseconds()), took.Seconds()/3, peak/(1<<20), peak/(100<<20))
	if found < n/24-5 || found > n/24+5 || took > 3*time.Second*raceFactor || peak > 100<<20 {
		t.Errorf("%d found in %s with %.0f bytes", found, took, peak)
	}

	o.Query.Since = begin.Add(-25 * time.Hour)
	started = time.Now()
	peak = watchHeap(func() {
		if _, err := Write(context.Background(), io.Discard, o); err != nil {
			t.Error(err)
		}
	})
	t.Logf("all %d: %.1f s; heap %.1f MiB", n, time.Since(started).Seconds(), peak/(1<<20))
	if peak > 100<<20 {
		t.Errorf("%.0f bytes", peak)
	}
}

// A capture much larger than the ticket may be is cut, and never in memory.
func TestHugeBody(t *testing.T) {
	c := soap(1, "20011", classify.ClassMarketo, "Internal Error")
	c.Attempts[0].Response.Body.Text = "@@"
	head, tail, _ := bytes.Cut(encoded(t, c), []byte("@@"))
	size := int64(100 << 20)
	if underRace {
		size = 30 << 20
	}
	dir := t.TempDir()
	j, err := journal.Open(journal.Options{Dir: dir, MaxSize: 2 << 30})
	if err != nil {
		t.Fatal(err)
	}
	line := &huge{head, tail, size}
	if err := <-j.Append(journal.Record{Source: line, Size: int64(len(head)+len(tail)) + size}); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	var r *Report
	started := time.Now()
	peak := watchHeap(func() {
		if r, err = Write(context.Background(), io.Discard, options(t, dir)); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("%d MiB: %.1f s, heap %.1f MiB; missing: %v", size>>20, time.Since(started).Seconds(), peak/(1<<20), r.Missing)
	if peak > 40<<20 || len(r.Missing) != 1 || !strings.Contains(r.Missing[0].What, "cut after") {
		t.Errorf("%.0f bytes, %+v", peak, r)
	}
}

type huge struct {
	head, tail []byte
	size       int64
}

func (h *huge) WriteTo(w io.Writer) (int64, error) {
	unit := bytes.Repeat([]byte("<lead>Ada Lovelace</lead>\\n     "), 1<<10)
	if _, err := w.Write(h.head); err != nil {
		return 0, err
	}
	for left := h.size; left > 0; left -= int64(min(int(left), len(unit))) {
		part := unit
		if left < int64(len(unit)) {
			part = bytes.Repeat([]byte(" "), int(left))
		}
		if _, err := w.Write(part); err != nil {
			return 0, err
		}
	}
	_, err := w.Write(h.tail)
	return int64(len(h.head)+len(h.tail)) + h.size, err
}

// watchHeap returns the largest live heap while work runs, over that before.
func watchHeap(work func()) float64 {
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	done, peaked := make(chan struct{}), make(chan uint64)
	go func() {
		peak := uint64(0)
		for {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc)
			select {
			case <-done:
				peaked <- peak
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	work()
	close(done)
	return float64(<-peaked) - float64(before.HeapAlloc)
}
