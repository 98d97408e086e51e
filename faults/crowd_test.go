//go:build linux

package faults

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	maxInFlight = 1024 // calls; the program's own limit
	stormSize   = 2000
	idleSize    = 10_000
)

// allowFiles raises the limit of open files, for the program too. It fails the test if the machine does not allow that many.
func allowFiles(t *testing.T, n uint64) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur >= n {
		return
	}
	limit.Cur, limit.Max = n, max(limit.Max, n)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatalf("%d open files are needed, `ulimit -n` allows less: %v", n, err)
	}
}

// When 2,000 applications call at once, as many as are allowed in flight reach Marketo, and the others are told so at once.
func TestStorm(t *testing.T) {
	t.Parallel()
	allowFiles(t, 3*stormSize)
	m := newMarketo(t, false)
	srv := serve(t, programs.plain, m)
	var waiting atomic.Int32
	release := make(chan struct{})
	m.set("storm", after(func(x *exchange) bool {
		waiting.Add(1)
		<-release
		return x.send(answer("200 OK", soapSuccess))
	}))
	var mu sync.Mutex
	statuses := map[string]int{}
	refused := make(chan struct{}, stormSize)
	var wg sync.WaitGroup
	for range stormSize {
		wg.Go(func() {
			g := srv.plain().call(post("storm"))
			if g.status == 503 {
				refused <- struct{}{}
			}
			mu.Lock()
			statuses[g.String()]++
			mu.Unlock()
		})
	}
	for range stormSize - maxInFlight {
		select {
		case <-refused:
		case <-time.After(patience):
			t.Fatalf("%d calls wait at Marketo, and not all others were refused: %v", waiting.Load(), statuses)
		}
	}
	srv.eventually("the allowed calls to reach Marketo", func() (bool, string) { n := waiting.Load(); return n == maxInFlight, fmt.Sprint(n) })
	if !srv.ready() {
		t.Error("not ready")
	}
	close(release)
	wg.Wait()
	if statuses["200"] != maxInFlight || statuses["503"] != stormSize-maxInFlight {
		t.Errorf("%v", statuses)
	}
	if f := srv.failures(); f["transport"] != stormSize-maxInFlight || len(f) != 1 {
		t.Errorf("failures %v", f)
	}
	srv.clean()
}

// 10,000 applications that keep a connection open and say nothing do not disturb the one that calls.
func TestIdleCrowd(t *testing.T) {
	t.Parallel()
	allowFiles(t, idleSize+3*stormSize)
	m := newMarketo(t, false)
	srv := serve(t, programs.plain, m)
	crowd := make([]app, idleSize)
	var wg sync.WaitGroup
	const dialers = 32
	for d := range dialers {
		wg.Go(func() {
			for i := d; i < idleSize; i += dialers {
				a, err := srv.plain().dial()
				if err != nil {
					t.Error(err)
					return
				}
				a.in = nil // its buffer, 10,000 times, is the test's
				_ = a.raw.SetDeadline(time.Time{})
				crowd[i] = a
				if _, err := io.WriteString(a, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil { // or the time for a head would run
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	srv.eventually("the crowd", func() (bool, string) {
		n := srv.held().files - srv.base.files
		return n >= idleSize-8, fmt.Sprintf("%d connections", n) // a file that was open at the start may be closed by now
	})
	began := time.Now()
	const calls = 200
	for range calls {
		if g := srv.plain().call(post("one")); g.status != 200 {
			t.Fatal(g, g.err)
		}
	}
	rss := srv.resident("VmRSS")
	t.Logf("%d idle connections, %.1f MiB resident, %s a call", idleSize, float64(rss)/(1<<20), time.Since(began)/calls)
	if rss > 256<<20 {
		t.Errorf("%d bytes resident", rss)
	}
	for _, a := range crowd {
		a.Close()
	}
	srv.clean()
}

// 3,000 that connect and leave at once, in each way and on each listener, leave nothing behind, and keep nobody waiting.
func TestConnectStorm(t *testing.T) {
	t.Parallel()
	m := newMarketo(t, false)
	srv := serve(t, programs.plain, m)
	runCases(t, 3000, func(i int) {
		a, err := srv.raw([]string{"listen", "tls-listen", "metrics-listen"}[i%3])
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(a, []string{"", "G", hello, aTunnel}[i/3%4])
		if i/12%2 == 0 {
			a.reset()
		} else {
			a.Close()
		}
	})
	if g := srv.plain().call(post("after")); g.status != 200 {
		t.Errorf("%s (%v)", g, g.err)
	}
	srv.clean()
}
