package classify

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"marketo-proxy/xmlscan"
)

// encoding says how the bytes of a decoded body are to be read. The zero value is UTF-8.
type encoding struct {
	foreign bool             // not UTF-8, so UTF-8 is not asked for
	charset *charmap.Charmap // nil if it is UTF-8 or nobody knows it
}

// newEncoding knows the charsets of SOAP traffic. UTF-16 was made UTF-8 before it came here.
func newEncoding(name string) encoding {
	if strings.EqualFold(name, "UTF-8") {
		return encoding{}
	}
	switch strings.ToLower(name) {
	case "", "utf8", "us-ascii", "ascii", "utf-16", "utf-16le", "utf-16be":
		return encoding{}
	case "iso-8859-1", "iso8859-1", "latin1", "l1":
		return encoding{true, charmap.ISO8859_1}
	case "iso-8859-15", "latin9":
		return encoding{true, charmap.ISO8859_15}
	case "windows-1252", "cp1252":
		return encoding{true, charmap.Windows1252}
	}
	return encoding{foreign: true}
}

// contentCharset is the charset parameter of a Content-Type.
func contentCharset(contentType string) string {
	_, params, _ := strings.Cut(strings.ToLower(contentType), "charset=")
	charset, _, _ := strings.Cut(params, ";")
	return strings.Trim(charset, "\"' \t")
}

func toUTF8(b []byte, charset *charmap.Charmap) []byte {
	if charset == nil {
		return b
	}
	out := make([]byte, 0, len(b)+len(b)/8)
	for _, c := range b {
		out = utf8.AppendRune(out, charset.DecodeByte(c))
	}
	return out
}

// maxDeclaration is the length up to which an XML declaration is read.
const maxDeclaration = 256

// declaration reads the XML declaration from the tokens at the start of a document.
type declaration struct {
	raw  []byte
	done bool
}

// token takes the next token and returns the encoding's name once it is known; it is empty if none is declared.
func (d *declaration) token(t *xmlscan.Token) (name string, known bool) {
	if t.Kind == xmlscan.Text {
		return "", false
	}
	raw := t.Raw[:min(len(t.Raw), maxDeclaration)]
	if t.Kind == xmlscan.ProcInst && (t.More || len(d.raw) > 0) {
		d.raw = append(d.raw, raw[:min(len(raw), maxDeclaration-len(d.raw))]...)
		if t.More {
			return "", false
		}
		raw = d.raw
	}
	d.done = true
	if !bytes.HasPrefix(raw, []byte("<?xml")) {
		return "", true
	}
	_, rest, _ := bytes.Cut(raw, []byte("encoding"))
	rest = bytes.TrimLeft(rest, "= \t\r\n")
	if len(rest) == 0 {
		return "", true
	}
	value, _, _ := bytes.Cut(rest[1:], rest[:1])
	return string(value), true
}

// utf8Check checks bytes that come in pieces.
type utf8Check struct {
	cut [utf8.UTFMax]byte // a sequence that a piece cut off
	n   int
}

// valid tells whether p continues valid UTF-8.
func (u *utf8Check) valid(p []byte) bool {
	for u.n > 0 && len(p) > 0 {
		u.cut[u.n] = p[0]
		u.n++
		p = p[1:]
		if b := u.cut[:u.n]; utf8.FullRune(b) {
			if !utf8.Valid(b) {
				return false
			}
			u.n = 0
		}
	}
	for k := 1; k < utf8.UTFMax && k <= len(p); k++ {
		if tail := p[len(p)-k:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				u.n = copy(u.cut[:], tail)
				p = p[:len(p)-k]
			}
			break
		}
	}
	return utf8.Valid(p)
}

// complete tells that no sequence is cut off.
func (u *utf8Check) complete() bool { return u.n == 0 }
