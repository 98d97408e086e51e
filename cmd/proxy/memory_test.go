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
