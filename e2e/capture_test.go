//go:build linux

package e2e

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
)

// captured is a capture as the contract describes it.
type captured struct {
	ID         string    `json:"id"`
	Time       time.Time `json:"time"`
	API        string    `json:"api"`
	Operation  string    `json:"operation"`
	Instance   string    `json:"instance"`
	User       string    `json:"user"`
	Outcome    string    `json:"outcome"`
	Code       string    `json:"code"`
	Message    string    `json:"message"`
	Class      string    `json:"class"`
	Retryable  bool      `json:"retryable"`
	Advice     string    `json:"advice"`
	Records    []record  `json:"records"`
	DurationMS float64   `json:"duration_ms"`
	Complete   bool      `json:"complete"`
	Proxy      struct {
		Version, Host, Pod, Namespace string
	} `json:"proxy"`
	Attempts []attempt `json:"attempts"`
}

type record struct {
	Index  int    `json:"index"`
	Status string `json:"status"`
	Error  string `json:"error"`
}

type attempt struct {
	Error    string         `json:"error"`
	Timings  map[string]any `json:"timings"`
	Request  message        `json:"request"`
	Response *message       `json:"response"`
}

// message is the request or the response of an attempt.
type message struct {
	Method      string        `json:"method"`
	URL         string        `json:"url"`
	HTTPVersion string        `json:"httpVersion"`
	Status      int           `json:"status"`
	Headers     []headerField `json:"headers"`
	BodySize    int64         `json:"bodySize"`
	Body        struct {
		Text      string `json:"text"`
		Base64    []byte `json:"base64"`
		Size      int64  `json:"size"`
		SHA256    string `json:"sha256"`
		Truncated bool   `json:"truncated"`
	} `json:"body"`
}

type headerField struct{ Name, Value string }

func (m *message) get(name string) string {
	for _, h := range m.Headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// call is the name that the test gave to the captured call.
func (c *captured) call() string {
	if len(c.Attempts) == 0 {
		return ""
	}
	return c.Attempts[0].Request.get(callHeader)
}

// requiredKeys are those that every capture has.
var requiredKeys = []string{"id", "time", "api", "operation", "instance", "user", "outcome", "code", "message", "class", "retryable", "advice",
	"duration_ms", "attempts", "complete", "proxy"}

var rfc3339UTC = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$`)

// parseCapture reads one line, and checks what holds for every capture.
func parseCapture(t *testing.T, line string) *captured {
	t.Helper()
	var keys map[string]json.RawMessage
	var c captured
	if err := json.Unmarshal([]byte(line), &keys); err != nil {
		t.Fatalf("no capture: %v: %.300s", err, line)
	}
	if err := json.Unmarshal([]byte(line), &c); err != nil {
		t.Fatalf("no capture: %v: %.300s", err, line)
	}
	for _, k := range requiredKeys {
		if _, ok := keys[k]; !ok {
			t.Errorf("%s has no %s", c.ID, k)
		}
	}
	if at := strings.Trim(string(keys["time"]), `"`); !rfc3339UTC.MatchString(at) {
		t.Errorf("%s: time %s", c.ID, at)
	}
	if c.Advice == "" {
		t.Errorf("%s has no advice", c.ID)
	}
	return &c
}

// show asks the program for one capture.
func (s *server) show(id string) *captured {
	s.t.Helper()
	return parseCapture(s.t, must(s.t, "captures", "show", id, "--json", "--capture-dir", s.captures))
}

// list asks the program for captures, newest first.
func (s *server) list(args ...string) []*captured {
	s.t.Helper()
	return listCaptures(s.t, s.captures, args...)
}

func listCaptures(t *testing.T, dir string, args ...string) []*captured {
	t.Helper()
	var all []*captured
	out := must(t, append([]string{"captures", "ls", "--json", "--limit=0", "--capture-dir", dir}, args...)...)
	for line := range strings.Lines(out) {
		all = append(all, parseCapture(t, line))
	}
	return all
}

// captureOf waits for the capture of a call: the one of a call that the application left comes after it.
func (s *server) captureOf(call string) *captured {
	s.t.Helper()
	var found *captured
	eventually(s.t, "capture of "+call, func() (bool, string) {
		found = nil
		n := 0
		for _, c := range s.list("--since=10m") {
			if c.call() == call {
				found = c
				n++
			}
		}
		return n == 1, "there are " + string(rune('0'+min(n, 9)))
	})
	return found
}
