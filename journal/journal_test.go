package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const roomy = 1 << 30

func TestConcurrentAppendsAreAllThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := start(t, Options{Dir: dir, MaxSize: roomy, SegmentSize: 50_000})
	var mu sync.Mutex
	var want []string
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := range 50 {
				id := put(t, j, 100*i)
				mu.Lock()
				want = append(want, id)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	sealed(t, j)
	if got := j.Stats().Records; got != 800 {
		t.Errorf("%d records, want 800", got)
	}
	got, damage := ids(t, dir)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || damage != nil {
		t.Errorf("%d lines, %v damaged; want %d", len(got), damage, len(want))
	}
	if n := len(glob(t, dir, "*.jsonl.gz")); n < 10 {
		t.Errorf("only %d segments", n)
	}
	if files := glob(t, dir, "*.jsonl"); len(files) > 1 {
		t.Errorf("plain files are left: %v", files)
	}
	if bytes := onDisk(t, dir); bytes != j.Stats().Bytes {
		t.Errorf("the books say %d bytes, the disk %d", j.Stats().Bytes, bytes)
	}
}

func TestGroupCommitSharesSyncs(t *testing.T) {
	var syncs atomic.Int64
	dir := t.TempDir()
	j, err := open(Options{Dir: dir, MaxSize: roomy}, func(f *os.File) error {
		syncs.Add(1)
		time.Sleep(5 * time.Millisecond)
		return fdatasync(f)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, j)
	const writers, each = 64, 5
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				put(t, j, 2000)
			}
		})
	}
	wg.Wait()
	if n := syncs.Load(); n > writers*each/8 {
		t.Errorf("%d syncs for %d records", n, writers*each)
	}
}

