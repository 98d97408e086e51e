package xmlscan

import (
	"bytes"
	"strings"
)

// maxLead is more than any run of bytes that must be seen together to know what kind of token it begins or ends.
const maxLead = 16

const (
	bom          = "\xef\xbb\xbf"
	commentOpen  = "<!--"
	commentClose = "-->"
	cdataOpen    = "<![CDATA["
	cdataClose   = "]]>"
	instOpen     = "<?"
	instClose    = "?>"
)

// Scanner is the lexer. Its zero value is ready. It is not safe for concurrent use.
//
// Feed it a piece of the stream, call Next until it returns false, and so on; at the end call Finish, and Next until it
// returns false. The bytes may be in any encoding in which ASCII bytes mean ASCII characters only. A Scanner holds MaxTag
// bytes and some constant at most, whatever the input.
type Scanner struct {
	in   []byte // fed and not yet delivered
	pend []byte // the start of a token that an earlier Feed cut off; goes before in
	used int    // bytes of pend that the last Next delivered
	off  int64  // of the first byte that was not delivered

	finished bool
	inTag    bool // pend is the start of a tag and was scanned to its end
	open     bool // the last token had More
	kind     Kind // of the tag in pend, or of the open token
	tag      tagState
	decl     declState
}

// Feed gives the scanner the next bytes. Next must have returned false since the last Feed. p is not kept once Next has
// returned false.
func (s *Scanner) Feed(p []byte) { s.in = p }

// Finish says that no input follows. Next then delivers what is pending. If the input ends inside a token other than
// Text, the last token has More.
func (s *Scanner) Finish() { s.finished = true }

// Reset makes the scanner ready for another stream, keeping its memory.
func (s *Scanner) Reset() { *s = Scanner{pend: s.pend[:0]} }

// Next returns the next token. False means that more input is needed, or after Finish that there is none.
func (s *Scanner) Next() (Token, bool) {
	var t Token
	ok := s.Scan(&t)
	return t, ok
}

// Scan is Next for those in a hurry: it writes the token into t instead of copying it, and returns the same bool.
func (s *Scanner) Scan(t *Token) bool {
	*t = Token{}
	if s.used > 0 {
		s.pend = s.pend[:copy(s.pend, s.pend[s.used:])]
		s.used = 0
	}
	if len(s.pend) > 0 {
		return s.join(t)
	}
	if s.lex(t, s.in) {
		s.in = s.in[len(t.Raw):]
		return true
	}
	s.pend, s.in = append(s.pend, s.in...), nil
	return s.rest(t)
}

// Skim is for places where only the nesting of elements matters: it takes the text that follows and the tag behind it, if that is
// nothing but a name, as most are, and has come whole; before that, elements of such tags with nothing but text in them, which change
// nothing. Where ok is false, Scan is to be called. name is valid as a Token is.
func (s *Scanner) Skim() (name []byte, end, ok bool) {
	if len(s.pend) > 0 || s.open {
		return nil, false, false
	}
	b := s.in
	for {
		var rest []byte
		if name, end, rest = simpleTag(b); rest != nil && !end {
			if behind := afterEnd(rest, name); behind != nil {
				b = behind
				continue
			}
		}
		if ok = rest != nil; ok {
			b = rest
		}
		s.off += int64(len(s.in) - len(b))
		s.in = b
		return name, end, ok
	}
}

// Leap takes the text that follows and the tag behind it, if that is nothing but a name and has come whole, for those who look at the
// text too: raw is all that was taken. Otherwise it takes nothing.
func (s *Scanner) Leap() (raw, name []byte, end, ok bool) {
	if len(s.pend) > 0 || s.open {
		return nil, nil, false, false
	}
	name, end, rest := simpleTag(s.in)
	if rest == nil {
		return nil, nil, false, false
	}
	raw = s.in[:len(s.in)-len(rest)]
	s.off += int64(len(raw))
	s.in = rest
	return raw, name, end, true
}

