package xmlscan

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// piece is a token that owns its bytes; pieces of one token are merged.
type piece struct {
	kind        Kind
	name        string
	raw         string
	data        string
	offset      int64
	selfClosing bool
	more        bool
}

// scan reads input in pieces that end at cuts.
func scan(t interface{ Fatalf(string, ...any) }, input []byte, cuts ...int) []piece {
	var s Scanner
	var out []piece
	off := int64(0)
	drain := func() {
		for steps := 0; ; steps++ {
			tok, ok := s.Next()
			if !ok {
				return
			}
			if tok.Offset != off {
				t.Fatalf("token %q at offset %d, want %d", tok.Raw, tok.Offset, off)
			}
			if len(tok.Raw) == 0 {
				t.Fatalf("an empty token of kind %d", tok.Kind)
			}
			off += int64(len(tok.Raw))
			if got := len(s.pend); got > MaxTag {
				t.Fatalf("%d bytes pending", got)
			}
			out = merge(out, tok)
		}
	}
	last := 0
	for _, cut := range append(slices.Clone(cuts), len(input)) {
		fed := bytes.Clone(input[last:cut])
		s.Feed(fed)
		drain()
		for i := range fed { // p is not kept
			fed[i] = '#'
		}
		last = cut
	}
	s.Finish()
	drain()
	return out
}

func merge(out []piece, t Token) []piece {
	p := piece{t.Kind, string(t.Name), string(t.Raw), string(t.Data), t.Offset, t.SelfClosing, t.More}
	if n := len(out) - 1; n >= 0 && out[n].kind == t.Kind && (out[n].more || t.Kind == Text && joins(out[n], p)) {
		out[n].raw += p.raw
		out[n].data += p.data
		out[n].more = p.more
		out[n].selfClosing = p.selfClosing
		return out
	}
	return append(out, p)
}

// joins keeps what comes alone alone.
func joins(a, b piece) bool {
	return a.raw != "<" && b.raw != "<" && !(a.offset == 0 && a.raw == bom)
}

func join(pieces []piece) string {
	var b strings.Builder
	for _, p := range pieces {
		b.WriteString(p.raw)
	}
	return b.String()
}

