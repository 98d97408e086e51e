package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// What --capture-max-size is at least, and how much more for each minute: little, so that segments are rotated, compressed and
	// dropped all the time; but enough for the bodies that are spooled at once, and for what comes between two looks of the
	// collector, of which the longest grows with the time.
	minSize   = 16 << 20
	perMinute = 1 << 20

	// upstreamTimeout ends calls that hang.
	upstreamTimeout = 3 * time.Second
)

// proxy is the running program.
type proxy struct {
	binary   string
	captures string // directory
	log      string // file
	base     string // URL
	metrics  string // URL
	maxSize  int    // of the captures, in bytes
	cmd      *exec.Cmd
	ended    chan error
	http     *http.Client
}

// startPatience is how long the program may take until it is ready.
const startPatience = 20 * time.Second

func startProxy(dir, binary string, m *marketo, length time.Duration) (*proxy, error) {
	keys := filepath.Join(dir, "keys")
	if err := os.Mkdir(keys, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(keys, user), []byte(key), 0o600); err != nil {
		return nil, err
	}
	addresses, err := freeAddresses(2)
	if err != nil {
		return nil, err
	}
	p := &proxy{
		binary: binary, captures: filepath.Join(dir, "captures"), log: filepath.Join(dir, "log"), ended: make(chan error, 1),
		maxSize: minSize + int(length.Minutes())*perMinute,
		base:    "http://" + addresses[0], metrics: "http://" + addresses[1],
		http: &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}},
	}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd = exec.Command(binary, "--listen", addresses[0], "--metrics-listen", addresses[1], "--admin-listen", "127.0.0.1:0",
		"--soap-upstream", m.server.URL, "--rest-upstream", m.server.URL, "--upstream-ca", m.roots,
		"--credentials-dir", keys, "--capture-dir", p.captures, "--capture-max-size", strconv.Itoa(p.maxSize), "--capture-memory", "256KiB",
		"--upstream-timeout", upstreamTimeout.String())
	p.cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+dir)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.ended <- p.cmd.Wait() }()
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		resp, err := p.http.Get(p.metrics + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return p, nil
			}
		}
		if time.Since(began) > startPatience {
			p.kill()
			said, _ := os.ReadFile(p.log) // for people
			return nil, fmt.Errorf("the proxy is not ready: %w\n%s", err, said)
		}
	}
}

func freeAddresses(n int) (addresses []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}

func (p *proxy) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
	p.ended <- nil
}

// end stops it as an orchestrator does, and returns its exit code.
func (p *proxy) end() int {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case err := <-p.ended:
		p.ended <- err
	case <-time.After(time.Minute):
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}

// series is one line of the metrics.
type series struct {
	name   string
	labels map[string]string
	value  float64
}

// counters is a scrape.
type counters []series

var labelPair = regexp.MustCompile(`(\w+)="([^"]*)"`)

func (p *proxy) counters() (counters, error) {
	resp, err := p.http.Get(p.metrics + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var all counters
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metrics: %q: %w", line, err)
		}
		name, labels, _ := strings.Cut(line[:at], "{")
		s := series{name: strings.TrimPrefix(name, "marketo_proxy_"), labels: map[string]string{}, value: value}
		for _, pair := range labelPair.FindAllStringSubmatch(labels, -1) {
			s.labels[pair[1]] = pair[2]
		}
		all = append(all, s)
	}
	return all, nil
}

// by adds up the series of a name by some of their labels; those that are 0 are left out.
func (c counters) by(name string, labels ...string) map[string]int {
	sums := map[string]int{}
	for _, s := range c {
		if s.name != name || s.value == 0 {
			continue
		}
		values := make([]string, len(labels))
		for i, label := range labels {
			values[i] = s.labels[label]
		}
		sums[strings.Join(values, " ")] += int(s.value)
	}
	return sums
}

// total is the sum of all series of a name.
func (c counters) total(name string) int { return c.by(name)[""] }

// holding is what the process holds while nothing is to do.
type holding struct {
	resident   int64 // bytes
	files      int
	goroutines int
}

// drainPatience is how long it may take until no call is in flight and every capture is decided.
const drainPatience = 30 * time.Second

// rest waits until nothing is to do and returns what the process holds then.
func (p *proxy) rest(ctx context.Context, m *marketo) (holding, error) {
	p.http.CloseIdleConnections()
	deadline := time.Now().Add(drainPatience)
	for {
		c, err := p.counters()
		if err != nil {
			return holding{}, err
		}
		if c.total("requests_in_flight") == 0 && c.total("failures_total") <= c.total("captures_total")+c.total("captures_lost_total") {
			break
		}
		if time.Now().After(deadline) {
			return holding{}, fmt.Errorf("after %s without traffic, %d calls are in flight and %d of %d failures are decided", drainPatience,
				c.total("requests_in_flight"), c.total("captures_total")+c.total("captures_lost_total"), c.total("failures_total"))
		}
		select {
		case <-ctx.Done():
			return holding{}, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	m.server.CloseClientConnections() // idle ones to Marketo would be counted, of which there are more or less by chance
	time.Sleep(3 * time.Second)       // for what is closed in the background, and for memory, which is given back after a second of rest
	return p.holds()
}

func (p *proxy) holds() (h holding, err error) {
	c, err := p.counters()
	if err != nil {
		return h, err
	}
	h.goroutines = c.total("go_goroutines")
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		return h, err
	}
	h.files = len(files)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return h, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	h.resident = kib << 10
	return h, err
}

// stored is the size of the capture directory.
func (p *proxy) stored() (bytes int64, err error) {
	err = filepath.WalkDir(p.captures, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // dropped meanwhile
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	return bytes, err
}
