//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"marketo-proxy/built"
)

// step is what a script tells of one call: a result, or the fault that its toolkit raised.
type step struct {
	Step   string            `json:"step"`
	Result map[string]string `json:"result"`
	Fault  *struct {
		Class  string `json:"class"`
		Code   string `json:"code"`
		Text   string `json:"text"`
		Detail string `json:"detail"` // code of the serviceException
	} `json:"fault"`
}

// Toolkits that know the proxy only by the address of a WSDL make their calls through it, understand its answers, and raise a
// fault where there was none.
func TestToolkits(t *testing.T) {
	t.Parallel()
	php, err := exec.LookPath("php")
	if err != nil {
		t.Fatal("php is missing: apt-get install php-cli php-soap")
	}
	if out, err := exec.Command(php, "-m").Output(); err != nil || !regexp.MustCompile(`(?mi)^soap$`).Match(out) {
		t.Fatal("PHP's SoapClient is missing: apt-get install php-soap")
	}
	const python = "/usr/bin/python3" // the one that Debian's packages are for, whatever else is in the path
	if out, err := exec.Command(python, "-c", "import zeep").CombinedOutput(); err != nil {
		t.Fatalf("zeep is missing: apt-get install python3-zeep\n%s", out)
	}
	for _, c := range []struct {
		name, door string
		run        []string
	}{
		{"php", "reverse", []string{php, "testdata/toolkit.php"}},
		{"php over TLS", "tls", []string{php, "testdata/toolkit.php"}},
		{"zeep", "reverse", []string{python, "testdata/toolkit.py"}},
		{"zeep intercepted", "intercepted", []string{python, "testdata/toolkit.py"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			base := emulated(t, start(t, program(built.Plain), nil, "emulate", "--listen=127.0.0.1:0"))
			srv := serve(t, setup{upstream: base})
			d := srv.door(c.door)
			authority := filepath.Join(t.TempDir(), "ca.pem")
			if err := os.WriteFile(authority, []byte(command(t, []string{"HOME=" + srv.dir}, "ca").stdout), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(c.run[0], append(c.run[1:], d.url(soapPath)+"?WSDL", user, key)...)
			cmd.Env = append(environment(t, nil), "E2E_CA="+authority, "REQUESTS_CA_BUNDLE="+authority)
			if c.door == "intercepted" {
				cmd.Env = append(cmd.Env, "HTTPS_PROXY=http://"+srv.at["listen"])
			}
			out, err := cmd.Output()
			if err != nil {
				stderr := ""
				if exit, ok := err.(*exec.ExitError); ok {
					stderr = string(exit.Stderr)
				}
				t.Fatalf("%v: %v\n%s%s", c.run, err, out, stderr)
			}
			checkSteps(t, srv, string(out), d.soap)
		})
	}
}

func checkSteps(t *testing.T, srv *server, out, at string) {
	t.Helper()
	steps := map[string]step{}
	for line := range strings.Lines(out) {
		var s step
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		steps[s.Step] = s
	}
	if got := steps["location"].Result["url"]; !strings.HasPrefix(strings.ToLower(got)+"/", strings.ToLower(at)+"/") { // some write hosts small
		t.Errorf("the toolkit calls %s, the proxy is at %s", got, at)
	}
	if s := steps["syncLead"]; s.Fault != nil || s.Result["status"] != "CREATED" || s.Result["leadId"] == "" {
		t.Errorf("syncLead: %+v", s)
	}
	if s := steps["getLead"]; s.Fault != nil || s.Result["email"] != "toolkit@example.com" || s.Result["FirstName"] != "Grace & Co" || s.Result["id"] != steps["syncLead"].Result["leadId"] {
		t.Errorf("getLead: %+v", s)
	}
	if s := steps["unknown"]; s.Fault == nil || s.Fault.Detail != "20103" || s.Fault.Text != "20103 - Lead not found" || !strings.HasSuffix(s.Fault.Code, "Client") {
		t.Errorf("unknown: %+v", s.Fault)
	}
	if s := steps["expired"]; s.Fault != nil || s.Result["email"] != "toolkit@example.com" {
		t.Errorf("expired: %+v %+v", s.Result, s.Fault)
	}
	if s := steps["reset"]; s.Fault == nil || !strings.HasPrefix(s.Fault.Text, "marketo-proxy:") || !strings.HasSuffix(s.Fault.Code, "Server") {
		t.Errorf("reset: %+v", s.Fault)
	}
	if s := steps["partial"]; s.Fault != nil || s.Result["status"] != "FAILED" {
		t.Errorf("partial: %+v", s)
	}
	var got []string
	for _, c := range srv.list() {
		got = append([]string{strings.TrimSpace(fmt.Sprint(c.Operation, " ", c.Outcome, " ", c.Code))}, got...)
	}
	want := "getLead fault 20103, getLead recovered 20016, getLead transport, syncLead partial"
	if strings.Join(got, ", ") != want {
		t.Errorf("captured %s\nwant %s", strings.Join(got, ", "), want)
	}
	m := srv.metrics()
	if m[`marketo_proxy_requests_total{api="soap",operation="getLead"}`] != 4 || m[`marketo_proxy_requests_total{api="soap",operation="syncLead"}`] != 2 {
		t.Errorf("counted %v and %v", m[`marketo_proxy_requests_total{api="soap",operation="getLead"}`], m[`marketo_proxy_requests_total{api="soap",operation="syncLead"}`])
	}
}
