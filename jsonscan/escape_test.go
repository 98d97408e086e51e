package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the text and however it is cut, encoding/json reads it back, and so does Unquote.
func TestEscapeReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("\x00\x1f\x7f\"\\\n\r\t /é€😀")))).Draw(t, "text")
		var b bytes.Buffer
		var appended []byte
		for rest := []byte(text); len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			if err := Escape(&b, rest[:n]); err != nil {
				t.Fatal(err)
			}
			appended = AppendEscaped(appended, rest[:n])
			rest = rest[n:]
		}
		if !bytes.Equal(appended, b.Bytes()) {
			t.Fatalf("%q became %q, and appended %q", text, b.Bytes(), appended)
		}
		var back string
		if err := json.Unmarshal([]byte(`"`+b.String()+`"`), &back); err != nil || back != text {
			t.Fatalf("%q became %q, %v", text, b.String(), err)
		}
		if got := Unquote(nil, b.Bytes()); string(got) != text {
			t.Fatalf("Unquote reads %q, want %q", got, text)
		}
		if bytes.ContainsAny(b.Bytes(), "\x00\x1b\x7f\n") {
			t.Fatalf("a control character is left in %q", b.String())
		}
	})
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestEscapeTellsOfErrors(t *testing.T) {
	for _, text := range []string{"a", "\n", "a\n", "\x01"} {
		if Escape(failing{}, []byte(text)) == nil {
			t.Errorf("%q: no error", text)
		}
	}
	if err := Escape(failing{}, nil); err != nil {
		t.Errorf("of nothing: %v", err)
	}
}
