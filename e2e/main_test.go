//go:build linux

package e2e

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Where TestMain puts the programs. A test that runs itself again in another process (see alone) hands them on.
const (
	programsEnv  = "E2E_PROGRAMS"
	raceProgram  = "race"  // with the race detector: for behaviour
	plainProgram = "plain" // as it is shipped: for measurements, and for commands that only read
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if os.Getenv(programsEnv) != "" {
		return m.Run()
	}
	// Many of the tests only wait, for a timeout say.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "marketo-proxy-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv(programsEnv, dir)
	return m.Run()
}

func build(dir string) error {
	var wg sync.WaitGroup
	var errs [2]error
	for i, args := range [][]string{
		{"build", "-race", "-o", filepath.Join(dir, raceProgram), "../cmd/proxy"},
		{"build", "-trimpath", "-ldflags=-s -w -X main.version=v0.0.0-e2e -X main.revision=0123abc", "-o", filepath.Join(dir, plainProgram), "../cmd/proxy"},
	} {
		wg.Go(func() {
			cmd := exec.Command("go", args...)
			cmd.Env = append(os.Environ(), "CGO_ENABLED="+map[int]string{0: "1", 1: "0"}[i])
			if out, err := cmd.CombinedOutput(); err != nil {
				errs[i] = fmt.Errorf("go %v: %w\n%s", args, err, out)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

// program is the path of a built program.
func program(name string) string { return filepath.Join(os.Getenv(programsEnv), name) }