func TestTokens(t *testing.T) {
	text := func(s string) piece { return piece{kind: Text, raw: s, data: s} }
	start := func(raw, name string) piece {
		return piece{kind: Start, raw: raw, name: name, selfClosing: strings.HasSuffix(raw, "/>")}
	}
	end := func(raw, name string) piece { return piece{kind: End, raw: raw, name: name} }
	of := func(k Kind, raw string) piece { return piece{kind: k, raw: raw} }
	cut := func(k Kind, raw string) piece { return piece{kind: k, raw: raw, more: true} }
	cdata := func(raw, data string) piece { return piece{kind: CDATA, raw: raw, data: data} }

	long := "<" + strings.Repeat("n", MaxTag) + "/>"
	whole := "<" + strings.Repeat("n", MaxTag-2) + ">"
	tests := map[string][]piece{
		``:                    nil,
		`<a>x</a>`:            {start(`<a>`, "a"), text("x"), end(`</a>`, "a")},
		`<p:a b="1>2" c='/'>`: {start(`<p:a b="1>2" c='/'>`, "p:a")},
		`<a/><b />`:           {start(`<a/>`, "a"), start(`<b />`, "b")},
		`<a b="/"></a >`:      {start(`<a b="/">`, "a"), end(`</a >`, "a")},
		`</a "'>x`:            {end(`</a "'>`, "a"), text("x")},
		`<>< x&<1</></ x>`: {
			text("<"), text(">"), text("<"), text(" x&"), text("<"), text("1"), end(`</>`, ""), end(`</ x>`, ""),
		},
		"\xef\xbb\xbf \xef<a>":             {text("\xef\xbb\xbf"), text(" \xef"), start(`<a>`, "a")},
		"\xef\xbb":                         {text("\xef\xbb")},
		"\xef\xbbx":                        {text("\xef\xbbx")},
		`<!-- <a> -- ->--><!---->`:         {of(Comment, `<!-- <a> -- ->-->`), of(Comment, `<!---->`)},
		`<!-->--><!--->-->`:                {of(Comment, `<!-->-->`), of(Comment, `<!--->-->`)},
		`<![CDATA[]]]]>x<![CDATA[<a>]]>`:   {cdata(`<![CDATA[]]]]>`, "]]"), text("x"), cdata(`<![CDATA[<a>]]>`, "<a>")},
		`<![CDATA[]]><![cdata[]]>`:         {cdata(`<![CDATA[]]>`, ""), of(Doctype, `<![cdata[]]>`)},
		`<?xml version="1.0"?><?a?b?><??>`: {of(ProcInst, `<?xml version="1.0"?>`), of(ProcInst, `<?a?b?>`), of(ProcInst, `<??>`)},
		`<!DOCTYPE a [<!ENTITY x "]>"><!-- ' ]> --><?p ]> ' ?><!ELEMENT b (c)>]><a>`: {
			of(Doctype, `<!DOCTYPE a [<!ENTITY x "]>"><!-- ' ]> --><?p ]> ' ?><!ELEMENT b (c)>]>`), start("<a>", "a"),
		},
		`<!DOCTYPE a SYSTEM "x>y">z`: {of(Doctype, `<!DOCTYPE a SYSTEM "x>y">`), text("z")},
		`<!-x>y<!>z`:                 {of(Doctype, `<!-x>`), text("y"), of(Doctype, `<!>`), text("z")},
		`x<`:                         {text("x"), text("<")},
		`x<a b="`:                    {text("x"), cut(Start, `<a b="`)},
		`</a`:                        {cut(End, `</a`)},
		`<!`:                         {cut(Doctype, `<!`)},
		`<!-`:                        {cut(Doctype, `<!-`)},
		`<![CDAT`:                    {cut(Doctype, `<![CDAT`)},
		`<!-- x --`:                  {cut(Comment, `<!-- x --`)},
		`<?x ?`:                      {cut(ProcInst, `<?x ?`)},
		`<![CDATA[x]]`:               {{kind: CDATA, raw: `<![CDATA[x]]`, data: `x]]`, more: true}},
		long + "x":                   {{kind: Start, raw: long, selfClosing: true}, text("x")},
		whole + "x":                  {start(whole, whole[1:MaxTag-1]), text("x")},
	}
	for input, want := range tests {
		off := int64(0)
		for i := range want {
			want[i].offset = off
			off += int64(len(want[i].raw))
		}
		if got := scan(t, []byte(input)); !slices.Equal(got, want) {
			t.Errorf("%.100q:\ngot  %.300q\nwant %.300q", input, fmt.Sprint(got), fmt.Sprint(want))
		}
		if len(input) > 200 {
			continue
		}
		for a := range len(input) + 1 {
			for b := a; b <= len(input); b++ {
				if got := scan(t, []byte(input), a, b); !slices.Equal(got, want) {
					t.Fatalf("%q cut at %d and %d:\ngot  %q\nwant %q", input, a, b, fmt.Sprint(got), fmt.Sprint(want))
				}
			}
		}
	}
}

// markup generates what is XML or nearly so.
func markup() *rapid.Generator[string] {
	atom := rapid.SampledFrom([]string{
		"<", ">", "</", "/>", "/", "<a", "<p:b", "</a>", "<a>", "<a/>", "a", "=", "\"", "'", " ", "\n", "é", "\xff", "&", "&amp;",
		"<!--", "-->", "-", "--", "<![CDATA[", "]]>", "]", "[", "<?", "?>", "?", "<!DOCTYPE", "<!", "!", "text", "\xef\xbb\xbf",
		strings.Repeat("x", 100),
	})
	return rapid.Custom(func(t *rapid.T) string {
		atoms := rapid.SliceOfN(atom, 0, 30).Draw(t, "atoms")
		if rapid.IntRange(0, 19).Draw(t, "long") == 0 {
			atoms = append(atoms[:len(atoms)/2], "<a"+strings.Repeat("n", MaxTag-4), strings.Join(atoms[len(atoms)/2:], ""))
		}
		return strings.Join(atoms, "")
	})
}

