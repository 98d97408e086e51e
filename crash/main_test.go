//go:build linux

package crash

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"marketo-proxy/built"
)

// programsEnv is where the programs are, for the process that runs the tests.
const programsEnv = "CRASH_PROGRAMS"

// crashes is how often TestKill kills; the issue asks for hundreds.
var crashes = flag.Int("crashes", 40, "how many processes TestKill kills")

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// run builds the programs, and runs the tests in a process with mounts of its own: they vanish with it, however it ends.
func run(m *testing.M) (int, error) {
	if os.Getenv(programsEnv) != "" {
		// Most of the tests wait most of the time.
		if err := flag.Set("test.parallel", "5"); err != nil {
			return 1, err
		}
		return m.Run(), nil
	}
	if os.Getuid() != 0 {
		return 1, errors.New("crash: these tests mount disks and limit processes: run them as root")
	}
	dir, err := os.MkdirTemp("", "marketo-proxy-crash-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // one test runs the program as somebody else
		return 1, err
	}
	if err := built.Build(dir, "-s -w"); err != nil {
		return 1, err
	}
	runtime.LockOSThread() // the child ends with the thread that started it
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), programsEnv+"="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Unshareflags: syscall.CLONE_NEWNS}
	err = cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// program is the path of a build.
func program(name string) string { return filepath.Join(os.Getenv(programsEnv), name) }
