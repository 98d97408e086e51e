package pretty

import (
	"bytes"
	"strings"
	"testing"
)

func TestBody(t *testing.T) {
	for in, want := range map[string]string{
		"":                                     "",
		"plain\r\n text":                       "plain\r\n text",
		"<a/>":                                 "<a/>",
		"<a><b>x</b><c></c><d/></a>":           "<a>\n  <b>x</b>\n  <c></c>\n  <d/>\n</a>",
		" \n<?xml version='1.0'?>\n<a> </a>\n": "<?xml version='1.0'?>\n<a></a>",
		"<a>text <b>bold</b> more</a>":         "<a>text <b>bold</b> more</a>",
		"<a><![CDATA[<x>]]></a>":               "<a><![CDATA[<x>]]></a>",
		"<a><!-- c --><b>1</b></a>":            "<a>\n  <!-- c -->\n  <b>1</b>\n</a>",
		"<a><b>cut":                            "<a>\n  <b>cut",
		"</a></b><c>":                          "</a>\n</b>\n<c>",
		"<html><br></html>":                    "<html><br></html>",
		`{"a":[1,{"b":"c d"}],"e":{},"f":[ ]}`: "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"c d\"\n    }\n  ],\n  \"e\": {},\n  \"f\": []\n}",
		"[1 2,":                                "[\n  1 2,\n  ",
		"{no json at all}":                     "{\n  no json at all\n}",
	} {
		var out bytes.Buffer
		if err := Body(&out, strings.NewReader(in)); err != nil || out.String() != want {
			t.Errorf("%q: got %q, %v, want %q", in, out.String(), err, want)
		}
	}
}

// Nothing but white space is added to a body or lost from it.
func FuzzBody(f *testing.F) {
	for _, s := range []string{"<a><b>x</b></a>", `{"a":[1,2]}`, "<a " + strings.Repeat("x", 70_000) + "/><b/>", "[1 2", "<a>x<b/>y</a>", "\ufeff{}", "<a>\v</a>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var out bytes.Buffer
		if err := Body(&out, strings.NewReader(body)); err != nil {
			t.Fatal(err)
		}
		bare := func(s string) string {
			return strings.NewReplacer(" ", "", "\n", "", "\t", "", "\r", "").Replace(strings.TrimPrefix(s, "\ufeff"))
		}
		if got, want := bare(out.String()), bare(body); got != want {
			t.Fatalf("%q became %q", body, out.String())
		}
		if limit := len(body)*(2*maxIndent+2) + 100; out.Len() > limit {
			t.Fatalf("%d bytes became %d", len(body), out.Len())
		}
	})
}

func TestDeepNesting(t *testing.T) {
	for _, body := range []string{strings.Repeat("<a>", 20_000), strings.Repeat("[", 20_000)} {
		var out bytes.Buffer
		if err := Body(&out, strings.NewReader(body)); err != nil {
			t.Fatal(err)
		}
		if out.Len() > 20_000*(2*maxIndent+4) {
			t.Errorf("%d bytes", out.Len())
		}
	}
}

func TestSafe(t *testing.T) {
	for in, want := range map[string][2]string{
		"plain ü 漢":           {"plain ü 漢", "plain ü 漢"},
		"a\tb\r\nc\rd\ne":     {`a b  c d e`, "a\tb\nc\\x0dd\ne"},
		"\x1b[2J\u202eabc":    {`\x1b[2J\u202eabc`, `\x1b[2J\u202eabc`},
		"\xff\U000e0001":      {`\xff\U000e0001`, `\xff\U000e0001`},
		"<script>x</script>'": {"<script>x</script>'", "<script>x</script>'"},
	} {
		if line, text := Line(in), Text(in); line != want[0] || text != want[1] {
			t.Errorf("%q: %q, %q, want %q", in, line, text, want)
		}
	}
}
