package redact

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// doc is a document made with what must come of it.
type doc struct{ in, want strings.Builder }

func (d *doc) plain(parts ...string) {
	for _, s := range parts {
		d.in.WriteString(s)
		d.want.WriteString(s)
	}
}

// secret is a value that goes, with the marker in its place.
func (d *doc) secret(s string) { d.as(s, Marker) }

func (d *doc) as(in, want string) {
	d.in.WriteString(in)
	d.want.WriteString(want)
}

// gen draws parts of documents.
type gen struct {
	*rapid.T
	d     *doc
	value string // the secret, of letters and digits
}

func (g gen) pick(list ...string) string { return rapid.SampledFrom(list).Draw(g.T, "pick") }
func (g gen) n(most int) int             { return rapid.IntRange(0, most).Draw(g.T, "n") }

// noise is text that is no secret, in a form that stands for itself in XML, JSON and forms.
func (g gen) noise() string {
	words := rapid.SliceOfN(rapid.SampledFrom([]string{
		"x", " ", "é", "😀", "20016 - ", "marketoCookie", "cookies", "requestSignatures", "signature", "token:", "a.b", "(", "%41", ";", ",",
		"unauthorized", "accesstokens", "REDACTED", "valid_token", "\u2028", "Bearer ", "/", ":", "-", "_", ".",
	}), 0, 6).Draw(g.T, "noise")
	if g.n(20) == 0 {
		words = append(words, strings.Repeat("lorem ipsum ", g.n(6000)))
	}
	return strings.Join(words, "")
}

// name is a secret name, in a spelling of its own.
func (g gen) name() string {
	name := g.pick("requestSignature", "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "access_token",
		"client_secret", "refresh_token", "id_token", "X-Mkto-User-Token", "accessToken")
	return g.casing(name)
}

func (g gen) casing(s string) string {
	switch g.n(4) {
	case 0:
		return strings.ToLower(s)
	case 1:
		return strings.ToUpper(s)
	}
	return s
}

// token is a name whose value in text ends at a delimiter.
func (g gen) token() string {
	return g.casing(g.pick("access_token", "client_secret", "requestSignature", "id_token", "refresh_token"))
}

func (g gen) xml(depth int, inSection bool) {
	for range g.n(5) {
		switch g.n(10) {
		case 0, 1:
			g.d.plain(g.noise())
		case 2:
			name := g.pick("", "ns1:", "mkt:") + g.name()
			g.d.plain("<", name, g.pick("", " a='b'", "\n"), ">")
			contents := []string{g.value, "&#65;" + g.value, g.value + " <b>" + g.value + "</b>"}
			if !inSection {
				contents = append(contents, "<![CDATA["+g.value+"]]>", "<!-- -->"+g.value)
			}
			g.d.secret(g.pick(contents...))
			g.d.plain("</", name, g.pick("", " "), ">")
		case 3:
			q := g.pick(`"`, `'`)
			g.d.plain("<p:x a='b' ", g.name(), g.pick("=", " = ", "\n="), q)
			g.d.secret(g.pick(g.value, g.value+" > "+g.value, g.value+"&amp;"+g.value))
			g.d.plain(q, g.pick("", " c='d'"), g.pick("/>", "></p:x>"))
		case 4:
			g.d.plain(g.noise(), "https://h/p?a=b&amp;", g.token(), "=")
			g.d.secret(g.pick(g.value, g.value+"%20"+g.value, "&#x5A;"+g.value))
			g.d.plain(g.pick("&amp;x=y", " ", "<br/>", "&quot;"), g.noise())
		case 5:
			g.d.plain(g.noise(), "&lt;", g.pick("", "a:"), g.token(), g.pick("", " b=&quot;c&quot;"), "&gt;")
			g.d.secret(g.value + g.pick("", " ", "&amp;") + g.value)
			g.d.plain("&lt;/")
		case 6, 7:
			if !inSection && depth > 0 {
				open, shut := "<!--", "-->"
				if g.n(1) == 0 {
					open, shut = "<![CDATA[", "]]>"
				}
				g.d.plain(open)
				g.xml(depth-1, true)
				g.d.plain(shut)
			}
		case 8:
			g.d.plain("<?pi ", "a?>")
		default:
			if depth > 0 {
				g.d.plain("<a:", "b", g.pick("", " c='requestSignature'"), ">")
				g.xml(depth-1, inSection)
				g.d.plain("</a:b>")
			}
		}
	}
}

