package marketoproxy_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var tableRow = regexp.MustCompile("(?m)^\\| `([a-z0-9/]+)` \\|[^|]*\\|([^|]*)\\|$")

// The import table of ARCHITECTURE.md is the truth: every package stands in it and imports nothing of ours that does not.
func TestImportTable(t *testing.T) {
	doc, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string][]string{}
	for _, row := range tableRow.FindAllStringSubmatch(string(doc), -1) {
		allowed[row[1]] = strings.Fields(row[2])
	}
	if len(allowed) < 10 {
		t.Fatalf("the table has %d rows", len(allowed))
	}
	seen := map[string]bool{}
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || path == "tools" {
				return filepath.SkipDir
			}
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if !strings.HasSuffix(path, ".go") || dir == "." {
			return nil
		}
		imports, listed := allowed[dir]
		if !listed {
			t.Errorf("%s: the package %s is not in ARCHITECTURE.md", path, dir)
			return nil
		}
		seen[dir] = true
		if strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name := strings.Trim(spec.Path.Value, `"`)
			if ours, ok := strings.CutPrefix(name, "marketo-proxy/"); ok && !slices.Contains(imports, ours) {
				t.Errorf("%s imports %s: ARCHITECTURE.md does not list it for %s", path, ours, dir)
			}
			if name == "encoding/xml" && dir != "emulator" && dir != "proxy" && dir != "cmd/proxy" {
				t.Errorf("%s imports encoding/xml, which is 15 times slower than xmlscan", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := range allowed {
		if !seen[dir] {
			t.Errorf("ARCHITECTURE.md lists %s, which has no Go files", dir)
		}
	}
}
