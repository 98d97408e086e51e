package k8s

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write monitoring/prometheusrule.yaml from ../prometheus/rules.yml")

const ruleHead = `# Made from deploy/prometheus/rules.yml by go test ./k8s -update; a test compares them.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: marketo-proxy
  labels:
    app.kubernetes.io/name: marketo-proxy
spec:
`

// The rules for the operator are those that promtool tests.
func TestPrometheusRule(t *testing.T) {
	const file = "monitoring/prometheusrule.yaml"
	rules, err := os.ReadFile("../prometheus/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	want.WriteString(ruleHead)
	for line := range bytes.Lines(rules) {
		if len(bytes.TrimSpace(line)) > 0 {
			want.WriteString("  ")
		}
		want.Write(line)
	}
	if *update {
		if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("%s is not made from rules.yml (%v): go test ./k8s -update", file, err)
	}
	// As the cluster sees them: no field gets lost in the operator's types.
	built := all[*monitoring.PrometheusRule](build(t, "monitoring"))
	if len(built) != 1 {
		t.Fatalf("%d PrometheusRules", len(built))
	}
	var plain, typed any
	if err := yaml.Unmarshal(rules, &plain); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(built[0].Spec)
	if err == nil {
		err = json.Unmarshal(text, &typed)
	}
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "rules", typed, plain)
}

// The PodMonitor finds every proxy of every overlay, by a port that exists.
func TestPodMonitor(t *testing.T) {
	monitors := all[*monitoring.PodMonitor](build(t, "monitoring"))
	if len(monitors) != 1 || !monitors[0].Spec.NamespaceSelector.Any {
		t.Fatalf("%+v", monitors)
	}
	found := 0
	for _, dir := range overlays(t) {
		for _, w := range workloads(build(t, dir)) {
			c := proxyOf(&w.template.Spec)
			if selected := matches(t, &monitors[0].Spec.Selector, w.template.Labels); selected != (c != nil) {
				t.Errorf("%s: %s: has a proxy %t, is scraped %t", dir, w.GetName(), c != nil, selected)
			}
			if c == nil {
				continue
			}
			for _, e := range monitors[0].Spec.PodMetricsEndpoints {
				for _, p := range c.Ports {
					if e.Port != nil && p.Name == *e.Port {
						found++
					}
				}
			}
		}
	}
	equal(t, "proxies", found, 8)
}

// Grafana's sidecar finds the dashboard, which is the committed one.
func TestDashboard(t *testing.T) {
	want, err := os.ReadFile("../grafana/marketo-proxy.json")
	if err != nil {
		t.Fatal(err)
	}
	maps := all[*core.ConfigMap](build(t, "monitoring"))
	if len(maps) != 1 || maps[0].Labels["grafana_dashboard"] != "1" || maps[0].Data["marketo-proxy.json"] != string(want) {
		t.Errorf("%d ConfigMaps", len(maps))
	}
	if !json.Valid(want) {
		t.Error("the dashboard is no JSON")
	}
}
