//go:build linux

package prometheus

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// In the tests a minute of the rules lasts a second: what has to last ten minutes there has to last ten seconds here, and a week is
// 10,080 seconds. Nothing else of the rules is changed.
const faster = 60

var (
	durationOf = regexp.MustCompile(`(\[|for: |offset |interval: )(\d+)([smhdw])`)
	seconds    = map[string]int{"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
)

// quick are the rules with durations that a test can wait for.
func quick(rules string) string {
	return durationOf.ReplaceAllStringFunc(rules, func(found string) string {
		m := durationOf.FindStringSubmatch(found)
		n, _ := strconv.Atoi(m[2])
		return fmt.Sprintf("%s%dms", m[1], n*seconds[m[3]]*1000/faster)
	})
}

// server is a running Prometheus.
type server struct {
	t   *testing.T
	url string
}

// target is what it scrapes, with the labels that a PodMonitor would give.
type target struct{ namespace, pod, address string }

// scrape starts a Prometheus with the rules, made quick. features are of --enable-feature; history is a file in OpenMetrics.
func scrape(t *testing.T, features, history string, targets ...target) *server {
	t.Helper()
	dir := t.TempDir()
	var config strings.Builder
	config.WriteString("global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\nrule_files: [rules.yml]\n" +
		"scrape_configs:\n  - job_name: marketo-proxy\n    static_configs:\n")
	for _, target := range targets {
		fmt.Fprintf(&config, "      - {targets: ['%s'], labels: {namespace: %s, pod: %s}}\n", target.address, target.namespace, target.pod)
	}
	write(t, filepath.Join(dir, "prometheus.yml"), config.String())
	write(t, filepath.Join(dir, "rules.yml"), quick(read(t, "rules.yml")))
	write(t, filepath.Join(dir, "history"), history)
	data := filepath.Join(dir, "data")
	_, stderr, code := command(t, "", nil, tool(t, "promtool"), "tsdb", "create-blocks-from", "openmetrics", filepath.Join(dir, "history"), data)
	if code != 0 {
		t.Fatalf("promtool tsdb create-blocks-from: %s", stderr)
	}
	address := free(t)
	p := start(t, tool(t, "prometheus"), nil, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+data,
		"--web.listen-address="+address, "--enable-feature="+features, "--log.level=warn")
	s := &server{t: t, url: "http://" + address}
	p.wait("prometheus is ready", func() (bool, string) {
		resp, err := http.Get(s.url + "/-/ready")
		if err != nil {
			return false, err.Error()
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK, resp.Status + p.stderr.String()
	})
	return s
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// free is an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// get asks the API and decodes the data of its answer.
func (s *server) get(path string, params url.Values, data any) error {
	resp, err := http.Get(s.url + "/api/v1/" + path + "?" + params.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("%s: %w: %s", path, err, body)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", path, answer.Error)
	}
	return nil
}

// alert is one that fires or is about to.
type alert struct {
	Labels, Annotations map[string]string
	State               string
}

func (s *server) firing() (firing []alert) {
	s.t.Helper()
	var answer struct{ Alerts []alert }
	if err := s.get("alerts", nil, &answer); err != nil {
		s.t.Fatal(err)
	}
	for _, a := range answer.Alerts {
		if a.State == "firing" {
			firing = append(firing, a)
		}
	}
	return firing
}

// series is one result of a query.
type series struct {
	Metric map[string]string
	Value  sample
	Values []sample
}

// sample is a time and a value as text.
type sample [2]any

func (s sample) value() float64 {
	text, _ := s[1].(string)
	v, _ := strconv.ParseFloat(text, 64)
	return v
}

// query asks for the last minute, or for now.
func (s *server) query(expr string, instant bool) ([]series, error) {
	now := time.Now()
	path, params := "query_range", url.Values{"query": {expr}, "start": {stamp(now.Add(-time.Minute))}, "end": {stamp(now)}, "step": {"2"}}
	if instant {
		path, params = "query", url.Values{"query": {expr}, "time": {stamp(now)}}
	}
	var answer struct{ Result []series }
	err := s.get(path, params, &answer)
	return answer.Result, err
}

func stamp(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