func cutsOf(t *rapid.T, n int) []int {
	cuts := rapid.SliceOfN(rapid.IntRange(0, n), 0, 8).Draw(t, "cuts")
	slices.Sort(cuts)
	return cuts
}

func TestAnySplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		input := markup().Draw(t, "input")
		checkSplit(t, []byte(input), cutsOf(t, len(input)))
	})
}

func checkSplit(t interface{ Fatalf(string, ...any) }, input []byte, cuts []int) {
	whole := scan(t, input)
	if got := join(whole); got != string(input) {
		t.Fatalf("the tokens make %q", got)
	}
	if got := scan(t, input, cuts...); !slices.Equal(got, whole) {
		t.Fatalf("cut at %v:\ngot  %.2000q\nwant %.2000q", cuts, fmt.Sprint(got), fmt.Sprint(whole))
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte(`<a b="c>">x</a><!-- -- --><![CDATA[]]]]><?x ?><!DOCTYPE a [<!-- ' -->]>`), uint16(3), uint16(9))
	f.Add([]byte("\xef\xbb\xbf<?xml version='1.0'?><s:E xmlns:s='x'><s:B/>< ></s:E>"), uint16(1), uint16(2))
	f.Add([]byte(`<![CDATA[]]><!-x><!><`), uint16(4), uint16(5))
	f.Fuzz(func(t *testing.T, input []byte, a, b uint16) {
		x, y := int(a)%(len(input)+1), int(b)%(len(input)+1)
		checkSplit(t, input, []int{min(x, y), max(x, y)})
		for _, p := range scan(t, input) {
			checkAttrs(t, p)
		}
		checkAgainstEncodingXML(t, input)
	})
}

func checkAttrs(t *testing.T, p piece) {
	tok := Token{Kind: p.kind, Name: []byte(p.name), Raw: []byte(p.raw), SelfClosing: p.selfClosing}
	last := 0
	for a := range tok.Attrs() {
		if a.Start < last || a.End < a.Start || a.End > len(p.raw) || a.End <= last {
			t.Fatalf("%q: span %d to %d after %d", p.raw, a.Start, a.End, last)
		}
		if a.Value != nil && p.raw[a.Start:a.End] != string(a.Value) {
			t.Fatalf("%q: value %q, span %q", p.raw, a.Value, p.raw[a.Start:a.End])
		}
		last = a.End
	}
}

// checkAgainstEncodingXML compares with encoding/xml on what that accepts.
func checkAgainstEncodingXML(t interface{ Fatalf(string, ...any) }, input []byte) {
	want, ok := stdEvents(input)
	if !ok {
		return
	}
	var got []string
	for _, p := range scan(t, input) {
		tok := Token{Kind: p.kind, Name: []byte(p.name), Raw: []byte(p.raw), SelfClosing: p.selfClosing}
		switch p.kind {
		case Start:
			if p.name == "" {
				return
			}
			s := "start " + p.name
			for a := range tok.Attrs() {
				s += fmt.Sprintf(" %s=%q", a.Name, normal(Unescape(nil, a.Value)))
			}
			got = append(got, s)
			if p.selfClosing {
				got = append(got, "end "+p.name)
			}
		case End:
			got = append(got, "end "+p.name)
		case Text:
			got = addText(got, normal(Unescape(nil, []byte(p.data))))
		case CDATA:
			got = addText(got, normal([]byte(p.data)))
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%q:\ngot  %q\nwant %q", input, got, want)
	}
}

func normal(b []byte) string {
	return strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\n"), "\r", "\n")
}

func addText(events []string, s string) []string {
	if n := len(events) - 1; n >= 0 && strings.HasPrefix(events[n], "text ") {
		events[n] += s
		return events
	}
	if s == "" {
		return events
	}
	return append(events, "text "+s)
}

// stdEvents is the same by encoding/xml; false if it does not accept the input, or if it is known to differ.
func stdEvents(input []byte) (events []string, ok bool) {
	d := xml.NewDecoder(bytes.NewReader(input))
	d.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, io.ErrUnexpectedEOF }
	name := func(n xml.Name) string {
		if n.Space != "" {
			return n.Space + ":" + n.Local
		}
		return n.Local
	}
	for {
		t, err := d.RawToken()
		switch t := t.(type) {
		case xml.StartElement:
			s := "start " + name(t.Name)
			for _, a := range t.Attr {
				s += fmt.Sprintf(" %s=%q", name(a.Name), a.Value)
			}
			events = append(events, s)
		case xml.EndElement:
			events = append(events, "end "+name(t.Name))
		case xml.CharData:
			events = addText(events, string(t))
		case xml.Directive:
			return nil, false // it has rules of its own for brackets and quotes
		}
		if err == io.EOF {
			return events, true
		}
		if err != nil {
			return nil, false
		}
	}
}

