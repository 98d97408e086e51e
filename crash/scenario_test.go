//go:build linux

package crash

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// promised is how long an answer may wait for a disk, and slack what a busy machine may add.
	promised = 2 * time.Second
	slack    = 1500 * time.Millisecond

	// stall is from how long a sync of the test's own it may be the disk, and not the proxy, that makes a capture late.
	stall = 500 * time.Millisecond
)

// scenario is a disk, or what a process may do with it, that breaks and is mended.
type scenario struct {
	setup
	mix
	breakIt func()
	mend    func()
	lasts   time.Duration // how long it stays broken; 0: a second
	reasons []string      // with which captures may be lost; on a slow disk a few are late besides
	spared  bool          // nothing is lost at all
	drops   bool          // the oldest captures make room for the newest
	gone    bool          // what was captured before is gone: someone deleted it
	forgets bool          // the disk may forget that a file was removed, or cut back to its last good line
}

// try runs a proxy through a scenario: traffic before, while and after the fault. No application may notice any of it but for the
// time that was promised; what is lost is counted, by its reason; what is not lost is on disk.
func try(t *testing.T, s scenario) {
	t.Helper()
	marketo := newMarketo(t)
	s.upstream = marketo.URL
	if s.connections == 0 {
		s.connections = 8
	}
	if s.pause == 0 {
		s.pause = 10 * time.Millisecond
	}
	if s.lasts == 0 {
		s.lasts = time.Second
	}
	srv := serve(t, s.setup)
	if s.started != nil {
		s.started(srv)
	}
	disk := watchDisk(t, s)
	mend := sync.OnceFunc(s.mend)
	t.Cleanup(mend) // or nothing that waits for the disk would ever end
	stopProbes := watchProbes(t, srv)
	tr := newTraffic(t, srv, s.mix)
	more(t, tr, 50)
	if c := srv.counts(); c.lostTotal() > 0 || c.saved == 0 {
		t.Errorf("before the fault: %+v", c)
	}

	broken := time.Now()
	s.breakIt()
	more(t, tr, 1)
	time.Sleep(s.lasts)
	if !s.spared {
		eventually(t, "something is lost", func() (bool, string) {
			log := srv.stderr.String() // a scrape may need what the process has no more of
			return strings.Contains(log, `"capture lost"`), log
		})
	}
	mend()
	mended := time.Now()

	resumes(t, srv, tr)
	resumed := time.Now()
	more(t, tr, 50)
	tr.stop()
	settled := settles(t, srv, tr)
	stopProbes()
	t.Logf("%d calls, %d failures, broken for %s: lost %v, slowest success %s, failure %s", tr.made, len(tr.failures),
		mended.Sub(broken).Round(time.Millisecond), settled.lost, tr.slowest.Round(time.Millisecond), tr.longest.Round(time.Millisecond))
	late := settled.lost["timeout"] // counted twice if they were written in the end
	stalled := disk.stop()
	for reason, n := range settled.lost {
		slow := reason == "timeout" && (stalled > promised || stalled > stall && n <= len(tr.failures)/10)
		if !slow && !slices.Contains(s.reasons, reason) {
			t.Errorf("captures are lost for the reason %q: %v; the disk took %s at most for a sync", reason, settled.lost, stalled)
		}
	}
	if tr.longest > promised+slack || tr.slowest > slack {
		t.Errorf("a failing call took %s, a successful one %s", tr.longest, tr.slowest)
	}
	srv.terminate()
	srv.wantLossesLogged(settled)

	found := readShelf(t, s.captures)
	// Whole again is what comes after the fault, and was what came before it.
	touched := func(f failure) bool {
		return !s.spared && f.at.After(broken.Add(-promised)) && f.at.Before(resumed.Add(promised)) || stalled > stall
	}
	missing := found.missing(t, tr.failures, touched)
	dropped := len(missing) - (len(tr.failures) - settled.saved)
	if dropped < 0 && !s.forgets || dropped > 0 && !s.drops && !s.gone {
		t.Errorf("%d of %d failures are missing, %d were counted as captured", len(missing), len(tr.failures), settled.saved)
	}
	if n := settled.saved + settled.lostTotal(); len(tr.failures) > n || len(tr.failures) < n-late {
		t.Errorf("%d failures, %d captured, %d lost", len(tr.failures), settled.saved, settled.lostTotal())
	}
	for _, id := range missing {
		switch f := tr.failures[id]; {
		case f.at.After(resumed.Add(promised)) && !s.drops && stalled <= stall, !s.gone && !s.drops && f.at.Before(broken.Add(-promised)):
			t.Errorf("%s is missing, from %s before the fault, %s before it was mended", id, broken.Sub(f.at), mended.Sub(f.at))
		}
	}
	if len(found.strangers) > 0 && !s.forgets {
		t.Errorf("unknown files: %v", found.strangers)
	}
	wantTidy(t, s.setup, present(tr.failures, missing), touched)
}

