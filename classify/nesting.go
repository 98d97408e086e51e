package classify

import "encoding/binary"

const (
	maxNesting = 10_000 // deeper documents are malformed
	maxMatched = 1024   // end tags deeper than this are only counted
)

// nesting checks that end tags match start tags. It keeps a hash of each name, so that memory stays bounded.
type nesting struct {
	names []uint64
	depth int
	first [16]uint64 // of names: most documents are no deeper
}

func (n *nesting) push(name []byte) {
	if n.names == nil {
		n.names = n.first[:0]
	}
	if n.depth < maxMatched {
		n.names = append(n.names, hash(name))
	}
	n.depth++
}

// pop tells whether an end tag closes the innermost element.
func (n *nesting) pop(name []byte) bool {
	if n.depth == 0 {
		return false
	}
	n.depth--
	if n.depth >= maxMatched {
		return true
	}
	want := n.names[n.depth]
	n.names = n.names[:n.depth]
	return want == hash(name)
}

// hash takes eight bytes at a time. Nobody gains by a collision: a malformed answer would be called a success.
func hash(name []byte) uint64 {
	const prime = 0x9e3779b97f4a7c15
	h := uint64(len(name))
	for ; len(name) >= 8; name = name[8:] {
		h = (h ^ binary.LittleEndian.Uint64(name)) * prime
		h ^= h >> 32
	}
	for _, c := range name {
		h = (h ^ uint64(c)) * prime
	}
	return h ^ h>>32
}
