package pseudonym

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

// plainEmail is written without help of the scanner that is tested.
var plainEmail = regexp.MustCompile(`(?i)\b[a-z0-9]{2,20}@[a-z0-9]{2,20}\.[a-z]{2,10}\b`)

const maxFuzz = 200 << 10

// checkBody: no address survives, pieces do not matter, and what is well-formed keeps its structure.
func checkBody(t *testing.T, contentType, in string) {
	if len(in) > maxFuzz {
		return
	}
	out := maskBody(t, newMasker(t), contentType, in)
	if found, err := FindEmail(strings.NewReader(out)); err != nil || found != "" {
		t.Fatalf("%q becomes %q: found %q, %v", in, out, found, err)
	}
	for _, address := range plainEmail.FindAllString(in, -1) {
		if strings.Contains(out, address) && !strings.Contains(address, "example.com") {
			t.Fatalf("%q becomes %q: %s is left", in, out, address)
		}
	}
	for i, r := range []io.Reader{iotest.OneByteReader(strings.NewReader(in)), iotest.HalfReader(strings.NewReader(in))} {
		if pieces := readAll(t, newMasker(t).Body(contentType, io.NopCloser(r))); pieces != out {
			t.Fatalf("%q becomes %q, in pieces (%d) %q", in, out, i, pieces)
		}
	}
	if len(out) > 30*len(in)+len(BinaryNote) {
		t.Fatalf("%d bytes become %d", len(in), len(out))
	}
	checkShape(t, in, out)
}

func FuzzXML(f *testing.F) {
	for _, p := range places {
		if strings.HasPrefix(p.body, "<") && len(p.body) < 2000 {
			f.Add(strings.ReplaceAll(p.body, "§", "jo@corp.org"))
		}
	}
	f.Add("<a>&#106;o&#64;corp.org &lt;b@c.de&gt;</a>")
	f.Fuzz(func(t *testing.T, in string) {
		in = "<" + strings.TrimPrefix(in, "<")
		checkBody(t, "text/xml", in)
		if !isXML(in) || strings.Contains(in, "<!") || strings.Count(in, "<?") > 0 || strings.Contains(in, "@") || !utf8.ValidString(in) {
			return
		}
		if a, b := xmlStructure(in), xmlStructure(maskBody(t, newMasker(t), "", in)); a != b {
			t.Fatalf("%q\nhas the structure %s\nmasked %s", in, a, b)
		}
	})
}

