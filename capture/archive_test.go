package capture

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"marketo-proxy/classify"
	"marketo-proxy/journal"
)

var archiveNow = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func idAt(t time.Time, n int) string {
	ms := t.UnixMilli()
	return fmt.Sprintf("%08x-%04x-7%03x-8000-%012x", ms>>16, ms&0xffff, n&0xfff, n)
}

func aCapture(at time.Time, n int) Capture {
	return Capture{
		ID: idAt(at, n), Time: at.UTC(), API: classify.SOAP, Operation: "getLead", Instance: "123-ABC-456", User: "demo_1",
		Outcome: classify.Fault, Code: "20011", Class: classify.ClassMarketo, Message: "Internal error (20011)", DurationMS: 100,
		Complete: true, Proxy: Proxy{Version: "v1", Host: "h"},
		Attempts: []AttemptLine{{
			Started: at.UTC(), Outcome: classify.Fault, Code: "20011",
			Request: RequestLine{Method: "POST", URL: "https://x/soap/mktows/3_1", HTTPVersion: "HTTP/1.1", Headers: []HeaderLine{}, BodySize: 4,
				Body: BodyLine{Size: 4, Text: fmt.Sprintf("<q>%d</q>", n)}},
			Response: &ResponseLine{Status: 500, Headers: []HeaderLine{}, BodySize: 4, Body: BodyLine{Size: 4, Text: "<a/>"}},
		}},
	}
}

func lineOf(t testing.TB, c Capture) []byte {
	t.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// journalAt opens a journal that is closed at the end of the test. Its segments are small, so that some get closed and compressed.
func journalAt(t testing.TB, dir string, segment int64) *journal.Journal {
	t.Helper()
	j, err := journal.Open(journal.Options{Dir: dir, MaxSize: 1 << 30, SegmentSize: segment})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeJournal(t, j) })
	return j
}

func closeJournal(t testing.TB, j *journal.Journal) {
	t.Helper()
	if err := j.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func write(t testing.TB, j *journal.Journal, captures ...Capture) {
	t.Helper()
	for _, c := range captures {
		if err := <-j.Append(journal.Record{Line: lineOf(t, c)}); err != nil {
			t.Fatal(err)
		}
	}
}

func openArchive(t testing.TB, dir string) *Archive {
	t.Helper()
	a, err := OpenArchive(dir)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func search(t testing.TB, a *Archive, q Query) (ids []string) {
	t.Helper()
	for s, err := range a.Search(context.Background(), q) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, s.ID)
	}
	return ids
}

