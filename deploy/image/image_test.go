//go:build linux

package image

import (
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// One image, built once for all of this.
func TestImage(t *testing.T) {
	b := newBuilder(t)
	const sources = "../.."
	id := b.build(sources, "docker") // the format that has a health check
	c := b.config(id)
	t.Run("content", func(t *testing.T) { testContent(t, b.mount(id)) })
	t.Run("configuration", func(t *testing.T) { testConfiguration(t, c) })
	t.Run("reproducible", func(t *testing.T) {
		one, two := b.build(sources, "oci"), b.build(copySources(t), "oci")
		if one != two {
			t.Errorf("two builds: %s and %s", one, two)
		}
	})
	t.Run("pod", func(t *testing.T) { testPod(t, b.mount(id), c) })
	t.Run("keys", func(t *testing.T) { testKeys(t, newPod(t, b.mount(id), c)) })
	t.Run("termination", func(t *testing.T) { testTermination(t, newPod(t, b.mount(id), c)) })
	t.Run("memory", func(t *testing.T) { testMemory(t, b.mount(id), c) })
}

// maxSize of the whole image, bytes.
const maxSize = 20e6

// The image holds the program, which needs nothing else, authorities, a user, a place to write into, and no more: no shell.
func testContent(t *testing.T, root string) {
	want := map[string]string{
		"etc": "d 0:0 755", "etc/passwd": "f 0:0 644", "etc/group": "f 0:0 644",
		"etc/ssl": "d 0:0 755", "etc/ssl/certs": "d 0:0 755", "etc/ssl/certs/ca-certificates.crt": "f 0:0 644",
		"usr": "d 0:0 755", "usr/local": "d 0:0 755", "usr/local/bin": "d 0:0 755", "usr/local/bin/marketo-proxy": "f 0:0 755",
		"var": "d 0:0 755", "var/lib": "d 0:0 755", "var/lib/marketo-proxy": "d 65532:65532 700",
	}
	got := listing(t, root)
	for path := range maps.Keys(want) {
		if got[path] != want[path] {
			t.Errorf("%s: %q, want %q", path, got[path], want[path])
		}
	}
	var size int64
	for path := range got {
		if _, ok := want[path]; !ok {
			t.Errorf("%s is of no use", path)
		}
		if info, err := os.Stat(filepath.Join(root, path)); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
	}
	t.Logf("%.1f MB", float64(size)/1e6)
	if size >= maxSize {
		t.Errorf("%d bytes are more than %.0f", size, maxSize)
	}
	f, err := elf.Open(filepath.Join(root, program))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 || f.Section(".interp") != nil {
		t.Errorf("the program is not static: %q %v", libraries, err)
	}
	if f.Section(".symtab") != nil || f.Section(".debug_info") != nil {
		t.Error("the program is not stripped")
	}
	info, err := buildinfo.ReadFile(filepath.Join(root, program))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []debug.BuildSetting{{Key: "-trimpath", Value: "true"}, {Key: "CGO_ENABLED", Value: "0"}} {
		if !slices.Contains(info.Settings, want) {
			t.Errorf("not built with %s=%s", want.Key, want.Value)
		}
	}
}

func testConfiguration(t *testing.T, c config) {
	if c.User != "65532:65532" { // a number, or runAsNonRoot could not be checked
		t.Errorf("user %q", c.User)
	}
	if !reflect.DeepEqual(c.Entrypoint, []string{program}) || len(c.Cmd) != 0 {
		t.Errorf("entrypoint %q, command %q", c.Entrypoint, c.Cmd)
	}
	if !reflect.DeepEqual(c.Healthcheck.Test, []string{"CMD", program, "probe", "readyz"}) {
		t.Errorf("health check %q", c.Healthcheck.Test)
	}
	if got := slices.Sorted(maps.Keys(c.ExposedPorts)); !reflect.DeepEqual(got, []string{"8080/tcp", "8443/tcp", "9464/tcp"}) {
		t.Errorf("ports %q", got)
	}
	if got := slices.Sorted(maps.Keys(c.Volumes)); !reflect.DeepEqual(got, []string{"/var/lib/marketo-proxy"}) {
		t.Errorf("volumes %q", got)
	}
	labels := map[string]string{"title": "marketo-proxy", "version": version, "revision": revision, "licenses": "Apache-2.0"}
	for name, want := range labels {
		if got := c.Labels["org.opencontainers.image."+name]; got != want {
			t.Errorf("label %s: %q", name, got)
		}
	}
	for _, e := range c.Env { // all settings at their defaults, loopback for the listeners among them
		if strings.HasPrefix(e, "MARKETO_PROXY_") {
			t.Errorf("the image sets %s", e)
		}
	}
}

// As in a pod: it serves, is healthy by its own health check, captures a failure, shows it, and writes nowhere but into its volume.
func testPod(t *testing.T, root string, c config) {
	p := newPod(t, root, c)
	out, _, _ := p.run(nil, program, "version", "--json")
	var v struct{ Version, Commit, Revision string }
	if err := json.Unmarshal([]byte(out), &v); err != nil || v.Version != version || v.Commit+v.Revision != revision {
		t.Errorf("version: %s %v", out, err)
	}
	metricsEnv := func(address string) []string { return []string{"MARKETO_PROXY_METRICS_LISTEN=" + address} }
	health := c.Healthcheck.Test[1:]
	if _, problem, code := p.run(metricsEnv(freePort(t)), health...); code != 1 || strings.Count(problem, "\n") != 1 {
		t.Errorf("health of nothing: exit %d: %s", code, problem)
	}
	marketo := p.emulate()
	before := listing(t, root)
	admin := freePort(t)
	proxy, at, metrics := p.serve(marketo, "MARKETO_PROXY_ADMIN_LISTEN="+admin)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", proxy.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Name:\tmarketo-proxy", "Uid:\t65532\t65532\t65532\t65532", "CapEff:\t0000000000000000", "NoNewPrivs:\t1",
	} {
		if !strings.Contains(string(status), want+"\n") {
			t.Errorf("it does not run with %s:\n%s", want, status)
		}
	}
	for _, command := range [][]string{health, {program, "probe", "livez"}, {program, "probe", "startupz"}} {
		if out, problem, code := p.run(metricsEnv(metrics), command...); code != 0 || out != "ok\n" {
			t.Errorf("%q: exit %d: %s%s", command, code, out, problem)
		}
	}
	_, header, body, err := get(at + "/rest/v1/leads.json?filterType=email&filterValues=ann@example.com") // without a token
	capture := header.Get("Marketo-Proxy-Capture")
	if err != nil || capture == "" {
		t.Fatalf("no capture: %s %v", body, err)
	}
	if out, problem, code := p.run(nil, program, "captures", "show", capture); code != 0 || !strings.Contains(out, capture) {
		t.Errorf("captures show: exit %d: %s%s", code, out, problem)
	}
	if _, problem, code := p.run(nil, program, "ticket"); code != 1 || !strings.Contains(problem, "-o") {
		t.Errorf("a ticket without a place to be: exit %d: %s", code, problem)
	}
	if out, problem, code := p.run(nil, program, "ticket", "-o", "-"); code != 0 || !strings.HasPrefix(out, "PK") {
		t.Errorf("ticket: exit %d: %s", code, problem)
	}
	if out, problem, code := newPod(t, root, c).run(nil, program, "demo", "--once"); code != 0 {
		t.Errorf("demo: exit %d: %s%s", code, out, problem)
	}
	if out, problem, code := p.run([]string{"MARKETO_PROXY_LISTEN=" + strings.TrimPrefix(at, "http://"), "MARKETO_PROXY_ADMIN_LISTEN=" + admin,
		"MARKETO_PROXY_METRICS_LISTEN=" + metrics, "MARKETO_PROXY_REST_UPSTREAM=http://" + marketo}, program, "check", "--running"); code != 0 {
		t.Errorf("check --running: exit %d: %s%s", code, out, problem)
	}
	if out, problem, code := p.run(nil, program, "ca"); code != 0 || !strings.Contains(out, "BEGIN CERTIFICATE") {
		t.Errorf("ca: exit %d: %s%s", code, out, problem)
	}
	if code := proxy.terminate(); code != 0 {
		t.Errorf("exit %d\n%s", code, proxy.log.String())
	}
	if after := listing(t, root); !reflect.DeepEqual(before, after) {
		t.Errorf("the root changed:\n%v\n%v", before, after)
	}
	for path, what := range listing(t, p.volumes["/var/lib/marketo-proxy"]) {
		want := "f 65532:65532 600"
		switch {
		case path == "captures":
			want = "d 65532:65532 700"
		case path == "ca.pem":
			want = "f 65532:65532 644" // public
		}
		if what != want {
			t.Errorf("%s is %s, want %s", path, what, want)
		}
	}
	// Without a volume the root is read-only here, too, and it says so at once.
	delete(p.volumes, "/var/lib/marketo-proxy")
	_, problem, code := p.run(nil, program, "--instance=123-ABC-456", "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0",
		"--admin-listen=127.0.0.1:0")
	if code != 2 || !strings.Contains(problem, "--capture-dir") {
		t.Errorf("without a volume: exit %d: %s", code, problem)
	}
}
