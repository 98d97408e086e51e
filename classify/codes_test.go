package classify

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// rows reads a table of Adobe's, without its first line.
func rows(t *testing.T, file string) [][]string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n")[1:] {
		out = append(out, strings.Split(strings.TrimSuffix(line, "\r"), "\t"))
	}
	return out
}

func codeNames(api API) (names []string) {
	for _, c := range Codes(api) {
		names = append(names, c.Code)
	}
	return names
}

func TestCodesAreThoseOfTheTables(t *testing.T) {
	want := map[API][]string{REST: {"401", "600", "1080"}}
	for _, row := range rows(t, "soap-error-codes.tsv") {
		want[SOAP] = append(want[SOAP], row[0])
	}
	for _, row := range rows(t, "rest-error-codes.tsv") {
		want[REST] = append(want[REST], row[1])
	}
	for api, codes := range want {
		slices.SortFunc(codes, compareCodes)
		if got := codeNames(api); !slices.Equal(got, codes) {
			t.Errorf("%s: got %v, want %v", api, got, codes)
		}
	}
	if n := len(want[SOAP]); n != 28 {
		t.Errorf("%d codes of SOAP", n)
	}
	if n := len(want[REST]); n != 72 {
		t.Errorf("%d codes of REST", n)
	}
}

func TestClasses(t *testing.T) {
	want := map[API]map[Class]string{
		SOAP: {
			ClassRenew: "20016", ClassThrottled: "20023 20024", ClassQuota: "20015", ClassMarketo: "10001 20011", ClassAccess: "20013 20014",
			ClassCaller: "20012 20017 20019 20022 20101 20102 20104 20105 20106 20107 20108 20109 20110 20111 20113 20114 20122",
			ClassAnswer: "20103 20123", ClassUnknown: "20018",
		},
		REST: {
			ClassRenew: "601 602", ClassThrottled: "606 615", ClassQuota: "607 1029", ClassMarketo: "502 604 608 611 713 719",
			ClassAccess: "401 600 603 616 703", ClassAnswer: "702 1004 1005 1015 1037",
		},
	}
	want[REST][ClassMarketo] = "502 604 608 611 614 713 719"
	for api, classes := range want {
		got := map[Class][]string{}
		for _, c := range Codes(api) {
			got[c.Class] = append(got[c.Class], c.Code)
		}
		for class, codes := range classes {
			if s := strings.Join(got[class], " "); s != codes {
				t.Errorf("%s %s: got %s, want %s", api, class, s, codes)
			}
		}
		for class := range got {
			if _, ok := classes[class]; !ok && !(api == REST && class == ClassCaller) {
				t.Errorf("%s: class %s", api, class)
			}
		}
	}
}

var turns = []string{TurnProxy, TurnApplication, TurnAdministrator, TurnMarketo, TurnNobody}

func TestCodesAreComplete(t *testing.T) {
	retryable := map[Class]bool{ClassRenew: true, ClassThrottled: true, ClassMarketo: true}
	for _, api := range []API{SOAP, REST} {
		for _, c := range Codes(api) {
			if c.API != api || c.Message == "" || c.Notes == "" || c.Source == "" {
				t.Errorf("%s %s: %+v", api, c.Code, c)
			}
			checkAdvice(t, c)
			for _, s := range []string{c.Message, c.Notes, c.Advice} {
				if strings.ContainsAny(s, "\n`‘“*%") || strings.Contains(s, "  ") || strings.TrimSpace(s) != s {
					t.Errorf("%s %s: markup or slips in %q", api, c.Code, s)
				}
			}
			if !strings.HasSuffix(c.Notes, ".") {
				t.Errorf("%s %s: notes %q", api, c.Code, c.Notes)
			}
			if waits := c.Code == "1016" || c.Code == "1019"; c.Retryable != (retryable[c.Class] || api == REST && waits) {
				t.Errorf("%s %s of class %s: retryable is %v", api, c.Code, c.Class, c.Retryable)
			}
			if got, ok := Lookup(api, c.Code); !ok || got != c {
				t.Errorf("%s %s: lookup gives %+v %v", api, c.Code, got, ok)
			}
		}
		for _, code := range []string{"", "0", "20112", "0601", "99999999", "x", "6011"} {
			if got, ok := Lookup(api, code); ok {
				t.Errorf("%s %q: %+v", api, code, got)
			}
		}
	}
	Codes(SOAP)[0].Code = "changed"
	if got := Codes(SOAP)[0].Code; got != "10001" {
		t.Errorf("the table was changed: %s", got)
	}
}

