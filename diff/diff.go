// Package diff tells what differs between two answers of Marketo by their structure, leaving out what differs between any two.
package diff

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"hash/maphash"
	"unicode/utf8"
)

const (
	// MaxSize is how many bytes of a document are compared by structure; a larger one is compared as a whole, by size and hash.
	MaxSize = 8 << 20
	// MaxChanges is how many changes a Result lists.
	MaxChanges = 100

	maxNodes = 300_000 // elements, attributes and members of a document
	maxDepth = 500
	maxValue = 200 // bytes of a value that a change shows
)

// Document is a body, decoded to UTF-8, that is written to it in pieces; its zero value is an empty one. It keeps MaxSize bytes at
// most, whatever is written. It is not safe for concurrent use.
type Document struct {
	content []byte
	size    int64
	hash    hash.Hash
}

// Write adds to the document and never fails.
func (d *Document) Write(p []byte) (int, error) {
	if d.hash == nil {
		d.hash = sha256.New()
	}
	d.hash.Write(p)
	d.size += int64(len(p))
	if d.size > MaxSize {
		d.content = nil
	} else {
		d.content = append(d.content, p...)
	}
	return len(p), nil
}

// Size is how many bytes were written.
func (d *Document) Size() int64 { return d.size }

// sum describes the document as a whole.
func (d *Document) sum() string {
	if d.hash == nil {
		return "nothing"
	}
	return fmt.Sprintf("%d bytes, sha256 %x", d.size, d.hash.Sum(nil))
}

// Change is one difference. Before or After is nil where the other document has something that this one lacks.
type Change struct {
	Path   string  `json:"path"` // like Envelope/Body/Fault/faultcode or result[id=7]/email; indexes count from 0; empty: the whole
	Before *string `json:"before,omitempty"`
	After  *string `json:"after,omitempty"`
}

// Result is what differs.
type Result struct {
	Changes []Change // the first MaxChanges
	Total   int      // all of them
	Note    string   // why the documents were compared as a whole; empty if they were not
}

// Compare compares two documents by structure if both are XML, JSON or plain text of at most MaxSize bytes. These differences
// mean nothing:
//
//   - white space around values, line ends, comments, namespaces and their prefixes, CDATA or references;
//   - the order of attributes, of members of an object, and of elements with different names;
//   - the order of items, if each of them has an id or a name of its own (see keyNames): they are compared with their like. Other items
//     are compared by position, since Marketo answers in the order of the request;
//   - one date with time instead of another, and what is new in each answer by nature (see ignored).
//
// Compare(a, b) and Compare(b, a) find the same changes, with the sides swapped.
func Compare(before, after *Document) Result {
	if before.size == after.size && before.sum() == after.sum() {
		return Result{}
	}
	a, aOK := parse(before)
	b, bOK := parse(after)
	d := &differ{}
	if aOK && bOK {
		h := hasher{maphash.MakeSeed()}
		h.node(a.root)
		h.node(b.root)
	}
	switch {
	case !aOK || !bOK:
		d.change(nil, &node{text: before.sum()}, &node{text: after.sum()})
		d.result.Note = fmt.Sprintf("compared as a whole: more than %d MiB, or too many elements", MaxSize>>20)
	case a.form != b.form && before.size > 0 && after.size > 0:
		d.alone(nil, a.root, false)
		d.alone(nil, b.root, true)
	default:
		d.compare(nil, a.root, b.root)
	}
	return d.result
}

// differ collects changes.
type differ struct{ result Result }

// change notes a difference; a or b is nil if that side has nothing.
func (d *differ) change(at *place, a, b *node) {
	if d.result.Total++; len(d.result.Changes) >= MaxChanges {
		return
	}
	c := Change{Path: at.path()}
	skip := 0
	if a != nil && b != nil {
		skip = commonStart(a.text, b.text)
	}
	if a != nil {
		c.Before = shown(a.text, skip)
	}
	if b != nil {
		c.After = shown(b.text, skip)
	}
	d.result.Changes = append(d.result.Changes, c)
}

