package classify

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"marketo-proxy/xmlscan"
)

const (
	maxMessage   = 1 << 10 // of a Verdict's Message and a Record's Error, in bytes
	maxText      = 4 << 10 // of a text that is being read
	maxReference = 16      // longest reference looked for in XML text
	textPiece    = 4 << 10 // raw bytes that are decoded at once
)

// text gathers the meaning of an element's own text that comes in pieces. Of a long one it keeps the start, and enough of
// the end to find what a message ends with.
type text struct {
	b       []byte
	pending []byte // raw start of a reference that may go on in the next piece
	long    bool   // something was left out after maxMessage bytes
	done    bool   // the element was read
}

func (t *text) reset() { *t = text{b: t.b[:0], pending: t.pending[:0]} }

// addXML adds character data. It is in charset, or UTF-8 if that is nil.
func (t *text) addXML(raw []byte, charset *charmap.Charmap) {
	for len(raw) > 0 {
		piece := raw[:min(len(raw), textPiece)]
		raw = raw[len(piece):]
		if len(t.pending) > 0 {
			piece = append(t.pending, piece...)
			t.pending = nil
		}
		if n := bytes.LastIndexByte(piece, '&'); n >= 0 && len(piece)-n < maxReference && bytes.IndexByte(piece[n:], ';') < 0 {
			t.pending = bytes.Clone(piece[n:])
			piece = piece[:n]
		} else if n < 0 {
			t.add(toUTF8(piece, charset))
			continue
		}
		t.add(xmlscan.Unescape(nil, toUTF8(piece, charset)))
	}
}

// addVerbatim adds text without references, such as that of a CDATA section.
func (t *text) addVerbatim(raw []byte, charset *charmap.Charmap) {
	t.flush()
	for len(raw) > 0 {
		piece := raw[:min(len(raw), textPiece)]
		raw = raw[len(piece):]
		t.add(toUTF8(piece, charset))
	}
}

// flush ends a run of character data: an open reference is none.
func (t *text) flush() {
	t.add(t.pending)
	t.pending = t.pending[:0]
}

func (t *text) add(b []byte) {
	if len(t.b) == 0 {
		b = bytes.TrimLeft(b, " \t\r\n")
	}
	t.b = append(t.b, b...)
	if len(t.b) > maxText {
		t.long = true
		t.b = append(t.b[:maxMessage], t.b[len(t.b)-maxMessage:]...)
	}
}

// short is the text, or nothing if it is too long for a code, a status or a name.
func (t *text) short() string {
	if s := t.ending(); len(s) <= 256 && !t.long {
		return strings.ToValidUTF8(s, "\ufffd")
	}
	return ""
}

// ending is what the text ends with, and the whole text if it is short.
func (t *text) ending() string { return string(bytes.TrimSpace(t.b)) }

// String is the start of the text, at most maxMessage bytes of UTF-8.
func (t *text) String() string {
	b := t.b
	if t.long {
		b = b[:maxMessage]
	}
	return clip(string(bytes.TrimSpace(b)))
}

// clip returns s as UTF-8 of at most maxMessage bytes.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if len(s) <= maxMessage {
		return s
	}
	n := maxMessage
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