func TestSearchReadsOpenRotatedAndCompressedSegments(t *testing.T) {
	dir := t.TempDir()
	var want []string
	first, err := journal.Open(journal.Options{Dir: dir, MaxSize: 1 << 30, SegmentSize: 4 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 40 {
		c := aCapture(archiveNow.Add(time.Duration(n)*time.Minute), n)
		write(t, first, c)
		want = append(want, c.ID)
	}
	closeJournal(t, first)
	second := journalAt(t, dir, 1<<20)
	for n := 40; n < 45; n++ {
		c := aCapture(archiveNow.Add(time.Duration(n)*time.Minute), n)
		write(t, second, c)
		want = append(want, c.ID)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl*"))
	zipped := slices.ContainsFunc(files, func(name string) bool { return strings.HasSuffix(name, ".gz") })
	if err != nil || len(files) < 4 || !zipped {
		t.Fatalf("%v, %v", files, err)
	}
	slices.Reverse(want)
	a := openArchive(t, dir)
	if got := search(t, a, Query{}); !slices.Equal(got, want) {
		t.Errorf("got %d captures:\n%s\nwant\n%s", len(got), strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := search(t, a, Query{Limit: 3}); !slices.Equal(got, want[:3]) {
		t.Errorf("limit: got %v", got)
	}
	for _, id := range want {
		s, err := a.Find(id)
		if err != nil {
			t.Fatal(err)
		}
		d, err := s.Detail()
		if err != nil {
			t.Fatal(err)
		}
		if d.ID != id || len(d.Attempts) != 1 || len(s.Attempts) != 0 {
			t.Fatalf("got %+v", d.Capture)
		}
		body, err := d.Body(0, RequestSide)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(body); err != nil || !strings.HasPrefix(string(got), "<q>") {
			t.Fatalf("%q, %v", got, err)
		}
		if err := body.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestQuery(t *testing.T) {
	dir := t.TempDir()
	j := journalAt(t, dir, 0)
	at := func(n int, change func(*Capture)) Capture {
		c := aCapture(archiveNow.Add(time.Duration(n)*time.Hour), n)
		change(&c)
		return c
	}
	write(t, j,
		at(0, func(*Capture) {}),
		at(1, func(c *Capture) {
			c.Code, c.Class, c.Operation, c.User = "20103", classify.ClassAnswer, "syncLead", "other"
		}),
		at(2, func(c *Capture) {
			c.API, c.Code, c.Outcome, c.Class = classify.REST, "", classify.Transport, classify.ClassUnknown
		}),
	)
	a := openArchive(t, dir)
	hour := func(n int) time.Time { return archiveNow.Add(time.Duration(n) * time.Hour) }
	for _, c := range []struct {
		q    Query
		want string // which, newest first
	}{
		{Query{}, "210"},
		{Query{Codes: []string{"20103", "20011"}}, "10"},
		{Query{Codes: []string{"2010"}}, ""},
		{Query{Class: "Answer"}, "1"},
		{Query{Operation: "SYNCLEAD"}, "1"},
		{Query{API: "rest"}, "2"},
		{Query{Outcome: "transport"}, "2"},
		{Query{User: "other"}, "1"},
		{Query{User: "Other"}, ""},
		{Query{Since: hour(1)}, "21"},
		{Query{Until: hour(1)}, "0"},
		{Query{Since: hour(1), Until: hour(2)}, "1"},
		{Query{API: "soap", Limit: 1}, "1"},
	} {
		got := ""
		for _, id := range search(t, a, c.q) {
			got += id[len(id)-1:]
		}
		if got != c.want {
			t.Errorf("%+v: got %q, want %q", c.q, got, c.want)
		}
	}
}

func TestQueryCheck(t *testing.T) {
	for _, c := range []struct {
		q    Query
		want []string // in the error
	}{
		{Query{API: "SOAP", Class: "renew", Outcome: "Fault", Codes: []string{"20016"}, Limit: 3}, nil},
		{Query{API: "soup", Class: "sour"}, []string{`"soup" is none of soap, rest`, `"sour" is none of renew`}},
		{Query{Outcome: "x"}, []string{"outcome"}},
		{Query{Codes: []string{"20016x"}}, []string{"20016x"}},
		{Query{Limit: -1}, []string{"limit"}},
		{Query{Since: archiveNow, Until: archiveNow}, []string{"since"}},
	} {
		err := c.q.Check()
		if (err == nil) != (c.want == nil) {
			t.Errorf("%+v: %v", c.q, err)
		}
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v lacks %s", c.q, err, want)
			}
		}
	}
}

// The journal has calls in the order of their ends; Search gives them in the order of their begin.
func TestSearchOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 30).Draw(t, "n")
		captures := make([]*Stored, n)
		for i := range captures {
			at := archiveNow.Add(time.Duration(rapid.IntRange(0, 100_000).Draw(t, "ms")) * time.Millisecond)
			c := aCapture(at, i)
			c.DurationMS = float64(rapid.SampledFrom([]int{0, 1, 500, 30_000, 200_000}).Draw(t, "duration"))
			captures[i] = &Stored{Capture: c}
		}
		ended := func(s *Stored) time.Time { return s.Time.Add(time.Duration(s.DurationMS) * time.Millisecond) }
		slices.SortStableFunc(captures, func(a, b *Stored) int { return ended(b).Compare(ended(a)) })
		limit := rapid.IntRange(0, n).Draw(t, "limit")
		var got []string
		w := window{left: limit, unlimited: limit == 0, yield: func(s *Stored, _ error) bool {
			got = append(got, s.ID)
			return true
		}}
		for _, s := range captures {
			if !w.done {
				w.add(s, true)
			}
		}
		w.release(time.Time{})
		slices.SortFunc(captures, func(a, b *Stored) int { return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.ID, a.ID)) })
		want := []string{}
		for _, s := range captures {
			if limit == 0 || len(want) < limit {
				want = append(want, s.ID)
			}
		}
		if !slices.Equal(got, want) && len(want)+len(got) > 0 {
			t.Fatalf("limit %d: got %v, want %v", limit, got, want)
		}
	})
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	j := journalAt(t, dir, 2<<10)
	var all []Capture
	for n := range 12 {
		all = append(all, aCapture(archiveNow.Add(time.Duration(n)*time.Minute), n))
	}
	twin := aCapture(archiveNow, 99)
	write(t, j, append(all, twin)...)
	a := openArchive(t, dir)
	for _, c := range all[1:] {
		for _, id := range []string{c.ID, c.ID[:14], strings.ToUpper(c.ID[:20]), " " + c.ID + "\n"} {
			if s, err := a.Find(id); err != nil || s.ID != c.ID {
				t.Errorf("%s: %v", id, err)
			}
		}
	}
	var several *AmbiguousError
	if _, err := a.Find(all[0].ID[:13]); !errors.As(err, &several) || len(several.IDs) != 2 {
		t.Errorf("ambiguous: %v", err)
	}
	for _, id := range []string{idAt(archiveNow, 500), "ffffffff", "00000000", strings.Repeat("x", 40), "nothing-like-an-id"} {
		if _, err := a.Find(id); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := a.Find(all[0].ID[:7]); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("short: %v", err)
	}
}

