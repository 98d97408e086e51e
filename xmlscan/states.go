package xmlscan

import "bytes"

// tagState follows a start or end tag from its third byte on.
type tagState struct {
	isEnd bool // an end tag has no attributes, so a quote in it is nothing special
	quote byte // the open quote, or 0
	slash bool // the last byte seen was a slash outside quotes; at the end: the last one before >
}

// end returns how many bytes of b belong to the tag, or -1 if it goes on after b.
func (t *tagState) end(b []byte) int {
	if t.isEnd {
		if n := bytes.IndexByte(b, '>'); n >= 0 {
			return n + 1
		}
		return -1
	}
	for i := 0; i < len(b); i++ {
		if t.quote != 0 {
			n := bytes.IndexByte(b[i:], t.quote)
			if n < 0 {
				return -1
			}
			i += n
			t.quote, t.slash = 0, false
			continue
		}
		switch c := b[i]; c {
		case '>':
			if i > 0 {
				t.slash = b[i-1] == '/'
			}
			return i + 1
		case '"', '\'':
			t.quote = c
		}
	}
	if len(b) > 0 && t.quote == 0 {
		t.slash = b[len(b)-1] == '/'
	}
	return -1
}

// declState follows a <! … > declaration from its third byte on: it ends at the first > outside brackets (the internal
// subset), quotes, comments and processing instructions.
type declState struct {
	at       declPlace
	quote    byte
	brackets int
}

type declPlace uint8

const (
	declPlain       declPlace = iota
	declLess                  // after <
	declBang                  // after <!
	declBangDash              // after <!-
	declComment               // after <!--
	declCommentDash           // in a comment after -
	declCommentEnd            // in a comment after --
	declInst                  // after <?
	declInstEnd               // in a processing instruction after ?
	declQuote
)

// end returns how many bytes of b belong to the declaration, or -1 if it goes on after b.
func (d *declState) end(b []byte) int {
	for i, c := range b {
		switch d.at {
		case declQuote:
			if c == d.quote {
				d.at = declPlain
			}
		case declComment, declCommentDash, declCommentEnd:
			d.comment(c)
		case declInst, declInstEnd:
			d.inst(c)
		default:
			if d.plain(c) {
				return i + 1
			}
		}
	}
	return -1
}

func (d *declState) comment(c byte) {
	switch {
	case c == '-' && d.at == declComment:
		d.at = declCommentDash
	case c == '-':
		d.at = declCommentEnd
	case c == '>' && d.at == declCommentEnd:
		d.at = declPlain
	default:
		d.at = declComment
	}
}

func (d *declState) inst(c byte) {
	switch {
	case c == '?':
		d.at = declInstEnd
	case c == '>' && d.at == declInstEnd:
		d.at = declPlain
	default:
		d.at = declInst
	}
}

// plain reads a byte outside quotes, comments and processing instructions, and tells whether it ends the declaration.
func (d *declState) plain(c byte) bool {
	before := d.at
	d.at = declPlain
	switch c {
	case '<':
		d.at = declLess
	case '!':
		if before == declLess {
			d.at = declBang
		}
	case '?':
		if before == declLess {
			d.at = declInst
		}
	case '-':
		switch before {
		case declBang:
			d.at = declBangDash
		case declBangDash:
			d.at = declComment
		}
	case '"', '\'':
		d.at, d.quote = declQuote, c
	case '[':
		d.brackets++
	case ']':
		d.brackets = max(0, d.brackets-1)
	case '>':
		return d.brackets == 0
	}
	return false
}