// simpleTag returns the first tag in b and what follows it; rest is nil if it is more than a name, or not whole.
func simpleTag(b []byte) (name []byte, end bool, rest []byte) {
	i := bytes.IndexByte(b, '<') + 1
	if i == 0 || i == len(b) {
		return nil, false, nil
	}
	if end = b[i] == '/'; end {
		i++
	}
	if i == len(b) || !nameStart[b[i]] {
		return nil, false, nil
	}
	for j, c := range b[i:min(len(b), i+maxName)] {
		if !nameEnd[c] {
			continue
		}
		if c != '>' {
			break
		}
		return b[i : i+j], end, b[i+j+1:]
	}
	return nil, false, nil
}

// afterEnd returns what follows the first tag in b if that is the end tag of name and nothing more, else nil.
func afterEnd(b, name []byte) []byte {
	i := bytes.IndexByte(b, '<') + len("</")
	end := i + len(name)
	if i < len("</") || end >= len(b) || b[i-1] != '/' || b[end] != '>' || string(b[i:end]) != string(name) {
		return nil
	}
	return b[end+1:]
}

// maxName is longer than the names that Skim needs to be quick for.
const maxName = 256

// join goes on with what is in pend.
func (s *Scanner) join(t *Token) bool {
	if s.inTag {
		return s.joinTag(t)
	}
	had := len(s.pend)
	take := min(len(s.in), maxLead)
	s.pend = append(s.pend, s.in[:take]...)
	if s.lex(t, s.pend) {
		s.pend = s.pend[:had]
		s.used = min(len(t.Raw), had)
		s.in = s.in[len(t.Raw)-s.used:]
		return true
	}
	s.in = s.in[take:]
	if s.inTag {
		return s.joinTag(t)
	}
	return s.rest(t)
}

// joinTag goes on with the tag in pend.
func (s *Scanner) joinTag(t *Token) bool {
	n := min(len(s.in), MaxTag-len(s.pend))
	end := s.tag.end(s.in[:n])
	whole := end >= 0
	if whole {
		n = end
	}
	s.pend, s.in = append(s.pend, s.in[:n]...), s.in[n:]
	if !whole && len(s.pend) < MaxTag {
		return s.rest(t)
	}
	s.inTag = false
	s.used = len(s.pend)
	return s.tagToken(t, s.kind, s.pend, whole)
}

// rest delivers, after Finish, the start of a token that will not be completed.
func (s *Scanner) rest(t *Token) bool {
	if !s.finished || len(s.pend) == 0 {
		return false
	}
	raw := s.pend
	s.used = len(raw)
	s.inTag = false
	switch {
	case s.open:
		return s.piece(t, s.kind, raw, raw, true)
	case len(raw) == 1 || raw[0] != '<':
		return s.piece(t, Text, raw, raw, false)
	case raw[1] == '!':
		return s.piece(t, Doctype, raw, nil, true)
	case raw[1] == '/':
		return s.piece(t, End, raw, nil, true)
	}
	return s.piece(t, Start, raw, nil, true)
}

// lex reads the token or piece at the start of b into t, or returns false if more than b is needed to know it.
func (s *Scanner) lex(t *Token, b []byte) bool {
	if len(b) == 0 {
		return false
	}
	if s.open {
		return s.resume(t, b)
	}
	if b[0] != '<' {
		return s.text(t, b)
	}
	if len(b) == 1 {
		return false
	}
	switch c := b[1]; {
	case nameStart[c]:
		return s.startTag(t, Start, b, 1)
	case c == '/':
		return s.startTag(t, End, b, 2)
	case c == '?':
		return s.content(t, ProcInst, b, len(instOpen), instClose)
	case c == '!':
		return s.declaration(t, b)
	}
	return s.piece(t, Text, b[:1], b[:1], false)
}

// resume goes on with a token whose last piece had More.
func (s *Scanner) resume(t *Token, b []byte) bool {
	switch s.kind {
	case Comment:
		return s.content(t, Comment, b, 0, commentClose)
	case CDATA:
		return s.content(t, CDATA, b, 0, cdataClose)
	case ProcInst:
		return s.content(t, ProcInst, b, 0, instClose)
	case Doctype:
		return s.doctype(t, b, 0)
	}
	end := s.tag.end(b)
	if end < 0 {
		return s.piece(t, s.kind, b, nil, true)
	}
	return s.tagToken(t, s.kind, b[:end], true)
}

