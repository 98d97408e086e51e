//go:build linux

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// SOAP toolkits that know the proxy only by the address of a WSDL make their calls through it, understand its answers, and raise a
// fault where there was none.
func TestSOAPToolkits(t *testing.T) {
	t.Parallel()
	php := []string{"php", "testdata/soap/soap.php"}
	zeep := []string{debianPython, "testdata/soap/zeep_calls.py"}
	suds := []string{debianPython, "testdata/soap/suds_calls.py"}
	node := []string{"node", "testdata/node/soap.js"}
	wcf := filepath.Join(t.TempDir(), "soap.exe")
	need(t, "mono")
	if out, err := exec.Command("mcs", "-out:"+wcf, "-r:System.ServiceModel", "-r:System.Runtime.Serialization", "testdata/mono/Soap.cs").CombinedOutput(); err != nil {
		t.Fatalf("mcs: %v\n%s", err, out)
	}
	java := []string{"java", "-cp", debianJAXWS, "testdata/java/Soap.java"}
	for _, c := range []struct {
		name, door string
		script     []string
		noAnswer   string // what it says where the proxy had no answer, if it can't read a fault from a 502
		needs      []string
	}{
		{"php", "reverse", php, "", []string{"php"}},
		{"php over TLS", "tls", php, "", []string{"php"}},
		{"zeep", "reverse", zeep, "", []string{"zeep"}},
		{"zeep intercepted", "intercepted", zeep, "", []string{"zeep"}},
		{"suds", "reverse", suds, "502 Bad Gateway", []string{"suds"}},
		{"suds intercepted", "intercepted", suds, "502 Bad Gateway", []string{"suds"}},
		{"node-soap", "reverse", node, "", []string{"node", "node-soap"}},
		{"node-soap intercepted", "intercepted", node, "", []string{"node", "node-soap"}},
		{"wcf", "reverse", []string{"mono", wcf}, "", nil},
		{"jax-ws", "reverse", java, "HTTP status code 502", []string{"java", "jax-ws"}},
		{"jax-ws intercepted", "intercepted", java, "HTTP status code 502", []string{"java", "jax-ws"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			need(t, c.needs...)
			r := toolkitRun{door: c.door, script: c.script, path: soapPath + "?WSDL", truststore: c.script[0] == "java" && c.door != "reverse"}
			steps, srv, d := r.run(t)
			checkSOAP(t, steps, srv, d.soap, c.noAnswer)
		})
	}
}

func checkSOAP(t *testing.T, steps map[string]step, srv *server, at, noAnswer string) {
	t.Helper()
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
	if s := steps["reset"]; s.Fault == nil || noAnswer != "" && !strings.Contains(s.Fault.Code+" "+s.Fault.Text, noAnswer) ||
		noAnswer == "" && (!strings.HasPrefix(s.Fault.Text, "marketo-proxy:") || !strings.HasSuffix(s.Fault.Code, "Server")) {
		t.Errorf("reset: %+v", s.Fault)
	}
	if s := steps["partial"]; s.Fault != nil || s.Result["status"] != "FAILED" {
		t.Errorf("partial: %+v", s)
	}
	want := "getLead fault 20103, getLead recovered 20016, getLead transport, syncLead partial"
	if got := outcomes(srv); strings.Join(got, ", ") != want {
		t.Errorf("captured %s\nwant %s", strings.Join(got, ", "), want)
	}
	m := srv.metrics()
	if m[`marketo_proxy_requests_total{api="soap",operation="getLead"}`] != 4 || m[`marketo_proxy_requests_total{api="soap",operation="syncLead"}`] != 2 {
		t.Errorf("counted %v and %v", m[`marketo_proxy_requests_total{api="soap",operation="getLead"}`], m[`marketo_proxy_requests_total{api="soap",operation="syncLead"}`])
	}
}

// outcomes are operation, outcome and code of the captures, in their order.
func outcomes(srv *server) (all []string) {
	srv.t.Helper()
	for _, c := range srv.list() {
		all = append([]string{strings.TrimSpace(fmt.Sprint(c.Operation, " ", c.Outcome, " ", c.Code))}, all...)
	}
	return all
}
