package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// forgetProgram takes the pages of the program's own file out of the process: most were needed for its start only. The kernel keeps them
// in its cache, and brings back those that are needed by itself, 64 KiB at a time. What can be written to, or has been (by a relocation, or a
// debugger), stays as it is. Without /proc nothing happens.
func forgetProgram() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	mappings, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	var from, to uintptr // a mapping of the program that can't be written to, or 0
	for lines := bufio.NewScanner(bytes.NewReader(mappings)); lines.Scan(); {
		line := lines.Text()
		switch name, value, _ := strings.Cut(line, ":"); {
		case strings.Contains(name, " "): // the head of the next mapping: its addresses, mode, and file
			var mode string
			_, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode)
			if err != nil || strings.Contains(mode, "w") || !strings.HasSuffix(line, " "+program) {
				from = 0
			}
		case name == "Anonymous" && strings.TrimSpace(value) == "0 kB" && from != 0:
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED) // what is refused stays
		}
	}
}
