package classify

import (
	"bytes"
)

const (
	// An answer that reports no records is read token by token up to here. Of a longer one, the rest costs nothing but a look at
	// its end: no record in between can make it anything but a success, or malformed.
	skimAfter = 64 << 10

	// maxTail holds the end tag of Envelope, and the comments that may stand behind it; of a REST answer, what follows the result.
	maxTail = 8 << 10
)

// tail is the end of a body of which the middle is not read, without white space behind it, of which there may be much.
type tail struct {
	b     []byte
	space bool // white space followed
}

const xmlSpace = " \t\r\n"

func (t *tail) add(p []byte) {
	text := bytes.TrimRight(p, xmlSpace)
	if len(text) == 0 {
		t.space = true
		return
	}
	if t.space {
		t.push([]byte{' '})
	}
	t.push(text)
	t.space = len(text) < len(p)
}

func (t *tail) push(p []byte) {
	p = p[max(0, len(p)-maxTail):]
	if over := len(t.b) + len(p) - maxTail; over > 0 {
		t.b = t.b[:copy(t.b, t.b[over:])]
	}
	t.b = append(t.b, p...)
}
