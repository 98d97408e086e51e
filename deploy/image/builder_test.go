//go:build linux

// Package image tests the Dockerfile: built without a daemon (buildah), and what comes of it run as a pod runs it: as nobody in
// particular, on a file system that it can't write.
package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// base is what the Dockerfile builds on. Its stand-in here has this machine's Go and a busybox in place of Debian, so that the test
// needs no registry; that the real one builds the same is up to those who can pull it.
const base = "docker.io/library/golang:1.26.8-bookworm"

// builder is a store of images that goes with the test.
type builder struct {
	t     *testing.T
	store string
}

func newBuilder(t *testing.T) *builder {
	for _, tool := range []string{"buildah", "busybox", "unshare", "setpriv"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v: apt-get install buildah busybox-static util-linux", err)
		}
	}
	b := &builder{t, t.TempDir()}
	t.Cleanup(func() { b.buildah("rm", "-a") }) // unmounts what is mounted
	b.standIn()
	return b
}

// buildah runs one of its commands and returns what it printed, without the last line end.
func (b *builder) buildah(args ...string) string {
	b.t.Helper()
	cmd := exec.Command("buildah", append([]string{
		"--storage-driver=vfs", "--root=" + filepath.Join(b.store, "root"), "--runroot=" + filepath.Join(b.store, "run"),
	}, args...)...)
	cmd.Env = append(os.Environ(), "BUILDAH_ISOLATION=chroot") // needs no daemon, no control groups and no name spaces of users
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		b.t.Fatalf("buildah %v: %v\n%s", args, err, stderr.String())
	}
	return strings.TrimSpace(stdout.String())
}

// standIn makes the base: directories, a busybox and the authorities that this machine trusts. Go is mounted when it is used.
func (b *builder) standIn() {
	b.t.Helper()
	container := b.buildah("from", "scratch")
	root := b.buildah("mount", container)
	for _, dir := range []string{"bin", "etc/ssl/certs", "go", "root", "tmp", "usr/local/go"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			b.t.Fatal(err)
		}
	}
	for file, mode := range map[string]os.FileMode{"bin/busybox": 0o755, "etc/ssl/certs/ca-certificates.crt": 0o644} {
		content, err := os.ReadFile("/" + file)
		if err == nil {
			err = os.WriteFile(filepath.Join(root, file), content, mode)
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
	for _, applet := range []string{"sh", "mkdir", "cp", "echo"} {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", applet)); err != nil {
			b.t.Fatal(err)
		}
	}
	b.buildah("umount", container)
	config := []string{"config", "--env=PATH=/usr/local/go/bin:/bin", "--env=HOME=/root", "--env=GOPATH=/go", "--env=GOCACHE=/go/cache"}
	for _, name := range []string{"GOPROXY", "GOSUMDB", "GONOSUMDB", "GOTOOLCHAIN"} {
		config = append(config, "--env="+name+"="+b.goEnv(name))
	}
	b.buildah(append(config, container)...)
	b.buildah("commit", "--quiet", "--rm", container, base)
}

func (b *builder) goEnv(name string) string {
	b.t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// build builds the Dockerfile in dir and returns the image's id, which is the digest of its configuration and so of all its layers.
func (b *builder) build(dir, format string) string {
	b.t.Helper()
	id := filepath.Join(b.t.TempDir(), "id")
	b.buildah("build", "--quiet", "--pull-never", "--no-cache", "--timestamp=0", "--format="+format, "--iidfile="+id,
		"--volume="+b.goEnv("GOROOT")+":/usr/local/go:ro", "--volume="+b.goEnv("GOMODCACHE")+":/go/pkg/mod",
		"--volume="+b.goEnv("GOCACHE")+":/go/cache",
		"--build-arg=VERSION="+version, "--build-arg=REVISION="+revision, dir)
	content, err := os.ReadFile(id)
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}

const (
	version  = "v0.0.0-image"
	revision = "0123abc"
)

// config is what is read of an image's configuration.
type config struct {
	User         string
	Env          []string
	Entrypoint   []string
	Cmd          []string
	Labels       map[string]string
	Volumes      map[string]any
	ExposedPorts map[string]any
	Healthcheck  struct{ Test []string }
}

func (b *builder) config(id string) config {
	b.t.Helper()
	var image struct{ Docker struct{ Config config } }
	if err := json.Unmarshal([]byte(b.buildah("inspect", "--type=image", id)), &image); err != nil {
		b.t.Fatal(err)
	}
	return image.Docker.Config
}

// mount returns the root directory of a new container of the image.
func (b *builder) mount(id string) string {
	b.t.Helper()
	return b.buildah("mount", b.buildah("from", "--pull-never", id))
}

// listing is every entry below root with owner and mode, without those that the runtime makes.
func listing(t *testing.T, root string) map[string]string {
	t.Helper()
	out, err := exec.Command("find", root, "-mindepth", "1", "-printf", `%P\t%y %U:%G %m\n`).Output()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, rest, _ := strings.Cut(strings.TrimSpace(line), "\t")
		found[path] = rest
	}
	return found
}

// copySources copies what git knows of the project, and stamps it anew: another checkout, at another time, in another place.
func copySources(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf(`cd ../.. && git ls-files -z --cached --others --exclude-standard |
		tar --null -T - -c --ignore-failed-read | tar -x --touch -C %q`, dir)
	if out, err := exec.Command("bash", "-o", "pipefail", "-ec", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}
