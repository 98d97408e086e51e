//go:build linux

package faults

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

var (
	update  = flag.Bool("update", false, "write the tables into docs/reliability.md")
	minutes = flag.Bool("minutes", false, "also wait for the limits that are a minute long")
)

// programs are the built ones: with the race detector for behaviour, as shipped for measurements.
var programs struct{ race, plain string }

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	// Most of the tests only wait.
	if err := flag.Set("test.parallel", "16"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "marketo-proxy-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs.race, programs.plain = filepath.Join(dir, "race"), filepath.Join(dir, "plain")
	var wg sync.WaitGroup
	var errs [2]error
	wg.Go(func() { errs[0] = build("1", "-race", "-o", programs.race) })
	wg.Go(func() { errs[1] = build("0", "-trimpath", "-ldflags=-s -w", "-o", programs.plain) })
	wg.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func build(cgo string, args ...string) error {
	cmd := exec.Command("go", append(append([]string{"build"}, args...), "../cmd/proxy")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %v: %w\n%s", args, err, out)
	}
	return nil
}