// An acknowledgement must come after the sync that covers it: at each sync, all that was acknowledged so far is in the file
// already, and what is acknowledged next was there before the sync began.
func TestAcknowledgedOnlyAfterSync(t *testing.T) {
	dir := t.TempDir()
	var synced atomic.Value
	synced.Store("")
	j, err := open(Options{Dir: dir, MaxSize: roomy, SegmentSize: 3000}, func(f *os.File) error {
		text, err := os.ReadFile(f.Name())
		if err != nil {
			return err
		}
		synced.Store(synced.Load().(string) + string(text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, j)
	for range 20 {
		if id := put(t, j, 500); !strings.Contains(synced.Load().(string), id) {
			t.Fatalf("%s was acknowledged before it was synced", id)
		}
	}
}

func TestHungDiskBlocksNoCaller(t *testing.T) {
	dir := t.TempDir()
	hang, hung := make(chan struct{}), make(chan struct{}, 100)
	j, err := open(Options{Dir: dir, MaxSize: roomy}, func(f *os.File) error {
		hung <- struct{}{}
		<-hang
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	first := j.Append(Record{Line: lineOf(newID(), 0)})
	<-hung
	begin := time.Now()
	var waiting []<-chan error
	full := 0
	for range maxQueued + 10 {
		done := j.Append(Record{Line: lineOf(newID(), 0)})
		select {
		case err := <-done:
			if !errors.Is(err, ErrQueueFull) {
				t.Fatal(err)
			}
			full++
		default:
			waiting = append(waiting, done)
		}
	}
	if full != 11 {
		t.Errorf("%d appends were refused, want 11", full)
	}
	j.Stats()
	s, err := j.Spool()
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := j.Close(ctx); Reason(err) != "timeout" {
		t.Errorf("close: %v", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
	if err := await(t, j.Append(Record{Line: lineOf(newID(), 0)})); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	close(hang)
	for _, done := range append(waiting, first) {
		if err := await(t, done); err != nil {
			t.Fatal(err)
		}
	}
	stop(t, j)
	if got, _ := ids(t, dir); len(got) != maxQueued {
		t.Errorf("%d lines, want %d", len(got), maxQueued)
	}
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	hang, hung := make(chan struct{}), make(chan struct{}, 100)
	j, err := open(Options{Dir: t.TempDir(), MaxSize: roomy}, func(*os.File) error {
		hung <- struct{}{}
		<-hang
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, j)
	defer close(hang)
	line := lineOf(newID(), 20<<20)
	for i, want := range []error{nil, nil, nil, ErrQueueFull} {
		done := j.Append(Record{Line: line})
		if i == 0 {
			<-hung
		}
		select {
		case err := <-done:
			if !errors.Is(err, want) || want == nil {
				t.Errorf("append %d: %v", i, err)
			}
		default:
			if want != nil {
				t.Errorf("append %d was accepted", i)
			}
		}
	}
}

func TestFailedSyncIsFinalForItsSegment(t *testing.T) {
	dir := t.TempDir()
	var failures atomic.Int64
	segments := map[string]int{}
	j, err := open(Options{Dir: dir, MaxSize: roomy}, func(f *os.File) error {
		if !strings.HasSuffix(f.Name(), plainSuffix) {
			return fdatasync(f) // the keeper's
		}
		segments[filepath.Base(f.Name())]++
		if failures.Load() > 0 {
			failures.Add(-1)
			return unix.EIO
		}
		return fdatasync(f)
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	want = append(want, put(t, j, 0))
	failures.Store(1)
	want = append(want, put(t, j, 0)) // heals: the batch goes to a new segment
	want = append(want, put(t, j, 0))
	failures.Store(2)
	err = await(t, j.Append(Record{Line: lineOf(newID(), 0)}))
	if Reason(err) != "io" {
		t.Errorf("error %v, reason %s", err, Reason(err))
	}
	want = append(want, put(t, j, 0)) // resumes by itself
	stop(t, j)
	got, damage := ids(t, dir)
	slices.Reverse(got)
	if !slices.Equal(got, want) || damage != nil {
		t.Errorf("got %v %v\nwant %v", got, damage, want)
	}
	if len(segments) != 4 {
		t.Errorf("segments %v: no segment may be used after its sync failed", segments)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	j := start(t, Options{Dir: dir, MaxSize: roomy})
	_, err := Open(Options{Dir: dir, MaxSize: roomy})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) ||
		!strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("error %v", err)
	}
	put(t, j, 0)
	stop(t, j)
	j = start(t, Options{Dir: dir, MaxSize: roomy})
	put(t, j, 0)
}

func TestModes(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	dir := filepath.Join(t.TempDir(), "a", "b")
	j := start(t, Options{Dir: dir, MaxSize: roomy, SegmentSize: 100})
	put(t, j, 200)
	put(t, j, 200)
	sealed(t, j)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Errorf("%v %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f.Name(), info.Mode(), err)
		}
	}
}

func TestRefusedRecords(t *testing.T) {
	dir := t.TempDir()
	j := start(t, Options{Dir: dir, MaxSize: 10_000})
	for _, line := range []string{"", "\n", "{}", "{\n}\n", "{}\n\n", "[]\n", "{}\n{}\n", "{}\r\n"} {
		if err := await(t, j.Append(Record{Line: []byte(line)})); !errors.Is(err, ErrNotALine) {
			t.Errorf("%q: %v", line, err)
		}
	}
	for _, r := range []Record{
		{Source: strings.NewReader("{}"), Size: 2},
		{Source: strings.NewReader("{}\n{}\n"), Size: 3},
		{Source: strings.NewReader("{}\n"), Size: 4},
		{Source: strings.NewReader("[{]\n"), Size: 4},
		{Source: strings.NewReader("{}\n}"), Size: 4},
	} {
		if err := await(t, j.Append(r)); !errors.Is(err, ErrNotALine) {
			t.Errorf("%v: %v", r, err)
		}
	}
	if err := await(t, j.Append(Record{Line: lineOf(newID(), 10_001)})); Reason(err) != "too_big" {
		t.Errorf("%v", err)
	}
	id := put(t, j, 0)
	if got, damage := ids(t, dir); len(got) != 1 || got[0] != id || damage != nil {
		t.Errorf("%v %v", got, damage)
	}
	for _, o := range []Options{{MaxSize: 1}, {Dir: dir}, {Dir: dir, MaxSize: 1, MaxAge: -1}} {
		if _, err := Open(o); err == nil {
			t.Errorf("%v was accepted", o)
		}
	}
}

func TestSpooledRecord(t *testing.T) {
	dir := t.TempDir()
	j := start(t, Options{Dir: dir, MaxSize: roomy})
	id, size := newID(), 3<<20
	s, err := j.Spool()
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(lineOf(id, size), 30_000) {
		if _, err := s.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	tail := make([]byte, 5)
	if _, err := s.ReadAt(tail, s.Size()-5); err != nil || string(tail) != "\"}]}\n" {
		t.Errorf("%q %v", tail, err)
	}
	if err := await(t, j.Append(Record{Source: s, Size: s.Size()})); err != nil {
		t.Fatal(err)
	}
	before := j.Stats().Bytes
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if freed := before - j.Stats().Bytes; freed != s.Size() {
		t.Errorf("closing the spool gave %d bytes back of %d", freed, s.Size())
	}
	// The same again through a source that is no file.
	other := newID()
	text := lineOf(other, size)
	if err := await(t, j.Append(Record{Source: onlyWriterTo{text}, Size: int64(len(text))})); err != nil {
		t.Fatal(err)
	}
	if got, damage := ids(t, dir); !slices.Equal(got, []string{other, id}) || damage != nil {
		t.Errorf("%v %v", got, damage)
	}
	if files := glob(t, dir, "spool*"); files != nil {
		t.Errorf("%v", files)
	}
}

type onlyWriterTo struct{ text []byte }

func (o onlyWriterTo) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{strings.NewReader(string(o.text))})
}

func TestNamedSpool(t *testing.T) {
	dir := t.TempDir()
	f, err := named(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if files := glob(t, dir, "*"); files != nil {
		t.Errorf("%v", files)
	}
}

func TestAgeRotatesAndDrops(t *testing.T) {
	dir := t.TempDir()
	var offset atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	o := Options{Dir: dir, MaxSize: roomy, MaxAge: 8 * time.Hour, Now: now}
	j := start(t, o)
	first := put(t, j, 0)
	offset.Store(int64(61 * time.Minute))
	poke(j.wake)
	sealed := func(n int) func() bool { return func() bool { return len(glob(t, dir, "*.gz")) == n } }
	eventually(t, "the first segment is closed after an hour", sealed(1))
	second := put(t, j, 0)
	stop(t, j)

	j = start(t, o)
	eventually(t, "the second segment is sealed", sealed(2))
	if got, _ := ids(t, dir); !slices.Equal(got, []string{second, first}) {
		t.Errorf("%v", got)
	}
	// The second line has the time of its file, which is real, so both expire together here.
	offset.Store(int64(8*time.Hour + time.Minute))
	poke(j.tidyUp)
	eventually(t, "both are too old", func() bool { return j.Stats().Records == 0 && len(glob(t, dir, "*.gz")) == 0 })
	third := put(t, j, 0)
	if got, _ := ids(t, dir); !slices.Equal(got, []string{third}) {
		t.Errorf("%v", got)
	}
}

func TestClockGoesBack(t *testing.T) {
	dir := t.TempDir()
	clock := time.Now()
	var want []string
	for range 5 {
		j := start(t, Options{Dir: dir, MaxSize: roomy, Now: func() time.Time { return clock }})
		want = append([]string{put(t, j, 0)}, want...)
		stop(t, j)
		clock = clock.Add(-time.Minute)
	}
	if got, _ := ids(t, dir); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func onDisk(t testing.TB, dir string) (size int64) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			size += info.Size()
		}
	}
	return size
}
