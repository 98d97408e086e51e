package pseudonym

import (
	"bytes"
	"crypto/rand"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

// values are such as leads have.
func values() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`[A-Z][a-z]{2,12}( [A-Z]?[a-z]{2,12})?`),
		rapid.StringMatching(`[a-z]{2,9}[.+_]?[a-z]{1,9}@[a-z]{2,9}\.(org|co\.uk|de)`),
		rapid.StringMatching(`[1-9][0-9]{1,12}`),
		rapid.StringMatching(`\+?[1-9][0-9]{1,3} [0-9]{3,5}-[0-9]{3,5}`),
		rapid.StringMatching(`https?://[a-z]{2,9}\.com/[a-z]{1,9}`),
		rapid.StringMatching(`[A-Z][a-z&<"' ]{1,12}[ÄéßЖ李]{1,4}[a-z]`),
	)
}

// In whatever form a value stands, in XML, JSON, CSV, a form, a URL or in quotes in a message, it becomes the same.
func TestSameEverywhere(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		v := values().Draw(rt, "value")
		m, err := New(rand.Reader)
		if err != nil {
			rt.Fatal(err)
		}
		want := string(m.mask(nil, []byte(v), Attribute))
		if want == v {
			rt.Fatalf("%q stays", v)
		}
		for form, got := range map[string]string{
			"XML":                 fromXML(rt, maskBody(t, m, "", "<a>"+xmlText(v)+"</a>")),
			"XML with references": fromXML(rt, maskBody(t, m, "", "<a>"+references(v)+"</a>")),
			"CDATA":               fromXML(rt, maskBody(t, m, "", "<a><![CDATA["+v+"]]></a>")),
			"JSON":                fromJSON(rt, maskBody(t, m, "", `{"a":`+jsonText(v)+`}`)),
			"JSON with escapes":   fromJSON(rt, maskBody(t, m, "", `{"a":"`+unicodeEscapes(v)+`"}`)),
			"form":                fromForm(rt, maskBody(t, m, "", "a="+url.QueryEscape(v))),
			"URL":                 fromForm(rt, strings.TrimPrefix(m.URL("https://h/p?a="+url.QueryEscape(v)), "https://h/p?")),
			"CSV":                 fromCSV(rt, maskBody(t, m, "text/csv", "lastName,x\n\""+strings.ReplaceAll(v, `"`, `""`)+"\",1")),
		} {
			if got != want {
				rt.Fatalf("%s: %q becomes %q, elsewhere %q", form, v, got, want)
			}
		}
		isNumber := all([]byte(v), isDigit) // it may be a code or a limit
		if !strings.Contains(v, "'") && !isNumber && !strings.Contains(m.Text("Lead '"+v+"' not found"), want) {
			rt.Fatalf("message: %q, elsewhere %q", m.Text("Lead '"+v+"' not found"), want)
		}
		if upper := strings.ToUpper(v); strings.Contains(v, "@") && string(m.mask(nil, []byte(" "+upper+"\n"), Attribute)) != " "+want+"\n" {
			rt.Fatalf("%q and %q differ", v, upper)
		}
	})
}

func xmlText(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

func references(s string) (out string) {
	for _, r := range s {
		out += fmt.Sprintf("&#x%X;", r)
	}
	return out
}

func jsonText(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func unicodeEscapes(s string) (out string) {
	for _, r := range s {
		out += fmt.Sprintf(`\u%04x`, r)
	}
	return out
}

func fromXML(t *rapid.T, s string) (out string) {
	if err := xml.Unmarshal([]byte(s), &out); err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return out
}

func fromJSON(t *rapid.T, s string) string {
	var v struct{ A string }
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return v.A
}

func fromCSV(t *rapid.T, s string) string {
	rows, err := csv.NewReader(strings.NewReader(s)).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("%q: %v", s, err)
	}
	return rows[1][0]
}

func fromForm(t *rapid.T, s string) string {
	v, err := url.ParseQuery(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return v.Get("a")
}

// shapes are what a value looks like, before and after.
var shapes = []struct{ in, out string }{
	{"", `^$`},
	{" \n", `^ \n$`},
	{" Jane ", `^ [B-Z][b-z]{3} $`},
	{"REDACTED", `^REDACTED$`},
	{"Bearer REDACTED", `^[B-Z][b-z]{5} REDACTED$`},
	{"true", `^true$`},
	{"Jane@Corp.org", `^p-[a-z2-7]{13}@example\.com$`},
	{"Jane Doe <jane@corp.org>", `^[B-Z][b-z]{3} [B-Z][b-z]{2} <p-[a-z2-7]{13}@example\.com>$`},
	{"62", `^[1-9][0-9]$`},
	{"-0042.50", `^-0[0-9]{3}\.[0-9]{2}$`},
	{"+49 (30) 123-45", `^\+[1-9][0-9] \([1-9][0-9]\) [1-9][0-9]{2}-[1-9][0-9]$`},
	{"1970-02-03", `^(19[3-9]|20[0-2])[0-9]-(0[1-9]|1[012])-[012][0-9]$`},
	{"1970-02-03T00:00:00Z", `^[12][0-9]{3}-[01][0-9]-[012][0-9]T00:00:00Z$`},
	{"2/13/1970", `^[1-9]/[012][0-9]/[12][0-9]{3}$`},
	{"1970-02-03T04:05:06Z", `^1970-02-03T04:05:06Z$`},
	{"https://www.corp.org/jane?a=b", `^https://h-[a-z2-7]{13}\.example\.com/[b-z]{4}\?[b-z]=[b-z]$`},
	{"10.1.2.3", `^198\.1[89]\.[0-9]+\.[0-9]+$`},
	{"2001:4860::8888", `^2001:db8:`},
	{"dff23271-f996-47d7-984f-f2676861b5fa", `^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`},
	{"ACME & Sons, Inc.", `^[B-Z]{4} & [B-Z][b-z]{3}, [B-Z][b-z]{2}\.$`},
	{"Jürgen", `^[B-Z].[b-z]{4}$`},
}

func TestShapes(t *testing.T) {
	m := newMasker(t)
	for _, s := range shapes {
		out := string(m.mask(nil, []byte(s.in), Attribute))
		if !regexp.MustCompile(s.out).MatchString(out) {
			t.Errorf("%q becomes %q, not %s", s.in, out, s.out)
		}
	}
}

// But for addresses, hosts and IP addresses, a pseudonym has the length of its value, in bytes and in characters.
func TestLengths(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		v := rapid.StringMatching(`[A-Za-zäöüß李Ж0-9 ,.;&<>"'/()+-]{1,60}`).Draw(rt, "value")
		if strings.Contains(v, "://") {
			return
		}
		m := newMasker(t)
		out := string(m.mask(nil, []byte(v), Attribute))
		if m.counts[IP] == 0 && (len(out) != len(v) || utf8.RuneCountInString(out) != utf8.RuneCountInString(v)) {
			rt.Fatalf("%q becomes %q", v, out)
		}
	})
}

