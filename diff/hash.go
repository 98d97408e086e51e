package diff

import "hash/maphash"

// hasher gives nodes hashes that are the same where nothing differs that means something, so that each is looked at once however
// often it is compared.
type hasher struct{ seed maphash.Seed }

// node sets the hash of a node and of all below it.
func (h hasher) node(n *node) {
	if len(n.kids) == 0 {
		n.hash = h.text(n.text)
		return
	}
	groups := map[string][]*node{}
	for _, k := range n.kids {
		h.node(k)
		if !ignored(k.name) {
			groups[k.name] = append(groups[k.name], k)
		}
	}
	n.hash = 1
	for name, nodes := range groups { // a sum does not depend on their order
		n.hash += h.pair(h.string(name), h.list(nodes))
	}
}

// list is the hash of nodes with the same name.
func (h hasher) list(nodes []*node) (sum uint64) {
	key := commonKey(nodes, nil)
	for _, n := range nodes {
		if key != "" {
			sum += h.pair(h.string(n.key(key)), n.hash)
		} else {
			sum = h.pair(sum, n.hash)
		}
	}
	return sum
}

func (h hasher) text(s string) uint64 {
	if isTime(s) {
		s = "any time"
	}
	return h.string(s)
}

func (h hasher) string(s string) uint64 { return maphash.String(h.seed, s) }

func (h hasher) pair(a, b uint64) uint64 { return maphash.Comparable(h.seed, [2]uint64{a, b}) }
