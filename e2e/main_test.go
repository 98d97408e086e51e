//go:build linux

package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"marketo-proxy/built"
)

// programsEnv is where TestMain puts the programs. A test that runs itself again in another process (see alone) hands them on.
const programsEnv = "E2E_PROGRAMS"

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
	if err := built.Build(dir, "-s -w -X main.version=v0.0.0-e2e -X main.revision=0123abc"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv(programsEnv, dir)
	return m.Run()
}

// program is the path of a built program.
func program(name string) string { return filepath.Join(os.Getenv(programsEnv), name) }
