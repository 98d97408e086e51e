package sign

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

const (
	testUser     = "bigcorp1_461839624B16E06BA2D663"
	oldTimestamp = "2010-04-09T14:04:54-07:00"
	oldSignature = "ffbff4d4bef354807481e66dc7540f7890523a87"
	newTimestamp = "2026-11-24T12:00:00+00:00"
	newSignature = "0123456789abcdef0123456789abcdef01234567"
)

// segment is a run of an envelope and what signing makes of it; fixed runs stay.
type segment struct{ before, after string }

func fixed(s string) segment { return segment{s, s} }

// drawValue draws a way to write text as the content of an element so that its XML text is the same.
func drawValue(t *rapid.T, label, text, becomes string) []segment {
	space := rapid.SampledFrom([]string{"", " ", "\n\t", "\r\n  "})
	before, after := fixed(space.Draw(t, label+" before")), fixed(space.Draw(t, label+" after"))
	switch rapid.IntRange(0, 3).Draw(t, label+" form") {
	case 0:
		return []segment{before, {text, becomes}, after}
	case 1:
		return []segment{before, fixed("<![CDATA["), {text, becomes}, fixed("]]>"), after}
	case 2:
		return []segment{before, fixed("<!-- <requestTimestamp>no</requestTimestamp> -->"), {text, becomes}, fixed("<?p i?>"), after}
	default:
		n := rapid.IntRange(1, len(text)-1).Draw(t, label+" cut")
		return []segment{before, {text[:n], becomes}, fixed("<!-- 20016 -->"), {text[n:], becomes[:0]}, after}
	}
}

// drawEnvelope draws an envelope in any of the styles that clients use, and some that none does.
func drawEnvelope(t *rapid.T) []segment {
	pick := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
	prefix := pick("prefix", "", "ns1:", "mkt:", "a.b-c:")
	child := pick("child prefix", "", prefix)
	soap := pick("soap prefix", "SOAP-ENV:", "soap:", "")
	attrs := pick("attributes", "", ` a="requestSignature>"`, " xsi:type='x'\n b = \"<requestTimestamp>\"")
	siblings := func(label string) segment {
		return fixed(strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"<audit>a&amp;b</audit>", "<mode>1</mode>", "<partnerId/>",
			"<!-- a > comment -->", "<?pi requestSignature?>", "<x:y xmlns:x='urn:x'><x:requestSignature>no</x:requestSignature></x:y>",
			"<![CDATA[<requestSignature>]]>", "\n    ", "\xc3\xa9"}), 0, 3).Draw(t, label), ""))
	}
	out := []segment{
		fixed(pick("declaration", "", "<?xml version='1.0'?>", "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><!-- \xe9 -->")),
		fixed("<" + soap + "Envelope" + attrs + ">"), siblings("in envelope"), fixed("<" + soap + "Header>"), siblings("in header"),
		fixed("<" + prefix + "AuthenticationHeader" + attrs + ">"),
	}
	for _, name := range rapid.Permutation([]string{"mktowsUserId", "requestSignature", "requestTimestamp"}).Draw(t, "order") {
		becomes := map[string][2]string{"mktowsUserId": {testUser, testUser}, "requestSignature": {oldSignature, newSignature}, "requestTimestamp": {oldTimestamp, newTimestamp}}[name]
		out = append(out, siblings("before "+name), fixed("<"+child+name+attrs+">"))
		if name == "mktowsUserId" {
			out = append(out, fixed(testUser))
		} else {
			out = append(out, drawValue(t, name, becomes[0], becomes[1])...)
		}
		out = append(out, fixed("</"+child+name+" >"))
	}
	return append(out, siblings("after"), fixed("</"+prefix+"AuthenticationHeader></"+soap+"Header><"+soap+"Body><x><requestSignature>"+oldSignature+
		"</requestSignature></x></"+soap+"Body></"+soap+"Envelope>"))
}

func joined(segments []segment) (before, after string) {
	for _, s := range segments {
		before, after = before+s.before, after+s.after
	}
	return before, after
}

