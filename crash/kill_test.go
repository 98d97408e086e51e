//go:build linux

package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"marketo-proxy/built"
)

const (
	// A segment is an eighth of it, so that rounds fill some. Nothing of a campaign may be dropped: a round writes killBudget at
	// most, and waits while more than a third of the size is used; compressed, a whole campaign is some megabytes.
	killSize        = 32 << 20
	killBudget      = 9 << 20
	killConnections = 64
	killRounds      = 40 // of one directory
)

// What an application has seen the end of survives kill -9 at any moment of a storm of failures: whole, and exactly once, while
// segments are rotated, compressed and taken over. Every round goes on with what the ones before left behind.
func TestKill(t *testing.T) {
	t.Parallel()
	for left := *crashes; left > 0; left -= killRounds {
		campaign(t, min(left, killRounds))
	}
}

func campaign(t *testing.T, rounds int) {
	t.Helper()
	marketo := newMarketo(t)
	dir := filepath.Join(t.TempDir(), "captures")
	answered, named := map[string]failure{}, map[string]bool{}
	packed, torn := 0, 0
	for round := range rounds {
		s := setup{upstream: marketo.URL, captures: dir, args: []string{fmt.Sprint("--capture-max-size=", killSize)}}
		if round%10 == 3 {
			s.program = built.Race // slower, so that it is hit at other moments
		}
		if round%4 == 1 { // while it takes over what the last one left
			srv := launch(t, s)
			time.Sleep(rand.N(100 * time.Millisecond))
			srv.kill()
		}
		srv := serve(t, s)
		eventually(t, "the keeper is not far behind", func() (bool, string) {
			c := srv.counts()
			return c.storedBytes < killSize/3, fmt.Sprint(c)
		})
		more, moreNamed := killInStorm(t, srv)
		maps.Copy(answered, more)
		maps.Copy(named, moreNamed)
		if round%8 == 7 || round == rounds-1 {
			found := wantAll(t, dir, answered, never)
			for id := range named {
				if _, ok := found.captures[id]; !ok {
					t.Errorf("%s was named in the head of an answer, and is missing", id)
				}
			}
			packed += found.packed
			torn += len(readShelf(t, dir).torn)
		}
	}
	if packed == 0 {
		t.Error("nothing was compressed: the test tries less than it should")
	}
	if len(answered) < 20*rounds {
		t.Errorf("only %d failures were answered", len(answered))
	}
	wantTidy(t, setup{upstream: marketo.URL, captures: dir, args: []string{fmt.Sprint("--capture-max-size=", killSize)}}, answered, never)
	t.Logf("%d kills, %d answered failures, %d more named in a head, half lines seen in %d files", rounds, len(answered), len(named), torn)
}

// killInStorm makes failing calls over many connections, kills the proxy at a moment of chance, and returns the failures whose
// answers were read to their end, and the captures that the heads of others named. Of an answer above 1 MiB the head may come first.
func killInStorm(t *testing.T, srv *server) (answered map[string]failure, named map[string]bool) {
	t.Helper()
	var mu sync.Mutex
	answered, named = map[string]failure{}, map[string]bool{}
	written := 0
	first, enough := make(chan struct{}), make(chan struct{})
	var once, onceEnough sync.Once
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := newCaller(t, srv, killConnections)
	var storm sync.WaitGroup
	for range killConnections {
		storm.Go(func() {
			for ctx.Err() == nil {
				kind, size := fault, 1000+rand.IntN(120_000)
				switch n := rand.IntN(300); {
				case n < 20:
					kind = succeed
				case n < 50:
					kind = reset
				case n < 53:
					size = 1_060_000 // goes to a file, and has room in memory until the disk has time
				}
				o, wrong, err := c.call(ctx, kind, rand.IntN(2000), size)
				if err != nil { // not seen to its end; after the kill nothing is
					if o.capture != "" && size < 1<<20 {
						mu.Lock()
						named[o.capture] = true
						mu.Unlock()
					}
					continue
				}
				if wrong != "" {
					t.Error(wrong)
				}
				if o.capture == "" {
					continue
				}
				mu.Lock()
				answered[o.capture] = o.failure
				if written += o.failure.sent.size + o.failure.received.size; written > killBudget {
					onceEnough.Do(func() { close(enough) })
				}
				mu.Unlock()
				once.Do(func() { close(first) })
			}
		})
	}
	select {
	case <-first:
	case <-time.After(patience):
		t.Error("no failure was answered")
	}
	select {
	case <-time.After(rand.N(400 * time.Millisecond)):
	case <-enough:
	}
	srv.kill()
	cancel()
	storm.Wait()
	return answered, named
}

