//go:build linux

package e2e

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"marketo-proxy/built"
	"marketo-proxy/emulator"
)

// noPorts keeps a command that serves off the usual ports.
var noPorts = []string{"--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"}

// Wrong usage is exit 2 with one line that says what is wrong.
func TestWrongUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		env  []string
		args []string
		want string
	}{
		{nil, []string{"serve", "--nonsense"}, "--nonsense"},
		{nil, []string{"nonsense"}, "nonsense"},
		{nil, []string{"serve"}, "--instance"},
		{nil, []string{"--instance=nonsense"}, "--instance"},
		{nil, []string{"serve", "--instance=" + instance, "--sign=sometimes"}, "--sign"},
		{nil, []string{"serve", "--instance=" + instance, "--upstream-timeout=soon"}, "--upstream-timeout"},
		{nil, []string{"serve", "--instance=" + instance, "--capture-max-size=huge"}, "--capture-max-size"},
		{nil, []string{"serve", "--instance=" + instance, "--capture-max-size=1"}, "--capture-max-size"},
		{nil, []string{"serve", "--instance=" + instance, "--listen=nowhere"}, "--listen"},
		{nil, []string{"serve", "--instance=" + instance, "--credentials-dir=" + dir + "/none"}, dir + "/none"},
		{nil, []string{"serve", "--instance=" + instance, "--upstream-ca=" + dir + "/none"}, "--upstream-ca"},
		{nil, []string{"serve", "--instance=" + instance, "--tls-cert=" + dir + "/none"}, "--tls-cert"},
		{nil, []string{"serve", "--instance=" + instance, "--sign=always"}, "--credentials-dir"},
		{nil, []string{"serve", "--soap-upstream=http://example.com"}, "--soap-upstream"},
		{nil, []string{"serve", "--soap-upstream=https://user:pw@example.com"}, "--soap-upstream"},
		{[]string{"MARKETO_PROXY_SIGN=sometimes"}, []string{"serve", "--instance=" + instance}, "sign"},
		{[]string{"MARKETO_PROXY_UPSTREAM_TIMEOUT=soon"}, []string{"serve", "--instance=" + instance}, "upstream-timeout"},
		{[]string{"MARKETO_PROXY_INSTANCE=nonsense"}, []string{"serve"}, "--instance"},
		{nil, []string{"captures", "ls", "--since=yesterday", "--capture-dir=" + dir}, "--since"},
		{nil, []string{"captures", "ls", "--class=nonsense", "--capture-dir=" + dir}, "--class"},
		{nil, []string{"captures", "ls", "--limit=-1", "--capture-dir=" + dir}, "--limit"},
		{nil, []string{"captures", "export", "--format=pdf", "--capture-dir=" + dir}, "--format"},
		{nil, []string{"captures", "show"}, "id"},
		{nil, []string{"codes", "nonsense"}, "nonsense"},
		{nil, []string{"emulate", "--fail=nonsense"}, "nonsense"},
	} {
		r := command(t, append([]string{"HOME=" + t.TempDir()}, c.env...), c.args...)
		if r.code != 2 || r.stdout != "" {
			t.Errorf("%v %v: exit %d, stdout %q", c.env, c.args, r.code, r.stdout)
		}
		oneError(t, r, 2, c.want)
	}
}

// A failure that is no wrong usage is exit 1.
func TestFailedCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const unknown = "0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000"
	oneError(t, command(t, nil, "captures", "show", unknown, "--capture-dir="+dir), 1, unknown)
	oneError(t, command(t, nil, "captures", "ls", "--capture-dir="+dir+"/none"), 1, dir+"/none", "--capture-dir")
	oneError(t, command(t, nil, "codes", "99999"), 1, "99999")
	r := command(t, nil, "captures", "export", "--format=jsonl", "-o", dir+"/none/file", "--capture-dir="+dir)
	if last := r.stderr[strings.LastIndex(strings.TrimSuffix(r.stderr, "\n"), "\n")+1:]; r.code != 1 || !strings.Contains(last, dir+"/none/") {
		t.Errorf("exit %d: %s", r.code, r.stderr) // that nothing was found is said before
	}
}

