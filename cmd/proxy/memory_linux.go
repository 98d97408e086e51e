package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// forgetProgram takes the pages of the program's own file out of the process: most were needed for its start only. The kernel keeps
// them in its cache, and brings back by itself those that are needed, 64 KiB at a time. A mapping that can be written to, or has been
// (by a relocation, or a debugger), stays as it is. Without /proc nothing happens.
func forgetProgram() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	mappings, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer mappings.Close()
	var from, to uintptr // a mapping of the program that can't be written to, or 0
	for lines := bufio.NewScanner(mappings); lines.Scan(); {
		line := lines.Bytes()
		switch {
		case len(line) == 0:
		case bytes.HasPrefix(line, []byte("Anonymous:")):
			if from != 0 && bytes.HasSuffix(line, []byte(" 0 kB")) {
				_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED) // what is refused stays
			}
		case 'A' <= line[0] && line[0] <= 'Z': // something else about the mapping
		default: // the next one begins: its addresses, mode, and file
			from = 0
			if !bytes.HasSuffix(line, []byte(" "+program)) {
				continue
			}
			var mode string
			if _, err := fmt.Sscanf(string(line), "%x-%x %s", &from, &to, &mode); err != nil || strings.Contains(mode, "w") {
				from = 0
			}
		}
	}
}