// piece delivers raw; it returns true. data is for Text and CDATA.
func (s *Scanner) piece(t *Token, kind Kind, raw, data []byte, more bool) bool {
	t.Kind, t.Raw, t.Offset, t.More = kind, raw, s.off, more
	if kind == Text || kind == CDATA {
		t.Data = data
	}
	s.off += int64(len(raw))
	s.kind, s.open = kind, more
	return true
}

func (s *Scanner) text(t *Token, b []byte) bool {
	if s.off == 0 && b[0] == bom[0] {
		switch n := min(len(b), len(bom)); {
		case string(b[:n]) != bom[:n]:
		case n < len(bom):
			return false
		default:
			return s.piece(t, Text, b[:n], b[:n], false)
		}
	}
	if n := bytes.IndexByte(b, '<'); n >= 0 {
		b = b[:n]
	}
	return s.piece(t, Text, b, b, false)
}

// startTag reads a tag whose name begins at b[lead:].
func (s *Scanner) startTag(t *Token, kind Kind, b []byte, lead int) bool {
	limit := min(len(b), MaxTag)
	// Most tags are a name only.
	for i := lead; i < limit; i++ {
		if nameEnd[b[i]] {
			if b[i] == '>' {
				t.Name = b[lead:i]
				return s.piece(t, kind, b[:i+1], nil, false)
			}
			break
		}
	}
	s.tag = tagState{isEnd: kind == End}
	end := s.tag.end(b[2:limit])
	switch {
	case end >= 0:
		return s.tagToken(t, kind, b[:2+end], true)
	case limit == MaxTag:
		return s.tagToken(t, kind, b[:limit], false)
	}
	s.inTag, s.kind = true, kind
	return false
}

// tagToken delivers a tag, or a piece of a long one.
func (s *Scanner) tagToken(t *Token, kind Kind, raw []byte, ends bool) bool {
	if ends && !s.open {
		lead := 1
		if kind == End {
			lead = 2
		}
		t.Name = raw[lead : lead+nameLen(raw[lead:])]
	}
	t.SelfClosing = ends && kind == Start && s.tag.slash
	return s.piece(t, kind, raw, nil, !ends)
}

func (s *Scanner) declaration(t *Token, b []byte) bool {
	switch {
	case bytes.HasPrefix(b, []byte(commentOpen)):
		return s.content(t, Comment, b, len(commentOpen), commentClose)
	case bytes.HasPrefix(b, []byte(cdataOpen)):
		return s.content(t, CDATA, b, len(cdataOpen), cdataClose)
	case len(b) < maxLead && (strings.HasPrefix(commentOpen, string(b)) || strings.HasPrefix(cdataOpen, string(b))):
		return false
	}
	s.decl = declState{}
	return s.doctype(t, b, len("<!"))
}

func (s *Scanner) doctype(t *Token, b []byte, from int) bool {
	end := s.decl.end(b[from:])
	if end < 0 {
		return s.piece(t, Doctype, b, nil, true)
	}
	return s.piece(t, Doctype, b[:from+end], nil, false)
}

// content delivers a token that begins with from bytes of a delimiter and ends with the delimiter last. What may be the
// start of last stays until it is known.
func (s *Scanner) content(t *Token, kind Kind, b []byte, from int, last string) bool {
	if n := bytes.Index(b[from:], []byte(last)); n >= 0 {
		n += from
		return s.piece(t, kind, b[:n+len(last)], b[from:n], false)
	}
	n := len(b)
	for k := min(len(last)-1, n-from); k > 0; k-- {
		if string(b[n-k:]) == last[:k] {
			n -= k
			break
		}
	}
	if n == 0 {
		return false
	}
	return s.piece(t, kind, b[:n], b[from:n], true)
}

// Inside tells that the last token had More.
func (s *Scanner) Inside() bool { return s.open }
