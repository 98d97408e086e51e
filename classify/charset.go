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
	const name = "charset="
	for i := range len(contentType) - len(name) + 1 {
		if c := contentType[i]; (c == 'c' || c == 'C') && strings.EqualFold(contentType[i:i+len(name)], name) {
			charset, _, _ := strings.Cut(contentType[i+len(name):], ";")
			return strings.Trim(charset, "\"' \t")
		}
	}
	return ""
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

// utf8Check finds the first place that is not UTF-8 in bytes that come in pieces.
type utf8Check struct {
	off     int64             // of the next piece
	cut     [utf8.UTFMax]byte // a sequence that a piece cut off
	n       int
	invalid bool
	bad     int64 // offset of the first invalid sequence
}

func (u *utf8Check) check(p []byte) {
	off := u.off
	u.off += int64(len(p))
	for u.n > 0 && len(p) > 0 && !u.invalid {
		u.cut[u.n] = p[0]
		u.n++
		off++
		p = p[1:]
		if b := u.cut[:u.n]; utf8.FullRune(b) {
			u.invalid, u.bad = !utf8.Valid(b), off-int64(u.n)
			u.n = 0
		}
	}
	if u.invalid || len(p) == 0 {
		return
	}
	tail := cutRune(p)
	u.n = copy(u.cut[:], p[len(p)-tail:])
	if p = p[:len(p)-tail]; !utf8.Valid(p) {
		u.invalid, u.bad = true, off+int64(firstInvalid(p))
	}
}

// within tells that bytes before the offset end, or a sequence that goes on there, are known to be invalid.
func (u *utf8Check) within(end int64) bool { return u.invalid && u.bad < end }

// complete tells that all was valid and no sequence is cut off.
func (u *utf8Check) complete() bool { return u.n == 0 && !u.invalid }

// cutRune returns the length of an unfinished UTF-8 sequence at the end of p.
func cutRune(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if tail := p[len(p)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

func firstInvalid(p []byte) int {
	for i := 0; i < len(p); {
		r, n := utf8.DecodeRune(p[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(p)
}
