package ticket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/har"
	"marketo-proxy/pseudonym"
	"marketo-proxy/redact"
)

// bodies are what clients and servers send, in pieces: how it begins, and what may follow, secrets and what only looks so.
var bodies = []struct {
	begin string
	parts []string
}{
	{"<?xml version=\"1.0\"?>\n<a>", []string{
		"<ns1:requestSignature>ffbff4d4bef3</ns1:requestSignature>", "<requestSignature/>", "<mktowsUserId>u</mktowsUserId>", "<b access_token=\"abc12345\"/>", "<c>text &amp; more</c>\n",
		"<d>&lt;requestSignature&gt;abc&lt;/requestSignature&gt;</d>", "<![CDATA[access_token=abc&x=y]]>", "<!-- Authorization: abc12345 -->", "<attrName>Cookie</attrName><attrValue>Oreo</attrValue>",
		"<message>The requestSignature is wrong</message>", "<e>someone@corp.org</e>", "<f>https://x/?client_secret=abc&amp;a=b</f>",
	}},
	{"{", []string{
		`"access_token":"abc12345",`, `"token":"a",`, `"input":[{"email":"someone@corp.org"}],`, `"note":"Authorization: abc12345",`, `"url":"https://x/?access_token=abc\u0026a=b",`,
		`"errors":[{"code":"601","message":"Access token invalid"}],`, `"x":"<requestSignature>abc</requestSignature>",`, `"client_secret" : "s\"t",`, `"n":1.5e3,`, `"inner":"{\"access_token\":\"abc\"}",`,
	}},
	{"a=b", []string{"&access_token=abc", "&client_secret=s%2Ft", "&email=someone%40corp.org", "&token=x", "&cookie=c+d", "&grant_type=client_credentials"}},
	{"", []string{"Authorization: abc12345\r\n", "Cookie: a=b; c=d\r\n", "id,email\n", "1,someone@corp.org\n", "access_token=abc ", "the requestSignature ", "<html>", "</html>", "\"quoted\" "}},
}

// What was captured, its secrets masked, is never taken for a leak, in whatever file of the ticket it stands.
func TestNoFalseAlarm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(bodies).Draw(t, "kind")
		raw := kind.begin + strings.Join(rapid.SliceOfN(rapid.SampledFrom(kind.parts), 0, 12).Draw(t, "rest"), "")
		raw = raw[:len(raw)-min(len(raw), rapid.IntRange(0, 20).Draw(t, "cut"))]
		line := strings.NewReplacer("\r", "", "\n", "").Replace(raw)
		c := soap(1, "20011", classify.ClassMarketo, "Internal Error")
		a := &c.Attempts[0]
		a.Request.Body.Text, a.Response.Body.Text = captured(t, raw), captured(t, raw+raw)
		for _, h := range redact.New().Header(http.Header{"X-Note": {line}}) {
			a.Response.Headers = append(a.Response.Headers, capture.HeaderLine{Name: "X-Note", Value: h[0]})
		}
		if kind.begin == "a=b" {
			a.Request.URL = redact.New().URL(a.Request.URL + "?" + line)
		}
		for name, text := range ticketTexts(t, c) {
			if what, err := findSecret(name, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }, nil); what != "" || err != nil {
				var again bytes.Buffer
				_ = redact.New().Body(&again, strings.NewReader(text))
				t.Fatalf("%s: %s, %v:\n%q\nbecomes\n%q", name, what, err, text, again.String())
			}
		}
	})
}

// captured is a body as it stands in a capture.
func captured(t *rapid.T, raw string) string {
	var out bytes.Buffer
	if err := redact.New().Body(&out, strings.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// ticketTexts are the texts of the ticket's files that hold what was captured.
func ticketTexts(t *rapid.T, c capture.Capture) map[string]string {
	line, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	b := &builder{ctx: context.Background(), o: &Options{}, limit: rapid.Int64Range(0, 400).Draw(t, "limit")}
	if rapid.Bool().Draw(t, "masked") {
		if b.masker, err = pseudonym.New(strings.NewReader(strings.Repeat("k", 1024))); err != nil {
			t.Fatal(err)
		}
	}
	d, err := capture.ParseDetail(line)
	if err != nil {
		t.Fatal(err)
	}
	e := b.newExchange(d)
	a := &e.Attempts[0]
	content := func(side capture.Side) string {
		r, err := e.body(0, side)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	request, response := content(capture.RequestSide), content(capture.ResponseSide)
	var archive bytes.Buffer
	w := har.NewWriter(&archive, har.Creator{Name: "n", Version: "v"})
	if err := errors.Join(w.Add(&e.Capture, e.body), w.Close()); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"request.http": requestHead(&a.Request) + request, "request.xml": request,
		"response.http": responseHead(a.Response) + response, "response.xml": response, "exchanges.har": archive.String(),
	}
}

func TestTakesMore(t *testing.T) {
	for _, c := range []struct {
		text, masked string
		want         bool
	}{
		{"a", "a", false}, {"x=abc y", "x=REDACTED y", true}, {"x=REDACTED y=abc", "x=REDACTED y=REDACTED", true}, {"x=REFED", "x=REDACTED", true},
		{"A: Tbb REDACTED\r\nB: c", "A: REDACTED\r\nB: c", false}, {"<s>REDACTED</q>", "<s>REDACTED", false}, {"<s>REDACTED</q>rest", "<s>REDACTEDrest", false},
		{"A: Tbb REDACTED\nA: abc", "A: REDACTED\nA: REDACTED", true}, {"abc", "", true}, {"REDACTEDabc", "REDACTED", false}, {"abc", "REDACTED", true},
		{"q REDACTED, w REDACTED", "REDACTED, REDACTED", false},
	} {
		if got := takesMore(c.text, c.masked); got != c.want {
			t.Errorf("%q to %q: %t", c.text, c.masked, got)
		}
	}
}