// wantLossesLogged wants a line for each reason at the beginning of a burst, and one with the number at its end.
func (s *server) wantLossesLogged(c counts) {
	s.t.Helper()
	begun, over := map[string]int{}, map[string]int{}
	for line := range strings.Lines(s.stderr.String()) {
		var entry struct {
			Msg, Reason, Error string
			Captures           int
		}
		if json.Unmarshal([]byte(line), &entry) != nil {
			continue
		}
		switch entry.Msg {
		case "capture lost":
			begun[entry.Reason]++
			if entry.Error == "" {
				s.t.Errorf("no error: %s", line)
			}
		case "captures were lost":
			over[entry.Reason] += entry.Captures
		}
	}
	if !maps.Equal(over, c.lost) {
		s.t.Errorf("lost %v, the log says %v", c.lost, over)
	}
	for reason, n := range begun {
		if n != 1 || c.lost[reason] == 0 {
			s.t.Errorf("%d lines say that captures are lost for the reason %q", n, reason)
		}
	}
	if len(begun) != len(c.lost) {
		s.t.Errorf("lost %v, logged %v", c.lost, begun)
	}
}

// present are the failures without the missing.
func present(all map[string]failure, missing []string) map[string]failure {
	all = maps.Clone(all)
	for _, id := range missing {
		delete(all, id)
	}
	return all
}

// more waits for so many calls.
func more(t *testing.T, tr *traffic, n int) {
	t.Helper()
	enough := tr.progress() + n
	eventually(t, "traffic", func() (bool, string) { return tr.progress() >= enough, fmt.Sprint(tr.progress()) })
}

// resumes waits until failures are captured again, and none is lost any more.
func resumes(t *testing.T, srv *server, tr *traffic) {
	t.Helper()
	eventually(t, "captures go on", func() (bool, string) {
		before := srv.counts()
		more(t, tr, 30)
		after := srv.counts()
		return after.saved > before.saved && after.lostTotal() == before.lostTotal(), fmt.Sprint(before, after)
	})
}

// settles returns the counts once every failure that was answered is counted, as captured or as lost.
func settles(t *testing.T, srv *server, tr *traffic) (c counts) {
	t.Helper()
	eventually(t, "every failure is counted", func() (bool, string) {
		c = srv.counts()
		return c.saved+c.lostTotal() >= len(tr.failures), fmt.Sprint(c, len(tr.failures))
	})
	return c
}

// watchProbes wants both probes to be 200 all the time.
func watchProbes(t *testing.T, srv *server) (stop func()) {
	quit := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			for _, path := range []string{"livez", "readyz"} {
				if status, _, err := srv.get(path); status != http.StatusOK {
					t.Errorf("/%s: %d %v", path, status, err)
					return
				}
			}
			select {
			case <-quit:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	var once sync.Once
	stop = func() { once.Do(func() { close(quit) }); watching.Wait() }
	t.Cleanup(stop)
	return stop
}

// watched is how long the disk of a scenario takes.
type watched struct {
	quit, done chan struct{}
	once       sync.Once
	slowest    time.Duration
}

// watchDisk syncs a file of its own again and again, beside the captures, so that a test can tell a slow disk, or a machine that is busy, from
// a slow proxy. Where a fault is for one sync alone, it must not take that, and the file is on the disk of the test itself.
func watchDisk(t *testing.T, s scenario) *watched {
	t.Helper()
	path := filepath.Join(filepath.Dir(s.captures), "watched")
	if s.spared {
		path = filepath.Join(t.TempDir(), "watched")
	}
	w := &watched{quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for {
			began := time.Now()
			if f, err := os.Create(path); err == nil { // what the faults do to it is of no interest
				_, _ = f.WriteString(began.String())
				_ = f.Sync()
				f.Close()
			}
			w.slowest = max(w.slowest, time.Since(began))
			select {
			case <-w.quit:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() { w.stop() })
	return w
}

// stop returns what the slowest took.
func (w *watched) stop() time.Duration {
	w.once.Do(func() { close(w.quit) })
	<-w.done
	return w.slowest
}
