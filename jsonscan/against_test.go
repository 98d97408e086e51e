package jsonscan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func anyInput() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		var b []byte
		for range rapid.IntRange(0, 4).Draw(t, "parts") {
			switch rapid.IntRange(0, 4).Draw(t, "sort") {
			case 0:
				b = append(b, rapid.SliceOfN(rapid.SampledFrom([]byte("{}[]:,\"\"\\u0dD8 \n1-.eEtnx\xc3\xa9\x00")), 0, 40).Draw(t, "soup")...)
			case 1:
				j, err := json.Marshal(anyValue(3).Draw(t, "value"))
				if err != nil {
					t.Fatal(err)
				}
				b = append(b, j...)
			case 2:
				fill := rapid.SampledFrom([]string{"a", "1", `\\`, `\ud83d\ude00`, "é", " ", `"`, "\xf0", `\ud83d`}).Draw(t, "fill")
				b = append(b, rapid.SampledFrom([]string{"", `"`, `{"`}).Draw(t, "open")...)
				b = append(b, strings.Repeat(fill, rapid.SampledFrom([]int{1, 300, 4095, 4096, 4097, 9000}).Draw(t, "times"))...)
				b = append(b, rapid.SampledFrom([]string{"", `"`, `":`}).Draw(t, "shut")...)
			case 3:
				b = append(b, rapid.SampledFrom([]string{bom, "{", "[", "}", "]", "null", "true", "false", "-0.5E-7", `"`}).Draw(t, "word")...)
			default:
				b = append(b, rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "bytes")...)
			}
		}
		return b
	})
}

func anyValue(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		switch k := rapid.IntRange(0, 6).Draw(t, "kind"); {
		case k == 0 && depth > 0:
			return rapid.MapOf(rapid.String(), anyValue(depth-1)).Draw(t, "object")
		case k == 1 && depth > 0:
			return rapid.SliceOf(anyValue(depth-1)).Draw(t, "array")
		case k == 2:
			return rapid.Float64().Draw(t, "number")
		case k == 3:
			return rapid.Bool().Draw(t, "bool")
		case k == 4:
			return nil
		case k == 5:
			return rapid.Int().Draw(t, "int")
		}
		return rapid.String().Draw(t, "string")
	})
}

func TestAgainstStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { agree(t, anyInput().Draw(t, "in")) })
}

// agree compares with encoding/json: what is valid, and then which tokens.
func agree(t tester, in []byte) {
	tokens, s := scan(t, in)
	plainIn := bytes.TrimPrefix(in, []byte(bom))
	if s.Valid() != json.Valid(plainIn) {
		t.Fatalf("%q: %v, json.Valid %v", in, s.Err(), json.Valid(plainIn))
	}
	if !s.Valid() {
		return
	}
	dec := json.NewDecoder(bytes.NewReader(plainIn))
	dec.UseNumber()
	for _, tok := range tokens {
		var got any
		switch tok.Kind {
		case Sep:
			continue
		case ObjectStart, ObjectEnd, ArrayStart, ArrayEnd:
			got = json.Delim(tok.Raw[0])
		case Key, String:
			got = string(Unquote(nil, tok.Data))
		case Number:
			got = json.Number(tok.Raw)
		case True, False:
			got = tok.Kind == True
		case Null:
		default:
			t.Fatalf("%q: valid with a token of kind %d", in, tok.Kind)
		}
		want, err := dec.Token()
		if err != nil || want != got {
			t.Fatalf("%q: token %#v, want %#v, %v", in, got, want, err)
		}
	}
	if _, err := dec.Token(); err != io.EOF {
		t.Fatalf("%q: more tokens: %v", in, err)
	}
}

func TestSamples(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no samples", err)
	}
	for _, name := range files {
		in, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(in) {
			t.Fatal(name, "is not JSON")
		}
		agree(t, in)
	}
}

func TestUnquote(t *testing.T) {
	for _, test := range []struct{ raw, want string }{
		{``, ""},
		{`plain é 😀`, "plain é 😀"},
		{`\"\\\/\b\f\n\r\t`, "\"\\/\b\f\n\r\t"},
		{`\u20AC\u20ac\u0000`, "€€\x00"},
		{`\ud83d\ude00!`, "😀!"},
		{`\ud83d`, "\ufffd"},
		{`\ud83dx`, "\ufffdx"},
		{`\ud83d\n`, "\ufffd\n"},
		{`\ude00\ud83d`, "\ufffd\ufffd"},
		{`\ud83d\ud83d\ude00`, "\ufffd😀"},
		{`\ud83d\u12`, "\ufffd\\u12"},
		{`\q\`, `\q\`},
		{`\u12`, `\u12`},
		{`\uzz`, `\uzz`},
		{"\xff\xe2\x82", "\ufffd\ufffd\ufffd"},
	} {
		if got := string(Unquote([]byte("> "), []byte(test.raw))); got != "> "+test.want {
			t.Errorf("%s: %q, want %q", test.raw, got, test.want)
		}
	}
}

func FuzzScanner(f *testing.F) {
	for _, s := range []string{
		"", `{"requestId":"e42b#14272d07d78","success":false,"errors":[{"code":"601","message":"Unauthorized"}]}`,
		"\ufeff[1,-0.5e+7,true,null]\n", `{"a" "b":}`, `"\ud83d\ude00\ud83d\u00`, "[[[{{{", "\xef\xbb1", `"` + strings.Repeat("é", 2100) + `"`,
	} {
		f.Add([]byte(s), uint16(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, size uint16) {
		agree(t, in)
		whole, one := scan(t, in)
		var pieces [][]byte
		for n, rest := int(size)+1, in; len(rest) > 0; {
			n = min(n, len(rest))
			pieces = append(pieces, rest[:n:n])
			rest = rest[n:]
		}
		parts, many := scan(t, pieces...)
		if show(whole) != show(parts) || fmt.Sprint(one.Err()) != fmt.Sprint(many.Err()) {
			t.Fatalf("whole %v\n%spieces %v\n%s", one.Err(), show(whole), many.Err(), show(parts))
		}
	})
}

func BenchmarkScanner(b *testing.B) {
	record := `{"id":318581,"updatedAt":"2015-06-11T23:15:23Z","lastName":"Doe","email":"jdoe@example.com","status":"updated","ok":true},`
	records := `{"requestId":"e42b#14272d07d78","success":true,"result":[` + strings.Repeat(record, 8000) + `null]}`
	text := `{"text":"` + strings.Repeat("Lorem ipsum dolor sit amet, ", 40_000) + `"}`
	for _, bench := range []struct{ name, in string }{{"records", records}, {"text", text}} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(bench.in)))
			b.ReportAllocs()
			s := new(Scanner)
			in := []byte(bench.in)
			for b.Loop() {
				s.Reset()
				for rest := in; len(rest) > 0; {
					n := min(len(rest), 32<<10)
					s.Feed(rest[:n])
					for _, ok := s.Next(); ok; _, ok = s.Next() {
					}
					rest = rest[n:]
				}
				s.Finish()
				if s.Next(); !s.Valid() {
					b.Fatal(s.Err())
				}
			}
		})
	}
}
