package jsonscan

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tester is what tester and rapid.T have in common.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// scan feeds the pieces and returns the tokens with their pieces joined, checking what must hold for any input.
func scan(t tester, pieces ...[]byte) (tokens []Token, s *Scanner) {
	t.Helper()
	s = new(Scanner)
	var off int64
	more := false
	drain := func() {
		for {
			tok, ok := s.Next()
			if !ok {
				return
			}
			if len(tok.Raw) == 0 || tok.Offset != off || tok.Cont != more {
				t.Fatalf("token %+v at %d, after one with More %v", tok, off, more)
			}
			off += int64(len(tok.Raw))
			more = tok.More
			if cap(s.pend) > 4*MaxString {
				t.Fatalf("%d bytes pending", cap(s.pend))
			}
			if n := len(tokens) - 1; n >= 0 && (tok.Cont || tok.Kind == Sep && tokens[n].Kind == Sep && string(tokens[n].Raw) != bom) {
				tokens[n].Raw = append(tokens[n].Raw, tok.Raw...)
				tokens[n].Data = append(tokens[n].Data, tok.Data...)
				tokens[n].Cont = true
				continue
			}
			if len(tok.Raw) > MaxString && tok.Kind != Sep {
				t.Fatalf("first piece of %d bytes", len(tok.Raw))
			}
			tok.Raw = bytes.Clone(tok.Raw)
			tok.Data = bytes.Clone(tok.Data)
			tok.More = false
			tokens = append(tokens, tok)
		}
	}
	for _, p := range pieces {
		s.Feed(p)
		drain()
	}
	s.Finish()
	drain()
	if raw := join(tokens); raw != string(bytes.Join(pieces, nil)) {
		t.Fatalf("tokens make %q", raw)
	}
	for _, tok := range tokens {
		if whole := len(tok.Raw) <= MaxString; tok.Kind != Sep && whole == tok.Cont && tok.Cont {
			t.Fatalf("%d bytes of kind %d came in pieces", len(tok.Raw), tok.Kind)
		}
	}
	return tokens, s
}

func join(tokens []Token) string {
	var b strings.Builder
	for _, t := range tokens {
		b.Write(t.Raw)
	}
	return b.String()
}

func show(tokens []Token) string {
	var b strings.Builder
	for _, t := range tokens {
		fmt.Fprintf(&b, "%d/%d %q %q\n", t.Kind, t.Depth, t.Raw, t.Data)
	}
	return b.String()
}

// cut cuts b at random places.
func cut(t *rapid.T, b []byte) [][]byte {
	var pieces [][]byte
	for len(b) > 0 {
		n := min(rapid.SampledFrom([]int{1, 2, 3, 7, 50, 4000, MaxString, MaxString + 3, 9000}).Draw(t, "piece"), len(b))
		pieces = append(pieces, bytes.Clone(b[:n]))
		b = b[n:]
	}
	return pieces
}

func TestTokens(t *testing.T) {
	tokens, s := scan(t, []byte("\ufeff{\"a\\n\": [1, -2.5e3 ,true,false,null,\"x\"],\n\"b\":{}}\n"))
	want := []Token{
		{Kind: Sep, Raw: []byte(bom)},
		{Kind: ObjectStart, Raw: []byte("{")},
		{Kind: Key, Raw: []byte(`"a\n"`), Data: []byte(`a\n`), Depth: 1},
		{Kind: Sep, Raw: []byte(": "), Depth: 1},
		{Kind: ArrayStart, Raw: []byte("["), Depth: 1},
		{Kind: Number, Raw: []byte("1"), Depth: 2},
		{Kind: Sep, Raw: []byte(", "), Depth: 2},
		{Kind: Number, Raw: []byte("-2.5e3"), Depth: 2},
		{Kind: Sep, Raw: []byte(" ,"), Depth: 2},
		{Kind: True, Raw: []byte("true"), Depth: 2},
		{Kind: Sep, Raw: []byte(","), Depth: 2},
		{Kind: False, Raw: []byte("false"), Depth: 2},
		{Kind: Sep, Raw: []byte(","), Depth: 2},
		{Kind: Null, Raw: []byte("null"), Depth: 2},
		{Kind: Sep, Raw: []byte(","), Depth: 2},
		{Kind: String, Raw: []byte(`"x"`), Data: []byte("x"), Depth: 2},
		{Kind: ArrayEnd, Raw: []byte("]"), Depth: 1},
		{Kind: Sep, Raw: []byte(",\n"), Depth: 1},
		{Kind: Key, Raw: []byte(`"b"`), Data: []byte("b"), Depth: 1},
		{Kind: Sep, Raw: []byte(":"), Depth: 1},
		{Kind: ObjectStart, Raw: []byte("{"), Depth: 1},
		{Kind: ObjectEnd, Raw: []byte("}"), Depth: 1},
		{Kind: ObjectEnd, Raw: []byte("}")},
		{Kind: Sep, Raw: []byte("\n")},
	}
	if got := show(tokens); got != show(want) {
		t.Errorf("got\n%swant\n%s", got, show(want))
	}
	if !s.Valid() || !s.Complete() || s.Err() != nil {
		t.Error(s.Err())
	}
}

