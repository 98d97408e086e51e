package classify

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func readCall(soapAction string, body []byte, cuts ...int) (Call, bool) {
	r := NewRequestReader(SOAP, "POST", "/soap/mktows/3_1", http.Header{"Soapaction": {soapAction}})
	last := 0
	for _, cut := range append(slices.Clone(cuts), len(body)) {
		p := bytes.Clone(body[last:cut])
		r.Write(p)
		clear(p)
		last = cut
	}
	return r.Call(), r.Done()
}

func TestSOAPRequest(t *testing.T) {
	const header = `<s:Header><m:AuthenticationHeader><mktowsUserId>bigcorp1_4618</mktowsUserId><requestSignature>x</requestSignature></m:AuthenticationHeader></s:Header>`
	request := func(header, body string) string {
		return `<?xml version="1.0"?><s:Envelope xmlns:s="x">` + header + `<s:Body>` + body + `</s:Body></s:Envelope>`
	}
	member := func(op string) string {
		return "<m:paramsListOperation><listOperation>" + op + "</listOperation><listKey/></m:paramsListOperation>"
	}
	const user = "bigcorp1_4618"
	tests := []struct {
		name, action, body string
		want               Call
		done               bool
	}{
		{"usual", "http://www.marketo.com/mktows/getLead", request(header, "<m:paramsGetLead>"), Call{Operation: "getLead", User: user}, true},
		{"the body wins", `"http://www.marketo.com/mktows/getLead"`, request(header, "<m:paramsSyncLead>"), Call{Operation: "syncLead", User: user}, true},
		{"unknown in the body", "http://www.marketo.com/mktows/getLead", request(header, "<m:paramsGetThing>"), Call{Operation: Other, User: user}, true},
		{"no action", "", request(header, "<paramsGetMObjects/>"), Call{Operation: "getMObjects", User: user}, true},
		{"only the action", `"http://www.marketo.com/mktows/getLead"`, "", Call{Operation: "getLead"}, false},
		{"bare action", "mergeLeads", "", Call{Operation: "mergeLeads"}, false},
		{"unknown action", "http://www.marketo.com/mktows/getThing", "", Call{Operation: Other}, false},
		{"no header", "", request("", "<paramsGetLead/>"), Call{Operation: "getLead"}, true},
		{"no prefixes", "", strings.NewReplacer("s:", "", "m:", "").Replace(request(header, "<m:paramsGetLead/>")), Call{Operation: "getLead", User: user}, true},
		{"user with entities, CDATA, space", "", request(strings.Replace(header, user, "\n a&amp;<![CDATA[b&]]><!-- c -->&#100; ", 1), "<paramsGetLead/>"), Call{Operation: "getLead", User: "a&b&d"}, true},
		{"user elsewhere", "", request("<mktowsUserId>x</mktowsUserId><AuthenticationHeader><a><mktowsUserId>y</mktowsUserId></a></AuthenticationHeader>", "<paramsGetLead><mktowsUserId>z</mktowsUserId>"), Call{Operation: "getLead"}, true},
		{"user in the body", "", request("", "<AuthenticationHeader><mktowsUserId>z</mktowsUserId></AuthenticationHeader>"), Call{Operation: Other}, true},
		{"long user", "", request(strings.Replace(header, user, strings.Repeat("x", 300), 1), "<paramsGetLead/>"), Call{Operation: "getLead"}, true},
		{"first letter", "", request("", "<paramsgetLead/>"), Call{Operation: Other}, true},
		{"no prefix params", "", request("", "<GetLead/>"), Call{Operation: Other}, true},
		{"params alone", "", request("", "<params/>"), Call{Operation: Other}, true},
		{"second element", "", request("", "<x/><paramsGetLead/>"), Call{Operation: Other}, true},
		{"Body in the header", "", request("<s:Header><s:Body><paramsGetTags/></s:Body></s:Header>", "<paramsGetLead/>"), Call{Operation: "getLead"}, true},
		{"in a comment", "", request("", "<!-- <paramsGetTags/> --><paramsGetLead/>"), Call{Operation: "getLead"}, true},
		{"empty Body", "getLead", request(header, ""), Call{Operation: "getLead", User: user}, true},
		{"member check", "", request(header, member("ISMEMBEROFLIST")), Call{Operation: "listOperation", User: user, MemberCheck: true}, true},
		{"member check with space", "", request(header, member("\n <![CDATA[ISMEMBER]]>OFLIST ")), Call{Operation: "listOperation", User: user, MemberCheck: true}, true},
		{"add to list", "", request(header, member("ADDTOLIST")), Call{Operation: "listOperation", User: user}, true},
		{"nested operation", "", request(header, "<paramsListOperation><x><listOperation>ISMEMBEROFLIST</listOperation></x></paramsListOperation>"), Call{Operation: "listOperation", User: user}, true},
		{"another operation", "", request(header, "<paramsGetLead><listOperation>ISMEMBEROFLIST</listOperation></paramsGetLead>"), Call{Operation: "getLead", User: user}, true},
		{"underway", "", request(header, "<paramsListOperation><listOperation>ISMEMBER")[:200], Call{Operation: Other, User: user}, false},
		{"no envelope", "getLead", "<html><Body><paramsSyncLead/></Body></html>", Call{Operation: "getLead"}, true},
		{"stray end tags", "getLead", "</a></a><Envelope>", Call{Operation: "getLead"}, true},
		{"long tag", "getLead", "<" + strings.Repeat("x", 70000), Call{Operation: "getLead"}, true},
	}
	for _, test := range tests {
		test.want.API = SOAP
		got, done := readCall(test.action, []byte(test.body))
		if got != test.want || done != test.done {
			t.Errorf("%s: got %+v, done %v", test.name, got, done)
		}
		for cut := 0; cut < len(test.body); cut += 1 + len(test.body)/1000 {
			if got, _ := readCall(test.action, []byte(test.body), cut); got != test.want {
				t.Fatalf("%s cut at %d: got %+v", test.name, cut, got)
			}
		}
	}
}

