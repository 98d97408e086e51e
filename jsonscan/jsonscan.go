// Package jsonscan splits a stream of JSON bytes (RFC 8259) into tokens in bounded memory, without ever refusing input: it
// is a lexer that also keeps an eye on the grammar, so that bytes can be watched or masked exactly as they stand.
package jsonscan

import "fmt"

// Kind is the kind of a Token.
type Kind uint8

// The kinds of tokens.
const (
	Sep         Kind = iota // whitespace, colons and commas between other tokens; a byte order mark at the very start
	ObjectStart             // {
	ObjectEnd               // }
	ArrayStart              // [
	ArrayEnd                // ]
	Key                     // the name of an object's member
	String                  // a string that is a value
	Number                  // what begins like a number
	True
	False
	Null
	Invalid // any other run of bytes that is none of the above
)

const (
	// MaxString is the length in bytes, quotes included, up to which a key, string, number or invalid run is delivered
	// whole. A longer one always comes in pieces.
	MaxString = 4 << 10
	// MaxDepth is the nesting up to which objects and arrays are told apart, as in encoding/json. Deeper input is not
	// Valid, levels are only counted, and a string in an array may come as a Key.
	MaxDepth = 10_000
)

// Token is one token or a piece of one. Its slices are valid until the next call of Next or Feed.
// The Raw of all tokens, one after the other, are the bytes of the stream.
type Token struct {
	Kind   Kind
	Raw    []byte // exactly the bytes of this token or piece
	Data   []byte // Key, String: the content in this piece without the quotes, escapes not decoded (see Unquote)
	Offset int64  // of Raw[0] from the start of the stream
	Depth  int    // objects and arrays open around the token; starts and ends do not count themselves
	Cont   bool   // this piece continues the token before it
	More   bool   // another piece of this same token follows, unless the input ends here
}

// Whole tells that the token came in one piece, as every token of at most MaxString bytes does.
func (t *Token) Whole() bool { return !t.Cont && !t.More }

// SyntaxError is the first place where the input was no JSON.
type SyntaxError struct {
	Offset int64 // of the offending byte, or of the end of the input
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("jsonscan: byte %d: %s", e.Offset, e.Reason)
}
