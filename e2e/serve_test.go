//go:build linux

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"marketo-proxy/built"
)

// The user and key of Adobe's own samples, and the instance of the tests.
const (
	user     = "demo17_1_809934544BFABAE58E5D27"
	key      = "27272727aa"
	instance = "123-ABC-456"
)

// server is a running `serve`.
type server struct {
	*process
	dir       string // its home: state, credentials, CA
	captures  string
	at        map[string]string // addresses by the flag of the listener
	authority *x509.CertPool
}

// setup says how to serve; its zero value is the program with the race detector and every listener.
type setup struct {
	program  string
	upstream string // for both APIs
	home     string // if empty, a new one
	captures string // if empty, in the home
	keys     map[string]string
	env      []string
	args     []string
}

// serve starts the proxy and waits until it is ready.
func serve(t *testing.T, s setup) *server {
	t.Helper()
	if s.program == "" {
		s.program = built.Race
	}
	if s.home == "" {
		s.home = t.TempDir()
	}
	if s.captures == "" {
		s.captures = filepath.Join(s.home, "captures")
	}
	args := []string{"serve", "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--tls-listen=127.0.0.1:0",
		"--instance=" + instance, "--soap-upstream=" + s.upstream, "--rest-upstream=" + s.upstream,
		"--capture-dir=" + s.captures, "--credentials-dir=" + credentials(t, s.home, s.keys)}
	p := start(t, program(s.program), append([]string{"HOME=" + s.home}, s.env...), append(args, s.args...)...)
	srv := &server{process: p, dir: s.home, captures: s.captures}
	eventually(t, "serve says where it listens", func() (bool, string) {
		if p.hasEnded() {
			t.Fatalf("serve ended with %d: %s", p.cmd.ProcessState.ExitCode(), p.stderr.String())
		}
		srv.at = built.Listeners(p.stderr.String())
		return srv.at["metrics-listen"] != "", p.stderr.String()
	})
	eventually(t, "readyz", func() (bool, string) {
		status := srv.probe("readyz")
		return status == http.StatusOK, fmt.Sprint(status)
	})
	srv.authority = x509.NewCertPool()
	if pem, err := os.ReadFile(filepath.Join(s.home, ".local/state/marketo-proxy/ca.pem")); err == nil {
		srv.authority.AppendCertsFromPEM(pem)
	}
	return srv
}

// credentials makes the directory of keys in a home, if it is not there.
func credentials(t *testing.T, home string, keys map[string]string) string {
	t.Helper()
	dir := filepath.Join(home, "credentials")
	if keys == nil {
		keys = map[string]string{user: key}
	}
	if err := os.Mkdir(dir, 0o700); errors.Is(err, os.ErrExist) {
		return dir
	} else if err != nil {
		t.Fatal(err)
	}
	for name, content := range keys {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// get reads a page of the metrics port.
func (s *server) get(path, accept string) (status int, body string, err error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+s.at["metrics-listen"]+"/"+path, nil)
	if err != nil {
		return 0, "", err
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// probe returns the status of a health endpoint, 0 if it can't be reached.
func (s *server) probe(path string) int {
	status, _, _ := s.get(path, "")
	return status
}

// healthyProbes fails the test unless all probes are 200.
func (s *server) healthyProbes() {
	s.t.Helper()
	for _, path := range []string{"livez", "readyz", "startupz"} {
		if status := s.probe(path); status != http.StatusOK {
			s.t.Errorf("/%s is %d", path, status)
		}
	}
}

var sample = regexp.MustCompile(`(?m)^([a-z_]+(?:\{[^}]*\})?) (\S+)$`)

// metrics are the series of a scrape, by name and labels.
func (s *server) metrics() map[string]float64 {
	s.t.Helper()
	status, page, err := s.get("metrics", "")
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

// counted are the counters that a call moves; the rest are clocks and gauges.
var counted = regexp.MustCompile(`^marketo_proxy_(requests|faults|failures|operation_failures|partial_records|renewals|captures|captures_lost)_total`)

// delta is what changed in the counters since before.
func (s *server) delta(before map[string]float64) map[string]float64 {
	s.t.Helper()
	changed := map[string]float64{}
	for name, v := range s.metrics() {
		if d := v - before[name]; d != 0 && counted.MatchString(name) {
			changed[strings.TrimPrefix(name, "marketo_proxy_")] = d
		}
	}
	return changed
}

// sum adds the series of one name.
func sum(series map[string]float64, name string) (total float64) {
	for n, v := range series {
		if family, _, _ := strings.Cut(n, "{"); family == name {
			total += v
		}
	}
	return total
}

// door is a way in.
type door struct {
	name   string
	client *http.Client
	soap   string // base URLs
	rest   string
}

func (d *door) url(path string) string {
	if strings.HasPrefix(path, "/soap/") {
		return d.soap + path
	}
	return d.rest + path
}

// door returns one by its name: reverse, forward, intercepted, or tls.
func (s *server) door(name string) *door {
	s.t.Helper()
	tr := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 128, TLSClientConfig: &tls.Config{RootCAs: s.authority}}
	s.t.Cleanup(tr.CloseIdleConnections)
	d := &door{name: name, client: &http.Client{Transport: tr, Timeout: 5 * time.Minute}}
	through := &url.URL{Scheme: "http", Host: s.at["listen"]}
	switch name {
	case "reverse":
		d.soap = through.String()
		d.rest = d.soap
	case "tls":
		d.soap = "https://" + s.at["tls-listen"]
		d.rest = d.soap
	case "forward":
		tr.Proxy = http.ProxyURL(through)
		d.soap, d.rest = "http://"+instance+".mktoapi.com", "http://"+instance+".mktorest.com"
	case "intercepted":
		tr.Proxy = http.ProxyURL(through)
		d.soap, d.rest = "https://"+instance+".mktoapi.com", "https://"+instance+".mktorest.com"
	default:
		s.t.Fatalf("no door %q", name)
	}
	return d
}

var doorNames = []string{"reverse", "forward", "intercepted", "tls"}
