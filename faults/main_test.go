//go:build linux

package faults

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"marketo-proxy/built"
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
	programs.race, programs.plain = filepath.Join(dir, built.Race), filepath.Join(dir, built.Plain)
	if err := built.Build(dir, "-s -w"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
