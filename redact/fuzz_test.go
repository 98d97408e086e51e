package redact

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

const fuzzValue = "f1a9c07be2d4586731"

// A known value never comes out, pieces do not matter, and masking adds at most a marker for each name.
func FuzzBody(f *testing.F) {
	for _, b := range bodies {
		if len(b.in) < 2000 {
			f.Add([]byte(strings.ReplaceAll(b.in, "§", fuzzValue)))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 1<<20 {
			return
		}
		out := fuzzBody(t, bytes.NewReader(in), fuzzValue)
		if bytes.Contains(bytes.ToLower(out), []byte(fuzzValue)) {
			t.Fatalf("%q becomes %q", in, out)
		}
		if pieces := fuzzBody(t, iotest.OneByteReader(bytes.NewReader(in)), fuzzValue); !bytes.Equal(pieces, out) {
			t.Fatalf("%q becomes %q, in pieces %q", in, out, pieces)
		}
		if pieces := fuzzBody(t, iotest.HalfReader(bytes.NewReader(in)), fuzzValue); !bytes.Equal(pieces, out) {
			t.Fatalf("%q becomes %q, in halves %q", in, out, pieces)
		}
		if len(out) > 3*len(in)+16 {
			t.Fatalf("%d bytes become %d", len(in), len(out))
		}
		plain := fuzzBody(t, bytes.NewReader(in))
		// A name may be escaped, as in access\u005ftoken, or have hyphens anywhere.
		bare := []byte(strings.NewReplacer("-", "", "_", "").Replace(string(in)))
		if start, _, _ := names.find(bare, 0); start < 0 && !bytes.ContainsAny(in, `%\`) && !bytes.Equal(plain, in) {
			t.Fatalf("no secret name in %q, but it becomes %q", in, plain)
		}
	})
}

// Whatever stands before and behind, a secret does not come out. The value is not known here.
func FuzzSurroundings(f *testing.F) {
	for _, s := range []string{
		"<a>", "<!--", "<![CDATA[", "<a b='", "<?", "<!DOCTYPE [", `{"a":"`, `{"a":`, "a=b&c=", "--x\n\n", "--x\n", "access_token", "access_token=\"", "<cookie ", `\`,
		"%25", "&amp;", "<cookie>", "Cookie: ", "x", "<!", "<A", "</A", "--",
	} {
		for sort := range uint8(3) {
			f.Add(s, "", sort)
		}
	}
	f.Fuzz(func(t *testing.T, before, after string, sort uint8) {
		const secret = "f1a9c07be2d4586731"
		in := before
		switch sort % 3 {
		case 0:
			in += "<a:requestSignature>" + secret + "</a:requestSignature>"
		case 1:
			in += "?access_token=" + secret + "&"
		case 2:
			in += ` "client_secret": "` + secret + `", `
		}
		if out := fuzzBody(t, strings.NewReader(in+after)); strings.Contains(string(out), secret) {
			t.Fatalf("%q becomes %q", in+after, out)
		}
	})
}

func fuzzBody(t *testing.T, src io.Reader, values ...string) []byte {
	var out bytes.Buffer
	if err := New(values...).Body(&out, src); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func FuzzURL(f *testing.F) {
	for _, s := range []string{
		"https://u:p@h:443/a/b;c=d?access_token=" + fuzzValue + "&x=%66" + fuzzValue[1:] + "#id_token=x", "*", "h:443", "//@:@/?#?#&&==", "/?a=b%3Faccess_token%3D" + fuzzValue,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out := New(fuzzValue).URL(in)
		if strings.Contains(strings.ToLower(out), fuzzValue) || len(out) > 3*len(in)+16 {
			t.Fatalf("%q becomes %q", in, out)
		}
		// Where the value is a parameter's, its name is enough.
		u := "/?a=" + strings.NewReplacer("&", "", "#", "").Replace(in) + "&access_token=" + fuzzValue + "&b=" + in
		if out := New().URL(u); strings.Contains(out, "&access_token="+fuzzValue) {
			t.Fatalf("%q becomes %q", u, out)
		}
	})
}

// BenchmarkExchange is what one small capture costs.
func BenchmarkExchange(b *testing.B) {
	request, err := os.ReadFile("testdata/synclead.request.xml")
	if err != nil {
		b.Fatal(err)
	}
	header := http.Header{"Content-Type": {"text/xml;charset=UTF-8"}, "Soapaction": {"http://www.marketo.com/mktows/syncLead"}, "Cookie": {"a=b"}}
	b.ReportAllocs()
	for b.Loop() {
		r := New(fuzzValue + fuzzValue)
		r.URL("https://123-ABC-456.mktoapi.com/soap/mktows/3_1")
		for range 2 {
			r.Header(header)
			if err := r.Body(io.Discard, bytes.NewReader(request)); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkBody(b *testing.B) {
	lead := `<leadRecord><Id>318581</Id><Email>jdoe@example.com</Email><leadAttributeList><attribute><attrName>Company</attrName>` +
		`<attrType>string</attrType><attrValue>Example, Inc.</attrValue></attribute></leadAttributeList></leadRecord>`
	text := strings.Repeat("Lorem ipsum dolor sit amet, consectetur adipiscing elit. ", 20)
	record := `{"id":318581,"updatedAt":"2015-06-11T23:15:23Z","lastName":"Doe","email":"jdoe@example.com","ok":true},`
	for _, bench := range []struct{ name, start, unit string }{
		{"XML", `<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><ns1:requestSignature>x</ns1:requestSignature>`, lead},
		{"XML text", "<a>", "<b>" + text + "</b>"},
		{"JSON", `[{"access_token":"x"},`, record},
		{"form", "client_secret=x", "&name=value%20of%20it"},
		{"text", "#", text},
	} {
		for _, known := range []bool{false, true} {
			name := bench.name
			var values []string
			if known {
				name += " and values"
				values = []string{fuzzValue + fuzzValue, "899756834129871744AAEE88DDCC77CDEEDEC1AAAD66"}
			}
			b.Run(name, func(b *testing.B) {
				in := bench.start + strings.Repeat(bench.unit, 1<<20/len(bench.unit))
				b.SetBytes(int64(len(in)))
				b.ReportAllocs()
				for b.Loop() {
					if err := New(values...).Body(io.Discard, strings.NewReader(in)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
