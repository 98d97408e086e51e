package main

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// tuneMemory lets the garbage collector rest while the heap is small, as a proxy's is, and work before a container's limit is
// reached. GOGC and GOMEMLIMIT win over it.
func tuneMemory(env environment, root string) {
	if env["GOGC"] == "" {
		debug.SetGCPercent(400) // measured: half the CPU of a call against 100, for some 10 MB
	}
	if limit, ok := containerLimit(root); ok && env["GOMEMLIMIT"] == "" {
		debug.SetMemoryLimit(limit / 10 * 9)
	}
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
