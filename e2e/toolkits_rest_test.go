//go:build linux

package e2e

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// REST clients make their calls through each door that they can be told of, and find Marketo's errors, and the proxy's own, where
// they look for errors.
func TestRESTToolkits(t *testing.T) {
	t.Parallel()
	need(t, "go")
	goClient := filepath.Join(t.TempDir(), "rest")
	if out, err := exec.Command("go", "build", "-o", goClient, "testdata/rest/rest.go").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	curl := []string{"sh", "testdata/rest/rest.sh"}
	python := []string{debianPython, "testdata/rest/rest.py"}
	ruby := []string{"ruby", "testdata/rest/rest.rb"}
	java := []string{"java", "testdata/java/Rest.java"}
	node := []string{"node", "testdata/node/rest.js"}
	for _, c := range []struct {
		name, door string
		script     []string
		needs      []string
	}{
		{"curl", "reverse", curl, []string{"curl"}},
		{"curl intercepted", "intercepted", curl, []string{"curl"}},
		{"curl over TLS", "tls", curl, []string{"curl"}},
		{"curl over TLS with a certificate of its own", "own certificate", curl, []string{"curl"}},
		{"requests", "reverse", python, []string{"requests"}},
		{"requests intercepted", "intercepted", python, []string{"requests"}},
		{"ruby intercepted", "intercepted", ruby, []string{"ruby"}},
		{"go intercepted", "intercepted", []string{goClient}, nil},
		{"java over TLS with a certificate of its own", "own certificate", java, []string{"java"}},
		{"java intercepted", "intercepted", java, []string{"java"}},
		{"node-marketo", "reverse", node, []string{"node", "node-marketo"}},
		{"node-marketo over TLS", "tls", node, []string{"node", "node-marketo"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			need(t, c.needs...)
			r := toolkitRun{door: c.door, script: c.script, truststore: c.script[0] == "java",
				fail: []string{"getDailyUsageUsingGET=603", "getCampaignsUsingGET=reset", "getListsUsingGET=603"}}
			steps, srv, _ := r.run(t)
			if c.script[0] == "node" {
				checkREST(t, steps, srv, "getListsUsingGET fault 603, ")
				checkForms(t, steps, srv)
			} else {
				checkREST(t, steps, srv, "")
			}
		})
	}
}

// checkForms looks at the lists, for which node-marketo sends a POST with _method=GET in its form: they are GETs to Marketo and the proxy.
func checkForms(t *testing.T, steps map[string]step, srv *server) {
	t.Helper()
	if s := steps["list leads"]; s.Fault != nil || s.Result["id"] != "2" {
		t.Errorf("list leads: %+v", s)
	}
	if s := steps["list fault"]; s.Fault == nil || s.Fault.Code != "603" {
		t.Errorf("list fault: %+v", s)
	}
	m := srv.metrics()
	for _, operation := range []string{"getLeadsByListIdUsingGET", "getListsUsingGET"} {
		if n := m[`marketo_proxy_requests_total{api="rest",operation="`+operation+`"}`]; n != 1 {
			t.Errorf("%s was counted %v times", operation, n)
		}
	}
}

func checkREST(t *testing.T, steps map[string]step, srv *server, lists string) {
	t.Helper()
	if s := steps["leads"]; s.Fault != nil || s.Result["id"] != "1089965" || s.Result["email"] != "rufus@marketo.com" {
		t.Errorf("leads: %+v", s)
	}
	if s := steps["fault"]; s.Fault == nil || s.Fault.Code != "603" || s.Fault.Text != "Access denied" {
		t.Errorf("fault: %+v %+v", s.Result, s.Fault)
	}
	if s := steps["partial"]; s.Fault != nil || s.Result["status"] != "skipped" || s.Result["code"] != "1005" {
		t.Errorf("partial: %+v", s)
	}
	if s := steps["reset"]; s.Fault == nil || s.Fault.Code != "502" || !strings.HasPrefix(s.Fault.Text, "marketo-proxy: reset") {
		t.Errorf("reset: %+v", s.Fault)
	}
	want := "getDailyUsageUsingGET fault 603, syncLeadUsingPOST partial 1005, " + lists + "getCampaignsUsingGET transport"
	if got := slices.Compact(outcomes(srv)); strings.Join(got, ", ") != want { // node-marketo calls again
		t.Errorf("captured %s\nwant %s", strings.Join(got, ", "), want)
	}
}