// Flag over environment over default, for every command that needs the value.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	home := t.TempDir()
	byEnv, byFlag := filepath.Join(home, "by-env"), filepath.Join(home, "by-flag")
	env := []string{"HOME=" + home, "MARKETO_PROXY_CAPTURE_DIR=" + byEnv, "MARKETO_PROXY_LISTEN=127.0.0.1:0", "MARKETO_PROXY_METRICS_LISTEN=127.0.0.1:0",
		"MARKETO_PROXY_ADMIN_LISTEN=127.0.0.1:0", "MARKETO_PROXY_SOAP_UPSTREAM=" + marketo.URL, "MARKETO_PROXY_CAPTURE_SKIP=20103,20123",
		"MARKETO_PROXY_LOG_LEVEL=debug", "POD_NAME=pod-1", "POD_NAMESPACE=space-1"}
	run := func(args ...string) *server {
		p := start(t, program(built.Race), env, args...)
		srv := &server{process: p, dir: home}
		eventually(t, "serve says where it listens", func() (bool, string) {
			srv.at = built.Listeners(p.stderr.String())
			return srv.at != nil && srv.probe("readyz") == 200, p.stderr.String()
		})
		return srv
	}
	for _, c := range []struct {
		dir  string
		args []string
	}{{byEnv, nil}, {byEnv, []string{"serve"}}, {byFlag, []string{"serve", "--capture-dir=" + byFlag, "--capture-skip=20111"}}} {
		srv := run(c.args...)
		srv.captures = c.dir
		d := srv.door("reverse")
		d.post(getLead(credential{}), failHeader, "20103")
		d.post(getLead(credential{}), failHeader, "20011")
		list := srv.list()
		if len(list) == 0 || list[0].Code != "20011" || list[0].Proxy.Pod != "pod-1" || list[0].Proxy.Namespace != "space-1" || list[0].Proxy.Host == "" {
			t.Errorf("%v: captures %+v", c.args, list)
		}
		skipped := len(list) == 1 || list[1].Code != "20103"
		if want := c.dir == byEnv; skipped != want {
			t.Errorf("%v: 20103 skipped: %v", c.args, skipped)
		}
		d.post(getLead(credential{})) // a success is logged for debugging
		eventually(t, "a log at the environment's level", func() (bool, string) {
			return strings.Contains(srv.stderr.String(), `"level":"debug"`), srv.stderr.String()
		})
		srv.terminate()
	}
	if r := command(t, env, "captures", "ls", "--json"); r.code != 0 || strings.Count(r.stdout, "\n") != 2 {
		t.Errorf("captures ls by the environment: %d %s%s", r.code, r.stdout, r.stderr)
	}
	if r := command(t, env, "captures", "ls", "--json", "--capture-dir="+byFlag); r.code != 0 || strings.Count(r.stdout, "\n") != 2 {
		t.Errorf("captures ls by the flag: %d %s%s", r.code, r.stdout, r.stderr)
	}
	// The default is below the state directory.
	r := command(t, []string{"XDG_STATE_HOME=" + home}, "captures", "ls")
	oneError(t, r, 1, filepath.Join(home, "marketo-proxy", "captures"))
	// Secrets come from files only.
	oneError(t, command(t, []string{"MARKETO_PROXY_ENCRYPTION_KEY=" + key}, "version"), 2, "MARKETO_PROXY_ENCRYPTION_KEY")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	home := t.TempDir()
	keys := credentials(t, home, nil)
	good := append([]string{"check", "--soap-upstream=" + marketo.URL, "--rest-upstream=" + marketo.URL, "--credentials-dir=" + keys}, noPorts...)
	if r := command(t, []string{"HOME=" + home}, good...); r.code != 0 || r.stderr != "" || strings.Contains(r.stdout, "FAIL") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	// Every problem at once.
	r := command(t, []string{"HOME=" + home}, append([]string{"check", "--instance=nonsense", "--capture-skip=x", "--upstream-timeout=0s",
		"--credentials-dir=" + home + "/none", "--capture-dir=" + filepath.Join(keys, user)}, noPorts...)...)
	oneError(t, r, 2)
	for _, want := range []string{"--instance", "--capture-skip", "--upstream-timeout", home + "/none", "--capture-dir"} {
		if !strings.Contains(r.stdout+r.stderr, want) {
			t.Errorf("check does not report %s:\n%s%s", want, r.stdout, r.stderr)
		}
	}
	skewed := newEmulator(t, func(o *emulator.Options) { o.ClockSkew = time.Hour })
	for upstream, want := range map[string]string{
		"http://" + nobody:        "refused",
		"https://marketo.invalid": "marketo.invalid",
		newTLSUpstream(t):         "certificate",
		skewed.URL:                "clock",
	} {
		r := command(t, []string{"HOME=" + home}, append([]string{"check", "--soap-upstream=" + upstream}, noPorts...)...)
		if r.code == 0 || !strings.Contains(r.stdout+r.stderr, want) {
			t.Errorf("%s: exit %d\n%s%s", upstream, r.code, r.stdout, r.stderr)
		}
	}
	srv := serve(t, setup{upstream: marketo.URL})
	r = command(t, []string{"HOME=" + home}, append([]string{"check", "--soap-upstream=" + marketo.URL, "--capture-dir=" + srv.captures, "--metrics-listen=127.0.0.1:0",
		"--admin-listen=127.0.0.1:0"}, "--listen="+srv.at["listen"])...)
	if r.code == 0 || !strings.Contains(r.stdout+r.stderr, srv.at["listen"]) || !strings.Contains(r.stdout+r.stderr, "another process") {
		t.Errorf("beside a running proxy: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	var v map[string]string
	if err := json.Unmarshal([]byte(must(t, "version", "--json")), &v); err != nil || v["version"] != "v0.0.0-e2e" || !strings.HasPrefix(v["go"], "go1.") {
		t.Errorf("%v %v", v, err)
	}
	if out := must(t, "version"); !strings.Contains(out, "v0.0.0-e2e") || !strings.Contains(out, "0123abc") || !strings.Contains(out, "go1.") || strings.Count(out, "\n") != 1 {
		t.Errorf("%q", out)
	}
	if out := must(t, "--help"); !strings.Contains(out, "captures") || !strings.Contains(out, "emulate") {
		t.Errorf("--help: %s", out)
	}
	// Every flag of serve is in its help, with its variable.
	help := must(t, "serve", "--help")
	for _, flag := range []string{"listen", "metrics-listen", "admin-listen", "instance", "soap-upstream", "rest-upstream", "upstream-ca", "credentials-dir",
		"sign", "capture-dir", "capture-max-size", "capture-max-age", "capture-body-limit", "capture-memory", "capture-skip", "forward-hosts", "ca-cert", "ca-key",
		"tls-listen", "tls-cert", "tls-key", "admin-token-file", "upstream-timeout", "shutdown-timeout", "log-level", "log-format", "log-file"} {
		if !strings.Contains(help, "--"+flag) || !strings.Contains(help, "MARKETO_PROXY_"+strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))) {
			t.Errorf("serve --help does not tell of --%s and its variable", flag)
		}
	}
}

