package journal

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestSizeBoundWithSpools(t *testing.T) {
	t.Parallel()
	const maxSize = 400_000
	dir := t.TempDir()
	j := start(t, Options{Dir: dir, MaxSize: maxSize})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				s, err := j.Spool()
				if err != nil {
					t.Error(err)
					return
				}
				for range 5 {
					if _, err := s.Write(make([]byte, 10_000)); err != nil && !errors.Is(err, ErrFull) {
						t.Error(err)
					}
				}
				s.Close()
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			j.mu.Lock()
			spools := j.extra // and the file being compressed, which is on disk too
			stored := j.stored
			j.mu.Unlock()
			if stored+spools > maxSize {
				t.Errorf("%d bytes stored, %d spooled", stored, spools)
			}
			if size := onDisk(t, dir); size > maxSize {
				t.Errorf("%d bytes on disk", size)
			}
			time.Sleep(time.Millisecond)
		}
	})
	var want []string
	for range 120 {
		id := newID()
		switch err := await(t, j.Append(Record{Line: lineOf(id, 9_000)})); {
		case err == nil:
			want = append(want, id)
		case !errors.Is(err, ErrFull):
			t.Error(err)
		}
	}
	cancel()
	wg.Wait()
	stop(t, j)
	got, damage := ids(t, dir)
	slices.Reverse(got)
	if damage != nil || len(got) < 10 || !slices.Equal(got, want[len(want)-len(got):]) {
		t.Errorf("%d lines of %d; they must be the newest. Damage %v", len(got), len(want), damage)
	}
	if s := j.Stats(); s.Bytes != onDisk(t, dir) || s.Records != int64(len(got)) {
		t.Errorf("%+v; on disk %d bytes, %d lines", s, onDisk(t, dir), len(got))
	}
}

func TestSpoolTakesTheRoomOfOldSegments(t *testing.T) {
	dir := t.TempDir()
	j := start(t, Options{Dir: dir, MaxSize: 100_000})
	for range 20 {
		put(t, j, 10_000)
	}
	s, err := j.Spool()
	if err != nil {
		t.Fatal(err)
	}
	before := j.Stats().Records
	if n, err := s.Write(make([]byte, 60_000)); n != 60_000 || err != nil {
		t.Fatal(n, err)
	}
	if after := j.Stats().Records; after >= before {
		t.Errorf("%d records before, %d after", before, after)
	}
	if n, err := s.Write(make([]byte, 60_000)); n != 0 || Reason(err) != "full" {
		t.Errorf("%d %v", n, err)
	}
	if err := await(t, j.Append(Record{Line: lineOf(newID(), 50_000)})); Reason(err) != "full" {
		t.Errorf("%v", err)
	}
	s.Close()
	put(t, j, 90_000)
	if size := onDisk(t, dir); size > 100_000 {
		t.Errorf("%d bytes", size)
	}
}

func TestSizeMadeSmaller(t *testing.T) {
	dir := t.TempDir()
	o := Options{Dir: dir, MaxSize: roomy, SegmentSize: 20_000}
	j := start(t, o)
	var last string
	for range 50 {
		last = put(t, j, 10_000)
	}
	stop(t, j)
	o.MaxSize = 100_000
	start(t, o)
	eventually(t, "the journal is small", func() bool { return onDisk(t, dir) <= o.MaxSize })
	if got, _ := ids(t, dir); len(got) < 5 || got[0] != last {
		t.Errorf("%d lines", len(got))
	}
}

func TestOthersRemoveSegments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := start(t, Options{Dir: dir, MaxSize: roomy, MaxAge: time.Second * 100, SegmentSize: 20_000})
	for range 10 {
		put(t, j, 10_000)
	}
	sealed(t, j)
	for _, f := range glob(t, dir, "*.gz") {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the books are right", func() bool { return j.Stats().Bytes == onDisk(t, dir) })
}

func TestLeftOvers(t *testing.T) {
	dir := t.TempDir()
	j := start(t, Options{Dir: dir, MaxSize: roomy})
	var want []string
	for range 3 {
		want = append([]string{put(t, j, 1000)}, want...)
	}
	stop(t, j)
	segment := glob(t, dir, "*.jsonl")[0]
	for _, f := range []string{dir + "/spool-1", dir + "/x.tmp"} {
		if err := os.WriteFile(f, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	appendTo(t, segment, `{"id":"torn`)
	if got, damage := ids(t, dir); !slices.Equal(got, want) || len(damage) != 1 {
		t.Errorf("%v %v", got, damage)
	}

	var log events
	j = start(t, Options{Dir: dir, MaxSize: roomy, Log: log.log})
	eventually(t, "the segment is sealed", func() bool { return j.Stats().Records == 3 && len(glob(t, dir, "*")) == 2 })
	if want := "torn line dropped: journal: " + segment + " is damaged"; len(log.text) != 1 || log.text[0][:len(want)] != want {
		t.Errorf("log %s", &log)
	}
	compressed := glob(t, dir, "*-3.jsonl.gz")
	if got, damage := ids(t, dir); !slices.Equal(got, want) || damage != nil || len(compressed) != 1 {
		t.Errorf("%v %v %v", got, damage, compressed)
	}
	stop(t, j)

	// The process ends between the two last steps of sealing: both files are there.
	if err := os.WriteFile(segment, []byte("{\"id\":\"twice\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, damage := ids(t, dir); !slices.Equal(got, want) || damage != nil {
		t.Errorf("%v %v", got, damage)
	}
	j = start(t, Options{Dir: dir, MaxSize: roomy})
	if got, damage := ids(t, dir); !slices.Equal(got, want) || damage != nil || len(glob(t, dir, "*.jsonl")) != 0 {
		t.Errorf("%v %v %v", got, damage, glob(t, dir, "*"))
	}
	if j.Stats().Records != 3 {
		t.Errorf("%+v", j.Stats())
	}
}

func appendTo(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}
