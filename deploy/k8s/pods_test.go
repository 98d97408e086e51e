package k8s

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	admission "k8s.io/pod-security-admission/api"
	security "k8s.io/pod-security-admission/policy"
)

// Every pod of an overlay passes Kubernetes' own check of the restricted standard, and the rules of this project.
func TestPods(t *testing.T) {
	for _, dir := range overlays(t) {
		for _, w := range workloads(build(t, dir)) {
			pod := w.template.Spec.DeepCopy()
			if strings.HasPrefix(dir, "testdata") { // of an application that is not ours only the sidecar counts
				if proxyOf(pod) == nil {
					continue
				}
				pod.InitContainers, pod.Containers = nil, []core.Container{*proxyOf(pod)}
				pod.Containers[0].RestartPolicy = nil
			}
			for _, problem := range problems(t, pod) {
				t.Errorf("%s: %s %s: %s", dir, w.kind, w.GetName(), problem)
			}
		}
	}
}

// problems are all rules that a pod breaks.
func problems(t *testing.T, pod *core.PodSpec) []string {
	t.Helper()
	found := restricted(t, pod)
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, problem := range containerProblems(&c) {
			found = append(found, c.Name+": "+problem)
		}
	}
	sizes := map[string]*resource.Quantity{}
	for _, v := range pod.Volumes {
		if v.EmptyDir == nil {
			continue
		}
		if v.EmptyDir.SizeLimit == nil {
			found = append(found, v.Name+": an emptyDir without a size limit fills the node")
		}
		if v.EmptyDir.Medium != "" {
			found = append(found, v.Name+": in memory, which is the proxy's limit")
		}
		sizes[v.Name] = v.EmptyDir.SizeLimit
	}
	if c := proxyOf(pod); c != nil {
		found = append(found, proxyProblems(pod, c, sizes)...)
	}
	return found
}

// restricted asks the code that the API server's PodSecurity admission runs.
func restricted(t *testing.T, pod *core.PodSpec) (found []string) {
	t.Helper()
	evaluator, err := security.NewEvaluator(security.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := admission.LevelVersion{Level: admission.LevelRestricted, Version: admission.LatestVersion()}
	for _, r := range evaluator.EvaluatePod(level, &meta.ObjectMeta{}, pod) {
		if !r.Allowed {
			found = append(found, "restricted: "+r.ForbiddenReason+": "+r.ForbiddenDetail)
		}
	}
	return found
}

func containerProblems(c *core.Container) (found []string) {
	problem := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if _, tag, ok := strings.Cut(c.Image[strings.LastIndex(c.Image, "/")+1:], ":"); !ok || tag == "latest" {
		problem("%s is not pinned", c.Image)
	}
	if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
		problem("the root file system is writable")
	}
	for _, e := range c.Env {
		if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
			problem("%s is a secret in the environment", e.Name)
		}
	}
	for _, e := range c.EnvFrom {
		if e.SecretRef != nil {
			problem("%s is a secret in the environment", e.SecretRef.Name)
		}
	}
	for _, m := range c.VolumeMounts {
		if m.SubPath != "" || m.SubPathExpr != "" {
			problem("%s is mounted by subPath, which does not see new secrets", m.Name)
		}
	}
	if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
		problem("requests for CPU and memory and a limit for memory are missing")
	}
	if c.Resources.Requests.Memory().Cmp(*c.Resources.Limits.Memory()) > 0 {
		problem("it requests more memory than it may have")
	}
	if !c.Resources.Limits.Cpu().IsZero() {
		problem("a limit for the CPU throttles answers")
	}
	return found
}

// afterShutdown is what the program may take after --shutdown-timeout: 3 s to settle cut calls, 10 s to write captures.
const afterShutdown = 13 * time.Second