// document generates well-formed XML.
func document() *rapid.Generator[string] {
	name := rapid.SampledFrom([]string{"a", "b", "ns1:c", "SOAP-ENV:Body", "_x", "é", "a.b-c1"})
	value := rapid.SampledFrom([]string{"", "x", "a>b", "&lt;&#65;&#x41;&amp;&apos;&quot;", "/", "it's", "  é ", "a\r\nb", "20103", "a=b/"})
	var element *rapid.Generator[string]
	attrs := rapid.Custom(func(t *rapid.T) string {
		s := ""
		for _, n := range rapid.SliceOfNDistinct(name, 0, 3, rapid.ID).Draw(t, "attributes") {
			v := value.Draw(t, "value")
			q := `"`
			s += rapid.SampledFrom([]string{" ", "\n\t"}).Draw(t, "space") + n + rapid.SampledFrom([]string{"=", " = "}).Draw(t, "equals") + q + v + q
		}
		return s
	})
	content := rapid.Custom(func(t *rapid.T) string {
		return rapid.OneOf(value, rapid.Just("<!-- <a> & ' \" -->"), rapid.Just("<![CDATA[<b>&amp;]]]]>"), rapid.Just("<?pi <x>?>"),
			rapid.Deferred(func() *rapid.Generator[string] { return element })).Draw(t, "content")
	})
	element = rapid.Custom(func(t *rapid.T) string {
		n := name.Draw(t, "name")
		open := "<" + n + attrs.Draw(t, "attrs") + rapid.SampledFrom([]string{"", " "}).Draw(t, "space")
		if rapid.Bool().Draw(t, "empty") {
			return open + "/>"
		}
		return open + ">" + strings.Join(rapid.SliceOfN(content, 0, 3).Draw(t, "contents"), "") + "</" + n + ">"
	})
	return element
}

func TestAgreesWithEncodingXML(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := document().Draw(t, "document")
		if _, ok := stdEvents([]byte(doc)); !ok {
			t.Fatalf("encoding/xml does not accept %q", doc)
		}
		checkAgainstEncodingXML(t, []byte(doc))
		checkSplit(t, []byte(doc), cutsOf(t, len(doc)))
	})
}

func TestAttrs(t *testing.T) {
	tests := map[string]string{
		`<a>`:                       ``,
		`<a b="1" c = '2>"'/>`:      `b="1"@6 c="2>\""@14`,
		`<a b=1 c=x/ d e= >`:        `b="1"@5 c="x/"@9 d=""@13 e=""@17`,
		`<a b="1"c='2' / ="3" "4">`: `b="1"@6 c="2"@11 ="3"@18 ="4"@22`,
		`<a x:location=""/>`:        `x:location=""@15`,
		`<a b=/>`:                   `b=""@5`,
	}
	for raw, want := range tests {
		for _, p := range scan(t, []byte(raw)) {
			checkAttrs(t, p)
			tok := Token{Kind: p.kind, Name: []byte(p.name), Raw: []byte(p.raw), SelfClosing: p.selfClosing}
			var got []string
			for a := range tok.Attrs() {
				got = append(got, fmt.Sprintf("%s=%q@%d", a.Name, a.Value, a.Start))
			}
			if s := strings.Join(got, " "); s != want {
				t.Errorf("%s: got %s, want %s", raw, s, want)
			}
		}
	}
	if got := (Attr{Name: []byte("x:y")}).Local(); string(got) != "y" {
		t.Errorf("local name is %q", got)
	}
}

