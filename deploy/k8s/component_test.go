package k8s

import (
	"testing"

	core "k8s.io/api/core/v1"
)

// Every kind of workload gets the same sidecar, in front of its own init containers; a workload without the label gets nothing; and
// nothing of the application changes.
func TestComponent(t *testing.T) {
	var first *core.Container
	seen := map[string]bool{}
	for _, w := range workloads(build(t, "testdata/component")) {
		pod := w.template.Spec
		seen[w.kind] = true
		names := func(containers []core.Container) (names []string) {
			for _, c := range containers {
				names = append(names, c.Name)
			}
			return names
		}
		equal(t, w.GetName(), names(pod.Containers), []string{"application"})
		equal(t, w.GetName(), *pod.TerminationGracePeriodSeconds, 300)
		if pod.SecurityContext != nil || pod.AutomountServiceAccountToken != nil {
			t.Errorf("%s: the component changes the application's pod", w.GetName())
		}
		if w.GetName() == "without" {
			equal(t, "without", names(pod.InitContainers), []string{"migrate"})
			equal(t, "without", len(pod.Volumes), 1)
			equal(t, "without", w.template.Labels["marketo-proxy"], "")
			continue
		}
		equal(t, w.GetName(), names(pod.InitContainers), []string{"marketo-proxy", "migrate"})
		equal(t, w.GetName(), len(pod.Volumes), 4)
		equal(t, w.GetName(), w.template.Labels["marketo-proxy"], "sidecar")
		c := proxyOf(&pod)
		if first == nil {
			first = c
		}
		equal(t, w.GetName()+": another sidecar than the others", c, first)
		if c.RestartPolicy == nil || *c.RestartPolicy != core.ContainerRestartPolicyAlways {
			t.Errorf("%s: an init container that is no sidecar", w.GetName())
		}
		equal(t, w.GetName(), c.Image, "registry.example.com/marketo-proxy:v0.1.0")
	}
	equal(t, "kinds", len(seen), 5)
}
