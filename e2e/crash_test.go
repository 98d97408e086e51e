//go:build linux

package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"marketo-proxy/built"
)

// What an application has seen the end of survives kill -9, whole and exactly once, while segments are rotated and compressed.
// Each round goes on with what the ones before left behind.
func TestKill(t *testing.T) {
	t.Parallel()
	const (
		rounds = 10
		conns  = 12
		// A segment is an eighth of this, so that every round fills some; all rounds together stay below, so that nothing
		// is dropped.
		maxSize = 24 << 20
	)
	marketo := newEmulator(t)
	home := t.TempDir()
	answered := map[string]bool{}
	for round := range rounds {
		name := built.Race
		if round%2 == 1 {
			name = built.Plain // quicker, so that it is hit at other moments
		}
		srv := serve(t, setup{program: name, upstream: marketo.URL, home: home, args: []string{fmt.Sprint("--capture-max-size=", maxSize)}})
		seen := storm(t, srv, conns, 20+rand.IntN(120))
		for _, call := range seen {
			answered[call] = true
		}
		if round%3 == 0 { // another process reads while this one would still write
			wantCaptured(t, srv.captures, answered)
		}
		if size := sizeOf(t, srv.captures); size > maxSize {
			t.Errorf("the captures take %d bytes, more than %d", size, maxSize)
		}
	}
	wantCaptured(t, filepath.Join(home, "captures"), answered)
	t.Logf("%d answered failures, %d bytes, segments %d plain, %d compressed", len(answered), sizeOf(t, filepath.Join(home, "captures")),
		len(segments(t, home, "*.jsonl")), len(segments(t, home, "*.jsonl.gz")))
	if len(segments(t, home, "*.jsonl.gz")) == 0 {
		t.Error("nothing was compressed: the test tries less than it should")
	}
	// A clean start leaves nothing behind that only the crashes made.
	srv := serve(t, setup{upstream: marketo.URL, home: home, args: []string{fmt.Sprint("--capture-max-size=", maxSize)}})
	wantCaptured(t, srv.captures, answered)
	eventually(t, "left-overs are gone", func() (bool, string) { // the process makes such files itself, for a moment
		left := append(segments(t, home, "spool-*"), segments(t, home, "*.tmp")...)
		return len(left) == 0, fmt.Sprint(left)
	})
}

// storm makes failing calls on several connections until that many are answered, then kills the proxy in the middle of it. It
// returns the calls of which it saw the end.
func storm(t *testing.T, srv *server, conns, enough int) (answered []string) {
	t.Helper()
	var mu sync.Mutex
	reached := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	partial := published(t, "syncMultipleLeads")
	for conn := range conns {
		d := srv.door(doorNames[conn%len(doorNames)])
		wg.Go(func() {
			for ctx.Err() == nil {
				call := newCall()
				request, header := getLead(credential{}), []string{callHeader, call, failHeader, "20011+size=" + fmt.Sprint(9000+rand.IntN(20000))}
				switch rand.IntN(8) {
				case 0:
					request, header[3] = partial, "partial"
				case 1:
					request, header = getLead(credential{age: time.Hour}), header[:2]
				case 2:
					header[3] = "reset"
				}
				g := d.do(ctx, http.MethodPost, soapPath, strings.NewReader(request), header...)
				if g.err != nil {
					continue // not seen to its end; after the kill nothing is
				}
				mu.Lock()
				if answered = append(answered, call); len(answered) == enough {
					close(reached)
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-reached:
	case <-time.After(patience):
		t.Error("the storm is too slow")
	}
	srv.kill()
	cancel()
	wg.Wait()
	return answered
}

// wantCaptured wants every one of the calls in the captures exactly once, and each capture whole.
func wantCaptured(t *testing.T, dir string, calls map[string]bool) {
	t.Helper()
	found := map[string]int{}
	for _, c := range listCaptures(t, dir) {
		found[c.call()]++
		if found[c.call()] > 1 {
			t.Errorf("%s is captured more than once", c.call())
		}
		if c.Outcome != "transport" && (!c.Complete || c.Attempts[0].Response == nil || c.Attempts[0].Response.Body.Text == "") {
			t.Errorf("%s (%s) is not whole", c.call(), c.Outcome)
		}
	}
	missing := 0
	for call := range calls {
		if found[call] == 0 {
			missing++
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d answered failures are missing", missing, len(calls))
	}
}

// segments are the files of a home's captures that match a pattern.
func segments(t *testing.T, home, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(home, "captures", pattern))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// sizeOf is the size of the files in a directory that may change meanwhile.
func sizeOf(t *testing.T, dir string) (size int64) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // removed meanwhile
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	return size
}