func (g gen) space() string { return g.pick("", "", " ", "\n\t") }

func (g gen) json(depth int) {
	switch g.n(6) {
	case 0:
		g.d.plain(g.pick("1", "-2.5e7", "true", "null", `"access_token"`, `""`, "[]", "{}"))
	case 1:
		g.d.plain(`"`, g.noise(), g.pick("", `\n`, `\"`, `\\`, `\u00e9`), `"`)
	case 2:
		g.d.plain(`"`, g.noise(), "?", g.token(), g.pick("=", `\u003d`))
		g.d.secret(g.pick(g.value, g.value+`\/`+g.value, g.value+"%22"+g.value))
		g.d.plain(g.pick("&", `\u0026`, `\n`, " ", `\"`), `x"`)
	case 3:
		g.d.plain(`"`, g.noise(), `{\"`, g.name(), `\"`, g.space2(), `:`, g.space2(), `\"`)
		g.d.secret(g.pick(g.value, g.value+`\\\"`+g.value, g.value+`\\\\`))
		g.d.plain(`\",`, g.noise(), `"`)
	default:
		if depth == 0 {
			g.d.plain("0")
			return
		}
		array := g.n(2) == 0
		g.d.plain(g.pick("{", "[")[:0], map[bool]string{true: "[", false: "{"}[array], g.space())
		for i := range g.n(4) {
			if i > 0 {
				g.d.plain(g.space(), ",", g.space())
			}
			if array {
				g.json(depth - 1)
				continue
			}
			if g.n(1) == 0 {
				g.d.plain(`"`, g.pick("a", "b\\\"c", "token", "cookies"), `"`, g.space(), ":", g.space())
				g.json(depth - 1)
				continue
			}
			g.d.plain(`"`, g.pick(g.name(), `access\u005Ftoken`, `a.client_secret`), `"`, g.space(), ":", g.space(), `"`)
			switch g.n(3) {
			case 0:
				g.d.secret(g.value)
			case 1:
				g.d.secret(g.value + `\"` + strings.Repeat(g.value, g.n(300)) + `\\`)
			default:
				// The quote before is the marker's, whatever was there.
				in := g.d.in.String()
				g.d.in.Reset()
				g.d.in.WriteString(in[:len(in)-1])
				g.d.as(g.pick("123", `["`+g.value+`"]`, `{"a":[{"b":"`+g.value+`"}]}`), Marker)
				g.d.want.WriteString(`"`)
				continue
			}
			g.d.plain(`"`)
		}
		g.d.plain(g.space(), map[bool]string{true: "]", false: "}"}[array])
	}
}

func (g gen) space2() string { return g.pick("", " ") }

func (g gen) form() {
	g.d.plain("a=b")
	for range g.n(6) {
		g.d.plain("&")
		switch g.n(3) {
		case 0:
			g.d.plain(g.pick("a", "b[c]", "cookies", "x%5B"), "=", strings.NewReplacer("#", "", "&", "").Replace(g.noise()))
		case 1:
			g.d.plain(g.pick(g.name(), "access%5ftoken", "a[client_secret]"), "=")
			g.d.secret(g.pick(g.value, g.value+"%26"+g.value, g.value+" ="+g.value))
		default:
			g.d.plain("u=https%3A%2F%2Fh%2F%3Fa%3Db%26", g.token(), "%3D")
			g.d.secret(g.value)
			g.d.plain(g.pick("%26x%3D1", "%23f", ""))
		}
	}
}

