package journal

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
)

const (
	plainName = "20260102T030405.006Z-0a0b0c0d.jsonl"
	gzName    = "20260102T030405.006Z-0a0b0c0d-9.jsonl.gz"
)

// segmentFile writes a plain segment, or a compressed one, with this text.
func segmentFile(t testing.TB, dir, file string, text []byte) string {
	t.Helper()
	path := filepath.Join(dir, file)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !strings.HasSuffix(file, gzSuffix) {
		_, err = f.Write(text)
	} else {
		r := strings.NewReader(string(text))
		var cut cutting
		if cut, err = cutMembers(r, r.Size()); err == nil {
			err = writeMembers(f, r, cut.members, nil)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDamage(t *testing.T) {
	good := func(n int) string { return fmt.Sprintf(`{"id":"%d","attempts":[{"x":"y"}]}`, n) }
	for name, test := range map[string]struct {
		text   string
		ids    string
		damage string // offsets in the plain file
	}{
		"empty file":         {"", "", ""},
		"newline":            {"\n", "", "0"},
		"torn first":         {`{"id":"1","att`, "", "0"},
		"torn last":          {good(1) + "\n" + `{"id":"2","att`, "1", "34"},
		"whole but torn":     {good(1) + "\n" + good(2), "1", "34"},
		"no closing brace":   {good(1) + "\n" + `{"id":"2","att` + "\n" + good(3) + "\n", "3 1", "34"},
		"glued":              {good(1) + good(2) + "\n", "1", ""}, // the head is whole; the body is not parsed
		"zeros":              {good(1) + "\n" + strings.Repeat("\x00", 9000) + "\n" + good(2) + "\n", "2 1", "34"},
		"no bodies":          {`{"id":"1"}` + "\n" + good(2) + "\n", "2 1", ""},
		"bodies in a string": {`{"id":"1","m":",\"attempts\":[","attempts":[]}` + "\n", "1", ""},
		"bodies in an inner": {`{"id":"1","m":{"a":1,"attempts":[]}}` + "\n", "", "0"},
		"bad head":           {`{"id":1,2,"attempts":[]}` + "\n", "", "0"},
		"endless head":       {`{"id":"` + strings.Repeat("x", headMax+1) + `","attempts":[]}` + "\n" + good(1) + "\n", "1", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, file := range []string{plainName, gzName} {
				dir := t.TempDir()
				segmentFile(t, dir, file, []byte(test.text))
				r, err := OpenReader(dir)
				if err != nil {
					t.Fatal(err)
				}
				var ids, damage []string
				for e, err := range r.Newest(time.Time{}) {
					var d *DamageError
					if errors.As(err, &d) {
						damage = append(damage, fmt.Sprint(d.Offset))
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					ids = append(ids, e.ID())
				}
				if got := strings.Join(ids, " "); got != test.ids {
					t.Errorf("%s: ids %q, want %q", file, got, test.ids)
				}
				if got := strings.Join(damage, " "); got != test.damage && file == plainName {
					t.Errorf("%s: damage at %q, want %q", file, got, test.damage)
				}
			}
		})
	}
}

func TestCorruptCompressed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var text []byte
	var all []string
	for i := range 100 {
		id := newID()
		all = append(all, id)
		text = append(text, lineOf(id, 5000+i)...)
	}
	big := newID()
	all = append(all, big)
	text = append(text, lineOf(big, 400_000)...)
	path := segmentFile(t, dir, gzName, text)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(all)
	if got, damage := ids(t, dir); !slices.Equal(got, all) || damage != nil {
		t.Fatalf("%d %v", len(got), damage)
	}
	f, _ := os.Open(path)
	members, err := readMembers(f, int64(len(whole)), func(off int64, reason string) { t.Error(off, reason) })
	f.Close()
	if err != nil || len(members) != 3 {
		t.Fatal(members, err)
	}
	for name, test := range map[string]struct {
		change func(b []byte) []byte
		lines  int // how many survive
	}{
		"content of the first": {func(b []byte) []byte { b[5000] ^= 1; return b }, 49},
		"head of the second":   {func(b []byte) []byte { b[members[1].file.start+1] = 0; return b }, 53},
		"size of the second":   {func(b []byte) []byte { b[members[1].file.start+22] = 9; return b }, 53},
		"cut off":              {func(b []byte) []byte { return b[:len(b)-1] }, 100},
		"cut to nothing":       {func(b []byte) []byte { return b[:20] }, 0},
		"garbage at the end":   {func(b []byte) []byte { return append(b, "garbage"...) }, 101},
		"garbage before":       {func(b []byte) []byte { return append([]byte("garbage"), b...) }, 101},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, test.change(slices.Clone(whole)), 0o600); err != nil {
				t.Fatal(err)
			}
			got, damage := ids(t, dir)
			if len(damage) == 0 || len(got) != test.lines {
				t.Errorf("%d lines, want %d; damage %v", len(got), test.lines, damage)
			}
			for _, id := range got {
				if !slices.Contains(all, id) {
					t.Errorf("unknown %s", id)
				}
			}
		})
	}
	// Damage in a long line shows when it is read whole.
	b := slices.Clone(whole)
	b[len(b)-100] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	r, _ := OpenReader(dir)
	e, err := r.Find(big)
	if err != nil {
		t.Fatal(err)
	}
	body, err := e.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	var d *DamageError
	if _, err := io.Copy(io.Discard, body); !errors.As(err, &d) {
		t.Errorf("%v", err)
	}
}

