package main

import (
	"os"
	"strings"
	"testing"
)

// TestForgetProgram: the pages go, and those that are needed are there again.
func TestForgetProgram(t *testing.T) {
	resident := func() string {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(status), "RssFile:")
		kib, _, _ := strings.Cut(strings.TrimSpace(after), " ")
		return kib
	}
	before := resident()
	forgetProgram()
	after := resident()
	t.Logf("%s KiB of files before, %s KiB after", before, after)
	if len(after) > len(before) || len(after) == len(before) && after >= before {
		t.Error("nothing went")
	}
}
