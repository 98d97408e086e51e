package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// maxAtom is more than the longest unit of a string that a piece never cuts: the two \u escapes of a surrogate pair.
const maxAtom = 16

// Scanner is the lexer. Its zero value is ready. It is not safe for concurrent use.
//
// Feed it a piece of the stream, call Next until it returns false, and so on; at the end call Finish and Next until false.
// A Scanner holds MaxString bytes and some constant at most, whatever the input.
type Scanner struct {
	in       []byte // fed and not yet consumed
	pend     []byte // the start of a token that an earlier feed cut off; goes before in
	used     int    // bytes of pend that the last Next delivered
	off      int64  // of the first byte that was not delivered
	scanned  int    // that many bytes from there were looked at already
	finished bool
	more     bool // the last token was a piece with More
	kind     Kind // of that piece
	number   numberState
	grammar  grammar
}

// Feed gives the scanner the next bytes. Next must have returned false since the last Feed. p is not kept once Next has
// returned false.
func (s *Scanner) Feed(p []byte) { s.in = p }

// Finish says that no input follows. Next then delivers what is pending, and Valid tells whether the JSON is complete.
func (s *Scanner) Finish() { s.finished = true }

// Reset makes the scanner ready for another stream, keeping its memory.
func (s *Scanner) Reset() {
	*s = Scanner{pend: s.pend[:0], grammar: grammar{high: s.grammar.high[:0]}}
}

// Drop forgets the input that was fed and not delivered: what is fed next comes right behind the last token.
func (s *Scanner) Drop() { s.in, s.pend, s.used, s.scanned = nil, s.pend[:0], 0, 0 }

// Valid tells that everything read so far is well-formed JSON; once Next returned false after Finish, that it is one
// complete JSON text. A byte order mark is allowed, and so are bytes in a string that are no UTF-8, as in encoding/json.
func (s *Scanner) Valid() bool { return s.grammar.err == nil }

// Err is nil as long as Valid is true, and then a *SyntaxError for the first offence.
func (s *Scanner) Err() error {
	if s.grammar.err == nil {
		return nil // not a typed nil
	}
	return s.grammar.err
}

// Complete tells that one whole value has been read: only whitespace may follow.
func (s *Scanner) Complete() bool { return s.grammar.want == wantNothing }

// Next returns the next token. False means that more input is needed, or after Finish that there is none.
func (s *Scanner) Next() (Token, bool) {
	var t Token
	ok := s.Scan(&t)
	return t, ok
}

// Scan is Next for those in a hurry: it writes the token into t instead of copying it, and returns the same bool.
func (s *Scanner) Scan(t *Token) (ok bool) {
	*t = Token{}
	if s.used > 0 {
		s.pend = s.pend[:copy(s.pend, s.pend[s.used:])]
		s.used = 0
	}
	had := len(s.pend)
	if had == 0 {
		if ok = s.lex(t, s.in, s.finished); ok {
			s.in = s.in[len(t.Raw):]
		} else {
			s.pend, s.in = append(s.pend, s.in...), nil
		}
		return ok
	}
	// The token began in an earlier feed: put as much of this one behind it as a piece can need.
	take := min(len(s.in), MaxString+maxAtom-had)
	joined := append(s.pend, s.in[:take]...)
	if ok = s.lex(t, joined, s.finished && take == len(s.in)); !ok {
		s.pend, s.in = joined, s.in[take:]
		return false
	}
	s.pend = joined[:had]
	s.used = min(len(t.Raw), had)
	s.in = s.in[len(t.Raw)-s.used:]
	return true
}

// Member is for objects of which few members are of interest: it looks at the member that follows, with the comma before it, if that has
// come whole and is as most are: a name and a string without escapes, or a name and a number or literal. Skip(n) takes it; without
// that, nothing is changed. An n of 0 tells that Scan is to be called. The name is valid as a Token is.
func (s *Scanner) Member() (name []byte, n int) {
	if len(s.pend) > 0 || s.more || !s.Valid() {
		return nil, 0
	}
	b := s.in
	i := blanks(b, 0)
	switch s.grammar.want {
	case wantKeyOrEnd, wantKey:
	case wantCommaOrEnd:
		if i == len(b) || b[i] != ',' || !s.grammar.inObject() {
			return nil, 0
		}
		i = blanks(b, i+1)
	default:
		return nil, 0
	}
	from, i := i+1, quoted(b, i)
	if i == 0 {
		return nil, 0
	}
	name = b[from : i-1]
	if i = blanks(b, i); i == len(b) || b[i] != ':' {
		return nil, 0
	}
	if i = blanks(b, i+1); i == len(b) {
		return nil, 0
	}
	if b[i] == '"' {
		return name, quoted(b, i)
	}
	from = i
	for i < len(b) && !delimiter[b[i]] {
		i++
	}
	if i == len(b) || i == from {
		return nil, 0
	}
	switch wordKind(b[from:i], false) {
	case Number:
		if !numberStart.read(b[from:i]).complete() {
			return nil, 0
		}
	case Invalid:
		return nil, 0
	}
	return name, i
}