func (g gen) multipart() {
	g.d.plain("--bound\r\n")
	for range g.n(4) {
		if g.n(1) == 0 {
			g.d.plain(`Content-Disposition: form-data; name="`, g.name(), "\"\r\n\r\n")
			g.d.secret(g.value + g.pick("", "\r\n", "\n--boun", "\r\n\r\n") + g.value)
		} else {
			g.d.plain("Content-Disposition: form-data; name=\"x\"; filename=\"id_token\"\r\nContent-Type: text/xml\r\n\r\n<a>")
			g.xml(1, false)
			g.d.plain("</a>")
		}
		g.d.plain("\r\n--bound", g.pick("\r\n", "\r\n", " \r\n"))
	}
	g.d.plain("--\r\n")
}

// Secrets go, whatever the document, and nothing else.
func TestDocuments(t *testing.T) {
	for name, make := range map[string]func(gen){
		"XML":       func(g gen) { g.d.plain("<r>"); g.xml(3, false); g.d.plain("</r>") },
		"JSON":      func(g gen) { g.d.plain("["); g.json(3); g.d.plain("]") },
		"form":      gen.form,
		"multipart": gen.multipart,
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				g := gen{t, new(doc), rapid.StringMatching(`[0-9a-zA-Z]{13,40}`).Draw(t, "value")}
				make(g)
				in, want := g.d.in.String(), g.d.want.String()
				var got bytes.Buffer
				r := New()
				if err := r.Body(&got, pieces{t, strings.NewReader(in)}); err != nil {
					t.Fatal(err)
				}
				if got.String() != want {
					t.Fatalf("in:   %s\ngot:  %s\nwant: %s", in, got.String(), want)
				}
				if strings.Contains(got.String(), g.value) {
					t.Fatalf("secret left in %s", got.String())
				}
				again := masked(t, New(), want)
				if again != want {
					t.Fatalf("masked again\n%s becomes\n%s", want, again)
				}
			})
		})
	}
}

// Whatever is cut off the end of a document, no secret comes out.
func TestCutOff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := gen{t, new(doc), rapid.StringMatching(`[0-9a-zA-Z]{13,40}`).Draw(t, "value")}
		rapid.SampledFrom([]func(gen){
			func(g gen) { g.d.plain("<r>"); g.xml(3, false) },
			func(g gen) { g.d.plain("["); g.json(3) },
			gen.form, gen.multipart,
		}).Draw(t, "make")(g)
		in := g.d.in.String()
		in = in[:rapid.IntRange(0, len(in)).Draw(t, "cut")]
		if got := masked(t, New(), in); strings.Contains(got, g.value[:12]) {
			t.Fatalf("in:  %s\ngot: %s", in, got)
		}
	})
}

// Known values go wherever they stand, whatever the pieces.
func TestKnownValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.StringMatching(`[0-9a-c]{8,60}`), 1, 5).Draw(t, "values")
		var in strings.Builder
		in.WriteString(rapid.SampledFrom([]string{"", "<a>", "[", "a=", "--x\n\n"}).Draw(t, "start"))
		for range rapid.IntRange(0, 20).Draw(t, "parts") {
			switch rapid.IntRange(0, 3).Draw(t, "part") {
			case 0:
				in.WriteString(rapid.SampledFrom(values).Draw(t, "value"))
			case 1:
				v := rapid.SampledFrom(values).Draw(t, "value")
				in.WriteString(v[:rapid.IntRange(0, len(v)).Draw(t, "part of value")])
			case 2:
				in.WriteString(strings.Repeat(" ", rapid.SampledFrom([]int{0, 1, chunk - 9, chunk}).Draw(t, "spaces")))
			default:
				in.WriteString(rapid.StringMatching(`[<>"a-c&;]{0,9}`).Draw(t, "noise"))
			}
		}
		r := New(values...)
		whole := masked(t, r, in.String())
		for _, v := range values {
			if strings.Contains(whole, v) {
				t.Fatalf("%q left in %q", v, whole)
			}
		}
		var got bytes.Buffer
		if err := New(values...).Body(&got, pieces{t, strings.NewReader(in.String())}); err != nil {
			t.Fatal(err)
		}
		if got.String() != whole {
			t.Fatalf("whole:  %q\npieces: %q", whole, got.String())
		}
	})
}

