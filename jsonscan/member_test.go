package jsonscan

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// skipping reads like scan, but takes what it can by Member and Skip. It returns what was skipped and what was not, in order.
func skipping(pieces ...string) (text string, skipped []string, s *Scanner) {
	var b strings.Builder
	s = new(Scanner)
	drain := func(piece string) {
		for {
			if name, n := s.Member(); n > 0 {
				skipped = append(skipped, string(name))
				b.WriteString(piece[len(piece)-len(s.in):][:n])
				s.Skip(n)
				continue
			}
			t, ok := s.Next()
			if !ok {
				break
			}
			b.Write(t.Raw)
		}
	}
	for _, p := range pieces {
		s.Feed([]byte(p))
		drain(p)
	}
	s.Finish()
	drain("")
	return b.String(), skipped, s
}

// What is skipped changes nothing: neither what is found wrong, and where, nor what follows.
func sameBySkipping(t tester, pieces ...string) {
	t.Helper()
	var whole [][]byte
	for _, p := range pieces {
		whole = append(whole, []byte(p))
	}
	_, want := scan(t, whole...)
	text, _, got := skipping(pieces...)
	if text != strings.Join(pieces, "") {
		t.Fatalf("%q became %q", pieces, text)
	}
	if fmt.Sprint(got.Err()) != fmt.Sprint(want.Err()) || got.Complete() != want.Complete() || got.Depth() != want.Depth() || got.off != want.off {
		t.Fatalf("%q: %v, %v, depth %d at %d; without skipping %v, %v, %d, %d", pieces,
			got.Err(), got.Complete(), got.Depth(), got.off, want.Err(), want.Complete(), want.Depth(), want.off)
	}
}

func TestMember(t *testing.T) {
	for _, c := range []struct{ json, names string }{
		{`{"a":1,"b" : "x" , "c":null,"d":true,"e":-1.5e3,"f":false}`, "a b c d e f"},
		{`{"":""}`, ""},
		{`{"a":{"b":1},"c":[1,2,{"d":"x"}],"e":2}`, "b d e"},
		{`{"a\u0062":1,"c":"\n","d":"é","e":3}`, "d e"},
		{`[1,"a","b"]`, ""},
		{`{"a":1x,"b":2}`, ""},
		{`{"a":01,"b":2}`, ""},
		{`{"a":1}x`, "a"},
		{`{,"a":1}`, ""},
		{`{"a":1,,"b":2}`, "a"},
		{`{"a":1,}`, "a"},
		{`{"a":1 "b":2}`, "a"},
		{`{"a":"x""b":2}`, "a"},
		{`{"a":1"b":2}`, "a"},
		{`{"a"::1}`, ""},
		{`{"a" 1}`, ""},
		{`{"a":nul,"b":1}`, ""},
		{"{\"a\":\"\x01\",\"b\":1}", ""},
		{`{"a":1]`, "a"},
		{`"a":1`, ""},
		{`{"a":12`, ""},
		{`{"a":"12`, ""},
		{`{"a":`, ""},
		{`{"a"`, ""},
	} {
		_, skipped, _ := skipping(c.json)
		if got := strings.Join(skipped, " "); got != c.names {
			t.Errorf("%s: skipped %q, want %q", c.json, got, c.names)
		}
		sameBySkipping(t, c.json)
		for i := range c.json {
			sameBySkipping(t, c.json[:i], c.json[i:])
		}
	}
}

func TestMemberChangesNothing(t *testing.T) {
	piece := rapid.SampledFrom([]string{"{", "}", "[", "]", ",", ":", " ", "\n", `"a"`, `"b":1`, `,"c":"d"`, `"`, `\"`, `\`, "1", "-", "0", ".5", "e1",
		"true", "null", "x", "é", "\xff", "\x00", "\ufeff", strings.Repeat("y", MaxString)})
	rapid.Check(t, func(t *rapid.T) {
		sameBySkipping(t, rapid.SliceOfN(rapid.Map(rapid.SliceOfN(piece, 0, 6), func(p []string) string { return strings.Join(p, "") }), 1, 6).Draw(t, "pieces")...)
	})
}

func FuzzMember(f *testing.F) {
	f.Add(`{"a":1,"b":{"c":"x","d":[true,{"e":null}]}}`, 9)
	f.Add(`{"a":01,"b":"\u0061"}x`, 3)
	f.Fuzz(func(t *testing.T, json string, cut int) {
		if cut < 0 || cut > len(json) {
			cut = len(json) / 2
		}
		sameBySkipping(t, json[:cut], json[cut:])
	})
}
