package redact

// needle is a string to find, its ASCII letters in lower case.
type needle struct {
	text string
	id   int
}

// needles finds the leftmost of many strings, whatever the case of ASCII letters, skipping most bytes of the haystack (Wu and
// Manber, "A fast algorithm for multi-pattern searching").
type needles struct {
	list    []needle
	window  int // length of the shortest needle, at most maxWindow
	longest int
	// shift and head are indexed by the last two bytes of the window, folded by pair. shift is how far the window may
	// move; head is 1 + the first needle of list that such a window may be the start of, next the ones after it, 0 ends.
	shift [1 << 10]uint8
	head  [1 << 10]uint32
	next  []uint32
}

const maxWindow = 64

// pair folds two bytes to an index; upper and lower case are the same in the five low bits.
func pair(a, b byte) int { return int(a&31)<<5 | int(b&31) }

func newNeedles(list []needle) *needles {
	n := new(needles)
	n.set(list)
	return n
}

// set makes the needles those of list, which is not empty and must not be changed. Each needle has two bytes or more.
func (n *needles) set(list []needle) {
	n.list, n.window, n.longest = list, maxWindow, 0
	n.next = append(n.next[:0], make([]uint32, len(list))...)
	clear(n.head[:])
	for _, nd := range list {
		n.window = min(n.window, len(nd.text))
		n.longest = max(n.longest, len(nd.text))
	}
	n.shift[0] = uint8(n.window - 1)
	for i := 1; i < len(n.shift); i *= 2 { // quicker than byte by byte
		copy(n.shift[i:], n.shift[:i])
	}
	for i, nd := range list {
		for end := 2; end <= n.window; end++ {
			p := pair(nd.text[end-2], nd.text[end-1])
			n.shift[p] = min(n.shift[p], uint8(n.window-end))
		}
		p := pair(nd.text[n.window-2], nd.text[n.window-1])
		n.next[i], n.head[p] = n.head[p], uint32(i+1)
	}
}

// find returns the leftmost needle in b[from:], the longest of those that start there; start is -1 if there is none.
func (n *needles) find(b []byte, from int) (start, end, id int) {
	for i := from + n.window; i <= len(b); {
		p := pair(b[i-2], b[i-1])
		if s := n.shift[p]; s > 0 {
			i += int(s)
			continue
		}
		start, end = i-n.window, 0
		for k := n.head[p]; k != 0; k = n.next[k-1] {
			nd := &n.list[k-1]
			if e := start + len(nd.text); e > end && e <= len(b) && equalFold(b[start:e], nd.text) {
				end, id = e, nd.id
			}
		}
		if end > 0 {
			return start, end, id
		}
		i++
	}
	return -1, -1, -1
}

// at returns the longest needle that b starts with; its length is 0 if there is none.
func (n *needles) at(b []byte) (length, id int) {
	for _, nd := range n.list {
		if len(nd.text) > length && hasPrefix(b, nd.text) {
			length, id = len(nd.text), nd.id
		}
	}
	return length, id
}

// equalFold compares b with a string of the same length in lower case.
func equalFold(b []byte, text string) bool {
	for i, c := range b {
		if lower(c) != text[i] {
			return false
		}
	}
	return true
}