func TestSearchReportsDamageAndGoesOn(t *testing.T) {
	dir := t.TempDir()
	j := journalAt(t, dir, 1<<20)
	write(t, j, aCapture(archiveNow, 1))
	for _, line := range []string{`{"no":"id"}`, `{"id":7}`, `{"id":"x","time":"yesterday"}`} {
		if err := <-j.Append(journal.Record{Line: []byte(line + "\n")}); err != nil {
			t.Fatal(err)
		}
	}
	write(t, j, aCapture(archiveNow, 2))
	closeJournal(t, j)
	files, _ := filepath.Glob(filepath.Join(dir, "*.jsonl*"))
	for _, name := range files {
		if strings.HasSuffix(name, ".gz") {
			continue
		}
		f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("{\"torn\":"); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	var good, bad int
	for s, err := range openArchive(t, dir).Search(context.Background(), Query{}) {
		if err != nil {
			bad++
		} else if s != nil {
			good++
		}
	}
	if good != 2 || bad < 3 {
		t.Errorf("%d good, %d bad", good, bad)
	}
}

func TestFollow(t *testing.T) {
	dir := t.TempDir()
	j := journalAt(t, dir, 1<<20)
	other := aCapture(archiveNow, 0)
	other.Operation = "syncLead"
	write(t, j, other, aCapture(archiveNow, 1), aCapture(archiveNow.Add(time.Minute), 2))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	got := make(chan string, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s, err := range openArchive(t, dir).Follow(ctx, Query{Operation: "getLead", Since: archiveNow.Add(-time.Hour)}) {
			if err != nil {
				t.Error(err)
				continue
			}
			got <- s.ID
		}
	}()
	next := func(want string) {
		t.Helper()
		select {
		case id := <-got:
			if id != want {
				t.Errorf("got %s, want %s", id, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("nothing came")
		}
	}
	next(idAt(archiveNow, 1))
	next(idAt(archiveNow.Add(time.Minute), 2))
	write(t, j, other, aCapture(archiveNow, 3))
	next(idAt(archiveNow, 3))
	cancel()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("does not end")
	}
}

// hugeLine is a capture whose one body has size bytes.
type hugeLine struct {
	head, tail string
	size       int64
}

func newHugeLine(t testing.TB, id string, size int64) *hugeLine {
	c := aCapture(archiveNow, 0)
	c.ID = id
	c.Attempts[0].Response.Body.Text = "@"
	line := string(lineOf(t, c))
	head, tail, _ := strings.Cut(line, "@")
	return &hugeLine{head, tail, size}
}

func (h *hugeLine) Size() int64 { return int64(len(h.head)+len(h.tail)) + h.size }

func (h *hugeLine) WriteTo(w io.Writer) (n int64, err error) {
	block := bytes.Repeat([]byte(`<lead>x</lead>\n`), 4096)
	write := func(p []byte) {
		if err == nil {
			var m int
			m, err = w.Write(p)
			n += int64(m)
		}
	}
	write([]byte(h.head))
	for left := h.size; left > 0; left -= int64(len(block)) {
		write(block[:min(left, int64(len(block)))])
	}
	write([]byte(h.tail))
	return n, err
}

func TestMemoryStaysFlat(t *testing.T) {
	size := int64(100 << 20) // whole units of the block
	if underRace {
		size = 16 << 20
	}
	dir := t.TempDir()
	j := journalAt(t, dir, 1<<28)
	h := newHugeLine(t, idAt(archiveNow, 7), size)
	if err := <-j.Append(journal.Record{Source: h, Size: h.Size()}); err != nil {
		t.Fatal(err)
	}
	a := openArchive(t, dir)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s, err := a.Find(idAt(archiveNow, 7))
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Detail()
	if err != nil {
		t.Fatal(err)
	}
	body, err := d.Body(0, ResponseSide)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	n, err := io.Copy(io.Discard, body)
	if want := size / 16 * 15; err != nil || n != want {
		t.Errorf("%d bytes of %d, %v", n, want, err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("%d bytes allocated", used)
	}
}