// Whatever the envelope looks like and however it arrives, only the bytes of the two values differ.
func TestSignChangesOnlyTheTwoValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := joined(drawEnvelope(t))
		var r io.Reader = strings.NewReader(before)
		if rapid.Bool().Draw(t, "byte by byte") {
			r = iotest.OneByteReader(r)
		}
		e, err := ReadEnvelope(r)
		if err != nil {
			t.Fatalf("%v in %s", err, before)
		}
		if e.User != testUser || e.Timestamp != oldTimestamp || e.Signature != oldSignature || !e.Complete() {
			t.Fatalf("read %q %q %q in %s", e.User, e.Timestamp, e.Signature, before)
		}
		body, longer := e.Sign(newTimestamp, newSignature)
		got, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != after {
			t.Fatalf("signed\n%s\nbecame\n%s\nwant\n%s", before, got, after)
		}
		if len(got)-len(before) != longer {
			t.Fatalf("said %d bytes longer, is %d", longer, len(got)-len(before))
		}
	})
}

func wrap(header string) string {
	return "<e:Envelope><e:Header><n:AuthenticationHeader>" + header + "</n:AuthenticationHeader></e:Header><e:Body/></e:Envelope>"
}

// With --sign=always an application may leave the values out, in any of the ways that toolkits do.
func TestSignFillsIn(t *testing.T) {
	const user = "<mktowsUserId>u</mktowsUserId>"
	for _, c := range []struct{ name, header, want string }{
		{"empty", user + "<requestSignature></requestSignature><requestTimestamp></requestTimestamp>", user + "<requestSignature>S</requestSignature><requestTimestamp>T</requestTimestamp>"},
		{"white space", user + "<requestSignature> </requestSignature><requestTimestamp>\n</requestTimestamp>", user + "<requestSignature>S </requestSignature><requestTimestamp>T\n</requestTimestamp>"},
		{"empty-element tags", user + "<requestSignature a='b' /><requestTimestamp/>", user + "<requestSignature a='b'>S</requestSignature><requestTimestamp>T</requestTimestamp>"},
		{"missing", user, user + "<requestSignature>S</requestSignature><requestTimestamp>T</requestTimestamp>"},
		{"missing, with a prefix", "<n:mktowsUserId>u</n:mktowsUserId><mode>1</mode>", "<n:mktowsUserId>u</n:mktowsUserId><n:requestSignature>S</n:requestSignature><n:requestTimestamp>T</n:requestTimestamp><mode>1</mode>"},
		{"one of them", user + "<requestTimestamp>x</requestTimestamp>", user + "<requestSignature>S</requestSignature><requestTimestamp>T</requestTimestamp>"},
		{"comment only", user + "<requestSignature><!-- later --></requestSignature><requestTimestamp/>", user + "<requestSignature><!-- later -->S</requestSignature><requestTimestamp>T</requestTimestamp>"},
	} {
		e, err := ReadEnvelope(strings.NewReader(wrap(c.header)))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		body, _ := e.Sign("T", "S")
		if got, _ := io.ReadAll(body); string(got) != wrap(c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, wrap(c.want))
		}
	}
}

func TestUnsupported(t *testing.T) {
	utf16 := []byte{0xff, 0xfe}
	for _, c := range wrap("<mktowsUserId>u</mktowsUserId>") {
		utf16 = append(utf16, byte(c), 0)
	}
	for name, body := range map[string]string{
		"empty":             "",
		"not XML":           `{"a":1}`,
		"UTF-16":            string(utf16),
		"HTML":              "<html><Header><AuthenticationHeader><mktowsUserId>u</mktowsUserId></AuthenticationHeader></Header></html>",
		"no header":         "<Envelope><Body><AuthenticationHeader><mktowsUserId>u</mktowsUserId></AuthenticationHeader></Body></Envelope>",
		"in the body":       "<Envelope><Body><Header><AuthenticationHeader><mktowsUserId>u</mktowsUserId></AuthenticationHeader></Header></Body></Envelope>",
		"no user":           wrap("<requestSignature>s</requestSignature>"),
		"a value twice":     wrap("<mktowsUserId>u</mktowsUserId><requestSignature>1</requestSignature><requestSignature>2</requestSignature>"),
		"markup in a value": wrap("<mktowsUserId>u</mktowsUserId><requestSignature>1<b/>2</requestSignature>"),
		"a doctype":         `<!DOCTYPE Envelope [<!ENTITY u "x">]>` + wrap("<mktowsUserId>&u;</mktowsUserId>"),
		"cut short":         wrap("<mktowsUserId>u</mktowsUserId>")[:60],
		"header too far":    "<Envelope>" + strings.Repeat(" ", maxHead) + wrap("<mktowsUserId>u</mktowsUserId>"),
	} {
		if e, err := ReadEnvelope(strings.NewReader(body)); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: got %+v, %v, want ErrUnsupported", name, e, err)
		}
		if e, err := ParseEnvelope([]byte(body)); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: parsed to %+v, %v, want ErrUnsupported", name, e, err)
		}
	}
	broken := errors.New("broken")
	if _, err := ReadEnvelope(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("a failing reader: %v", err)
	}
}

