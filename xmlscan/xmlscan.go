// Package xmlscan splits a stream of XML bytes into tokens in bounded memory, without ever refusing input: it is a
// lexer, not a validating parser, so that bytes can be watched, masked or spliced exactly as they stand.
package xmlscan

// Kind is the kind of a Token.
type Kind uint8

// The kinds of tokens.
const (
	Text     Kind = iota // character data between tags, entities not decoded; a stray < or a byte order mark comes alone
	CDATA                // a CDATA section
	Start                // a start tag, or an empty-element tag (SelfClosing)
	End                  // an end tag
	Comment              // <!-- … -->
	ProcInst             // <? … ?>, the XML declaration too
	Doctype              // <!DOCTYPE … > with its internal subset, or any other <! … > declaration
)

// MaxTag is the length in bytes up to which a start or end tag is delivered whole. A longer one comes in pieces with an
// empty Name.
const MaxTag = 64 << 10

// Token is one piece of markup or text. Its slices are valid until the next call of Next or Feed.
// The Raw of all tokens, one after the other, are the bytes of the stream.
type Token struct {
	Kind        Kind
	Name        []byte // Start, End: the qualified name as written; empty for </>, or for a tag that did not come whole
	Raw         []byte // exactly the bytes of this token or piece
	Data        []byte // Text: as Raw; CDATA: the content in this piece without the delimiters
	Offset      int64  // of Raw[0] from the start of the stream
	SelfClosing bool   // Start: <name/>; set on the last piece of a long tag
	More        bool   // this same token goes on after this piece, or the input ends inside it; Text never sets it
}
