package main

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"

	"marketo-proxy/metrics"
)

// documents are the files under the repository's root that people read and copy from, by path.
func documents(t *testing.T, endings ...string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case slices.ContainsFunc(endings, func(ending string) bool { return strings.HasSuffix(d.Name(), ending) }):
			text, err := os.ReadFile(path)
			files[path] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 30 {
		t.Fatalf("only %d files with %q", len(files), endings)
	}
	return files
}

// commandLine parses a command line as the program does. It tells nothing of what a command would do.
func commandLine(args []string) error {
	parser, err := newParser(&cli{}, environment{}, io.Discard, io.Discard, func(int) { panic(exitNow{}) })
	if err == nil {
		_, err = parse(parser, args)
	}
	return err
}

// flags are all flags of all commands.
func flags(t *testing.T) map[string]bool {
	t.Helper()
	parser, err := newParser(&cli{}, environment{}, io.Discard, io.Discard, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	err = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			names[flag.Name] = true
			if flag.Tag.Negatable != "" {
				names["no-"+flag.Name] = true
			}
		}
		return next(nil)
	})
	if err != nil || len(names) < 40 {
		t.Fatalf("%d flags: %v", len(names), err)
	}
	return names
}

var (
	shownCommand  = regexp.MustCompile("(?m)(?:^ {4,}(?:\\$ )?|`|-- (?:/usr/local/bin/)?)marketo-proxy ([a-z-][^`\n]*)")
	commandEnd    = regexp.MustCompile(`\s(\||>|&&|;|#|\d>).*$`)
	word          = regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`)
	inlineCode    = regexp.MustCompile("`([^`\n]+)`")
	shownFlag     = regexp.MustCompile(`(?:^|\s)--([a-z][a-z-]*)`)
	shownVariable = regexp.MustCompile(`\bMARKETO_PROXY_[A-Z_]+[A-Z]\b`)
	shownMetric   = regexp.MustCompile(`\bmarketo_proxy_([a-z_]+[a-z])\b`)
	bareMetric    = regexp.MustCompile(`^([a-z_]+_(?:total|seconds|bytes|usage|info|stored))(?:\{.*\})?$`)
)

// Every command that a document or an alert shows is one that the program understands.
func TestDocumentedCommands(t *testing.T) {
	found := 0
	for path, text := range documents(t, ".md", "rules.yml", "prometheusrule.yaml") {
		text = regexp.MustCompile(`\{\{[^}]*\}\}`).ReplaceAllString(text, "20011")
		for _, m := range shownCommand.FindAllStringSubmatch(text, -1) {
			line := commandEnd.ReplaceAllString(" "+m[1], "")
			if strings.Contains(line, "…") {
				continue // not one to be typed as it stands
			}
			found++
			var args []string
			for _, w := range word.FindAllString(line, -1) {
				args = append(args, strings.Trim(w, `'"`))
			}
			if err := commandLine(args); err != nil {
				t.Errorf("%s: marketo-proxy%s: %v", path, line, err)
			}
		}
	}
	if found < 60 {
		t.Errorf("only %d commands found", found)
	}
}

// foreign are the flags of other programs that the documents name.
var foreign = []string{"enable-feature", "fail", "cacert", "server-side"}

// Every flag that a document names is one of a command, and every variable that of a flag.
func TestDocumentedFlags(t *testing.T) {
	known := flags(t)
	variables := map[string]bool{}
	for name := range known {
		variables[envName(name)] = hasVariable(name)
	}
	for path, text := range documents(t, ".md", ".yaml", ".yml", "Dockerfile") {
		for _, v := range shownVariable.FindAllString(text, -1) {
			if !variables[v] {
				t.Errorf("%s: there is no %s", path, v)
			}
		}
		if !strings.HasSuffix(path, ".md") {
			continue
		}
		for _, span := range inlineCode.FindAllStringSubmatch(text, -1) {
			for _, m := range shownFlag.FindAllStringSubmatch(span[1], -1) {
				if !known[m[1]] && !slices.Contains(foreign, m[1]) {
					t.Errorf("%s: there is no --%s", path, m[1])
				}
			}
		}
	}
}

var descName = regexp.MustCompile(`fqName: "marketo_proxy_([a-z_]+)"`)

// metricNames are the names of all metrics of the proxy, without their prefix.
func metricNames(t *testing.T) map[string]bool {
	t.Helper()
	registry := prometheus.NewRegistry()
	metrics.New(registry, metrics.Options{Stored: func() (bytes, captures int64) { return 0, 0 }})
	descs := make(chan *prometheus.Desc)
	go func() { defer close(descs); registry.Describe(descs) }()
	names := map[string]bool{}
	for desc := range descs {
		if m := descName.FindStringSubmatch(desc.String()); m != nil {
			names[m[1]] = true
		}
	}
	if len(names) < 15 {
		t.Fatalf("only %v", names)
	}
	return names
}

// Every metric that a document, a rule or the dashboard names exists, and docs/metrics.md has all that do.
func TestDocumentedMetrics(t *testing.T) {
	names := metricNames(t)
	exists := func(name string) bool {
		for _, part := range []string{"_bucket", "_sum", "_count", "_created"} {
			if whole, ok := strings.CutSuffix(name, part); ok && names[whole] {
				return true
			}
		}
		return names[name]
	}
	files := documents(t, ".md", ".yaml", ".yml", ".json")
	recorded := map[string]bool{}
	for _, m := range regexp.MustCompile(`record: (?:\w+:)?marketo_proxy_(\w+)`).FindAllStringSubmatch(files["../../deploy/prometheus/rules.yml"], -1) {
		recorded[m[1]] = true
	}
	for path, text := range files {
		for _, m := range shownMetric.FindAllStringSubmatch(text, -1) {
			if !exists(m[1]) && !recorded[m[1]] {
				t.Errorf("%s: there is no metric marketo_proxy_%s", path, m[1])
			}
		}
		if !strings.HasSuffix(path, ".md") {
			continue
		}
		for _, span := range inlineCode.FindAllStringSubmatch(text, -1) {
			if m := bareMetric.FindStringSubmatch(span[1]); m != nil && !exists(m[1]) && !exists(strings.TrimPrefix(m[1], "marketo_proxy_")) {
				t.Errorf("%s: there is no metric %s", path, m[1])
			}
		}
	}
	page := files["../../docs/metrics.md"]
	for name := range names {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("docs/metrics.md does not have %s", name)
		}
	}
}
