package admin

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

var indexNow = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// testID is a UUIDv7 of a time.
func testID(at time.Time, n int) string {
	ms := fmt.Sprintf("%012x", at.UnixMilli())
	return fmt.Sprintf("%s-%s-7000-8000-%012x", ms[:8], ms[8:], n)
}

// testLine is a capture as it stands in the journal.
func testLine(at time.Time, n int, api, code, operation, message string) string {
	class := "marketo"
	if code == "20103" {
		class = "answer"
	}
	return fmt.Sprintf(`{"id":%q,"time":%q,"api":%q,"operation":%q,"instance":"i","user":"u%d","outcome":"fault","code":%q,"message":%q,"class":%q,"duration_ms":1.5,`+
		`"complete":true,"proxy":{},"attempts":[]}`+"\n", testID(at, n), at.Format(time.RFC3339Nano), api, operation, n%3, code, message, class)
}

// testJournal writes segments of lines: the first of them began at begun, each next one an hour later.
func testJournal(t testing.TB, begun time.Time, segments ...[]string) string {
	t.Helper()
	dir := t.TempDir()
	for i, lines := range segments {
		name := begun.Add(time.Duration(i)*time.Hour).Format("20060102T150405.000Z") + fmt.Sprintf("-%08x.jsonl", i)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(lines, "")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func testIndex(t testing.TB, dir string, limit int) *index {
	t.Helper()
	archive, err := capture.OpenArchive(dir)
	if err != nil {
		t.Fatal(err)
	}
	x := newIndex(archive, func() time.Time { return indexNow }, limit)
	t.Cleanup(x.close)
	<-x.past
	return x
}

// Whatever the filter and the place in a list, the index chooses what a plain look at all captures does.
func TestChooseIsASearch(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(0, 60).Draw(r, "n")
		x := &index{now: func() time.Time { return indexNow }, past: make(chan struct{}), limit: 1000, kinds: map[kind]*kind{}, messages: map[string]string{}}
		var all []*capture.Capture
		for i := range n {
			c := &capture.Capture{
				Time: indexNow.Add(-time.Duration(rapid.IntRange(0, 20).Draw(r, "ago")) * time.Minute), API: classify.SOAP, Outcome: classify.Fault,
				Code:      rapid.SampledFrom([]string{"", "20011", "20103"}).Draw(r, "code"),
				Operation: rapid.SampledFrom([]string{"getLead", "syncLead"}).Draw(r, "operation"), User: rapid.SampledFrom([]string{"a", "b"}).Draw(r, "user"),
			}
			c.ID = testID(c.Time, i)
			all = append(all, c)
			x.take(&capture.Stored{Capture: *c}, nil)
		}
		slices.SortFunc(all, func(a, b *capture.Capture) int {
			if order := b.Time.Compare(a.Time); order != 0 {
				return order
			}
			return strings.Compare(b.ID, a.ID)
		})
		q := capture.Query{
			Codes:     rapid.SampledFrom([][]string{nil, {"20011"}, {"20011", "20103"}}).Draw(r, "codes"),
			Operation: rapid.SampledFrom([]string{"", "getlead"}).Draw(r, "of operation"), User: rapid.SampledFrom([]string{"", "a"}).Draw(r, "of user"),
			Limit: rapid.IntRange(1, 9).Draw(r, "limit"),
		}
		if rapid.Bool().Draw(r, "bounded") {
			q.Since, q.Until = indexNow.Add(-15*time.Minute), indexNow.Add(-5*time.Minute)
		}
		var want []string
		for _, c := range all {
			if q.Matches(c) {
				want = append(want, c.ID)
			}
		}
		var down, up []string
		ids := func(rows []entry) (ids []string) {
			for _, e := range rows {
				ids = append(ids, e.id.String())
			}
			return ids
		}
		c := x.choose(q, cursor{})
		for {
			if c.total != len(want) {
				r.Fatalf("total %d, want %d", c.total, len(want))
			}
			down = append(down, ids(c.rows)...)
			if !c.older {
				break
			}
			c = x.choose(q, cursor{before: down[len(down)-1]})
		}
		if !slices.Equal(down, want) {
			r.Fatalf("downwards %v, want %v", down, want)
		}
		for len(c.rows) > 0 {
			up = append(ids(c.rows), up...)
			if !c.newer {
				break
			}
			c = x.choose(q, cursor{after: up[0]})
		}
		if !slices.Equal(up, want) {
			r.Fatalf("upwards %v, want %v", up, want)
		}
	})
}

