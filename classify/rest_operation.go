package classify

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// RESTOperation is the operationId of a call, by its method and its path on Marketo's host, or Other. The path may have a
// query: a POST with _method=GET is a GET. It allocates nothing.
func RESTOperation(method, path string) string {
	path, query, _ := strings.Cut(path, "?")
	switch {
	case method == http.MethodHead:
		method = http.MethodGet
	case method == http.MethodPost:
		if said, _ := methodParameter(query); said == http.MethodGet {
			method = http.MethodGet
		}
	}
	if operation := restPaths().find(method, path); operation != "" {
		return operation
	}
	return Other
}

// IssuesToken tells the operation of the identity endpoint.
func IssuesToken(operation string) bool { return strings.HasPrefix(operation, "identityUsing") }

// pathNode is a node in the tree of path segments. The suffix .json is a segment of its own, so that {id}.json is one
// parameter and one literal. Its lists are short: to go through them costs less than maps, which take ten times the memory.
type pathNode struct {
	segment   string     // that leads to it from its parent
	literals  []pathNode // below it
	parameter *pathNode
	endpoints []endpoint // that end here, by their methods
}

// restPaths is made for the first call to the REST API.
var restPaths = sync.OnceValue(func() *pathNode { return newPathTree(restEndpoints[:]) })

func newPathTree(endpoints []endpoint) *pathNode {
	root := &pathNode{}
	for _, e := range endpoints {
		n := root
		for rest := e.path; rest != ""; {
			var segment string
			segment, rest = cutSegment(rest)
			n = n.add(segment)
		}
		n.endpoints = append(n.endpoints, e)
	}
	return root
}

// add returns the node of a segment below n, which is valid until the next is added.
func (n *pathNode) add(segment string) *pathNode {
	if strings.HasPrefix(segment, "{") {
		if n.parameter == nil {
			n.parameter = &pathNode{}
		}
		return n.parameter
	}
	if next := n.literal(segment); next != nil {
		return next
	}
	n.literals = append(n.literals, pathNode{segment: segment})
	return &n.literals[len(n.literals)-1]
}

func (n *pathNode) literal(segment string) *pathNode {
	for i := range n.literals {
		if n.literals[i].segment == segment {
			return &n.literals[i]
		}
	}
	return nil
}

// cutSegment takes the first segment off a path. Empty ones are left out, since clients join base and path with two
// slashes.
func cutSegment(path string) (segment, rest string) {
	const suffix = ".json"
	path = strings.TrimLeft(path, "/")
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	if n := len(path) - len(suffix); n > 0 && path[n:] == suffix {
		return path[:n], path[n:]
	}
	return path, ""
}

// find prefers a literal segment to a parameter.
func (n *pathNode) find(method, path string) string {
	segment, rest := cutSegment(path)
	if segment == "" {
		for _, e := range n.endpoints {
			if e.method == method {
				return e.operation
			}
		}
		return ""
	}
	if next := n.literal(segment); next != nil {
		if operation := next.find(method, rest); operation != "" {
			return operation
		}
	}
	if n.parameter == nil {
		return ""
	}
	return n.parameter.find(method, rest)
}

func restOperations() []string {
	names := make([]string, 0, len(restEndpoints))
	for _, e := range restEndpoints {
		names = append(names, e.operation)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// restReads has the operations that only read in spite of their method.
var restReads = []string{"bulkGetUsing", "bulkUsedByUsing", "getContentUsedByUsing", "identityUsing"}

func restWrites(operation string) bool {
	for _, prefix := range restReads {
		if strings.HasPrefix(operation, prefix) {
			return false
		}
	}
	for _, e := range restEndpoints {
		if e.operation == operation {
			return e.method != http.MethodGet
		}
	}
	return true
}