// The certificate that `ca` prints is the one that signs what the proxy shows, and it prints no key.
func TestCA(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{upstream: newEmulator(t).URL})
	r := command(t, []string{"HOME=" + srv.dir}, "ca")
	block, rest := pem.Decode([]byte(r.stdout))
	if r.code != 0 || block == nil || block.Type != "CERTIFICATE" || len(strings.TrimSpace(string(rest))) > 0 {
		t.Fatalf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	authority, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !authority.IsCA {
		t.Fatalf("%v, CA: %v", err, authority.IsCA)
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	c, err := tls.Dial("tcp", srv.at["tls-listen"], &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	host := instance + ".mktoapi.com"
	raw, err := net.Dial("tcp", srv.at["listen"])
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	fmt.Fprintf(raw, "CONNECT %s:443 HTTP/1.1\r\nHost: %[1]s:443\r\n\r\n", host)
	in := bufio.NewReader(raw)
	for line := "?"; strings.TrimSpace(line) != ""; {
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if err := tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: host}).Handshake(); err != nil {
		t.Error(err)
	}
	for name, mode := range map[string]os.FileMode{"ca.key": 0o600} {
		if info, err := os.Stat(filepath.Join(srv.dir, ".local/state/marketo-proxy", name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
}

func TestCodes(t *testing.T) {
	t.Parallel()
	table := must(t, "codes", "--api=soap")
	for code, class := range soapCodes {
		var c struct {
			API, Code, Message, Class, Turn, Advice string
			Retryable                               bool
		}
		if err := json.Unmarshal([]byte(must(t, "codes", code, "--json", "--api=soap")), &c); err != nil || c.API != "soap" || c.Code != code || c.Class != class ||
			c.Message == "" || c.Turn == "" || c.Advice == "" {
			t.Errorf("%s: %+v %v", code, c, err)
		}
		text := must(t, "codes", code)
		if !strings.Contains(text, c.Message) || !strings.Contains(text, c.Advice) || !strings.Contains(text, class) {
			t.Errorf("codes %s:\n%s", code, text)
		}
		if !strings.Contains(table, code) {
			t.Errorf("%s is not in the table", code)
		}
	}
	if n := strings.Count(must(t, "codes", "--api=soap", "--json"), "\n"); n != len(soapCodes) {
		t.Errorf("%d SOAP codes, want %d", n, len(soapCodes))
	}
	// A number of both APIs, or of REST only, is explained too.
	if out := must(t, "codes", "606"); !strings.Contains(out, "rest") {
		t.Errorf("codes 606: %s", out)
	}
}

// The demo shows a failure of each kind, and leaves its captures on disk.
func TestDemo(t *testing.T) {
	t.Parallel()
	r := command(t, []string{"TMPDIR=" + t.TempDir()}, "demo", "--once")
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	for _, want := range []string{"20011", "20016", "recovered", "partial", "transport", "captures show", "error 1006", "skipped, 1005", "606", "the proxy renewed the token"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the demo does not show %s:\n%s", want, r.stdout)
		}
	}
	dir := regexp.MustCompile(`MARKETO_PROXY_CAPTURE_DIR=(\S+)|--capture-dir (\S+)`).FindStringSubmatch(r.stdout)
	if dir == nil {
		t.Fatalf("the demo does not say where its captures are:\n%s", r.stdout)
	}
	outcomes := map[string]int{}
	for _, c := range listCaptures(t, dir[1]+dir[2]) {
		outcomes[c.API+" "+c.Outcome]++
		if !strings.Contains(r.stdout, c.ID) {
			t.Errorf("%s is not shown", c.ID)
		}
	}
	for _, api := range []string{"soap", "rest"} {
		for _, outcome := range []string{"fault", "partial", "transport", "recovered"} {
			if outcomes[api+" "+outcome] == 0 {
				t.Errorf("no %s %s among the captures: %v", api, outcome, outcomes)
			}
		}
	}
}

// `captures` filters, exports and follows, while the proxy runs.
func TestCapturesCommands(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	srv := serve(t, setup{upstream: marketo.URL})
	d := srv.door("reverse")
	follow := start(t, program(built.Plain), nil, "captures", "tail", "--json", "--capture-dir="+srv.captures)
	// Before anything is captured, `tail` has to have begun; a first capture tells.
	var first string
	eventually(t, "tail follows", func() (bool, string) {
		first = d.post(getLead(credential{}), failHeader, "20012").header.Get("Marketo-Proxy-Capture")
		time.Sleep(short)
		return strings.Contains(follow.stdout.String(), `"id"`), follow.stderr.String()
	})
	ids := map[string]string{}
	for _, fail := range []string{"20011", "20103", "20023", "html502"} {
		ids[fail] = d.post(getLead(credential{}), failHeader, fail).header.Get("Marketo-Proxy-Capture")
	}
	d.post(published(t, "syncLead"), failHeader, "partial")
	eventually(t, "tail shows them", func() (bool, string) {
		out := follow.stdout.String()
		return strings.Contains(out, ids["html502"]) && strings.Contains(out, ids["20011"]) && strings.Contains(out, `"partial"`), out
	})
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"--code=20011"}, 1}, {[]string{"--code=20011,20103"}, 2}, {[]string{"--class=throttled"}, 1}, {[]string{"--class=answer"}, 1},
		{[]string{"--operation=syncLead"}, 1}, {[]string{"--api=rest"}, 0}, {[]string{"--since=1h", "--code=20023"}, 1}, {[]string{"--until=1h"}, 0},
		{[]string{"--since=" + time.Now().Add(time.Hour).Format(time.RFC3339)}, 0}, {[]string{"--limit=2"}, 2},
	} {
		out := must(t, append([]string{"captures", "ls", "--json", "--capture-dir", srv.captures}, c.args...)...)
		if n := strings.Count(out, "\n"); n != c.want {
			t.Errorf("ls %v: %d captures, want %d", c.args, n, c.want)
		}
	}
	list := srv.list()
	for i := 1; i < len(list); i++ {
		if list[i].Time.After(list[i-1].Time) {
			t.Error("not the newest first")
		}
	}
	if list[len(list)-1].Code != "20012" || first == "" {
		t.Errorf("the oldest is %+v", list[len(list)-1])
	}
	for _, c := range list {
		out := must(t, "captures", "show", c.ID, "--capture-dir", srv.captures)
		if !strings.Contains(out, c.ID) || !strings.Contains(out, c.Advice) || !strings.Contains(out, "REDACTED") {
			t.Errorf("show %s:\n%s", c.ID, out)
		}
	}
	file := filepath.Join(t.TempDir(), "out.har")
	must(t, "captures", "export", "--format=har", "-o", file, "--capture-dir", srv.captures)
	var har struct {
		Log struct {
			Version string
			Creator struct{ Name, Version string }
			Entries []struct {
				StartedDateTime time.Time
				Time            *float64
				Request         struct{ Method, URL string }
				Response        struct {
					Status  *int
					Content struct{ Text string }
				}
				Cache   *struct{}
				Timings *struct{ Send, Wait, Receive *float64 }
			}
		}
	}
	if err := json.Unmarshal(read(t, file), &har); err != nil || har.Log.Version != "1.2" || har.Log.Creator.Name == "" || len(har.Log.Entries) != len(list) {
		t.Fatalf("HAR: %v, version %s, %d entries, want %d", err, har.Log.Version, len(har.Log.Entries), len(list))
	}
	for _, e := range har.Log.Entries {
		if e.Request.Method != "POST" || e.Response.Status == nil || e.Timings == nil || e.Timings.Wait == nil || e.Cache == nil || e.Time == nil {
			t.Errorf("HAR entry %+v", e)
		}
	}
	lines := must(t, "captures", "export", "--format=jsonl", "-o", "-", "--capture-dir", srv.captures)
	if n := strings.Count(lines, "\n"); n != len(list) {
		t.Errorf("jsonl: %d lines, want %d", n, len(list))
	}
}