// commonStart is how many bytes two long values have in common, less some that show where one is.
func commonStart(a, b string) int {
	const context = 20
	if len(a) <= maxValue && len(b) <= maxValue {
		return 0
	}
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n = max(n-context, 0); n > 0 && n < len(a) && !utf8.RuneStart(a[n]); {
		n--
	}
	return n
}

// shown is a value without its first skip bytes, cut to a length that can be read.
func shown(s string, skip int) *string {
	total := len(s)
	s = s[skip:]
	if skip > 0 {
		s = "…" + s
	}
	if len(s) > maxValue {
		end := maxValue
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = fmt.Sprintf("%s… (%d bytes)", s[:end], total)
	}
	return &s
}

// compare compares two nodes with the same place.
func (d *differ) compare(at *place, a, b *node) {
	if a.hash == b.hash {
		return
	}
	if len(a.kids) == 0 && len(b.kids) == 0 {
		d.change(at, a, b)
		return
	}
	if a.hasValue() {
		d.change(at, a, nil)
	}
	if b.hasValue() {
		d.change(at, nil, b)
	}
	d.kids(at, a.kids, b.kids)
}

// alone notes all that a node has and the other side lacks.
func (d *differ) alone(at *place, n *node, isAfter bool) {
	switch {
	case len(n.kids) == 0 && isAfter:
		d.change(at, nil, n)
	case len(n.kids) == 0:
		d.change(at, n, nil)
	case isAfter:
		d.kids(at, nil, n.kids)
	default:
		d.kids(at, n.kids, nil)
	}
}

// kids compares what stands below a place, by names.
func (d *differ) kids(at *place, a, b []*node) {
	groups, names := map[string]*[2][]*node{}, []string{}
	for side, nodes := range [2][]*node{a, b} {
		for _, n := range nodes {
			if ignored(n.name) {
				continue
			}
			g := groups[n.name]
			if g == nil {
				g = &[2][]*node{}
				groups[n.name] = g
				names = append(names, n.name)
			}
			g[side] = append(g[side], n)
		}
	}
	for _, name := range names {
		if name == "" {
			d.list(at, groups[name][0], groups[name][1])
		} else {
			d.group(&place{at, "/" + name}, groups[name])
		}
	}
}

// group compares what has the same name on both sides.
func (d *differ) group(at *place, g *[2][]*node) {
	a, b := g[0], g[1]
	switch {
	case len(a) > 1 || len(b) > 1:
		d.list(at, a, b)
	case len(b) == 0:
		d.alone(at, a[0], false)
	case len(a) == 0:
		d.alone(at, b[0], true)
	default:
		d.compare(at, a[0], b[0])
	}
}

// list compares items: those with keys with their like, others by position.
func (d *differ) list(at *place, a, b []*node) {
	if key := commonKey(a, b); key != "" {
		d.keyed(at, key, a, b)
		return
	}
	start, end := 0, 0 // items that are the same
	for start < len(a) && start < len(b) && a[start].hash == b[start].hash {
		start++
	}
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end].hash == b[len(b)-1-end].hash {
		end++
	}
	for i := start; i < max(len(a), len(b))-end; i++ {
		item := &place{at, fmt.Sprintf("[%d]", i)}
		switch {
		case i >= len(b)-end:
			d.alone(item, a[i], false)
		case i >= len(a)-end:
			d.alone(item, b[i], true)
		default:
			d.compare(item, a[i], b[i])
		}
	}
}

func (d *differ) keyed(at *place, key string, a, b []*node) {
	others := make(map[string]*node, len(b))
	for _, n := range b {
		others[n.key(key)] = n
	}
	for _, n := range a {
		value := n.key(key)
		if other := others[value]; other != nil {
			delete(others, value)
			d.compare(at.keyed(key, value), n, other)
		} else {
			d.alone(at.keyed(key, value), n.withoutKey(key), false)
		}
	}
	for _, n := range b {
		if value := n.key(key); others[value] != nil {
			d.alone(at.keyed(key, value), n.withoutKey(key), true)
		}
	}
}