type failer interface{ Fatal(args ...any) }

func masked(t failer, r *Redactor, in string) string {
	var out bytes.Buffer
	if err := r.Body(&out, strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// pieces reads in random pieces.
type pieces struct {
	t *rapid.T
	r io.Reader
}

func (p pieces) Read(b []byte) (int, error) {
	n := rapid.SampledFrom([]int{1, 2, 5, 17, 300, 5000, chunk}).Draw(p.t, "piece")
	return p.r.Read(b[:min(n, len(b))])
}

// The short cuts for values that need no escaping leave out nothing.
func TestEncodings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.OneOf(rapid.StringMatching(`[0-9A-Za-z._~-]{0,9}[!-~]{0,3}[0-9a-z]{0,9}`), rapid.String()).Draw(t, "value")
		got := map[string]bool{}
		for _, e := range encodings(v) {
			got[e] = true
		}
		for _, e := range []string{v, url.QueryEscape(v), url.PathEscape(v), xmlAll.Replace(v), xmlText.Replace(v)} {
			if !got[e] {
				t.Fatalf("%q: without %q", v, e)
			}
		}
		plain, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if quoted := strings.Trim(string(plain), `"`); !got[quoted] || !got[strings.ReplaceAll(quoted, "/", `\/`)] {
			t.Fatalf("%q: without %q", v, quoted)
		}
	})
}

// A Redactor that was used before masks as a new one does, in memory as in a stream.
func TestReset(t *testing.T) {
	used := New()
	rapid.Check(t, func(t *rapid.T) {
		g := gen{t, new(doc), rapid.StringMatching(`[0-9a-zA-Z]{13,40}`).Draw(t, "value")}
		rapid.SampledFrom([]func(gen){
			func(g gen) { g.d.plain("<r>"); g.xml(3, false) },
			func(g gen) { g.d.plain("["); g.json(3) },
			gen.form, gen.multipart,
			func(g gen) { g.d.plain(g.noise()) },
		}).Draw(t, "make")(g)
		in := g.d.in.String()
		in = in[:rapid.IntRange(0, len(in)).Draw(t, "cut")]
		values := rapid.SliceOfN(rapid.SampledFrom([]string{g.value, "lorem ips", "20016 - x", "&amp;x=y"}), 0, 3).Draw(t, "values")
		fresh := New(values...)
		want := masked(t, fresh, in)
		used.Reset(values...)
		if got := string(used.Append([]byte("before"), []byte(in))); got != "before"+want {
			t.Fatalf("in:   %q\ngot:  %q\nwant: %q", in, got, want)
		}
		if got, want := used.Counts(), fresh.Counts(); !maps.Equal(got, want) {
			t.Fatalf("counts %v, want %v", got, want)
		}
		if got := masked(t, used, in); got != want {
			t.Fatalf("in:   %q\nstreamed: %q\nwant: %q", in, got, want)
		}
	})
}

// The quick look at a URL or a text finds whatever the thorough one would mask.
func TestQuickLooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{
			"https://", "//", "u:pass@", "@", "h", "/", "a", "=", "&", "?", "#", ";", "%", "+", "access_token", "access%5ftoken", "Client-Secret", "a[id_token]",
			"id__token", "cookie", ":", " ", "knownvalue", "KNOWNVALUE", "known value", "é", "\"", "\n", "<", ">",
		}), 0, 12).Draw(t, "parts")
		s := strings.Join(parts, "")
		r := New("knownvalue", "known value")
		var b strings.Builder
		if r.cleanURL(s) {
			out := r.sink(&b)
			maskURL(out, s)
			out.close()
			if b.String() != s {
				t.Fatalf("%q is said to be clean, but becomes %q", s, b.String())
			}
		}
		if r.clean(s) {
			b.Reset()
			out := r.sink(&b)
			text := text{out: out}
			text.write([]byte(s))
			text.reset()
			out.close()
			if b.String() != s {
				t.Fatalf("%q is said to be clean, but becomes %q", s, b.String())
			}
		}
	})
}