func checkAdvice(t *testing.T, c Code) {
	t.Helper()
	if !slices.Contains(turns, c.Turn) {
		t.Errorf("%s %s: turn %q", c.API, c.Code, c.Turn)
	}
	if len(c.Advice) < 20 || len(c.Advice) > 200 || strings.Contains(c.Advice, "\n") || !strings.HasSuffix(c.Advice, ".") {
		t.Errorf("%s %s: advice of %d bytes: %q", c.API, c.Code, len(c.Advice), c.Advice)
	}
}

func TestCodeAsJSON(t *testing.T) {
	c, _ := Lookup(SOAP, "20103")
	b, err := json.Marshal(c)
	want := `{"api":"soap","code":"20103","message":"Lead Not Found","notes":"The LeadKey value did not match any lead.","class":"answer","retryable":false,` +
		`"turn":"nobody","advice":"` + c.Advice + `","source":"` + sourceSOAP + `"}`
	if err != nil || string(b) != want {
		t.Errorf("got %s %v", b, err)
	}
}

func TestExplain(t *testing.T) {
	for _, api := range []API{SOAP, REST} {
		for _, o := range []Outcome{Fault, Partial, HTTP, Malformed, Transport, Client, Recovered} {
			c := Explain(Verdict{Outcome: o}, api)
			if c.API != api || c.Class != ClassUnknown || c.Code != "" || c.Message == "" || c.Notes == "" {
				t.Errorf("%s %s: %+v", api, o, c)
			}
			checkAdvice(t, c)
		}
		if got := Explain(Verdict{}, api); got != (Code{API: api}) {
			t.Errorf("%s success: %+v", api, got)
		}
		c := Explain(Verdict{Outcome: Fault, Code: "20112"}, api)
		if c.Code != "20112" || c.Class != ClassUnknown {
			t.Errorf("%s 20112: %+v", api, c)
		}
		checkAdvice(t, c)
	}
	if got := Explain(Verdict{Outcome: Recovered, Code: "20016"}, SOAP); got.Class != ClassRenew {
		t.Errorf("recovered: %+v", got)
	}
	for message, want := range map[string]bool{"429 Too Many Requests": true, "503 Service Unavailable": true, "404 Not Found": false, "5030 left": false} {
		if c := Explain(Verdict{Outcome: HTTP, Message: message}, REST); c.Retryable != want || c.Class != ClassUnknown {
			t.Errorf("%s: %+v", message, c)
		}
	}
	if got := Explain(Verdict{Outcome: Fault, Code: "601"}, SOAP); got.Class != ClassUnknown {
		t.Errorf("a code of the other API: %+v", got)
	}
	for code, class := range map[string]Class{
		"401013": ClassAccess, "429001": ClassThrottled, "4290801": ClassThrottled, "400001": ClassCaller, "503001": ClassMarketo, "200001": ClassUnknown, "4010": ClassUnknown,
	} {
		c := Explain(Verdict{Outcome: Fault, Code: code}, REST)
		if c.Class != class || c.Code != code {
			t.Errorf("%s: %+v", code, c)
		}
		checkAdvice(t, c)
	}
	for message, class := range map[string]Class{
		"Export daily quota 500MB exceeded.": ClassQuota, "Too many jobs (10) in queue": ClassCaller, "Job already queued": ClassCaller, "": ClassQuota,
	} {
		c := Explain(Verdict{Outcome: Fault, Code: "1029", Message: message}, REST)
		if c.Class != class || c.Retryable != strings.HasPrefix(message, "Too many") {
			t.Errorf("1029 %q: %+v", message, c)
		}
		checkAdvice(t, c)
	}
}
