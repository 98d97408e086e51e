//go:build linux

// Package built runs the program as it is built, for the tests that prove what it promises from outside.
package built

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// The two builds.
const (
	Race  = "race"  // with the race detector: for behaviour
	Plain = "plain" // as it is shipped: for measurements, and for commands that only read
)

// Build makes both builds in dir, under their names, from a package directory one below the root. Plain gets ldflags.
func Build(dir, ldflags string) error {
	var wg sync.WaitGroup
	var errs [2]error
	wg.Go(func() { errs[0] = build("1", "-race", "-o", filepath.Join(dir, Race)) })
	wg.Go(func() { errs[1] = build("0", "-trimpath", "-ldflags="+ldflags, "-o", filepath.Join(dir, Plain)) })
	wg.Wait()
	return errors.Join(errs[:]...)
}

func build(cgo string, args ...string) error {
	cmd := exec.Command("go", append(append([]string{"build"}, args...), "../cmd/proxy")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %v: %w\n%s", args, err, out)
	}
	return nil
}

// Start starts cmd so that it ends with this process, however that ends. The channel is closed when it has ended, and cmd's
// ProcessState is set then.
func Start(cmd *exec.Cmd) (ended <-chan struct{}, err error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started, done := make(chan error), make(chan struct{})
	go func() {
		// The kernel sends the signal when the thread ends that started the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the exit code is asked for where it matters
		}
	}()
	return done, <-started
}

// Listeners reads the addresses, by flag, from the line of serve's log that tells them; nil until it is there.
func Listeners(log string) map[string]string {
	for line := range strings.Lines(log) {
		var entry struct {
			Msg string            `json:"msg"`
			At  map[string]string `json:"at"`
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "serving" {
			return entry.At
		}
	}
	return nil
}

// Text is what a process has written so far. It may be read while it is written; its zero value is ready.
type Text struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *Text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.Write(p)
}

func (t *Text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
