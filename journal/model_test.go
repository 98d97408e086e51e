package journal

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model drives a journal with everything its users do, and knows what must be in it.
type model struct {
	t      *testing.T
	dir    string
	j      *Journal
	clock  atomic.Int64 // added to the time
	want   []string     // oldest first
	broken atomic.Int64 // how many of the next syncs of plain segments fail
}

func (m *model) open(t *rapid.T) {
	j, err := open(Options{
		Dir: m.dir, MaxSize: roomy, MaxAge: 1000 * time.Hour,
		SegmentSize: rapid.Int64Range(1, 20_000).Draw(t, "segment size"),
		Now:         func() time.Time { return time.Now().Add(time.Duration(m.clock.Load())) },
	}, func(f *os.File) error {
		if n, ok := parseName(f.Name()[len(m.dir)+1:]); ok && !n.compressed && m.broken.Add(-1) >= 0 {
			return errors.New("no sync")
		}
		return nil // speed; what is in the page cache is there for this test
	})
	if err != nil {
		t.Fatal(err)
	}
	m.j = j
}

func (m *model) close(t *rapid.T) {
	if err := m.j.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func (m *model) record(t *rapid.T) (string, Record) {
	id := newID()
	line := lineOf(id, m.size(t))
	if !rapid.Bool().Draw(t, "spooled") {
		return id, Record{Line: line}
	}
	s, err := m.j.Spool()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(line); err != nil {
		t.Fatal(err)
	}
	return id, Record{Source: s, Size: s.Size()}
}

// size is small but for one line in ten, which may be a member of its own.
func (m *model) size(t *rapid.T) int {
	if rapid.IntRange(0, 9).Draw(t, "large") == 9 {
		return rapid.IntRange(memberSize-1000, memberSize+1000).Draw(t, "size")
	}
	return rapid.IntRange(0, 5000).Draw(t, "size")
}

func (m *model) Append(t *rapid.T) {
	id, r := m.record(t)
	err := <-m.j.Append(r)
	if s, ok := r.Source.(*Spool); ok {
		s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	m.want = append(m.want, id)
}

func (m *model) AppendMany(t *rapid.T) {
	var done []<-chan error
	for range rapid.IntRange(2, 20).Draw(t, "many") {
		id := newID()
		done = append(done, m.j.Append(Record{Line: lineOf(id, rapid.IntRange(0, 5000).Draw(t, "size"))}))
		m.want = append(m.want, id)
	}
	for _, d := range done {
		if err := <-d; err != nil {
			t.Fatal(err)
		}
	}
}

func (m *model) SyncFailsOnce(t *rapid.T) {
	m.broken.Store(1)
	m.Append(t)
	m.broken.Store(0)
}

func (m *model) SyncFailsTwice(t *rapid.T) {
	m.broken.Store(2)
	if err := <-m.j.Append(Record{Line: lineOf(newID(), 1000)}); err == nil {
		t.Fatal("acknowledged without a sync")
	}
	m.broken.Store(0)
}

func (m *model) Reopen(t *rapid.T) {
	m.close(t)
	m.open(t)
}

func (m *model) Torn(t *rapid.T) {
	m.close(t)
	if files := glob(m.t, m.dir, "*.jsonl"); len(files) > 0 {
		appendTo(m.t, files[len(files)-1], `{"id":"torn`)
	}
	m.open(t)
}

func (m *model) TimePasses(t *rapid.T) {
	m.clock.Add(rapid.Int64Range(-int64(time.Minute), int64(2*time.Hour)).Draw(t, "time"))
	poke(m.j.wake)
}

func (m *model) Read(t *rapid.T) {
	got, _ := ids(m.t, m.dir) // a torn line is damage until it is sealed
	slices.Reverse(got)
	if !slices.Equal(got, m.want) {
		t.Fatalf("%d lines, want %d\n%v\n%v", len(got), len(m.want), got, m.want)
	}
}

func (m *model) Check(*rapid.T) {}

func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{t: t, dir: t.TempDir()}
		m.open(rt)
		defer func() {
			m.close(rt)
			os.RemoveAll(m.dir)
		}()
		rt.Repeat(rapid.StateMachineActions(m))
		m.Read(rt)
		sealed(t, m.j)
		m.Read(rt)
		if got := m.j.Stats(); got.Records != int64(len(m.want)) || got.Bytes != onDisk(t, m.dir) {
			rt.Fatalf("%+v, want %d lines, %d bytes", got, len(m.want), onDisk(t, m.dir))
		}
	})
}
