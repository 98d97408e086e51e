//go:build linux

package crash

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"marketo-proxy/built"
)

// patience is how long anything may take before a test gives up: generous, since the machine may be busy.
const patience = 30 * time.Second

// setup says how to serve.
type setup struct {
	program  string // plain if empty
	upstream string
	captures string // the capture directory
	uid      int    // 0: root
	args     []string
	started  func(*server) // if not nil, called once it serves
}

const nobody = 65534 // a user that is not root

// server is a running proxy. It ends with the test.
type server struct {
	t        *testing.T
	cmd      *exec.Cmd
	captures string
	stderr   built.Text
	ended    <-chan struct{}   // closed when it has
	at       map[string]string // addresses by listener
	page     *http.Client      // of the metrics port; keeps its connection
}

// launch starts the proxy and does not wait for it.
func launch(t *testing.T, s setup) *server {
	t.Helper()
	if s.program == "" {
		s.program = built.Plain
	}
	home := t.TempDir()
	args := []string{"serve", "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--sign=never",
		"--soap-upstream=" + s.upstream, "--rest-upstream=" + s.upstream, "--capture-dir=" + s.captures}
	srv := &server{t: t, cmd: exec.Command(program(s.program), append(args, s.args...)...), captures: s.captures,
		page: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}, Timeout: 5 * time.Second}}
	srv.cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}
	srv.cmd.Dir = "/"
	srv.cmd.Stderr = &srv.stderr
	if s.uid != 0 {
		srv.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(s.uid), Gid: uint32(s.uid)}}
		open(t, home, s.uid)
	}
	var err error
	if srv.ended, err = built.Start(srv.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.close)
	return srv
}

// serve starts the proxy and waits until it is ready.
func serve(t *testing.T, s setup) *server {
	t.Helper()
	srv := launch(t, s)
	eventually(t, "the proxy serves", func() (bool, string) {
		if srv.hasEnded() {
			t.Fatalf("the proxy ended with %d: %s", srv.cmd.ProcessState.ExitCode(), srv.stderr.String())
		}
		srv.at = built.Listeners(srv.stderr.String())
		return srv.at["metrics-listen"] != "" && srv.probe("readyz") == http.StatusOK, srv.stderr.String()
	})
	return srv
}

// open makes a directory, and what leads to it, usable for a user.
func open(t *testing.T, dir string, uid int) {
	t.Helper()
	if err := os.Chown(dir, uid, uid); err != nil {
		t.Fatal(err)
	}
	for d := filepath.Dir(dir); d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// close ends it as an orchestrator does, and looks for what no process may leave behind.
func (s *server) close() {
	s.page.CloseIdleConnections()
	if !s.hasEnded() {
		s.terminate()
	}
	out := s.stderr.String()
	if s.t.Failed() {
		s.t.Logf("%s, last said:\n%s", s.cmd.ProcessState, tail(out))
	}
	for _, sign := range []string{"DATA RACE", "panic: ", "fatal error: ", "goroutine 1 ["} {
		if i := strings.Index(out, sign); i >= 0 {
			s.t.Errorf("%s: %.6000s", sign, out[i:])
			return
		}
	}
}

func (s *server) hasEnded() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Fatal(err)
	}
}

// wait returns the exit code, -1 after a signal.
func (s *server) wait() int {
	s.t.Helper()
	select {
	case <-s.ended:
		return s.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		s.signal(syscall.SIGQUIT) // for its goroutines
		<-s.ended
		s.t.Errorf("the proxy does not end:\n%.20000s", s.stderr.String())
		return -1
	}
}

func (s *server) terminate() {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != 0 {
		s.t.Errorf("exit %d after SIGTERM: %s", code, tail(s.stderr.String()))
	}
}

func (s *server) kill() {
	s.t.Helper()
	s.signal(syscall.SIGKILL)
	<-s.ended
}

func tail(s string) string { return s[max(0, len(s)-3000):] }

func (s *server) get(path string) (status int, body string, err error) {
	resp, err := s.page.Get("http://" + s.at["metrics-listen"] + "/" + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// probe returns the status of a health endpoint, 0 if it can't be reached.
func (s *server) probe(path string) int {
	status, _, _ := s.get(path)
	return status
}

var sample = regexp.MustCompile(`(?m)^marketo_proxy_(captures_total|captures_lost_total\{reason="([a-z_]+)"\}|capture_stored|capture_stored_bytes) (\S+)$`)

// counts are the metrics about captures.
type counts struct {
	saved       int            // captures_total
	lost        map[string]int // captures_lost_total by reason, without those that are 0
	stored      int            // capture_stored
	storedBytes int64
}

func (c counts) lostTotal() (n int) {
	for _, m := range c.lost {
		n += m
	}
	return n
}

func (s *server) counts() counts {
	s.t.Helper()
	status, page, err := s.get("metrics")
	if err != nil || status != http.StatusOK {
		s.t.Errorf("/metrics: %d %v", status, err)
	}
	c := counts{lost: map[string]int{}}
	for _, m := range sample.FindAllStringSubmatch(page, -1) {
		v, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			s.t.Errorf("%s: %v", m[0], err)
		}
		switch {
		case m[1] == "captures_total":
			c.saved = int(v)
		case m[1] == "capture_stored":
			c.stored = int(v)
		case m[1] == "capture_stored_bytes":
			c.storedBytes = int64(v)
		case v != 0:
			c.lost[m[2]] = int(v)
		}
	}
	return c
}

// threads is how many the kernel runs for the process: a call that waits for the disk holds one.
func (s *server) threads() int {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", s.cmd.Process.Pid))
	if err != nil {
		s.t.Error(err)
	}
	return len(tasks)
}

// limit sets a soft limit of the process, and returns what it was.
func (s *server) limit(resource int, soft uint64) (old unix.Rlimit) {
	s.t.Helper()
	err := unix.Prlimit(s.cmd.Process.Pid, resource, nil, &old)
	if err == nil {
		err = unix.Prlimit(s.cmd.Process.Pid, resource, &unix.Rlimit{Cur: soft, Max: old.Max}, nil)
	}
	if err != nil {
		s.t.Errorf("prlimit: %v", err)
	}
	return old
}

// captures runs the command of that name on a directory, and wants it to succeed.
func captures(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program(built.Plain), append(append([]string{"captures"}, args...), "--capture-dir="+dir)...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Errorf("captures %v: %v: %s", args, err, tail(stderr.String()))
	}
	return stdout.String()
}

// eventually waits until check holds; what it returns last is why it does not.
func eventually(t *testing.T, what string, check func() (ok bool, why string)) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ok, why := check()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %s", what, patience, tail(why))
		}
		time.Sleep(5 * time.Millisecond)
	}
}
