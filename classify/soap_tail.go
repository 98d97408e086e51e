package classify

import (
	"bytes"

	"marketo-proxy/xmlscan"
)

const (
	// An answer that reports no records is read tag by tag up to here. Of a longer one, the rest costs nothing but a look at
	// its end: no tag in between can make it anything but a success, or malformed.
	skimAfter = 64 << 10

	// maxTail holds the end tag of Envelope, and the comments that may stand behind it.
	maxTail = 4 << 10
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

// closes tells whether the body ends with </Envelope>, and nothing but white space, comments and processing instructions
// behind it.
func (t *tail) closes() bool {
	for from := 0; ; {
		n := bytes.Index(t.b[from:], []byte("</"))
		if n < 0 {
			return false
		}
		from += n
		if closesEnvelope(t.b[from:]) {
			return true
		}
		from += len("</")
	}
}

func closesEnvelope(b []byte) bool {
	var s xmlscan.Scanner
	var t xmlscan.Token
	s.Feed(b)
	if !s.Scan(&t) || t.Kind != xmlscan.End || string(t.Local()) != "Envelope" {
		return false
	}
	s.Finish()
	for s.Scan(&t) {
		switch {
		case t.More:
			return false
		case t.Kind == xmlscan.Comment, t.Kind == xmlscan.ProcInst:
		case t.Kind != xmlscan.Text || len(bytes.TrimLeft(t.Data, xmlSpace)) > 0:
			return false
		}
	}
	return true
}
