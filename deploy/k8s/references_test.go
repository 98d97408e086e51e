package k8s

import (
	"slices"
	"testing"

	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// What one object says about another is true: selectors select, ports exist, ConfigMaps and volumes are there.
func TestReferences(t *testing.T) {
	for _, dir := range overlays(t) {
		objects := build(t, dir)
		pods := workloads(objects)
		for _, s := range all[*core.Service](objects) {
			target := slices.IndexFunc(pods, func(w workload) bool {
				return labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(w.template.Labels))
			})
			if target < 0 {
				t.Errorf("%s: service %s selects nothing", dir, s.Name)
				continue
			}
			if s.Spec.ClusterIP != core.ClusterIPNone && s.Spec.SessionAffinity != core.ServiceAffinityClientIP {
				t.Errorf("%s: service %s sends a client to replicas that did not see its access token issued", dir, s.Name)
			}
			for _, p := range s.Spec.Ports {
				named := func(c core.ContainerPort) bool { return c.Name == p.TargetPort.StrVal }
				if !slices.ContainsFunc(proxyOf(&pods[target].template.Spec).Ports, named) {
					t.Errorf("%s: service %s: no port %s", dir, s.Name, p.TargetPort.StrVal)
				}
			}
		}
		for _, b := range all[*policy.PodDisruptionBudget](objects) {
			if !slices.ContainsFunc(pods, func(w workload) bool { return matches(t, b.Spec.Selector, w.template.Labels) }) {
				t.Errorf("%s: the disruption budget %s selects nothing", dir, b.Name)
			}
		}
		for _, w := range pods {
			if w.selector != nil && !matches(t, w.selector, w.template.Labels) {
				t.Errorf("%s: %s does not select its own pods", dir, w.GetName())
			}
			for _, c := range w.template.Spec.TopologySpreadConstraints {
				if !matches(t, c.LabelSelector, w.template.Labels) {
					t.Errorf("%s: %s spreads other pods than its own", dir, w.GetName())
				}
			}
			references(t, dir, w, all[*core.ConfigMap](objects))
		}
	}
}

func references(t *testing.T, dir string, w workload, configs []*core.ConfigMap) {
	t.Helper()
	spec := w.template.Spec
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		for _, from := range c.EnvFrom {
			if !slices.ContainsFunc(configs, func(m *core.ConfigMap) bool {
				return m.Name == from.ConfigMapRef.Name && m.Namespace == w.GetNamespace()
			}) {
				t.Errorf("%s: %s: no ConfigMap %s", dir, c.Name, from.ConfigMapRef.Name)
			}
		}
		for _, m := range c.VolumeMounts {
			volume := slices.ContainsFunc(spec.Volumes, func(v core.Volume) bool { return v.Name == m.Name })
			claim := slices.ContainsFunc(w.claims, func(v core.PersistentVolumeClaim) bool { return v.Name == m.Name })
			if volume == claim {
				t.Errorf("%s: %s: volume %s: in the pod %t, claimed %t", dir, c.Name, m.Name, volume, claim)
			}
		}
	}
}

func matches(t *testing.T, selector *meta.LabelSelector, of map[string]string) bool {
	t.Helper()
	s, err := meta.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return s.Matches(labels.Set(of))
}

// Each replica of the persistent gateway has a volume of its own, which outlives it.
func TestPersistent(t *testing.T) {
	pods := workloads(build(t, "persistent"))
	if len(pods) != 1 || pods[0].kind != "StatefulSet" || len(pods[0].claims) != 1 {
		t.Fatalf("%d workloads, %+v", len(pods), pods)
	}
	gateway := proxyOf(&workloads(build(t, "gateway"))[0].template.Spec)
	c := proxyOf(&pods[0].template.Spec)
	equal(t, "environment", values(c), values(gateway))
	for _, m := range c.VolumeMounts {
		if m.Name == pods[0].claims[0].Name {
			equal(t, "mount of the claim", m.MountPath, "/var/lib/marketo-proxy")
		}
	}
}
