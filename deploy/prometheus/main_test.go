//go:build linux

// Package prometheus holds the rules to what they promise: by promtool, and by the real Prometheus that scrapes the built proxy.
package prometheus

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"marketo-proxy/built"
)

// programEnv is where TestMain puts the built proxy.
const programEnv = "DEPLOY_PROGRAM"

// patience is how long anything may take before a test gives up: generous, since the machine may be busy.
const patience = 90 * time.Second

var keep = flag.String("keep", "", "a directory for what the panels of the dashboard show, to look at")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "marketo-proxy-prometheus-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "marketo-proxy")
	cmd := exec.Command("go", "build", "-trimpath", "-o", program, "./cmd/proxy")
	cmd.Dir, cmd.Env = filepath.Join("..", ".."), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	os.Setenv(programEnv, program)
	return m.Run()
}

// tool is the path of a program of Debian's package prometheus.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install prometheus", name)
	}
	return path
}

// process is a running program. It ends with the test.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout built.Text
	stderr built.Text
	ended  <-chan struct{}
}

func start(t *testing.T, path string, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(path, args...)}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TZ=UTC", "HOME=" + t.TempDir()}, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	var err error
	if p.ended, err = built.Start(p.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(os.Interrupt)
		select {
		case <-p.ended:
		case <-time.After(10 * time.Second):
			_ = p.cmd.Process.Kill()
			<-p.ended
		}
	})
	return p
}

// wait waits until check holds; what it returns last is why it does not.
func (p *process) wait(what string, check func() (ok bool, why string)) {
	p.t.Helper()
	wait(p.t, what, func() (bool, string) {
		select {
		case <-p.ended:
			p.t.Fatalf("%v ended: %s", p.cmd.Args, p.stderr.String())
		default:
		}
		return check()
	})
}

func wait(t *testing.T, what string, check func() (ok bool, why string)) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		ok, why := check()
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s: %s", what, patience, why)
		}
	}
}

// command runs a program to its end, in a directory or, if that is empty, here.
func command(t *testing.T, dir string, env []string, path string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TZ=UTC", "HOME=" + t.TempDir()}, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}