func TestRequestSamples(t *testing.T) {
	files, _ := filepath.Glob("testdata/soap/*.request.xml")
	seen := map[string]bool{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := readCall("", body)
		name, _, _ := strings.Cut(filepath.Base(file), ".")
		if name == "authentication-signature" {
			name = "getleadactivity"
		}
		if strings.ToLower(got.Operation) != name || got.User == "" || got.MemberCheck != (name == "listoperation") {
			t.Errorf("%s: got %+v", file, got)
		}
		seen[got.Operation] = true
	}
	if len(seen) != 23 {
		t.Errorf("%d operations", len(seen))
	}
}

func TestRequestAnySplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		atom := rapid.SampledFrom([]string{
			"<Envelope>", "</Envelope>", "<Header>", "</Header>", "<AuthenticationHeader>", "</AuthenticationHeader>", "<mktowsUserId>", "</mktowsUserId>", "user",
			"&amp;", "<Body>", "</Body>", "<paramsListOperation>", "<listOperation>", "ISMEMBEROFLIST", "</listOperation>", "<paramsGetLead>", "</x>", "<a/>", "<!--", "-->", "é", "<",
		})
		body := []byte(strings.Join(rapid.SliceOfN(atom, 0, 30).Draw(t, "body"), ""))
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(body)), 0, 6).Draw(t, "cuts")
		slices.Sort(cuts)
		want, wantDone := readCall("getTags", body)
		if got, done := readCall("getTags", body, cuts...); got != want || done != wantDone {
			t.Fatalf("got %+v %v, want %+v %v", got, done, want, wantDone)
		}
	})
}

func FuzzSOAPRequest(f *testing.F) {
	f.Add([]byte(`<s:Envelope><s:Header><a:AuthenticationHeader><mktowsUserId>u&amp;v</mktowsUserId></a:AuthenticationHeader></s:Header><s:Body><paramsListOperation><listOperation>ISMEMBEROFLIST</listOperation>`), uint16(70))
	f.Add([]byte(`</x><Envelope><Body><![CDATA[]]></Body>`), uint16(3))
	f.Fuzz(func(t *testing.T, body []byte, cut uint16) {
		want, wantDone := readCall("", body)
		if got, done := readCall("", body, int(cut)%(len(body)+1)); got != want || done != wantDone {
			t.Fatalf("got %+v %v, want %+v %v", got, done, want, wantDone)
		}
	})
}

func BenchmarkSOAPRequest(b *testing.B) {
	body, err := os.ReadFile("testdata/soap/syncmultipleleads.request.xml")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		readRequest(body)
	}
}

func readRequest(body []byte) Call {
	r := NewRequestReader(SOAP, "POST", "/soap/mktows/3_1", nil)
	r.Write(body)
	return r.Call()
}
