//go:build linux

package prometheus

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const runbooks = "../../docs/runbooks"

// Each alert has a runbook with the same parts, and each runbook an alert.
func TestRunbooks(t *testing.T) {
	names := alerts(t)
	files, err := os.ReadDir(runbooks)
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, file := range files {
		name := strings.TrimSuffix(file.Name(), ".md")
		documented = append(documented, name)
		if !slices.Contains(names, name) {
			t.Errorf("%s is about no alert", file.Name())
		}
		text := read(t, filepath.Join(runbooks, file.Name()))
		at := 0
		for _, part := range []string{"# " + name + "\n", "\n## Meaning\n", "\n## Impact\n", "\n## Diagnosis\n", "\n## Mitigation\n"} {
			i := strings.Index(text[at:], part)
			if i < 0 {
				t.Errorf("%s: no %q, or in another place", file.Name(), part)
				break
			}
			at += i
		}
	}
	for _, name := range names {
		if !slices.Contains(documented, name) {
			t.Errorf("%s has no runbook", name)
		}
	}
}

// The table of docs/monitoring.md says of each alert what the rules say.
func TestAlertsAreDocumented(t *testing.T) {
	row := regexp.MustCompile(`(?m)^\| \[(\w+)\]\(runbooks/(\w+)\.md\) \| (\w+) \| [^|]+ \| ([^|]+) \|$`)
	documented := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(read(t, "../../docs/monitoring.md"), -1) {
		if m[1] != m[2] {
			t.Errorf("%s leads to %s", m[1], m[2])
		}
		documented[m[1]] = m[3] + " " + strings.ReplaceAll(strings.Replace(m[4], "at once", "", 1), " min", "m")
	}
	names := alerts(t)
	for i, text := range alertLine.Split(read(t, "rules.yml"), -1)[1:] {
		wait := regexp.MustCompile(`(?m)^ +for: (\w+)$`).FindStringSubmatch(text)
		severity := regexp.MustCompile(`severity: (\w+)`).FindStringSubmatch(text)
		if want := severity[1] + " " + strings.Join(wait[min(1, len(wait)):], ""); documented[names[i]] != want {
			t.Errorf("%s is documented as %q, not %q", names[i], documented[names[i]], want)
		}
	}
	if len(documented) != len(names) {
		t.Errorf("%d alerts, %d documented", len(names), len(documented))
	}
}

var commandLine = regexp.MustCompile(`(?m)^ *(\$ )?(marketo-proxy .*)$`)

// commandLines are the commands of ours in a text; with a prompt, only those that follow one.
func commandLines(text, prompt string) (lines []string) {
	for _, m := range commandLine.FindAllStringSubmatch(text, -1) {
		if prompt == "" || m[1] == prompt {
			lines = append(lines, m[2])
		}
	}
	return lines
}

var tableHead = regexp.MustCompile(`^ *(TIME|CODE|OPERATION|USER) `)

// runbookCommands types every command of the runbooks, and of the other documents for whoever is in trouble, beside a running proxy.
// Where a document shows a table, the command must print one with the same head.
func runbookCommands(t *testing.T, beside *pod) {
	files, err := filepath.Glob(filepath.Join(runbooks, "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range append(files, "../../docs/is-it-the-proxy.md", "../../docs/upgrade.md") {
		text := read(t, file)
		found := commandLines(text, "$ ")
		if len(found) == 0 {
			t.Errorf("%s has no command", file)
		}
		for _, line := range found {
			out := try(t, beside, line)
			_, shown, _ := strings.Cut(text, "$ "+line+"\n")
			shown, _, _ = strings.Cut(shown, "\n")
			if !tableHead.MatchString(shown) {
				continue
			}
			head, _, _ := strings.Cut(out, "\n")
			if out != "" && strings.Join(strings.Fields(head), " ") != strings.Join(strings.Fields(shown), " ") {
				t.Errorf("%s: %s prints\n%s\nnot\n%s", filepath.Base(file), line, head, shown)
			}
		}
	}
}

// try types a command. What it finds does not matter, but it must be understood.
func try(t *testing.T, beside *pod, line string) (stdout string) {
	t.Helper()
	args := strings.Fields(line)[1:]
	for i, arg := range args {
		if arg == "ID" {
			args[i] = beside.aCapture()
		}
	}
	env := append([]string{"MARKETO_PROXY_LISTEN=" + beside.at["listen"], "MARKETO_PROXY_METRICS_LISTEN=" + beside.metrics,
		"MARKETO_PROXY_ADMIN_LISTEN=" + beside.at["admin-listen"]}, beside.env...)
	stdout, stderr, code := command(t, t.TempDir(), env, os.Getenv(programEnv), args...)
	if code != 0 {
		t.Errorf("%s: exit %d %s", line, code, stderr)
	}
	return stdout
}

var captureID = regexp.MustCompile(`"id":"([^"]+)"`)

// aCapture is the id of any.
func (p *pod) aCapture() string {
	p.t.Helper()
	stdout, stderr, _ := command(p.t, "", p.env, os.Getenv(programEnv), "captures", "ls", "--json", "--limit", "1")
	m := captureID.FindStringSubmatch(stdout)
	if m == nil {
		p.t.Fatalf("no capture: %s", stderr)
	}
	return m[1]
}
