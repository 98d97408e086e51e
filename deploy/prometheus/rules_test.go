//go:build linux

package prometheus

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var alertLine = regexp.MustCompile(`(?m)^ +- alert: (\w+)$`)

// alerts are the names of all alerts in rules.yml.
func alerts(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, m := range alertLine.FindAllStringSubmatch(read(t, "rules.yml"), -1) {
		names = append(names, m[1])
	}
	if len(names) < 10 {
		t.Fatalf("only %d alerts found", len(names))
	}
	return names
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRules(t *testing.T) {
	promtool := tool(t, "promtool")
	for _, args := range [][]string{
		{"check", "rules", "--lint=all", "--lint-fatal", "rules.yml"},
		{"test", "rules", "rules_test.yml"},
		{"test", "rules", "rules_days_test.yml"},
	} {
		if stdout, stderr, code := command(t, "", nil, promtool, args...); code != 0 {
			t.Errorf("promtool %v: exit %d\n%s%s", args, code, stdout, stderr)
		}
	}
}

// Each alert has a case where it fires, and one where it does not.
func TestEachAlertIsTested(t *testing.T) {
	cases := map[string][]bool{}
	for _, file := range []string{"rules_test.yml", "rules_days_test.yml"} {
		for _, part := range strings.Split(read(t, file), "- alertname: ")[1:] {
			name, rest, _ := strings.Cut(part, "\n")
			_, expected, _ := strings.Cut(rest, "exp_alerts:")
			cases[name] = append(cases[name], !strings.HasPrefix(expected, " []"))
		}
	}
	names := alerts(t)
	for _, name := range names {
		if !slices.Contains(cases[name], true) || !slices.Contains(cases[name], false) {
			t.Errorf("%s: no case for firing or none for not firing", name)
		}
	}
	if len(cases) != len(names) {
		t.Errorf("%d alerts, tests of %d", len(names), len(cases))
	}
}
