package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc/PID/stat: USER_HZ is 100 on every Linux.
const tick = time.Second / 100

// cpuTime is the user and system time that the processes have used so far.
func cpuTime(pids []int) (time.Duration, error) {
	var total time.Duration
	for _, pid := range pids {
		fields, err := stat(pid)
		if err != nil {
			return 0, err
		}
		for _, field := range fields[11:13] { // utime, stime
			n, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
			}
			total += time.Duration(n) * tick
		}
	}
	return total, nil
}

// stat returns the fields of /proc/PID/stat behind the name of the program, beginning with the state.
func stat(pid int) ([]string, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	_, rest, _ := bytes.Cut(content[bytes.LastIndexByte(content, ')')+1:], []byte(" "))
	fields := strings.Fields(string(rest))
	if len(fields) < 20 {
		return nil, fmt.Errorf("/proc/%d/stat: %q", pid, content)
	}
	return fields, nil
}

// family is a process and its children, such as nginx's workers.
func family(pid int) ([]int, error) {
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	pids := []int{pid}
	for _, dir := range all {
		child, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if fields, err := stat(child); err == nil && fields[1] == strconv.Itoa(pid) { // one that has ended meanwhile is none of ours
			pids = append(pids, child)
		}
	}
	return pids, nil
}

// memory is what processes hold, in bytes, shared pages counted for each.
type memory struct{ now, peak int64 }

func memoryOf(pids []int) (m memory, err error) {
	for _, pid := range pids {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return m, err
		}
		for line := range strings.Lines(string(content)) {
			name, value, _ := strings.Cut(line, ":")
			if name != "VmRSS" && name != "VmHWM" {
				continue
			}
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				return m, fmt.Errorf("/proc/%d/status: %w", pid, err)
			}
			if name == "VmRSS" {
				m.now += kib << 10
			} else {
				m.peak += kib << 10
			}
		}
	}
	return m, nil
}