// never and always are for captures that may be cut.
func never(failure) bool  { return false }
func always(failure) bool { return true }

// wantAll wants every failure on the shelf, whole, or, where cut says so, marked as not whole.
func wantAll(t *testing.T, dir string, answered map[string]failure, cut func(failure) bool) *shelf {
	t.Helper()
	s := readShelf(t, dir)
	if missing := s.missing(t, answered, cut); len(missing) > 0 {
		t.Errorf("%d of %d failures are missing: %.500v", len(missing), len(answered), missing)
		for _, id := range missing[:min(3, len(missing))] {
			t.Logf("%s: %+v", id, answered[id])
		}
	}
	return s
}

// wantTidy starts the proxy on a directory once more, and wants it to put everything in order: what it left behind in every way
// of ending is compressed or gone, the books agree with the disk, and the commands read all of it.
func wantTidy(t *testing.T, s setup, answered map[string]failure, cut func(failure) bool) {
	t.Helper()
	srv := serve(t, s)
	eventually(t, "everything is compressed", func() (bool, string) {
		plain, err := filepath.Glob(filepath.Join(s.captures, "*.jsonl"))
		return len(plain) == 0, fmt.Sprint(plain, err)
	})
	found := wantAll(t, s.captures, answered, cut)
	if len(found.torn) > 0 || len(found.strangers) > 0 {
		t.Errorf("half lines in %v, unknown files %v", found.torn, found.strangers)
	}
	if c := srv.counts(); c.stored != len(found.captures) || c.storedBytes != found.bytes {
		t.Errorf("the books say %d captures in %d bytes; there are %d in %d", c.stored, c.storedBytes, len(found.captures), found.bytes)
	}
	wantReadable(t, s.captures, found)
	srv.terminate()
}

// wantReadable wants the commands to see what the test sees.
func wantReadable(t *testing.T, dir string, found *shelf) {
	t.Helper()
	wantLines := func(what, lines string) {
		t.Helper()
		ids := map[string]bool{}
		for line := range strings.Lines(lines) {
			var c captured
			if err := json.Unmarshal([]byte(line), &c); err != nil {
				t.Errorf("%s: %v: %.200s", what, err, line)
			}
			if _, ok := found.captures[c.ID]; !ok || ids[c.ID] {
				t.Errorf("%s: %q is unknown, or comes twice", what, c.ID)
			}
			ids[c.ID] = true
		}
		if len(ids) != len(found.captures) {
			t.Errorf("%s: %d captures, want %d", what, len(ids), len(found.captures))
		}
	}
	wantLines("ls", captures(t, dir, "ls", "--json", "--limit=0"))
	out := filepath.Join(t.TempDir(), "export")
	captures(t, dir, "export", "--format=jsonl", "-o", out)
	exported, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	wantLines("export", string(exported))
	captures(t, dir, "export", "--format=har", "-o", out)
	har, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var archive struct {
		Log struct{ Entries []json.RawMessage }
	}
	if err := json.Unmarshal(har, &archive); err != nil || len(archive.Log.Entries) != len(found.captures) {
		t.Errorf("the HAR has %d entries, want %d; %v", len(archive.Log.Entries), len(found.captures), err)
	}
}
