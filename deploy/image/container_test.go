//go:build linux

package image

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"marketo-proxy/built"
)

// patience is how long anything may take before a test gives up: generous, since the machine may be busy.
const patience = 40 * time.Second

// pod is how a container of the image is run: its root read-only, its user 65532 without any capability, and volumes.
type pod struct {
	t       *testing.T
	root    string
	env     []string          // of the image
	volumes map[string]string // by their place in the container
}

// newPod makes a pod with a volume for state.
func newPod(t *testing.T, root string, c config) *pod {
	t.Helper()
	p := &pod{t: t, root: root, env: c.Env, volumes: map[string]string{}}
	if err := os.Chmod(p.volume("/var/lib/marketo-proxy"), 0o777); err != nil { // as an emptyDir is
		t.Fatal(err)
	}
	return p
}

// volume mounts a new directory, and returns its place outside.
func (p *pod) volume(at string) string {
	p.t.Helper()
	dir := p.t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // the way there is open to the user of the container
		if err := os.Chmod(d, 0o755); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(p.root, at), 0o755); err != nil { // the runtime makes the place, too
		p.t.Fatal(err)
	}
	p.volumes[at] = dir
	return dir
}

// command is a command in the pod.
func (p *pod) command(env []string, args ...string) *exec.Cmd {
	// Every step replaces the one before, so the process that is started is the program at last, and gets the signals.
	script := `set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,ro,bind "$1"
root=$1; shift
while [ "$1" != -- ]; do mount --bind "$1" "$root$2"; shift 2; done
shift
exec setpriv --no-new-privs chroot --userspec=65532:65532 --groups= "$root" "$@"`
	line := []string{"--mount", "--", "/bin/sh", "-c", script, "sh", p.root}
	for at, dir := range p.volumes {
		line = append(line, dir, at)
	}
	cmd := exec.Command("unshare", append(append(line, "--"), args...)...)
	// unshare and its like are found by Go; the shell finds the rest where Debian has it.
	cmd.Env = append(append([]string{}, p.env...), env...)
	for i, e := range cmd.Env {
		if strings.HasPrefix(e, "PATH=") {
			cmd.Env[i] = e + ":/usr/sbin:/usr/bin:/sbin:/bin"
		}
	}
	return cmd
}

const program = "/usr/local/bin/marketo-proxy"

// run runs a command to its end.
func (p *pod) run(env []string, args ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	cmd := p.command(env, args...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	var exit *exec.ExitError
	if failed := cmd.Run(); failed != nil && !errors.As(failed, &exit) {
		p.t.Fatal(failed)
	}
	return out.String(), err.String(), cmd.ProcessState.ExitCode()
}

// process is a container that runs.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	log   built.Text
	ended <-chan struct{}
}

// start starts the image with arguments; ready is in its output once it serves.
func (p *pod) start(ready string, env []string, args ...string) *process {
	p.t.Helper()
	r := &process{t: p.t, cmd: p.command(env, append([]string{program}, args...)...)}
	r.cmd.Stdout, r.cmd.Stderr = &r.log, &r.log
	var err error
	if r.ended, err = built.Start(r.cmd); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if code := r.terminate(); code != 0 {
			p.t.Errorf("%v: exit %d after SIGTERM\n%s", args, code, r.log.String())
		}
	})
	r.eventually("it serves", func() bool { return strings.Contains(r.log.String(), ready) })
	return r
}

func (r *process) terminate() int {
	r.t.Helper()
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.ended:
	case <-time.After(patience):
		_ = r.cmd.Process.Kill()
		r.t.Error("it does not end")
		<-r.ended
	}
	return r.cmd.ProcessState.ExitCode()
}

func (r *process) eventually(what string, check func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !check(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: not within %s\n%s", what, patience, r.log.String())
		}
	}
}

// freePort is a port that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serve starts the proxy before an emulated Marketo, with the addresses where the manifests have theirs.
func (p *pod) serve(marketo string, env ...string) (proxy *process, at, metrics string) {
	p.t.Helper()
	at, metrics = freePort(p.t), freePort(p.t)
	proxy = p.start(`"msg":"serving"`, append([]string{
		"MARKETO_PROXY_SOAP_UPSTREAM=http://" + marketo, "MARKETO_PROXY_REST_UPSTREAM=http://" + marketo,
		"MARKETO_PROXY_LISTEN=" + at, "MARKETO_PROXY_ADMIN_LISTEN=127.0.0.1:0", "MARKETO_PROXY_METRICS_LISTEN=" + metrics,
	}, env...))
	return proxy, "http://" + at, metrics
}

// emulate starts an emulated Marketo, from the image as well.
func (p *pod) emulate(args ...string) (address string) {
	p.t.Helper()
	address = freePort(p.t)
	args = append([]string{"emulate", "--listen", address, "--window-limit=0", "--concurrent-limit=0", "--day-limit=0"}, args...)
	p.start("an emulated Marketo serves at", nil, args...)
	return address
}

// get returns the answer to a GET, whole.
func get(url string) (status int, header http.Header, body string, err error) {
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}).Get(url)
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(content), err
}

// metric is the value of a series, as the metrics port writes it.
func metric(t *testing.T, address, series string) string {
	t.Helper()
	_, _, text, err := get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return fmt.Sprintf("no %s", series)
}
