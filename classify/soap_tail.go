package classify

import (
	"bytes"

	"marketo-proxy/xmlscan"
)

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