func TestZcatReadsSegments(t *testing.T) {
	dir := t.TempDir()
	var text []byte
	for i := range 300 {
		text = append(text, lineOf(newID(), i*20)...)
	}
	text = append(text, lineOf(newID(), 300_000)...)
	f, err := os.Open(segmentFile(t, dir, gzName, text))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != string(text) {
		t.Errorf("%d bytes, want %d: %v", len(got), len(text), err)
	}
}

func TestFindAndSince(t *testing.T) {
	dir := t.TempDir()
	begin := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	var all []string
	for hour := range 10 { // one segment each three hours, a line each hour
		at := begin.Add(time.Duration(hour) * 3 * time.Hour)
		var text []byte
		for i := range 3 {
			id := idAt(at.Add(time.Duration(i) * time.Hour))
			all = append(all, id)
			text = append(text, lineOf(id, 100)...)
		}
		file := newStem(at, "") + plainSuffix
		if hour%2 == 0 {
			file = newStem(at, "") + "-3" + gzSuffix
		}
		segmentFile(t, dir, file, text)
	}
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range all {
		e, err := r.Find(id)
		if err != nil || e.ID() != id || !strings.Contains(readWhole(t, e), id) {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, id := range []string{idAt(begin), idAt(begin.Add(100 * time.Hour)), "nothing", ""} {
		if _, err := r.Find(id); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
	for hours, want := range map[int]int{-100: 30, 0: 30, 3: 30, 5: 27, 14: 18, 29: 3, 1000: 3} {
		var got []string
		for e, err := range r.Newest(begin.Add(time.Duration(hours) * time.Hour)) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.ID())
		}
		slices.Reverse(got)
		if !slices.Equal(got, all[len(all)-want:]) {
			t.Errorf("since %d h: %d lines, want %d", hours, len(got), want)
		}
	}
	for range r.Newest(time.Time{}) { // leaving off is allowed
		break
	}
	if _, err := OpenReader(filepath.Join(dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func idAt(t time.Time) string {
	id := uuid.Must(uuid.NewV7())
	ms := t.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id.String()
}

func TestReadingWhileWriting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := start(t, Options{Dir: dir, MaxSize: roomy, SegmentSize: 30_000})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 400 {
			if err := <-j.Append(Record{Line: lineOf(newID(), 1500)}); err != nil {
				t.Error(err)
			}
		}
	}()
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		atLeast := j.Stats().Records
		got, damage := ids(t, dir)
		if damage != nil {
			t.Fatalf("damage %v", damage)
		}
		if int64(len(got)) < atLeast {
			t.Fatalf("%d lines, but %d were acknowledged", len(got), atLeast)
		}
		sorted := slices.Clone(got)
		slices.Sort(sorted)
		slices.Reverse(sorted)
		if !slices.Equal(sorted, got) || len(slices.Compact(sorted)) != len(got) {
			t.Fatal("not each once, newest first")
		}
	}
}

// An entry stays readable when its segment is compressed after it was listed.
func TestOpenAfterCompression(t *testing.T) {
	dir := t.TempDir()
	j := start(t, Options{Dir: dir, MaxSize: roomy, SegmentSize: 800_000})
	for i := range 20 {
		put(t, j, i*200)
	}
	put(t, j, 300_000)
	put(t, j, 300)
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	var entries []Entry
	for e, err := range r.Newest(time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	put(t, j, 900_000)
	sealed(t, j)
	if len(glob(t, dir, "*.gz")) != 1 || len(entries) != 22 {
		t.Fatal(glob(t, dir, "*"), len(entries))
	}
	for _, e := range entries {
		checkEntry(t, e)
		if readWhole(t, e) == "" {
			t.Fatal("gone")
		}
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	t.Run("of another process", func(t *testing.T) { testFollow(t, func(*Journal) func() int64 { return nil }) })
	t.Run("of this process", func(t *testing.T) {
		testFollow(t, func(j *Journal) func() int64 { return func() int64 { return j.Stats().Appended } })
	})
}

func testFollow(t *testing.T, appended func(*Journal) func() int64) {
	t.Parallel()
	dir := t.TempDir()
	j := start(t, Options{Dir: dir, MaxSize: roomy, SegmentSize: 20_000})
	for range 20 {
		put(t, j, 1500)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	got := make(chan string, 1000)
	go func() {
		defer close(got)
		for e, err := range Follow(ctx, dir, appended(j)) {
			if err != nil {
				t.Error(err)
				continue
			}
			checkEntry(t, e)
			got <- e.ID()
		}
	}()
	time.Sleep(100 * time.Millisecond) // Follow has begun
	var want []string
	for i := range 100 {
		want = append(want, put(t, j, 100*i))
		if i%20 == 0 {
			time.Sleep(250 * time.Millisecond)
		}
	}
	for _, id := range want {
		if next, ok := <-got; next != id {
			t.Fatalf("got %s %v, want %s", next, ok, id)
		}
	}
	cancel()
	for id := range got {
		t.Errorf("%s is too much", id)
	}
}

// As long as the journal has appended nothing, the disk is not looked at.
func TestFollowAsksTheJournal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := start(t, Options{Dir: dir, MaxSize: roomy})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var said atomic.Int64
	got := make(chan string, 10)
	go func() {
		for e := range Follow(ctx, dir, said.Load) {
			got <- e.ID()
		}
	}()
	time.Sleep(2*followInterval + followInterval/2)
	want := put(t, j, 100)
	select {
	case id := <-got:
		t.Errorf("%s was found on disk", id)
	case <-time.After(3 * followInterval):
	}
	said.Store(1)
	if id := <-got; id != want {
		t.Errorf("got %s, want %s", id, want)
	}
}

func TestFollowFromNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "later")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	time.AfterFunc(300*time.Millisecond, func() {
		j, err := Open(Options{Dir: dir, MaxSize: roomy})
		if err != nil {
			t.Error(err)
			return
		}
		<-j.Append(Record{Line: lineOf("first", 0)})
		j.Close(context.Background())
	})
	for e, err := range Follow(ctx, dir, nil) {
		if err != nil || e.ID() != "first" {
			t.Errorf("%s %v", e.Head, err)
		}
		return
	}
	t.Error("nothing came")
}

// A line of 200 MB (less where the race detector slows things), plain and compressed, is listed and read with little memory.
func TestHugeLine(t *testing.T) {
	const size = hugeLine
	dir := t.TempDir()
	j := start(t, Options{Dir: dir, MaxSize: 1 << 40})
	first := put(t, j, 100)
	s, err := j.Spool()
	if err != nil {
		t.Fatal(err)
	}
	id := newID()
	line := lineOf(id, 1<<20+1)
	prefix, chunk := line[:100], line[100:len(line)-5]
	s.Write(prefix)
	for s.Size() < size {
		s.Write(chunk)
	}
	s.Write(line[len(line)-5:])
	if err := await(t, j.Append(Record{Source: s, Size: s.Size()})); err != nil {
		t.Fatal(err)
	}
	s.Close()
	last := put(t, j, 100) // in the next segment, since the first is too large now
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, compressed := range []bool{false, true} {
		if compressed {
			sealed(t, j)
		}
		r, _ := OpenReader(dir)
		var got []string
		for e, err := range r.Newest(time.Time{}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.ID())
			if e.Size > size {
				body, err := e.Open()
				if err != nil {
					t.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, body); n != e.Size || err != nil {
					t.Errorf("%d bytes of %d: %v", n, e.Size, err)
				}
				body.Close()
			}
		}
		if !slices.Equal(got, []string{last, id, first}) {
			t.Errorf("%v", got)
		}
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("%d bytes were allocated", used)
	}
}