// Depth is the number of objects and arrays that are open.
func (s *Scanner) Depth() int { return s.grammar.depth }

// Skip takes the member that Member has just looked at.
func (s *Scanner) Skip(n int) {
	s.in = s.in[n:]
	s.off += int64(n)
	s.scanned = 0
	s.grammar.want, s.grammar.named = wantCommaOrEnd, false
}

// blanks returns where the white space at b[i:] ends.
func blanks(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// quoted returns where the string at b[i:] ends, or 0 if there is none, or it is not simple, or not whole.
func quoted(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return 0
	}
	i++
	if i += plain(b[i:]); i == len(b) || b[i] != '"' {
		return 0
	}
	return i + 1
}

// lex fills t, a zero Token, with the token at the start of b; last tells that the input ends with b. It returns false if
// more than b is needed to know the token, which is only so for a b of at most MaxString bytes.
func (s *Scanner) lex(t *Token, b []byte, last bool) bool {
	if len(b) == 0 {
		switch {
		case last && s.more:
			s.grammar.fail(s.off, cutString)
		case last:
			s.grammar.finish(s.off)
		}
		return false
	}
	if s.more {
		if s.kind == Key || s.kind == String {
			return s.str(t, b, last)
		}
		return s.word(t, b, last)
	}
	switch b[0] {
	case ' ', '\t', '\r', '\n', ':', ',':
		return s.sep(t, b)
	case '{':
		s.grammar.open(s.off, false)
		return s.token(t, ObjectStart, b[:1], s.grammar.depth-1)
	case '[':
		s.grammar.open(s.off, true)
		return s.token(t, ArrayStart, b[:1], s.grammar.depth-1)
	case '}':
		s.grammar.close(s.off, false)
		return s.token(t, ObjectEnd, b[:1], s.grammar.depth)
	case ']':
		s.grammar.close(s.off, true)
		return s.token(t, ArrayEnd, b[:1], s.grammar.depth)
	case '"':
		return s.str(t, b, last)
	case bom[0]:
		if s.off == 0 {
			return s.mark(t, b, last)
		}
	}
	return s.word(t, b, last)
}

// token makes t a token in one piece.
func (s *Scanner) token(t *Token, kind Kind, raw []byte, depth int) bool {
	t.Kind, t.Raw, t.Offset, t.Depth = kind, raw, s.off, depth
	s.off += int64(len(raw))
	s.scanned = 0
	return true
}

// piece makes t a token that may come in pieces, or a piece of one.
func (s *Scanner) piece(t *Token, kind Kind, raw []byte, more bool) bool {
	t.Cont, t.More = s.more, more
	s.kind, s.more = kind, more
	return s.token(t, kind, raw, s.grammar.depth)
}

func (s *Scanner) sep(t *Token, b []byte) bool {
	n := 0
	for ; n < len(b); n++ {
		switch b[n] {
		case ' ', '\t', '\r', '\n':
		case ':':
			s.grammar.colon(s.off + int64(n))
		case ',':
			s.grammar.comma(s.off + int64(n))
		default:
			return s.token(t, Sep, b[:n], s.grammar.depth)
		}
	}
	return s.token(t, Sep, b, s.grammar.depth)
}

const cutString = "the input ends in a string"

const bom = "\ufeff"

// mark reads what may be a byte order mark.
func (s *Scanner) mark(t *Token, b []byte, last bool) bool {
	switch n := min(len(b), len(bom)); {
	case string(b[:n]) != bom[:n] || n < len(bom) && last:
		return s.word(t, b, last)
	case n < len(bom):
		return false
	}
	return s.token(t, Sep, b[:len(bom)], 0)
}

