// Package k8s tests the manifests: every overlay is built as kubectl builds it, decoded strictly into Kubernetes' own types, and
// held to the rules that the cluster and this project have.
package k8s

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// overlays are all directories here that can be applied, also those that someone adds.
func overlays(t *testing.T) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "kustomization.yaml" {
			return err
		}
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), "\nkind: Kustomization\n") {
			dirs = append(dirs, filepath.Dir(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) < 5 {
		t.Fatalf("only %q are overlays", dirs)
	}
	return dirs
}

// build is what `kubectl kustomize dir` prints, decoded.
func build(t *testing.T, dir string) []runtime.Object {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	var objects []runtime.Object
	for _, r := range resources.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		object, err := decode(text)
		if err != nil {
			t.Fatalf("%s: %s: %v", dir, r.CurId(), err)
		}
		objects = append(objects, object)
	}
	return objects
}

// decode reads one object; a field or a kind that Kubernetes does not know is an error.
func decode(text []byte) (runtime.Object, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		core.AddToScheme, apps.AddToScheme, batch.AddToScheme, policy.AddToScheme, networking.AddToScheme, monitoring.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	object, _, err := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer().Decode(text, nil, nil)
	return object, err
}

// all are the objects of one type.
func all[T runtime.Object](objects []runtime.Object) []T {
	var found []T
	for _, o := range objects {
		if typed, ok := o.(T); ok {
			found = append(found, typed)
		}
	}
	return found
}

// workload is what has a template of pods.
type workload struct {
	meta.Object
	kind     string
	template core.PodTemplateSpec
	selector *meta.LabelSelector // nil: of a job
	claims   []core.PersistentVolumeClaim
}

func workloads(objects []runtime.Object) []workload {
	var found []workload
	for _, o := range objects {
		switch w := o.(type) {
		case *apps.Deployment:
			found = append(found, workload{w, w.Kind, w.Spec.Template, w.Spec.Selector, nil})
		case *apps.StatefulSet:
			found = append(found, workload{w, w.Kind, w.Spec.Template, w.Spec.Selector, w.Spec.VolumeClaimTemplates})
		case *apps.DaemonSet:
			found = append(found, workload{w, w.Kind, w.Spec.Template, w.Spec.Selector, nil})
		case *batch.Job:
			found = append(found, workload{w, w.Kind, w.Spec.Template, nil, nil})
		case *batch.CronJob:
			found = append(found, workload{w, w.Kind, w.Spec.JobTemplate.Spec.Template, nil, nil})
		}
	}
	return found
}

// proxyOf is the container that runs the proxy, or nil.
func proxyOf(pod *core.PodSpec) *core.Container {
	for _, containers := range [][]core.Container{pod.InitContainers, pod.Containers} {
		for i := range containers {
			if containers[i].Name == "marketo-proxy" {
				return &containers[i]
			}
		}
	}
	return nil
}

// Every overlay has what it is there for, and Kubernetes knows every field of it.
func TestOverlays(t *testing.T) {
	want := map[string][]string{
		"sidecar":            {"ConfigMap", "Deployment", "Namespace"},
		"gateway":            {"ConfigMap", "Deployment", "NetworkPolicy", "NetworkPolicy", "PodDisruptionBudget", "Service"},
		"persistent":         {"ConfigMap", "NetworkPolicy", "NetworkPolicy", "PodDisruptionBudget", "Service", "Service", "StatefulSet"},
		"monitoring":         {"ConfigMap", "PodMonitor", "PrometheusRule"},
		"testdata/component": {"ConfigMap", "CronJob", "DaemonSet", "Deployment", "Deployment", "Job", "StatefulSet"},
	}
	for _, dir := range overlays(t) {
		var kinds []string
		for _, o := range build(t, dir) {
			kinds = append(kinds, o.GetObjectKind().GroupVersionKind().Kind)
		}
		equal(t, dir, sorted(kinds), want[dir])
	}
}

// The decoder refuses what the API server would refuse.
func TestDecodeIsStrict(t *testing.T) {
	for name, text := range map[string]string{
		"unknown field": "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {port: []}\n",
		"misplaced":     "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, seccompProfile: {type: RuntimeDefault}}]}\n",
		"twice":         "apiVersion: v1\nkind: Service\nmetadata: {name: a, name: b}\n",
		"unknown kind":  "apiVersion: v1\nkind: Sidecar\nmetadata: {name: a}\n",
		"old version":   "apiVersion: batch/v1beta3\nkind: CronJob\nmetadata: {name: a}\n",
		"wrong type":    "apiVersion: apps/v1\nkind: Deployment\nspec: {replicas: two}\n",
	} {
		if _, err := decode([]byte(text)); err == nil {
			t.Errorf("%s: decoded", name)
		}
	}
}
