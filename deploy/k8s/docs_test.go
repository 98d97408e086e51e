package k8s

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every test that the security model names is there.
func TestSecurityModelNamesTests(t *testing.T) {
	named := regexp.MustCompile("`([a-z0-9/]+)\\.(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(document(t, "security.md"), -1)
	if len(named) < 20 {
		t.Fatalf("only %d tests are named", len(named))
	}
	for _, n := range named {
		files, err := filepath.Glob(filepath.Join("../..", n[1], "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(text), "\nfunc "+n[2]+"(")
		}
		if !found {
			t.Errorf("%s.%s does not exist", n[1], n[2])
		}
	}
}

// What docs/kubernetes.md has people copy works: its overlays build, and its kustomization puts the sidecar into an application's
// manifest.
func TestKubernetesDocument(t *testing.T) {
	text := document(t, "kubernetes.md")
	for _, dir := range regexp.MustCompile(`-k (deploy/k8s/[a-z]+)`).FindAllStringSubmatch(text, -1) {
		build(t, filepath.Join("../..", dir[1]))
	}
	snippet := regexp.MustCompile(`(?s)        components:\n.*?newTag: [^\n]*\n`).FindString(text)
	if snippet == "" {
		t.Fatal("the document has no kustomization")
	}
	base, err := filepath.Abs("base")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	base, err = filepath.Rel(dir, base)
	if err != nil {
		t.Fatal(err)
	}
	snippet = strings.ReplaceAll(snippet, "\n        ", "\n")
	snippet = strings.Replace(strings.TrimPrefix(snippet, "        "), "marketo-proxy/deploy/k8s/base", base, 1)
	snippet = "resources: [application.yaml]\n" + snippet
	application := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop, labels: {marketo-proxy: sidecar}}\n" +
		"spec:\n  selector: {matchLabels: {app: shop}}\n" +
		"  template: {metadata: {labels: {app: shop}}, spec: {containers: [{name: shop, image: 'shop:1'}]}}\n"
	for name, content := range map[string]string{"kustomization.yaml": snippet, "application.yaml": application} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatalf("%v\n%s", err, snippet)
	}
	yaml, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"initContainers:", "image: registry.example.com/marketo-proxy:v0.1.0"} {
		if !strings.Contains(string(yaml), want) {
			t.Errorf("no %s:\n%s", want, yaml)
		}
	}
}