// str reads a string, its first piece with the opening quote.
func (s *Scanner) str(t *Token, b []byte, last bool) bool {
	open, limit, kind := 0, len(b), s.kind
	if !s.more {
		open, limit, kind = 1, min(len(b), MaxString), s.grammar.stringKind()
	}
	last = last && limit == len(b)
	n, closed := s.content(b[:limit], max(open, s.scanned), last)
	if !closed && !last && (n == 0 || !s.more && len(b) <= MaxString) {
		s.scanned = n
		return false
	}
	if !s.more {
		s.grammar.str(s.off, kind)
	}
	raw, data := b[:n], b[open:n]
	if closed {
		raw = b[:n+1]
	}
	t.Data = data
	s.piece(t, kind, raw, !closed && !last)
	if !closed && last {
		s.grammar.fail(s.off, cutString)
	}
	return true
}

// content looks through a string's content from b[i] on and returns where the closing quote stands, or how far b can be
// delivered without cutting an escape, a surrogate pair or a UTF-8 sequence.
func (s *Scanner) content(b []byte, i int, last bool) (n int, closed bool) {
	for i < len(b) {
		run := plain(b[i:])
		i += run
		if i == len(b) {
			if !last {
				i -= cutRune(b[i-run:])
			}
			return i, false
		}
		switch b[i] {
		case '"':
			return i, true
		case '\\':
			n, ok := escape(b[i:])
			if n == 0 && !last {
				return i, false
			}
			if n == 0 {
				n, ok = len(b)-i, true // the end of the input is the error
			}
			if !ok {
				s.grammar.fail(s.off+int64(i), "invalid escape in a string")
			}
			i += n
		default:
			s.grammar.fail(s.off+int64(i), "control character in a string")
			i++
		}
	}
	return i, false
}

// plain returns how many bytes at the start of b are neither a quote, nor a backslash, nor a control character.
func plain(b []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		// Eight bytes at once (Hacker's Delight, "Find First 0-Byte"); the lowest hit is exact, those above may not be.
		w := binary.LittleEndian.Uint64(b[n:])
		q, e := w^ones*'"', w^ones*'\\'
		if hit := ((q-ones)&^q | (e-ones)&^e | (w-ones*' ')&^w) & tops; hit != 0 {
			return n + bits.TrailingZeros64(hit)/8
		}
	}
	for ; n < len(b); n++ {
		if c := b[n]; c == '"' || c == '\\' || c < ' ' {
			break
		}
	}
	return n
}

// cutRune returns the length of an unfinished UTF-8 sequence at the end of b.
func cutRune(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if utf8.FullRune(b[len(b)-n:]) {
				return 0
			}
			return n
		}
	}
	return 0
}

// word reads a number, a literal, or a run of bytes that can't be JSON.
func (s *Scanner) word(t *Token, b []byte, last bool) bool {
	limit := len(b)
	if !s.more {
		limit = min(len(b), MaxString)
	}
	n := s.scanned
	for n < limit && !delimiter[b[n]] {
		n++
	}
	more := false
	if n == len(b) && !last {
		// The last byte is held back: if a delimiter follows, it is the last piece.
		if n--; n == 0 || !s.more && n < MaxString {
			s.scanned = n + 1
			return false
		}
		more = true
	} else if n < len(b) {
		more = !delimiter[b[n]]
	}
	if !s.more {
		s.kind = wordKind(b[:n], more)
		s.number = numberStart
		s.grammar.value(s.off)
	}
	switch s.kind {
	case Number:
		s.number = s.number.read(b[:n])
		if s.number == numberBad || !more && !s.number.complete() {
			s.grammar.fail(s.off, "invalid number")
		}
	case Invalid:
		s.grammar.fail(s.off, "neither a string nor a number nor a literal")
	}
	return s.piece(t, s.kind, b[:n], more)
}

// delimiter has the bytes that end a word.
var delimiter = [256]bool{
	' ': true, '\t': true, '\r': true, '\n': true, ':': true, ',': true, '"': true, '{': true, '}': true, '[': true, ']': true,
}

func wordKind(w []byte, more bool) Kind {
	switch {
	case w[0] == '-' || '0' <= w[0] && w[0] <= '9':
		return Number
	case more:
		return Invalid
	case string(w) == "true":
		return True
	case string(w) == "false":
		return False
	case string(w) == "null":
		return Null
	}
	return Invalid
}