// FuzzEnvelope: whatever the bytes, signing changes nothing outside of what it says, and never panics.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(wrap("<mktowsUserId>u</mktowsUserId><requestSignature>a</requestSignature><requestTimestamp>b</requestTimestamp>")))
	f.Add([]byte(wrap("<mktowsUserId>u</mktowsUserId><requestSignature/><requestTimestamp><![CDATA[b]]></requestTimestamp>")))
	f.Add([]byte("<Envelope><Header><AuthenticationHeader><mktowsUserId>u"))
	f.Add([]byte("<e:Envelope><e:Header><AuthenticationHeader><mktowsUserId><![CDATA[u]]></mktowsUserId></><requestSignature><"))
	f.Fuzz(func(t *testing.T, in []byte) {
		e, err := ReadEnvelope(iotest.HalfReader(bytes.NewReader(in)))
		same, parseErr := ParseEnvelope(in)
		if (err == nil) != (parseErr == nil) || err == nil && (e.User != same.User || e.Timestamp != same.Timestamp || e.Signature != same.Signature) {
			t.Fatalf("read: %+v, %v; parsed: %+v, %v", e, err, same, parseErr)
		}
		if err != nil {
			return
		}
		user := e.User
		signed, _ := same.Sign("2026-11-24T12:00:00+00:00", newSignature)
		body, longer := e.Sign("2026-11-24T12:00:00+00:00", newSignature)
		out, err := io.ReadAll(body)
		if err != nil || len(out) != len(in)+longer {
			t.Fatalf("%v, %d bytes of %d+%d", err, len(out), len(in), longer)
		}
		if also, err := io.ReadAll(signed); err != nil || !bytes.Equal(also, out) {
			t.Fatalf("%v, %q when read becomes %q, when parsed %q", err, in, out, also)
		}
		again, err := ReadEnvelope(bytes.NewReader(out))
		if err != nil {
			t.Fatalf("what was signed can't be read: %v\n%q\n%q", err, in, out)
		}
		if again.User != user || again.Timestamp != "2026-11-24T12:00:00+00:00" || again.Signature != newSignature {
			t.Fatalf("signed %q, read %q %q %q", out, again.User, again.Timestamp, again.Signature)
		}
	})
}

func TestSignAs(t *testing.T) {
	const envelope = `<e:Envelope><e:Header><AuthenticationHeader><mktowsUserId> %USER </mktowsUserId><requestTimestamp>%TIME</requestTimestamp>` +
		`<requestSignature>%SIGNATURE</requestSignature></AuthenticationHeader></e:Header><e:Body><mktowsUserId>old</mktowsUserId></e:Body></e:Envelope>`
	write := func(user, timestamp, signature string) string {
		return strings.NewReplacer("%USER", user, "%TIME", timestamp, "%SIGNATURE", signature).Replace(envelope)
	}
	before := write("old", oldTimestamp, "REDACTED")
	e, err := ReadEnvelope(strings.NewReader(before))
	if err != nil {
		t.Fatal(err)
	}
	signed, longer := e.SignAs("another", newTimestamp, newSignature)
	got, err := io.ReadAll(signed)
	if want := write("another", newTimestamp, newSignature); err != nil || string(got) != want || longer != len(want)-len(before) {
		t.Errorf("%d longer, %v: %s", longer, err, got)
	}
}
