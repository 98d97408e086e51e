//go:build linux

package faults

import (
	"bytes"
	"encoding/json"
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

	"marketo-proxy/built"
)

// patience is how long anything may take before a test gives up: generous, since the machine may be busy.
const patience = 40 * time.Second

const (
	user     = "demo17_1_809934544BFABAE58E5D27" // with its key, from Adobe's samples
	key      = "27272727aa"
	instance = "123-ABC-456"
)

// server is a running `serve`.
type server struct {
	t        *testing.T
	cmd      *exec.Cmd
	home     string
	at       map[string]string // addresses by flag: listen, tls-listen, metrics-listen
	log      built.Text
	ended    <-chan struct{}
	upstream *marketo // whose idle connections may stay; nil: none may
	base     held
	before   map[string]float64 // the counters at the start
}

// serve starts a program on the given upstream; the base for later comparisons is taken once it is ready.
func serve(t *testing.T, program string, upstream *marketo, args ...string) *server {
	t.Helper()
	args = append([]string{"--soap-upstream=" + upstream.url, "--rest-upstream=" + upstream.url}, args...)
	if upstream.caFile != "" {
		args = append(args, "--upstream-ca="+upstream.caFile)
	}
	s := serveAt(t, program, args...)
	s.upstream = upstream
	return s
}

// serveAt is serve for an upstream that is only an address.
func serveAt(t *testing.T, program string, args ...string) *server {
	t.Helper()
	s := &server{t: t, home: t.TempDir()}
	keys := filepath.Join(s.home, "keys")
	if err := os.Mkdir(keys, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(keys, user), []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command(program, append([]string{"serve", "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0", "--admin-listen=",
		"--tls-listen=127.0.0.1:0", "--instance=" + instance, "--credentials-dir=" + keys, "--capture-dir=" + s.captures()}, args...)...)
	s.cmd.Env = []string{"HOME=" + s.home, "PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}
	s.cmd.Stderr = &s.log
	var err error
	if s.ended, err = built.Start(s.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	s.eventually("serve is ready", func() (bool, string) {
		select {
		case <-s.ended:
			t.Fatalf("serve ended: %s", s.log.String())
		default:
		}
		s.at = built.Listeners(s.log.String())
		return s.at["metrics-listen"] != "" && s.ready(), s.log.String()
	})
	s.counters() // the first scrape makes what later ones find made
	s.before = s.counters()
	s.base = s.held()
	return s
}

func (s *server) captures() string { return filepath.Join(s.home, "captures") }

// stop ends it as an orchestrator does, and looks for what no process may leave behind.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
		if code := s.cmd.ProcessState.ExitCode(); code != 0 {
			s.t.Errorf("exit %d after SIGTERM: %s", code, tail(s.log.String()))
		}
	case <-time.After(patience):
		_ = s.cmd.Process.Signal(syscall.SIGQUIT) // for its goroutines
		<-s.ended
		s.t.Errorf("it does not end: %s", tail(s.log.String()))
	}
	for _, sign := range []string{"DATA RACE", "panic: ", "fatal error: "} {
		if out := s.log.String(); strings.Contains(out, sign) {
			at := out[strings.Index(out, sign):]
			s.t.Errorf("%s:\n%s", sign, at[:min(len(at), 6000)])
		}
	}
}

func tail(s string) string { return s[max(0, len(s)-6000):] }

func (s *server) get(path string) (int, string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Get("http://" + s.at["metrics-listen"] + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func (s *server) ready() bool {
	status, _, _ := s.get("/readyz")
	return status == http.StatusOK
}

var sample = regexp.MustCompile(`(?m)^([a-z_]+(?:\{[^}]*\})?) (\S+)$`)

// counters are the series of a scrape, by name and labels.
func (s *server) counters() map[string]float64 {
	s.t.Helper()
	status, page, err := s.get("/metrics")
	if err != nil || status != http.StatusOK {
		s.t.Fatalf("/metrics: %d %v", status, err)
	}
	series := map[string]float64{}
	for _, m := range sample.FindAllStringSubmatch(page, -1) {
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			s.t.Fatalf("%s: %v", m[0], err)
		}
		series[m[1]] = v
	}
	return series
}

var outcomeLabel = regexp.MustCompile(`^marketo_proxy_failures_total\{.*outcome="([a-z]+)"`)

// failures are the failed calls since the start, by outcome.
func (s *server) failures() map[string]int {
	s.t.Helper()
	by := map[string]int{}
	for name, v := range s.counters() {
		if m := outcomeLabel.FindStringSubmatch(name); m != nil && v != s.before[name] {
			by[m[1]] += int(v - s.before[name])
		}
	}
	return by
}

// held is what a process holds on to.
type held struct{ goroutines, files, inFlight int }

func (s *server) held() held {
	s.t.Helper()
	h := held{}
	for name, v := range s.counters() {
		switch {
		case name == "go_goroutines":
			h.goroutines = int(v)
		case strings.HasPrefix(name, "marketo_proxy_requests_in_flight"):
			h.inFlight += int(v)
		}
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	h.files = len(files)
	return h
}

// clean fails the test unless, within seconds, the process holds no more than at its start. Connections that Marketo may be asked over
// again, and the journal's segment, are no leak.
func (s *server) clean() {
	s.t.Helper()
	s.eventually("goroutines, files and calls as at the start", func() (bool, string) {
		pooled := 0
		if s.upstream != nil {
			pooled = s.upstream.idle()
		}
		now := s.held()
		// Two goroutines are the scrape's own and its listener's; a pooled connection may have two.
		return now.inFlight == 0 && now.files <= s.base.files+3+pooled && now.goroutines <= s.base.goroutines+4+2*pooled,
			fmt.Sprintf("%+v with %d connections to use again, at the start %+v", now, pooled, s.base)
	})
}

func (s *server) eventually(what string, check func() (ok bool, why string)) {
	s.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		ok, why := check()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: not in time: %s", what, why)
		}
		time.Sleep(pause)
	}
}

// resident is a figure of /proc/PID/status in bytes: VmRSS, or VmHWM for the most there ever was.
func (s *server) resident(name string) int64 {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	m := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		s.t.Fatalf("no %s: %s", name, status)
	}
	kib, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return kib << 10
}

// captured is the part of a capture that the tests look at.
type captured struct {
	ID       string
	Outcome  string
	Code     string
	Message  string
	Complete bool
	Attempts []struct {
		Error   string
		Request struct {
			Headers []struct{ Name, Value string }
		}
		Response *struct{ Status int }
	}
}

// name is that of the case.
func (c *captured) name() string {
	if len(c.Attempts) > 0 {
		for _, h := range c.Attempts[0].Request.Headers {
			if h.Name == caseHeader {
				return h.Value
			}
		}
	}
	return ""
}

// reason is why there was no whole answer.
func (c *captured) reason() string {
	if len(c.Attempts) == 0 {
		return c.Message
	}
	return c.Attempts[len(c.Attempts)-1].Error
}

// captured lists all captures by the name of their case.
func (s *server) captured() map[string][]captured {
	s.t.Helper()
	cmd := exec.Command(programs.plain, "captures", "ls", "--json", "--limit=0", "--capture-dir", s.captures())
	cmd.Env = s.cmd.Env
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatal(err)
	}
	all := map[string][]captured{}
	for line := range bytes.Lines(out) {
		var c captured
		if err := json.Unmarshal(line, &c); err != nil {
			s.t.Fatalf("%v: %.300s", err, line)
		}
		all[c.name()] = append(all[c.name()], c)
	}
	return all
}
