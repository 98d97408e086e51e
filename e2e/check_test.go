//go:build linux

package e2e

import (
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What a running proxy has is told apart from what another program has, and check --running is about that proxy.
func TestCheckRunning(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("a token of the admin"), 0o600); err != nil {
		t.Fatal(err)
	}
	srv := serve(t, setup{upstream: marketo.URL, args: []string{"--tls-listen=127.0.0.1:0", "--admin-token-file=" + token}})
	home := t.TempDir()
	settings := func(change ...string) []string {
		at := map[string]string{"soap-upstream": marketo.URL, "capture-dir": srv.captures}
		maps.Copy(at, srv.at)
		for i := 0; i < len(change); i += 2 {
			at[change[i]] = change[i+1]
		}
		args := []string{"check"}
		for _, flag := range slices.Sorted(maps.Keys(at)) {
			args = append(args, "--"+flag+"="+at[flag])
		}
		return args
	}
	check := func(args []string) result { return command(t, []string{"HOME=" + home}, args...) }

	r := check(settings())
	oneError(t, r, 2, "check --running")
	if strings.Contains(r.stdout, "FAIL") || strings.Count(r.stdout, "\nnote  captures and addresses: in use by the marketo-proxy") != 1 {
		t.Errorf("beside itself:\n%s", r.stdout)
	}
	before := srv.metrics()
	r = check(append(settings(), "--running"))
	if r.code != 0 || r.stderr != "" || strings.Count(r.stdout, "marketo-proxy answers at 127.0.0.1:") != 4 ||
		!strings.Contains(r.stdout, srv.captures+" is in use and writable") {
		t.Errorf("exit %d %s\n%s", r.code, r.stderr, r.stdout)
	}
	if after := srv.metrics(); after["marketo_proxy_captures_total"] != before["marketo_proxy_captures_total"] || len(after) != len(before) {
		t.Error("the check counts as a call")
	}
	if left, err := filepath.Glob(filepath.Join(srv.captures, "check-*")); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v (%v)", left, err)
	}

	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	stranger := strings.TrimPrefix(newPlainUpstream(t, http.NotFoundHandler()), "http://")
	elsewhere := filepath.Join(home, "captures")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"another directory": {settings("capture-dir", elsewhere), "--listen: listen tcp " + srv.at["listen"] + ": bind: address already in use, by another marketo-proxy"},
		"another address":   {settings("listen", "127.0.0.1:0"), "--capture-dir: "},
		"a stranger":        {settings("listen", stranger), "--listen: listen tcp " + stranger + ": bind: address already in use\n"},
		"running, another directory": {append(settings("capture-dir", elsewhere), "--running"),
			"--capture-dir: no process has " + elsewhere},
		"running, another address": {append(settings("listen", free.Addr().String()), "--running"), "--listen: nobody listens on " + free.Addr().String()},
		"running, a stranger":      {append(settings("listen", stranger), "--running"), "and not by a marketo-proxy that answers"},
	} {
		r := check(c.args)
		if r.code != 2 || !strings.Contains(r.stdout, c.want) || !strings.Contains(r.stdout, "FAIL  ") || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%s: exit %d %s\n%s", name, r.code, r.stderr, r.stdout)
		}
	}
}
