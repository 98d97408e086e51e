package main

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

func TestContainerLimit(t *testing.T) {
	for _, c := range []struct {
		file, content string
		want          int64
		ok            bool
	}{
		{"sys/fs/cgroup/memory.max", "134217728\n", 128 << 20, true},
		{"sys/fs/cgroup/memory.max", "max\n", 0, false},
		{"sys/fs/cgroup/memory/memory.limit_in_bytes", "67108864\n", 64 << 20, true},
		{"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n", 0, false},
		{"elsewhere", "1", 0, false},
	} {
		root := t.TempDir()
		file := filepath.Join(root, c.file)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, ok := containerLimit(root); got != c.want || ok != c.ok {
			t.Errorf("%s with %q: %d, %v", c.file, c.content, got, ok)
		}
	}
}

func TestGCPercentFollowsTheHeap(t *testing.T) {
	for live, want := range map[uint64]int{0: maxGCPercent, 1 << 20: maxGCPercent, 6 << 20: 200, 12 << 20: 100, 24 << 20: 50, 1 << 30: minGCPercent} {
		if got := gcPercent(live); got != want {
			t.Errorf("%d bytes alive: %d %%, want %d", live, got, want)
		}
	}
}

func TestAfterEachGC(t *testing.T) {
	calls := make(chan struct{}, 100)
	afterEachGC(func() { calls <- struct{}{} })
	for range 3 {
		runtime.GC()
		select {
		case <-calls:
		case <-time.After(5 * time.Second):
			t.Fatal("not called after a collection")
		}
	}
}

func TestResting(t *testing.T) {
	r := resting{seen: 3 << 20}
	for i, look := range []struct {
		allocated uint64
		live      uint64
		ago       time.Duration
		due       bool
	}{
		{3<<20 + 20<<10, 2 << 20, startPause, false}, // calls
		{3<<20 + 30<<10, 2 << 20, startPause, true},  // the start is over
		{3<<20 + 40<<10, 2 << 20, restPause, false},  // nothing to give
		{4<<20 + 40<<10, 2 << 20, restPause, false},  // a burst
		{9<<20 + 40<<10, 2 << 20, restPause, false},
		{9<<20 + 50<<10, 2 << 20, restPause, true}, // over
		{9<<20 + 50<<10, 2 << 20, restPause, false},
		{9<<20 + 300<<10, 2 << 20, restPause, false}, // few calls a second, for a while
		{9<<20 + 550<<10, 2 << 20, restPause, false},
		{9<<20 + 800<<10, 2 << 20, restPause, false},
		{9<<20 + 1050<<10, 2 << 20, restPause, false},
		{9<<20 + 1300<<10, 2 << 20, restPause, true},
		{19 << 20, 80 << 20, restPause, false}, // connections that stay
		{19 << 20, 80 << 20, restPause, false}, // too little of what is alive
		{32 << 20, 80 << 20, restPause, false},
		{32 << 20, 80 << 20, restPause, true},
	} {
		if due := r.due(look.allocated, look.live, look.ago); due != look.due {
			t.Errorf("look %d: %t", i, due)
		}
	}
}
