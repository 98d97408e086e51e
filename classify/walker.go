package classify

// node is an element of interest, and those inside it. The trees of nodes are constant tables.
type node struct {
	name   string // local name
	field  field  // what the element's own text is
	record bool   // the element is one record of a partial failure
	kids   []node
}

// field names a text of interest.
type field uint8

const (
	noField field = iota
	fieldCode
	fieldMessage
	fieldFaultString
	fieldStatus
	fieldError
	fieldSuccess
	fieldUser
	fieldListOperation
	fieldCount
)

// maxPath is more than the depth of any tree of nodes in an envelope.
const maxPath = 12

// walker follows the nesting of elements, and how much of it lies on a path of nodes. Off the path an element costs no
// more than counting.
type walker struct {
	depth int // open elements
	on    int // how many of them, from the outside, are nodes
	nodes [maxPath]*node
}

// onPath tells that the innermost element is a node.
func (w *walker) onPath() bool { return w.depth == w.on }

// child finds the node for an element that starts here, or nil if it is of no interest.
func (w *walker) child(local []byte) *node {
	if !w.onPath() || w.on == 0 {
		return nil
	}
	kids := w.nodes[w.on-1].kids
	for i := range kids {
		if kids[i].name == string(local) {
			return &kids[i]
		}
	}
	return nil
}

// open enters an element; n is its node, which must be nil off the path.
func (w *walker) open(n *node) {
	if n != nil {
		w.nodes[w.on] = n
		w.on++
	}
	w.depth++
}

// close leaves an element and returns its node, if it has one.
func (w *walker) close() *node {
	w.depth--
	if w.depth < w.on {
		w.on = w.depth
		return w.nodes[w.on]
	}
	return nil
}
