//go:build linux

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// held is what a process holds on to.
type held struct{ goroutines, files, inFlight int }

func (s *server) held() held {
	s.t.Helper()
	m := s.metrics()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	return held{int(m["go_goroutines"]), len(files), int(sum(m, "marketo_proxy_requests_in_flight"))}
}

// openFiles tells what a process has open, for the message of a failure.
func (s *server) openFiles() (names []string) {
	dir := fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid)
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		name, err := os.Readlink(filepath.Join(dir, f.Name()))
		if err != nil {
			continue
		}
		if inode, ok := strings.CutPrefix(name, "socket:["); ok {
			name += " " + s.tcp(strings.TrimSuffix(inode, "]"))
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// tcp is a line of the kernel's table of connections: local and remote address and state, in hexadecimal.
func (s *server) tcp(inode string) string {
	table, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", s.cmd.Process.Pid))
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 9 && fields[9] == inode {
			return strings.Join(fields[1:4], " ")
		}
	}
	return "not connected"
}

// After a storm of all that can go wrong, through every door, the process holds no more than before.
func TestLeaks(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	srv := serve(t, setup{upstream: marketo.URL, args: []string{"--upstream-timeout=1s", "--capture-memory=4KiB"}})
	srv.door("reverse").post(getLead(credential{}), failHeader, "20011") // opens the segment
	marketo.CloseClientConnections()
	before, opened := srv.held(), srv.openFiles()
	var wg sync.WaitGroup
	for _, name := range doorNames {
		wg.Go(func() { stormOfAll(srv, name) })
	}
	wg.Wait()
	// Connections that are kept for later calls are no leak: Marketo's side ends them here, and the proxy drops them a minute later
	// at the latest.
	eventuallyWithin(t, 2*time.Minute, "goroutines, files and calls as before", func() (bool, string) {
		marketo.CloseClientConnections()
		now := srv.held()
		return now.goroutines <= before.goroutines+4 && now.files <= before.files+3 && now.inFlight == 0, fmt.Sprintf("%+v, before %+v\n%q\nbefore %q\n%v", now, before, srv.openFiles(), opened, srv.at)
	})
	eventually(t, "upstream connections", func() (bool, string) {
		open, _ := marketo.connections()
		return open == 0, fmt.Sprint(open)
	})
}

// stormOfAll makes each kind of call a few times, on many connections at once, and leaves.
func stormOfAll(srv *server, door string) {
	d := srv.door(door)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for _, w := range failures {
				if w.operation != "" {
					continue
				}
				ctx, cancel := context.WithCancel(context.Background())
				header := []string{}
				if w.fail != "" {
					header = append(header, failHeader, w.fail)
				}
				if w.hangUp || rand.IntN(20) == 0 {
					time.AfterFunc(time.Duration(rand.IntN(200))*time.Millisecond, cancel)
				}
				d.do(ctx, http.MethodPost, soapPath, strings.NewReader(getLead(w.auth)), header...)
				cancel()
			}
		})
	}
	wg.Wait()
	d.client.CloseIdleConnections()
}

// Connections to Marketo are used again: as many as there are calls at once, not as many as there are calls.
func TestConnectionReuse(t *testing.T) {
	t.Parallel()
	const conns, rounds = 64, 10
	marketo := newEmulator(t)
	srv := serve(t, setup{upstream: marketo.URL})
	for _, fail := range []string{"identity", "20011", "html502", "partial"} {
		_, before := marketo.connections()
		d := srv.door("reverse")
		var wg sync.WaitGroup
		for range conns {
			wg.Go(func() {
				for range rounds {
					if g := d.post(published(t, "syncLead"), failHeader, fail); g.err != nil {
						t.Error(g.err)
					}
				}
			})
		}
		wg.Wait()
		// The pool is filled by dials that race with connections becoming free, hence the room.
		if _, after := marketo.connections(); after-before > 2*conns {
			t.Errorf("%s: %d connections for %d calls on %d connections", fail, after-before, conns*rounds, conns)
		}
	}
}
