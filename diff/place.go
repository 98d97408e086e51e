package diff

import (
	"fmt"
	"slices"
	"strings"
)

// maxPath is how many bytes of a path a change shows: the last, which say most.
const maxPath = 1000

// place is where a node stands. Its path is made only for a change that is listed: a hostile answer has names of megabytes, with
// hundreds of thousands of nodes below them.
type place struct {
	above *place
	step  string // /name, [index] or [key=value]
}

// keyed is the place of an item that has a key.
func (p *place) keyed(key, value string) *place {
	return &place{p, fmt.Sprintf("[%s=%s]", key, strings.Trim(*shown(value, 0), `"`))}
}

// path is the way from the document, which a nil place is.
func (p *place) path() string {
	var steps []string
	for length := 0; p != nil && length <= maxPath; p = p.above {
		steps = append(steps, p.step)
		length += len(p.step)
	}
	slices.Reverse(steps)
	path := strings.Join(steps, "")
	if over := len(path) - maxPath; over > 0 {
		return "…" + strings.ToValidUTF8(path[over:], "")
	}
	return strings.TrimPrefix(path, "/")
}
