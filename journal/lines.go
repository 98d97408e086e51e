package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

const (
	// bodies begins the last and big field of a line. Inside a JSON string its quotes would stand escaped, so the bytes are
	// found without parsing.
	bodies = `,"attempts":[`

	headFirst = 4 << 10 // most heads are smaller
	headMax   = 4 << 20 // a line that goes on further without its bodies is not one of ours
	lineBlock = 256 << 10
)

func indexNewline(b []byte) int { return bytes.IndexByte(b, '\n') }

// indexHeader finds the first head of a member in b.
func indexHeader(b []byte) int {
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte(memberMagic))
		if i < 0 {
			return -1
		}
		i += from
		if len(b)-i >= memberHeader && string(b[i+10:i+16]) == extraMagic {
			return i
		}
		from = i + 1
	}
}

// line is one line of a text, without its newline, with as much of it as is in memory.
type line struct {
	span
	have []byte // a prefix
	torn bool   // no newline ends it
}

// backwards calls yield with the lines of the text's first size bytes, from the last to the first, until it returns false. It
// never holds more than a block.
func backwards(r io.ReaderAt, size int64, yield func(line) bool) error {
	buf := make([]byte, min(lineBlock, size))
	var block []byte
	end, torn := size, true
	for pos := size; pos > 0; {
		n := min(lineBlock, pos)
		pos -= n
		block = buf[:n]
		if got, err := r.ReadAt(block, pos); int64(got) < n {
			return err
		}
		for b := block; ; {
			i := bytes.LastIndexByte(b, '\n')
			if i < 0 {
				break
			}
			start := pos + int64(i) + 1
			l := line{span: span{start, end}, have: block[i+1 : min(end-pos, n)], torn: torn}
			if !(torn && start == end) && !yield(l) {
				return nil
			}
			end, torn, b = pos+int64(i), false, b[:i]
		}
	}
	if size > 0 {
		yield(line{span: span{0, end}, have: block[:min(end, int64(len(block)))], torn: torn})
	}
	return nil
}

// headOf returns what stands before the bodies of a line of size bytes as an object of its own, or why the line is damaged.
// It begins with the bytes in have, and asks for the line's first n bytes where that is too little.
func headOf(size int64, have []byte, more func(n int64) ([]byte, error)) (head []byte, reason string, err error) {
	for {
		if i := bytes.Index(have, []byte(bodies)); i >= 0 {
			head = append(bytes.Clone(have[:i]), '}')
			break
		}
		if int64(len(have)) >= size {
			head = bytes.Clone(have[:size])
			break
		}
		if len(have) >= headMax {
			return nil, fmt.Sprintf("a line without bodies within its first %d bytes", headMax), nil
		}
		n := min(size, max(headFirst, 4*int64(len(have))))
		if have, err = more(n); err != nil {
			return nil, "", err
		}
		if int64(len(have)) < n {
			return nil, "a line shorter than it should be", nil
		}
	}
	if len(head) == 0 || head[0] != '{' || !json.Valid(head) {
		return nil, "a line that is no JSON object", nil
	}
	return head, "", nil
}
