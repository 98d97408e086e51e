package k8s

import (
	"net/netip"
	"slices"
	"testing"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// end is a side of a connection: a pod of this namespace or of another, or an address outside.
type end struct {
	labels    map[string]string // of the pod
	namespace map[string]string // labels of another namespace; nil: this one
	address   string            // outside of the cluster
}

// Marketo is reached through the gateway and in no other way, and nothing else is taken from anyone.
func TestNetwork(t *testing.T) {
	objects := build(t, "gateway")
	policies := all[*networking.NetworkPolicy](objects)
	var (
		gateway    = end{labels: workloads(objects)[0].template.Labels}
		client     = end{labels: map[string]string{"app": "shop", "marketo-client": "true"}}
		other      = end{labels: map[string]string{"app": "shop"}}
		monitoring = end{namespace: map[string]string{"kubernetes.io/metadata.name": "monitoring"}}
		elsewhere  = end{labels: client.labels, namespace: map[string]string{"kubernetes.io/metadata.name": "elsewhere"}}
		marketo    = end{address: "104.16.93.80"}
		marketo6   = end{address: "2606:4700::6810:5d50"}
		metadata   = end{address: "169.254.169.254"}
		private    = end{address: "10.1.2.3"}
		unlabelled = end{}
	)
	for _, c := range []struct {
		name     string
		from, to end
		protocol core.Protocol
		port     int32
		want     bool
	}{
		{"gateway to Marketo", gateway, marketo, "TCP", 443, true},
		{"gateway to Marketo over IPv6", gateway, marketo6, "TCP", 443, true},
		{"gateway to another port", gateway, marketo, "TCP", 80, false},
		{"gateway to the metadata service", gateway, metadata, "TCP", 443, false},
		{"gateway to a private address", gateway, private, "TCP", 443, false},
		{"gateway to DNS", gateway, elsewhere, "UDP", 53, true},
		{"client to Marketo", client, marketo, "TCP", 443, false},
		{"client to Marketo over IPv6", client, marketo6, "TCP", 443, false},
		{"client to Marketo over QUIC", client, marketo, "UDP", 443, false},
		{"other to Marketo", other, marketo, "TCP", 443, false},
		{"pod without labels to Marketo", unlabelled, marketo, "TCP", 443, false},
		{"client to the gateway", client, gateway, "TCP", 8443, true},
		{"other to the gateway", other, gateway, "TCP", 8443, false},
		{"client of another namespace to the gateway", elsewhere, gateway, "TCP", 8443, false},
		{"client to the plain port", client, gateway, "TCP", 8080, false},
		{"client to the admin port", client, gateway, "TCP", 8081, false},
		{"client to the metrics", client, gateway, "TCP", 9464, false},
		{"monitoring to the metrics", monitoring, gateway, "TCP", 9464, true},
		{"monitoring to the gateway", monitoring, gateway, "TCP", 8443, false},
		{"client to a database outside", client, private, "TCP", 5432, true},
		{"client to port 442", client, marketo, "TCP", 442, true},
		{"client to port 444", client, marketo, "TCP", 444, true},
		{"client to https within the cluster", client, elsewhere, "TCP", 443, true},
		{"client to https of its namespace", client, other, "TCP", 443, true},
	} {
		if got := connects(t, policies, c.from, c.to, c.protocol, c.port); got != c.want {
			t.Errorf("%s, %s %d: %t", c.name, c.protocol, c.port, got)
		}
	}
}

// connects says what a network that enforces the policies does (Kubernetes API, NetworkPolicySpec): a pod that no policy selects for
// a direction is free in it, any other needs one rule that allows the connection; both sides must agree.
func connects(t *testing.T, policies []*networking.NetworkPolicy, from, to end, protocol core.Protocol, port int32) bool {
	t.Helper()
	side := func(of, peer end, direction networking.PolicyType) bool {
		if of.address != "" || of.namespace != nil {
			return true // other namespaces have policies of their own
		}
		selected := false
		for _, p := range policies {
			if !matches(t, &p.Spec.PodSelector, of.labels) || !slices.Contains(p.Spec.PolicyTypes, direction) {
				continue
			}
			selected = true
			if direction == networking.PolicyTypeEgress {
				for _, r := range p.Spec.Egress {
					if peers(t, r.To, peer) && ports(r.Ports, protocol, port) {
						return true
					}
				}
			} else {
				for _, r := range p.Spec.Ingress {
					if peers(t, r.From, peer) && ports(r.Ports, protocol, port) {
						return true
					}
				}
			}
		}
		return !selected
	}
	return side(from, to, networking.PolicyTypeEgress) && side(to, from, networking.PolicyTypeIngress)
}

func peers(t *testing.T, allowed []networking.NetworkPolicyPeer, e end) bool {
	t.Helper()
	for _, p := range allowed {
		if p.IPBlock != nil {
			excepted := func(cidr string) bool { return within(cidr, e.address) }
			if e.address != "" && within(p.IPBlock.CIDR, e.address) && !slices.ContainsFunc(p.IPBlock.Except, excepted) {
				return true
			}
			continue
		}
		if e.address != "" {
			continue
		}
		namespace := e.namespace == nil // no selector of namespaces: this one
		if p.NamespaceSelector != nil {
			namespace = matches(t, p.NamespaceSelector, labels.Set(e.namespace))
		}
		if namespace && (p.PodSelector == nil || matches(t, p.PodSelector, e.labels)) {
			return true
		}
	}
	return len(allowed) == 0
}

func ports(allowed []networking.NetworkPolicyPort, protocol core.Protocol, port int32) bool {
	for _, p := range allowed {
		last := p.Port.IntVal
		if p.EndPort != nil {
			last = *p.EndPort
		}
		if *p.Protocol == protocol && p.Port.IntVal <= port && port <= last {
			return true
		}
	}
	return len(allowed) == 0
}

func within(cidr, address string) bool {
	return netip.MustParsePrefix(cidr).Contains(netip.MustParseAddr(address))
}
