package diff

import (
	"slices"
	"strings"
	"time"
)

// form is how a document is written.
type form int

const (
	plainText form = iota
	xmlForm
	jsonForm
)

// tree is a document by its structure.
type tree struct {
	form form
	root *node // a JSON value, or the parent of the root element or of the lines
}

// node is an element, an attribute, a member, an item or a line. It has kids or a text.
type node struct {
	name  string // local name of an element, @ and that of an attribute, key of a member; empty for an item
	text  string // of JSON as it is written there, "{}" and "[]" too
	kids  []*node
	empty bool // an object or array without inside
	hash  uint64
}

// hasValue tells that a node is a value other than an empty one.
func (n *node) hasValue() bool { return len(n.kids) == 0 && n.text != "" && !n.empty }

// key is the value of the kid that names the node, or empty.
func (n *node) key(name string) string {
	for _, k := range n.kids {
		if strings.EqualFold(k.name, name) && len(k.kids) == 0 && k.text != `""` {
			return k.text
		}
	}
	return ""
}

// withoutKey is an item without what its path says already, if there is more.
func (n *node) withoutKey(name string) *node {
	if len(n.kids) < 2 {
		return n
	}
	rest := &node{name: n.name}
	for _, k := range n.kids {
		if !strings.EqualFold(k.name, name) {
			rest.kids = append(rest.kids, k)
		}
	}
	if len(rest.kids) == 0 {
		return n
	}
	return rest
}

// keyNames are what tells items of a list apart, the best first: ids of records, batches and jobs, then names of attributes,
// fields and objects, as Marketo's answers have them.
var keyNames = [...]string{"id", "marketoGUID", "leadId", "batchId", "exportId", "attrName", "name", "apiName"}

// commonKey is the name of the key that every item on both sides has, with a value of its own; empty if there is none.
func commonKey(a, b []*node) string {
	for _, name := range keyNames {
		if distinct(name, a) && distinct(name, b) {
			return name
		}
	}
	return ""
}

func distinct(key string, items []*node) bool {
	seen := make(map[string]bool, len(items))
	for _, n := range items {
		value := n.key(key)
		if value == "" || seen[value] {
			return false
		}
		seen[value] = true
	}
	return true
}

// ignoredNames have what is new in each answer, or in each request.
var ignoredNames = [...]string{"requestId", "requestTimestamp", "requestSignature", "timestamp", "expires_in", "access_token"}

func ignored(name string) bool {
	return slices.ContainsFunc(ignoredNames[:], func(i string) bool { return strings.EqualFold(i, name) })
}

// timeLayouts are those of Marketo's answers: XML's dateTime, REST's Z0000 and the asset API's.
var timeLayouts = [...]string{
	time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z-0700",
	"2006-01-02 15:04:05", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST",
}

// isTime tells a date with time.
func isTime(s string) bool {
	s = strings.Trim(s, `"`)
	if len(s) < len(time.DateTime) || len(s) > 40 || s[4] != '-' {
		return false
	}
	return slices.ContainsFunc(timeLayouts[:], func(layout string) bool {
		_, err := time.Parse(layout, s)
		return err == nil
	})
}