func proxyProblems(pod *core.PodSpec, c *core.Container, sizes map[string]*resource.Quantity) (found []string) {
	problem := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	env := values(c)
	for name, p := range map[string]*core.Probe{"startupz": c.StartupProbe, "livez": c.LivenessProbe, "readyz": c.ReadinessProbe} {
		if p == nil || p.HTTPGet == nil || p.HTTPGet.Path != "/"+name || p.HTTPGet.Port.StrVal != "marketo-metrics" {
			problem("no probe of /%s on the metrics port", name)
		}
	}
	for _, port := range c.Ports {
		flag := map[string]string{"marketo-metrics": "METRICS_LISTEN", "https": "TLS_LISTEN"}[port.Name]
		if env["MARKETO_PROXY_"+flag] != fmt.Sprintf(":%d", port.ContainerPort) {
			problem("port %s is %d, but %s is %q", port.Name, port.ContainerPort, flag, env["MARKETO_PROXY_"+flag])
		}
	}
	for _, flag := range []string{"LISTEN", "ADMIN_LISTEN"} {
		if env["MARKETO_PROXY_"+flag] != "" {
			problem("%s opens a port without TLS to the network", flag)
		}
	}
	timeout, err := time.ParseDuration(env["MARKETO_PROXY_SHUTDOWN_TIMEOUT"])
	if err != nil {
		problem("shutdown timeout: %v", err)
	}
	grace := 30 * time.Second // Kubernetes' default
	if pod.TerminationGracePeriodSeconds != nil {
		grace = time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second
	}
	needs := timeout + afterShutdown
	if c.Lifecycle != nil && c.Lifecycle.PreStop != nil && c.Lifecycle.PreStop.Sleep != nil {
		needs += time.Duration(c.Lifecycle.PreStop.Sleep.Seconds) * time.Second
	}
	if needs > grace {
		problem("it needs %s to stop and has %s", needs, grace)
	}
	captures, err := resource.ParseQuantity(strings.TrimSuffix(env["MARKETO_PROXY_CAPTURE_MAX_SIZE"], "B"))
	if err != nil {
		problem("capture size: %v", err)
	}
	captures.Add(resource.MustParse(fmt.Sprint(10*2*64, "Mi")))
	for _, m := range c.VolumeMounts {
		if size := sizes[m.Name]; m.MountPath == "/var/lib/marketo-proxy" && size != nil && size.Cmp(captures) < 0 {
			problem("the volume of the captures has %s and needs %s: a full one evicts the pod", size, &captures)
		}
	}
	for name, value := range env {
		if strings.HasPrefix(value, "/") && !slices.ContainsFunc(c.VolumeMounts, func(m core.VolumeMount) bool {
			return strings.HasPrefix(value, m.MountPath+"/") || value == m.MountPath
		}) {
			problem("%s=%s is in no volume", name, value)
		}
	}
	return found
}

// values are the variables of a container that have a value of their own.
func values(c *core.Container) map[string]string {
	env := map[string]string{}
	for _, e := range c.Env {
		if e.ValueFrom == nil {
			env[e.Name] = e.Value
		}
	}
	return env
}

// The rules find what they are there to find.
func TestPodRulesFind(t *testing.T) {
	objects := build(t, "gateway")
	good := workloads(objects)[0].template.Spec
	yes, no, root, short, small := true, false, int64(0), int64(30), resource.MustParse("3Gi")
	for name, spoil := range map[string]func(*core.PodSpec, *core.Container){
		"restricted: runAsNonRoot":             func(p *core.PodSpec, c *core.Container) { p.SecurityContext.RunAsNonRoot = &no },
		"restricted: runAsUser=0":              func(p *core.PodSpec, c *core.Container) { c.SecurityContext.RunAsUser = &root },
		"restricted: allowPrivilegeEscalation": func(p *core.PodSpec, c *core.Container) { c.SecurityContext.AllowPrivilegeEscalation = &yes },
		"restricted: unrestricted capabil":     func(p *core.PodSpec, c *core.Container) { c.SecurityContext.Capabilities.Drop = nil },
		"restricted: seccompProfile":           func(p *core.PodSpec, c *core.Container) { p.SecurityContext.SeccompProfile = nil },
		"restricted: probe or lifecycle host":  func(p *core.PodSpec, c *core.Container) { c.LivenessProbe.HTTPGet.Host = "example.com" },
		"is not pinned":                        func(p *core.PodSpec, c *core.Container) { c.Image = "example.com:5000/marketo-proxy" },
		"root file system is writable":         func(p *core.PodSpec, c *core.Container) { c.SecurityContext.ReadOnlyRootFilesystem = nil },
		"subPath":                              func(p *core.PodSpec, c *core.Container) { c.VolumeMounts[1].SubPath = "key" },
		"without a size limit":                 func(p *core.PodSpec, c *core.Container) { p.Volumes[0].EmptyDir.SizeLimit = nil },
		"evicts the pod":                       func(p *core.PodSpec, c *core.Container) { p.Volumes[0].EmptyDir.SizeLimit = &small },
		"limit for memory are missing":         func(p *core.PodSpec, c *core.Container) { c.Resources.Limits = nil },
		"to stop and has":                      func(p *core.PodSpec, c *core.Container) { p.TerminationGracePeriodSeconds = &short },
		"no probe of /livez":                   func(p *core.PodSpec, c *core.Container) { c.LivenessProbe.HTTPGet.Path = "/readyz" },
		"port https is 8444":                   func(p *core.PodSpec, c *core.Container) { c.Ports[0].ContainerPort = 8444 },
		"LISTEN opens a port": func(p *core.PodSpec, c *core.Container) {
			c.Env = append(c.Env, core.EnvVar{Name: "MARKETO_PROXY_LISTEN", Value: ":8080"})
		},
		"secret in the environment": func(p *core.PodSpec, c *core.Container) {
			c.Env = append(c.Env, core.EnvVar{Name: "K", ValueFrom: &core.EnvVarSource{SecretKeyRef: &core.SecretKeySelector{}}})
		},
		"is in no volume": func(p *core.PodSpec, c *core.Container) { c.VolumeMounts = c.VolumeMounts[:2] },
	} {
		pod := good.DeepCopy()
		spoil(pod, proxyOf(pod))
		if found := problems(t, pod); !slices.ContainsFunc(found, func(p string) bool { return strings.Contains(p, name) }) {
			t.Errorf("%s is not found, only %q", name, found)
		}
	}
}