// Different values get different pseudonyms, and other Maskers other ones.
func TestApart(t *testing.T) {
	m, other := newMasker(t), must(New(strings.NewReader(strings.Repeat("x", 32))))
	seen := map[string]string{}
	for i := range 20000 {
		v := fmt.Sprintf("person%d@corp.org", i)
		p := string(m.mask(nil, []byte(v), Attribute))
		if seen[p] != "" {
			t.Fatalf("%s and %s both become %s", v, seen[p], p)
		}
		if seen[p] = v; i < 100 && p == string(other.mask(nil, []byte(v), Attribute)) {
			t.Fatalf("two Maskers make %s of %s", p, v)
		}
	}
	if _, err := New(strings.NewReader("too short")); err == nil {
		t.Error("a short key was taken")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestCapture(t *testing.T) {
	c := capture.Capture{
		ID: "019dc0de-0000-7000-8000-000000000000", API: classify.REST, Operation: "getLeads", User: "someuser_1", Code: "1004",
		Message: "Lead 'jane@corp.org' not found", Advice: "Send it as POST",
		Records: []classify.Record{{Index: 3, Status: "skipped", Code: "1004", Error: "Lead Jane not found"}},
		Attempts: []capture.AttemptLine{{
			Error: "timeout",
			Request: capture.RequestLine{
				Method: "GET", URL: "https://123-ABC-456.mktorest.com/rest/v1/leads.json?filterType=email&filterValues=jane@corp.org,joe%40corp.org&access_token=REDACTED&x=Jane",
				Headers: []capture.HeaderLine{
					{Name: "Authorization", Value: "Bearer REDACTED"}, {Name: "User-Agent", Value: "app/1.0 (ops@corp.org)"}, {Name: "From", Value: "jane@corp.org"},
					{Name: "X-Forwarded-For", Value: "10.1.2.3, 10.1.2.4"}, {Name: "Referer", Value: "https://intranet.corp.org/people/jane?q=jane"}, {Name: "X-User", Value: "Jane"},
					{Name: "Content-Length", Value: "123456"},
				},
			},
			Response: &capture.ResponseLine{Status: 200, StatusText: "OK", Headers: []capture.HeaderLine{
				{Name: "Location", Value: "https://123-ABC-456.mktorest.com/rest/v1/x?email=jane@corp.org&batchSize=3"}, {Name: "Date", Value: "Tue, 24 Nov 2026 15:04:05 GMT"},
			}},
		}},
	}
	m := newMasker(t)
	m.Capture(&c)
	b, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	out := string(b)
	for _, s := range []string{"jane", "Jane", "corp", "10.1.2", "joe"} {
		if strings.Contains(out, s) {
			t.Errorf("%s is left in %s", s, out)
		}
	}
	mail := string(m.mask(nil, []byte("jane@corp.org"), ""))
	for _, s := range []string{
		c.ID, "someuser_1", "Lead '" + mail + "' not found", "Send it as POST", "Bearer REDACTED", "app/1.0", "filterType=email", "access_token=REDACTED", "batchSize=3",
		"filterValues=" + url.QueryEscape(mail), "Tue, 24 Nov 2026 15:04:05 GMT", "123456", "https://123-ABC-456.mktorest.com/rest/v1/leads.json",
	} {
		if !strings.Contains(strings.ReplaceAll(out, `\u0026`, "&"), s) {
			t.Errorf("%q is lost in %s", s, out)
		}
	}
	if found, _ := FindEmail(bytes.NewReader(b)); found != "" {
		t.Errorf("found %q", found)
	}
	counts := m.Counts()
	if counts[Email] == 0 || counts[Header] == 0 || counts[URL] == 0 || counts[IP] != 2 {
		t.Errorf("counted %v", counts)
	}
	if counts[Email] = -1; m.Counts()[Email] < 0 {
		t.Error("the counts can be changed from outside")
	}
}

// An error of the source comes after what was read before it.
func TestReadError(t *testing.T) {
	in := io.MultiReader(strings.NewReader(`{"email":"jane@corp.org`), errReader{})
	out, err := io.ReadAll(newMasker(t).Body("", io.NopCloser(in)))
	if err != io.ErrUnexpectedEOF || !strings.HasPrefix(string(out), `{"email":"p-`) {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := FindEmail(errReader{}); err == nil {
		t.Error("an error is lost")
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
