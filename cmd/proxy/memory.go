package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// tuneMemory lets the garbage collector rest while little is in use, as in a proxy, and work before a container's limit is
// reached. GOGC and GOMEMLIMIT win over it.
func tuneMemory(env environment, root string) {
	if env["GOGC"] == "" {
		debug.SetGCPercent(maxGCPercent)
		afterEachGC(func() { debug.SetGCPercent(gcPercent(liveHeap())) })
	}
	if limit, ok := containerLimit(root); ok && env["GOMEMLIMIT"] == "" {
		debug.SetMemoryLimit(limit / 10 * 9)
	}
}

// The collector's percentage follows what is alive, so that garbage takes about garbageGoal bytes: of a small heap that is several
// times what is alive, where Go's own 100 % would collect every few hundred calls; of a large one, with thousands of connections,
// it is less.
const (
	garbageGoal  = 12 << 20
	minGCPercent = 40
	maxGCPercent = 300
)

func gcPercent(live uint64) int {
	return int(min(max(garbageGoal*100/max(live, 1), minGCPercent), maxGCPercent))
}

func liveHeap() uint64 { return measure("/gc/heap/live:bytes") }

func allocated() uint64 { return measure("/gc/heap/allocs:bytes") }

func measure(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// afterEachGC calls f after every collection, in the runtime's goroutine of finalizers: an object that nothing refers to is found
// by each, and makes the next one.
func afterEachGC(f func()) {
	type sentinel struct{ _ *int }
	var arm func(*sentinel)
	arm = func(*sentinel) {
		f()
		runtime.SetFinalizer(new(sentinel), arm)
	}
	runtime.SetFinalizer(new(sentinel), arm)
}

// A process that rests gives memory back: what its start, or a burst of calls, left behind. It rests while it allocates less than 256 KiB
// a second, which is some 15 calls; Marketo allows five. It is worth the effort, some 4 ms of CPU, once a MiB was allocated since the
// last time, or a quarter of what is alive: the effort grows with that.
const (
	startPause = 50 * time.Millisecond // between two looks, before the first time
	restPause  = time.Second
	restRate   = 256 << 10
	worthBytes = 1 << 20
)

// giveBack gives memory back whenever the process has come to rest, until ctx ends.
func giveBack(ctx context.Context) {
	r := resting{seen: allocated()}
	for pause := startPause; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if r.due(allocated(), liveHeap(), pause) {
			debug.FreeOSMemory()
			forgetProgram()
			pause = restPause
		}
	}
}

// resting knows when it is time to give back.
type resting struct{ seen, given uint64 }

// due is told how many bytes were allocated so far, how many are alive, and how long ago it was told last.
func (r *resting) due(allocated, live uint64, ago time.Duration) bool {
	rests := float64(allocated-r.seen) < restRate*ago.Seconds()
	r.seen = allocated
	if !rests || allocated-r.given < max(worthBytes, live/4) {
		return false
	}
	r.given = allocated
	return true
}

// containerLimit is the memory limit of the control group, bytes (cgroup v2 memory.max, v1 memory.limit_in_bytes); false if there
// is none. root is the root of the file system.
func containerLimit(root string) (int64, bool) {
	for _, file := range []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		content, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			continue
		}
		limit, err := strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64)
		if err == nil && limit > 0 && limit < 1<<50 { // v1 says "no limit" with a huge number
			return limit, true
		}
	}
	return 0, false
}
