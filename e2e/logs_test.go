//go:build linux

package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"marketo-proxy/built"
)

// logMessage is a row of docs/logs.md.
type logMessage struct {
	levels   []string
	always   []string // fields
	possible []string // and those in brackets
}

var (
	logRow    = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([a-z ]+) \\| ([^|]+) \\|")
	fieldName = regexp.MustCompile("(\\[)?`([a-z_]+)`")
)

func documentedMessages(t *testing.T) map[string]logMessage {
	t.Helper()
	text, err := os.ReadFile("../docs/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	messages := map[string]logMessage{}
	for _, row := range logRow.FindAllStringSubmatch(string(text), -1) {
		m := logMessage{levels: strings.Fields(row[2])}
		for _, field := range fieldName.FindAllStringSubmatch(row[3], -1) {
			m.possible = append(m.possible, field[2])
			if field[1] == "" {
				m.always = append(m.always, field[2])
			}
		}
		messages[row[1]] = m
	}
	if len(messages) < 15 {
		t.Fatalf("docs/logs.md has %d messages", len(messages))
	}
	return messages
}

// Whatever happens, each line of the log has a message, a level and fields that are documented.
func TestLogIsDocumented(t *testing.T) {
	t.Parallel()
	documented, seen := documentedMessages(t), map[string]bool{}
	check := func(log string) {
		t.Helper()
		for line := range strings.Lines(log) {
			var entry map[string]any
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Errorf("not JSON: %s", line)
				continue
			}
			msg, _ := entry["msg"].(string)
			level, _ := entry["level"].(string)
			m, ok := documented[msg]
			if !ok || !slices.Contains(m.levels, level) || entry["time"] == nil {
				t.Errorf("not documented: %s", line)
				continue
			}
			seen[msg] = true
			for field := range entry {
				if !slices.Contains([]string{"level", "time", "msg"}, field) && !slices.Contains(m.possible, field) {
					t.Errorf("the field %s is not documented: %s", field, line)
				}
			}
			for _, field := range m.always {
				if _, ok := entry[field]; !ok {
					t.Errorf("without the field %s: %s", field, line)
				}
			}
		}
	}

	marketo := newEmulator(t)
	home := t.TempDir()
	srv := serve(t, setup{program: built.Plain, upstream: marketo.URL, home: home,
		args: []string{"--upstream-timeout=1s", "--log-level=debug", "--capture-skip=20103"}})
	d := srv.door("reverse")
	d.post(getLead(credential{}))
	for _, w := range failures {
		if w.operation == "" {
			w.operation = "getLead"
		}
		w.make(d, w.request(t), newCall())
	}
	d.post(getLead(credential{}), failHeader, "20103")
	token := restToken(t, d)
	for _, fail := range []string{"", "611", "602", "reset", "html502", "malformed"} {
		header := []string{"Authorization", "Bearer " + token}
		if fail != "" {
			header = append(header, failHeader, fail)
		}
		d.do(t.Context(), http.MethodGet, "/rest/v1/lead/1090177.json", nil, header...)
	}
	keys := filepath.Join(home, "credentials")
	if err := os.WriteFile(filepath.Join(keys, "another"), []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	srv.logs("credentials reloaded")
	if err := os.WriteFile(filepath.Join(keys, "another"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	srv.logs("credentials could not be read, the last good ones stay")
	if err := os.RemoveAll(srv.captures); err != nil {
		t.Fatal(err)
	}
	d.post(getLead(credential{}), failHeader, "20011")
	srv.logs("directory vanished")
	if err := os.RemoveAll(srv.captures); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(srv.captures, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.post(getLead(credential{}), failHeader, "20011")
	srv.logs("capture lost")
	srv.terminate()
	check(srv.stderr.String())

	for _, msg := range []string{"serving", "call", "credentials reloaded", "credentials could not be read, the last good ones stay", "capture lost",
		"captures were lost", "directory vanished", "stopping", "stopped"} {
		if !seen[msg] {
			t.Errorf("%q did not happen", msg)
		}
	}
}

// logs waits for a message.
func (s *server) logs(msg string) {
	s.t.Helper()
	eventually(s.t, msg, func() (bool, string) {
		log := s.stderr.String()
		return strings.Contains(log, `"msg":"`+msg+`"`), tail(log)
	})
}

// The messages in the code are those of the document, no more and no less.
func TestEveryMessageIsDocumented(t *testing.T) {
	t.Parallel()
	documented := documentedMessages(t)
	written := regexp.MustCompile(`(?:(?i:\blog)\.(?:Debug|Info|Warn|Error)\(|\bj\.log\(|Log\.Check\(\w+, )"([^"]+)"`)
	found := map[string]bool{}
	for _, dir := range []string{"admin", "ca", "capture", "classify", "cmd/proxy", "diff", "downstream", "emulator", "har", "http1", "identity",
		"journal", "metrics", "pretty", "proxy", "pseudonym", "redact", "replay", "sign", "ticket", "upstream"} {
		files, err := filepath.Glob(filepath.Join("..", dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range written.FindAllStringSubmatch(string(text), -1) {
				if found[m[1]] = true; documented[m[1]].levels == nil {
					t.Errorf("%s: docs/logs.md does not have %q", file, m[1])
				}
			}
		}
	}
	for msg := range documented {
		if !found[msg] {
			t.Errorf("docs/logs.md has %q, which is not in the code", msg)
		}
	}
}
