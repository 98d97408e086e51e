//go:build linux

package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"marketo-proxy/built"
)

// patience is how long anything may take before a test gives up: generous, since the machine may be busy.
const patience = 40 * time.Second

// process is a running program. It ends with the test.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout built.Text
	stderr built.Text
	ended  <-chan struct{} // closed when it has
}

// start runs a program with nothing in its environment but env, and a home of its own.
func start(t *testing.T, path string, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(path, args...)}
	p.cmd.Env = environment(t, env)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	var err error
	if p.ended, err = built.Start(p.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

// environment has a home of its own. Children of a test share it.
func environment(t *testing.T, env []string) []string {
	base := []string{"PATH=" + os.Getenv("PATH"), "TZ=UTC", "GORACE=atexit_sleep_ms=0"}
	if !slices.ContainsFunc(env, func(entry string) bool { return strings.HasPrefix(entry, "HOME=") }) {
		base = append(base, "HOME="+t.TempDir())
	}
	return append(base, env...)
}

// close ends the process as an orchestrator does, and looks for what no process may leave behind.
func (p *process) close() {
	if !p.hasEnded() {
		if code := p.terminate(); code != 0 {
			p.t.Errorf("%v: exit %d after SIGTERM\n%s", p.cmd.Args[1:], code, tail(p.stderr.String()))
		}
	}
	p.healthy()
}

// healthy fails the test if the process raced or panicked.
func (p *process) healthy() {
	p.t.Helper()
	for _, sign := range []string{"DATA RACE", "panic: ", "fatal error: ", "goroutine 1 ["} {
		if out := p.stderr.String(); strings.Contains(out, sign) {
			p.t.Errorf("%v: %s:\n%s", p.cmd.Args[1:], sign, out[strings.Index(out, sign):][:min(6000, len(out)-strings.Index(out, sign))])
			return
		}
	}
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// signal sends a signal to this process alone.
func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// wait returns the exit code, -1 after a signal.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.signal(syscall.SIGQUIT) // for its goroutines
		<-p.ended
		p.t.Errorf("%v does not end:\n%s", p.cmd.Args[1:], p.stderr.String())
		return -1
	}
}

func (p *process) terminate() int {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	return p.wait()
}

// kill ends it as a power cut would, but for the disk's cache.
func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// result is what a command left behind.
type result struct {
	stdout, stderr string
	code           int
}

// command runs the shipped program to its end.
func command(t *testing.T, env []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(built.Plain), args...)
	cmd.Env = environment(t, env)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%v: %v %v", args, err, ctx.Err())
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// must runs a command that has to exit 0, and returns what it printed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	r := command(t, nil, args...)
	if r.code != 0 {
		t.Fatalf("%v: exit %d: %s", args, r.code, r.stderr)
	}
	return r.stdout
}

// eventually waits until check holds; what it returns last is why it does not.
func eventually(t *testing.T, what string, check func() (ok bool, why string)) {
	t.Helper()
	eventuallyWithin(t, patience, what, check)
}

func eventuallyWithin(t *testing.T, limit time.Duration, what string, check func() (ok bool, why string)) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		ok, why := check()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %s", what, limit, why)
		}
		time.Sleep(pause)
	}
}
