package pseudonym

import (
	"strings"
	"testing"
)

// messages are free texts: those of Marketo, of gateways, and ones that hold what they should not. Each word in secret must go,
// the texts in keeps must stay.
var messages = []struct {
	in     string
	secret string
	keeps  []string
}{
	{"No lead found with EMAIL = someone@corp.org (20103)", "someone corp", []string{"No lead found with EMAIL = ", " (20103)"}},
	{"No lead found with EMAIL = 'Jane Doe' (20103)", "Jane Doe", []string{"No lead found with EMAIL = '", "' (20103)"}},
	{"No lead found with COOKIE = id:287-GTJ-838&token:_mch-corp.org-1396310362214-46169 (20103)", "GTJ 1396310362214 46169", []string{"COOKIE = ", "(20103)"}},
	{"Lead with id 1089965 not found", "", []string{"Lead with id 1089965 not found"}},
	{"20110 - Input error", "", []string{"20110 - Input error"}},
	{"Unknown name attribute list: nameasdf", "nameasdf", []string{"Unknown name attribute list: "}},
	{"Lead not found: Kaufman, Travis", "Kaufman Travis", []string{"Lead not found: "}},
	{"Max Kaufman not found on Will Page", "Max Kaufman Will Page", []string{"not found on "}},
	{"Max rate limit '100' exceeded with in '20' secs", "", []string{"Max rate limit '100' exceeded with in '20' secs"}},
	{"Invalid value ‘Jane Doe'. Required of type ‘Integer'", "Jane Doe", []string{"Invalid value ‘", "'. Required of type ‘Integer'"}},
	{"Field ‘shoeSize' not found", "", []string{"Field ‘shoeSize' not found"}},
	{"Missing value for the required parameter 'email'", "", []string{"Missing value for the required parameter 'email'"}},
	{"Value [Jane] of lead [Doe] too long: limit 255 characters, 50000 bytes", "Jane Doe", []string{"limit 255 characters, 50000 bytes"}},
	{`Lead "O'Brien" skipped`, "O'Brien Brien", []string{`Lead "`, `" skipped`}},
	{"phone +49 (30) 123456-78 or 555.123.4567 or 5551234567", "123456 555 4567", []string{"phone +", " or "}},
	{"born 1970-02-03 at 2026-11-24T15:04:05Z in 94105", "1970 94105", []string{"2026-11-24T15:04:05Z"}},
	{"from 10.1.2.3 and 2001:4860::8888 by https://corp.org/jane?x=y", "10.1.2.3 4860 corp jane", []string{"https://h-"}},
	{"request e42b#14272d07d78 failed", "", []string{"request e42b#14272d07d78 failed"}},
	{"marketo-proxy: no answer from Marketo: connection refused", "", []string{"marketo-proxy: no answer from Marketo: connection refused"}},
	{"502 Bad Gateway nginx/1.18.0", "", []string{"502 Bad Gateway nginx/1.18.0"}},
	{"jane%40corp.org jane&#64;corp.org jane\\u0040corp.org jane%2540corp.org", "jane corp", nil},
	{"Wert für Jürgen Müßig ungültig: 李小龙", "Jürgen rgen Müßig 李小龙 小", nil},
}

func TestText(t *testing.T) {
	for _, message := range messages {
		m := newMasker(t)
		out := m.Text(message.in)
		for _, s := range strings.Fields(message.secret) {
			if strings.Contains(out, s) {
				t.Errorf("%s is left: %q becomes %q", s, message.in, out)
			}
		}
		for _, k := range message.keeps {
			if !strings.Contains(out, k) {
				t.Errorf("%q is lost: %q becomes %q", k, message.in, out)
			}
		}
		if n := m.Counts(); (len(n) == 0) != (message.secret == "") {
			t.Errorf("%q becomes %q: counted %v", message.in, out, n)
		}
	}
}

func TestFindEmail(t *testing.T) {
	long := strings.Repeat("x", 300)
	for in, want := range map[string]string{
		"":                                        "",
		"no address":                              "",
		"@media x{}":                              "",
		"a@b":                                     "",
		"version@1.2.3":                           "",
		"jo@corp.org":                             "jo@corp.org",
		"'jo@corp.org'":                           "jo@corp.org",
		"<jo@corp.org>":                           "jo@corp.org",
		"&lt;jo@corp.org&gt;":                     "jo@corp.org",
		`"x":"jo@corp.org\n"`:                     "jo@corp.org",
		`\njo@corp.org`:                           "jo@corp.org",
		`jo\u0040corp.org`:                        "jo@corp.org",
		`\u003cjo\\u0040corp.org\u003e`:           "jo@corp.org",
		"q=jo%40corp.org&x=y":                     "jo@corp.org",
		"q=jo%2540corp%252Eorg&x=y":               "jo@corp.org",
		"jo&#64;corp.org":                         "jo@corp.org",
		"jo&amp;#x40;corp.org":                    "jo@corp.org",
		"jo&commat;corp.org":                      "jo@corp.org",
		"ren\\u00e9@corp.org":                     "rené@corp.org",
		"o'brien+tag@corp.co.uk.":                 "o'brien+tag@corp.co.uk",
		"jo@corp.org.1":                           "jo@corp.org",
		"<!--jo@corp.org-->":                      "jo@corp.org",
		"jo@münchen.de":                           "jo@münchen.de",
		"‘jo@corp.org’":                           "jo@corp.org",
		"https://u:REDACTED@corp.org/":            "",
		"p-abcdefghijklm@example.com":             "",
		"x.p-abcdefghijklm@example.com.":          "",
		"p-abcdefghijklm@example.com jo@corp.org": "jo@corp.org",
		"p-abcdefghijkl1@example.com":             "p-abcdefghijkl1@example.com",
		"jane@example.com":                        "jane@example.com",
		long + "@corp.org":                        long[:300-maxLocal-1] + "@corp.org",
	} {
		found, err := FindEmail(strings.NewReader(in))
		if err != nil || found != want {
			t.Errorf("%.60q: found %q, %v; want %q", in, found, err, want)
		}
	}
}