func TestSyntaxError(t *testing.T) {
	for _, test := range []struct {
		in     string
		offset int64
	}{
		{"", 0},
		{" ", 1},
		{"{", 1},
		{`{"a"`, 4},
		{`{"a" "b"}`, 5},
		{`{"a":}`, 5},
		{`{"a":1,}`, 7},
		{`{,}`, 1},
		{`{1:2}`, 1},
		{`{"a":1]`, 6},
		{`[1 2]`, 3},
		{`[1,]`, 3},
		{`[,1]`, 1},
		{`[1:2]`, 2},
		{`]`, 0},
		{`1 2`, 2},
		{`01`, 0},
		{`-`, 0},
		{`1.`, 0},
		{`1e+`, 0},
		{`+1`, 0},
		{`nul`, 0},
		{`nulls`, 0},
		{`<html>`, 0},
		{`"a`, 2},
		{"\"a\nb\"", 2},
		{`"a\qb"`, 2},
		{`"a\u12"`, 2},
		{`1 "a\qb"`, 2},
		{"\xef\xbb", 0},
		{"{}" + bom, 2},
	} {
		_, s := scan(t, []byte(test.in))
		var syntax *SyntaxError
		if !errors.As(s.Err(), &syntax) || syntax.Offset != test.offset || syntax.Reason == "" || s.Valid() {
			t.Errorf("%q: %v, want byte %d", test.in, s.Err(), test.offset)
		}
	}
}

func TestDepth(t *testing.T) {
	for _, test := range []struct {
		open, shut string
		depth      int
		valid      bool
	}{
		{`[`, `]`, MaxDepth, true},
		{`[`, `]`, MaxDepth + 1, false},
		{`{"a":`, `}`, MaxDepth, true},
		{`{"a":`, `}`, MaxDepth + 1, false},
		{`[{"a":`, `}]`, MaxDepth / 2, true},
		{`[`, `]`, 10 * MaxDepth, false},
	} {
		in := strings.Repeat(test.open, test.depth) + "1" + strings.Repeat(test.shut, test.depth)
		tokens, s := scan(t, []byte(in))
		if s.Valid() != test.valid {
			t.Errorf("%d times %s: %v", test.depth, test.open, s.Err())
		}
		if last := tokens[len(tokens)-1]; last.Depth != 0 {
			t.Errorf("%d times %s: depth %d at the end", test.depth, test.open, last.Depth)
		}
	}
}

// Below MaxDepth the scanner knows its way again.
func TestAfterTooDeep(t *testing.T) {
	n := MaxDepth + 10
	in := `{"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `,"name":["value"]}`
	tokens, _ := scan(t, []byte(in))
	var got []string
	for _, tok := range tokens {
		if tok.Kind == Key || tok.Kind == String {
			got = append(got, fmt.Sprint(tok.Kind, string(tok.Data)))
		}
	}
	if want := fmt.Sprint([]string{fmt.Sprint(Key, "x"), fmt.Sprint(Key, "name"), fmt.Sprint(String, "value")}); fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestBoundedMemory(t *testing.T) {
	for _, unit := range []string{"a", "1", `"`, `\`, "\xf0", " ", "[", `{"a":`, `"\ud800`, "\x00"} {
		s := new(Scanner)
		p := bytes.Repeat([]byte(unit), 64<<10)
		allocs := testing.AllocsPerRun(1, func() {
			s.Reset()
			s.Feed([]byte(`"`)[:len(unit)%2])
			for range 4 {
				s.Feed(p)
				for _, ok := s.Next(); ok; _, ok = s.Next() {
				}
				if held := cap(s.pend) + 8*cap(s.grammar.high); held > 4*MaxString {
					t.Fatalf("%q: holds %d bytes", unit, held)
				}
			}
		})
		if allocs > 20 {
			t.Errorf("%q: %v allocations", unit, allocs)
		}
	}
}

// Any pieces of any input give the same tokens.
func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anyInput().Draw(t, "in")
		whole, one := scan(t, in)
		pieces, many := scan(t, cut(t, in)...)
		if show(whole) != show(pieces) {
			t.Fatalf("whole\n%spieces\n%s", show(whole), show(pieces))
		}
		if fmt.Sprint(one.Err()) != fmt.Sprint(many.Err()) {
			t.Fatalf("whole %v, pieces %v", one.Err(), many.Err())
		}
	})
}

// Pieces of a string have the meaning of the whole string, so none cuts an escape or a UTF-8 sequence.
func TestPiecesOfString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]string{`\\`, `\"`, `\ud83d\ude00`, `\ud83d`, `é`, "€", "😀", "\xe2\x82", `\u20ac`, `\n`, "a", `\q`, `\u12`, `\ud83d\u00`})
		content := strings.Repeat("x", rapid.SampledFrom([]int{0, MaxString - 14, MaxString - 1}).Draw(t, "fill")) +
			strings.Join(rapid.SliceOf(unit).Draw(t, "units"), "")
		content += strings.Repeat(content, rapid.IntRange(0, 3).Draw(t, "repeat"))
		if rapid.Bool().Draw(t, "shut") {
			content += `x"` // x so that no cut escape eats the quote
		}
		s := new(Scanner)
		var meaning, raw []byte
		drain := func() {
			for {
				tok, ok := s.Next()
				if !ok {
					return
				}
				if tok.Kind == String {
					meaning = Unquote(meaning, tok.Data)
					raw = append(raw, tok.Data...)
				}
			}
		}
		for _, p := range cut(t, []byte(`"`+content)) {
			s.Feed(p)
			drain()
		}
		s.Finish()
		drain()
		if want := Unquote(nil, raw); !bytes.Equal(meaning, want) {
			t.Fatalf("pieces mean %q, whole %q", meaning, want)
		}
	})
}