func TestUnescape(t *testing.T) {
	tests := map[string]string{
		"":                                  "",
		"a&amp;b":                           "a&b",
		"&lt;&gt;&apos;&quot;":              `<>'"`,
		"&#65;&#x41;&#xe9;&#128512;":        "AAé😀",
		"&amp;lt;":                          "&lt;",
		"&foo;&;&#;&#x;&#xg;&#1a;&#X41;":    "&foo;&;&#;&#x;&#xg;&#1a;&#X41;",
		"&#0;&#xD800;&#x110000;&#xFFFE;":    "&#0;&#xD800;&#x110000;&#xFFFE;",
		"&amp &&amp;& &#99999999999;":       "&amp &&& &#99999999999;",
		"x\r\ny":                            "x\r\ny",
		"&" + strings.Repeat("a", 20) + ";": "&" + strings.Repeat("a", 20) + ";",
	}
	for raw, want := range tests {
		if got := Unescape([]byte("x"), []byte(raw)); string(got) != "x"+want {
			t.Errorf("%q: got %q, want %q", raw, got[1:], want)
		}
	}
}

// TestBounded feeds endless tokens.
func TestBounded(t *testing.T) {
	filler := bytes.Repeat([]byte("x"), 1<<20)
	for _, open := range []string{"<", "<a ", "<a b='", "</", "<!--", "<![CDATA[", "<?", "<!DOCTYPE ", "<!DOCTYPE [<!--", ""} {
		var s Scanner
		s.Feed([]byte(open + "x"))
		for range 20 {
			for {
				if _, ok := s.Next(); !ok {
					break
				}
			}
			s.Feed(filler)
		}
		if got := cap(s.pend); got > 2*MaxTag {
			t.Errorf("%q: %d bytes are held", open, got)
		}
	}
}

func TestReset(t *testing.T) {
	var s Scanner
	s.Feed([]byte("<!-- <a"))
	s.Next()
	s.Reset()
	s.Feed([]byte("<b>"))
	if tok, ok := s.Next(); !ok || string(tok.Name) != "b" || tok.Offset != 0 || s.Inside() {
		t.Errorf("got %v %v", tok, ok)
	}
}

func TestAllocations(t *testing.T) {
	doc := leads(100)
	var s Scanner
	run := func() {
		s.Reset()
		for p := doc; len(p) > 0; {
			n := min(len(p), 1000)
			s.Feed(p[:n])
			p = p[n:]
			for {
				if _, ok := s.Next(); !ok {
					break
				}
			}
		}
	}
	run()
	if n := testing.AllocsPerRun(10, run); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// leads is shaped as an answer of getMultipleLeads.
func leads(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="x"><SOAP-ENV:Body>`)
	for range n {
		b.WriteString("<leadRecord><Id>1089965</Id><Email>jane@example.com</Email><leadAttributeList>\n")
		for range 20 {
			b.WriteString("<attribute><attrName>Company</attrName><attrType>string</attrType><attrValue>Example &amp; Sons</attrValue></attribute>\n")
		}
		b.WriteString("</leadAttributeList></leadRecord>\n")
	}
	b.WriteString(`</SOAP-ENV:Body></SOAP-ENV:Envelope>`)
	return b.Bytes()
}

func BenchmarkScan(b *testing.B) {
	texts := []byte("<a>" + strings.Repeat("<v>"+strings.Repeat("some text of a lead ", 50)+"</v>", 1000) + "</a>")
	for name, doc := range map[string][]byte{"leads": leads(500), "text": texts} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			var s Scanner
			for b.Loop() {
				s.Reset()
				for p := doc; len(p) > 0; {
					n := min(len(p), 32<<10)
					s.Feed(p[:n])
					p = p[n:]
					var t Token
					for s.Scan(&t) {
					}
				}
			}
		})
	}
}