// The index has what was there, each once, and then what comes; retention takes away what it dropped.
func TestIndexFollows(t *testing.T) {
	begun := indexNow.Add(-4 * time.Hour)
	var segments [][]string
	for s := range 4 {
		var lines []string
		for i := range 300 {
			lines = append(lines, testLine(begun.Add(time.Duration(s)*time.Hour+time.Duration(i)*time.Second), s*300+i, "soap", "20011", "getLead", "Internal Error"))
		}
		segments = append(segments, lines)
	}
	segments[1] = append(segments[1], "no capture\n")
	dir := testJournal(t, begun, segments...)
	x := testIndex(t, dir, 10_000)
	q := capture.Query{Limit: 50}
	if c := x.choose(q, cursor{}); c.total != 1200 || c.damaged != 1 || c.cut || c.reading || len(c.groups) != 1 || c.groups[0].count != 1200 {
		t.Fatalf("%d, %d damaged, cut %v, %d groups", c.total, c.damaged, c.cut, len(c.groups))
	}
	s := x.subscribe()
	last, err := os.OpenFile(newestSegment(t, dir), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	line := testLine(indexNow, 5000, "rest", "611", "getLeadByIdUsingGET", "System error")
	if _, err := last.WriteString(line); err != nil {
		t.Fatal(err)
	}
	last.Close()
	select {
	case e := <-s.events:
		if e.capture == nil || e.capture.ID != testID(indexNow, 5000) {
			t.Errorf("event %+v", e)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no event")
	}
	if c := x.choose(q, cursor{}); c.total != 1201 || c.rows[0].id.String() != testID(indexNow, 5000) || len(c.groups) != 2 {
		t.Errorf("after one came: %d", c.total)
	}
	for _, name := range segmentNames(t, dir)[:2] {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	x.prune()
	if c := x.choose(q, cursor{}); c.total != 601 {
		t.Errorf("after retention: %d", c.total)
	}
}

func segmentNames(t testing.TB, dir string) []string {
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func newestSegment(t testing.TB, dir string) string {
	names := segmentNames(t, dir)
	return names[len(names)-1]
}

// Beyond its bound the index has the newest, and the rest is found on disk.
func TestBeyondTheIndex(t *testing.T) {
	begun := indexNow.Add(-time.Hour)
	var lines []string
	for i := range 500 {
		lines = append(lines, testLine(begun.Add(time.Duration(i)*time.Second), i, "soap", []string{"20011", "20103"}[i%2], "getLead", "m"))
	}
	x := testIndex(t, testJournal(t, begun, lines), 200)
	q := capture.Query{Codes: []string{"20103"}, Limit: 30}
	var got []string
	at := cursor{}
	for range 100 {
		c := x.choose(q, at)
		if !c.cut {
			t.Fatal("not cut")
		}
		rows, more := c.rows, c.older
		if len(rows) < q.Limit && !more {
			var rest []entry
			rest, more = x.beyond(context.Background(), q, at, q.Limit-len(rows))
			rows = append(rows, rest...)
		} else if !more {
			more = true
		}
		for _, e := range rows {
			got = append(got, e.id.String())
		}
		if !more || len(rows) == 0 {
			break
		}
		at.before = got[len(got)-1]
	}
	if len(got) != 250 || len(slices.Compact(slices.Clone(got))) != 250 || !slices.IsSortedFunc(got, func(a, b string) int { return strings.Compare(b, a) }) {
		t.Errorf("%d captures", len(got))
	}
}

// A reader of events that does not read is dropped; it holds nothing up. There is a bound on them.
func TestSlowReader(t *testing.T) {
	x := &index{now: time.Now, past: make(chan struct{}), limit: 10_000, kinds: map[kind]*kind{}, messages: map[string]string{}, streams: map[*stream]bool{}}
	slow := x.subscribe()
	for i := range streamQueue + 1 {
		x.take(&capture.Stored{Capture: capture.Capture{ID: testID(indexNow, i), Time: indexNow}}, nil)
	}
	n := 0
	for range slow.events {
		n++
	}
	if n != streamQueue || x.watched() {
		t.Errorf("%d events, watched %v", n, x.watched())
	}
	x.unsubscribe(slow)
	for range maxStreams {
		if x.subscribe() == nil {
			t.Fatal("refused")
		}
	}
	if x.subscribe() != nil {
		t.Error("there is no bound")
	}
}

// What the index costs is printed, not asserted, but for a bound on memory: it must not keep what it was read from.
func TestIndexCost(t *testing.T) {
	const n = 20_000
	begun := indexNow.Add(-12 * time.Hour)
	lines := make([]string, n)
	padding := strings.Repeat("x", 1500)
	for i := range lines {
		line := testLine(begun.Add(time.Duration(i)*time.Second), i, "soap", []string{"20011", "20103", "20023"}[i%3], "getLead", fmt.Sprintf("No lead found with EMAIL = person%d@example.com", i))
		lines[i] = strings.Replace(line, `"attempts":[]`, `"attempts":[{"error":"`+padding+`"}]`, 1)
	}
	dir := testJournal(t, begun, lines)
	lines = nil
	before := heap()
	start := time.Now()
	x := testIndex(t, dir, maxEntries)
	took := time.Since(start)
	bytes := heap() - before
	views := time.Now()
	c := x.choose(capture.Query{Codes: []string{"20011"}, Limit: 50}, cursor{before: x.entries[n/2].id.String()})
	t.Logf("%d captures: read in %v, %.1f MiB (%d bytes each), a view %v", n, took.Round(time.Millisecond), float64(bytes)/(1<<20), bytes/n, time.Since(views).Round(time.Microsecond))
	if len(c.rows) != 50 || !c.newer || !c.older {
		t.Errorf("%d rows", len(c.rows))
	}
	if bytes > 300*n {
		t.Errorf("the index takes %d bytes", bytes)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The index goes when nobody looks.
func TestIndexRests(t *testing.T) {
	s := newServer(t, Options{Dir: testJournal(t, indexNow, nil)})
	if s.current != nil {
		t.Fatal("there is an index that nobody asked for")
	}
	if w := get(s, "localhost", "/"); w.Code != http.StatusOK || s.current == nil {
		t.Fatalf("%d, %v", w.Code, s.current)
	}
	watcher := s.current.subscribe()
	if s.rest(); s.current == nil {
		t.Error("it went while someone was looking")
	}
	s.current.unsubscribe(watcher)
	if s.rest(); s.current != nil {
		t.Error("it stays though nobody looks")
	}
}