// xmlStructure are the names of a document in their order.
func xmlStructure(s string) string {
	var b strings.Builder
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		token, err := d.RawToken()
		if err != nil {
			return b.String()
		}
		switch t := token.(type) {
		case xml.StartElement:
			fmt.Fprintf(&b, "<%s:%s", t.Name.Space, t.Name.Local)
			for _, a := range t.Attr {
				fmt.Fprintf(&b, " %s:%s", a.Name.Space, a.Name.Local)
			}
		case xml.EndElement:
			b.WriteString(">")
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, p := range places {
		if strings.HasPrefix(p.body, "{") && len(p.body) < 2000 {
			f.Add(strings.ReplaceAll(p.body, "§", "jo@corp.org"))
		}
	}
	f.Add(`{"a":"jo\u0040corp.org","n":[-1.5e+10,0,1E5,0.0]}`)
	f.Fuzz(func(t *testing.T, in string) {
		in = "{" + strings.TrimPrefix(in, "{")
		checkBody(t, "application/json", in)
		if !json.Valid([]byte(in)) || !utf8.ValidString(in) {
			return
		}
		if out := maskBody(t, newMasker(t), "", in); jsonStructure(in) != jsonStructure(out) {
			t.Fatalf("%q has another structure masked: %q", in, out)
		}
	})
}

// jsonStructure are the types of all values in their order.
func jsonStructure(s string) string {
	var b strings.Builder
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	for {
		t, err := d.Token()
		if err != nil {
			return b.String()
		}
		if delim, ok := t.(json.Delim); ok {
			b.WriteString(delim.String())
		} else {
			fmt.Fprintf(&b, "%T ", t)
		}
	}
}

func FuzzCSV(f *testing.F) {
	f.Add("email,id,firstName\njo@corp.org,1,\"Jo, \"\"the\"\" Doe\"\n")
	f.Add("Email Address\tFirst Name\r\nx\ty\r\n")
	f.Add("a;b\n\"c\nd\";e")
	f.Fuzz(func(t *testing.T, in string) {
		checkBody(t, "text/csv", in)
	})
}

func FuzzForm(f *testing.F) {
	f.Add("filterType=email&filterValues=jo%40corp.org,b&batchSize=3&=&a&b=+%")
	f.Add(strings.ReplaceAll(upload, "§", "jo@corp.org"))
	f.Fuzz(func(t *testing.T, in string) {
		checkBody(t, "application/x-www-form-urlencoded", in)
		u := "https://h:443/p?" + in
		out := newMasker(t).URL(u)
		if found, _ := FindEmail(strings.NewReader(out)); found != "" {
			t.Fatalf("%q becomes %q: found %q", u, out, found)
		}
	})
}

func FuzzText(f *testing.F) {
	for _, m := range messages {
		f.Add(m.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		checkBody(t, "text/plain", in)
		out := newMasker(t).Text(in)
		if found, _ := FindEmail(strings.NewReader(out)); found != "" {
			t.Fatalf("%q becomes %q: found %q", in, out, found)
		}
		if again := newMasker(t).Text(in); again != out {
			t.Fatalf("%q becomes %q and %q", in, out, again)
		}
	})
}

func FuzzFindEmail(f *testing.F) {
	for _, s := range []string{"a@b.cd", `x\u0040y.zz`, "a%2540b.cd", "&amp;#x40;", "p-abcdefghijklm@example.com", "a@b@c.de..f", "@@.@a.b.c", "é@ü.öä", "%", "&", `\`} {
		f.Add(s, "jo")
	}
	f.Fuzz(func(t *testing.T, around, local string) {
		whole, err := FindEmail(strings.NewReader(around))
		if err != nil {
			t.Fatal(err)
		}
		if pieces, err := FindEmail(iotest.OneByteReader(strings.NewReader(around))); err != nil || pieces != whole {
			t.Fatalf("%q has %q, in pieces %q, %v", around, whole, pieces, err)
		}
		// Masked, there is none; and an address that stands clear is found whatever is around.
		filter := filter{m: newMasker(t), hold: []byte(around)}
		filter.flush(true)
		if found, _ := FindEmail(bytes.NewReader(filter.out)); found != "" {
			t.Fatalf("%q becomes %q: found %q", around, filter.out, found)
		}
		if found, _ := FindEmail(strings.NewReader(around + " <jo@corp.org> " + around)); found == "" {
			t.Fatalf("jo@corp.org is not found within %q", around)
		}
	})
}

// Whatever stands before and behind, what a field holds does not come out.
func FuzzSurroundings(f *testing.F) {
	for _, s := range []string{
		"<a>", "<!--", "<![CDATA[", "<a b='", "<?", "<!DOCTYPE [", `{"a":"`, `{"a":`, "a=b&c=", "--x\n\n", "--x\n", `\`, "<", "</", "x", "id,email\n", "<listName>", `{"fields":[`,
		`<includeAttributes>`, `<keyType>IDNUM</keyType>`, "<html>", "Lead ", `"`, "[",
	} {
		f.Add(s, "", false)
		f.Add(s, "", true)
	}
	f.Fuzz(func(t *testing.T, before, after string, inJSON bool) {
		const secret = "Wilhelminaquux"
		in := before + "<Email>" + secret + "</Email>" + after
		if inJSON {
			in = before + `{"email":"` + secret + `"}` + after
		}
		lower := strings.ToLower(in)
		for _, name := range []string{"stream", "token", "mktows", "client", "munchkin", "checksum", "partner"} { // opaque tokens stay, whatever they are
			if strings.Contains(lower, name) {
				return
			}
		}
		if out := maskBody(t, newMasker(t), "", in); strings.Contains(out, secret) {
			t.Fatalf("%q becomes %q", in, out)
		}
	})
}
