package admin

import (
	"strings"
	"testing"
)

func FuzzBodyParts(f *testing.F) {
	for _, s := range []string{"", "<a>\n  <b>x</b>\n</a>", "<a b='REDACTED'>REDACTED</a>", "<a", "<a>x", "x<y>", "{\n  \"a\": \"REDACTED\",\n  \"b\": [\n    1\n  ]\n}", `["a": `, "<<>>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var all strings.Builder
		for _, p := range bodyParts(body) {
			if p.Text == "" || p.Masked != (p.Text == "REDACTED") {
				t.Errorf("%q has the part %+v", body, p)
			}
			all.WriteString(p.Text)
		}
		if all.String() != body {
			t.Errorf("%q became %q", body, all.String())
		}
	})
}

func TestBodyParts(t *testing.T) {
	for body, want := range map[string]string{
		"<a>\n  <b c=\"REDACTED\">x</b>\n</a>\n": "(<a>\n  <b c=\")[REDACTED](\">)x(</b>\n</a>)(\n)",
		"{\n  \"a\": \"b: c\",\n  \"d\": 1\n}":   "{\n(  \"a\": )\"b: c\",\n(  \"d\": )1\n}",
		"no markup":                              "no markup",
	} {
		var got strings.Builder
		for _, p := range bodyParts(body) {
			switch {
			case p.Masked:
				got.WriteString("[" + p.Text + "]")
			case p.Soft:
				got.WriteString("(" + p.Text + ")")
			default:
				got.WriteString(p.Text)
			}
		}
		if got.String() != want {
			t.Errorf("%q: got %q, want %q", body, got.String(), want)
		}
	}
}
