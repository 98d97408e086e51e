package classify

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func readAll(a Answer, body string) Verdict { return readPieces(a, []byte(body)) }

// readPieces writes body in pieces that end at cuts.
func readPieces(a Answer, body []byte, cuts ...int) Verdict {
	r := NewResponseReader(a)
	last := 0
	for _, cut := range append(slices.Clone(cuts), len(body)) {
		p := bytes.Clone(body[last:cut])
		r.Write(p)
		clear(p) // nothing of it is kept
		r.Verdict()
		last = cut
	}
	return r.Verdict()
}

func soapAnswer(status int) Answer {
	return Answer{Call: Call{API: SOAP, Operation: "getLead"}, Method: "POST", Status: status, ContentType: "text/xml; charset=UTF-8"}
}

// envelope puts body between the tags that Marketo writes.
func envelope(body string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/">` +
		`<SOAP-ENV:Body>` + body + `</SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

func fault(faultString, detail string) string {
	return envelope(`<SOAP-ENV:Fault><faultcode>SOAP-ENV:Client</faultcode><faultstring>` + faultString + `</faultstring>` + detail + `</SOAP-ENV:Fault>`)
}

func detail(message, code string) string {
	return `<detail><ns1:serviceException xmlns:ns1="http://www.marketo.com/mktows/"><name>mktServiceException</name><message>` + message +
		`</message><code>` + code + `</code></ns1:serviceException></detail>`
}

func TestFaults(t *testing.T) {
	tests := []struct {
		name, body    string
		code, message string
	}{
		{"canonical", fault("20014 - Authentication failed", detail("Authentication failed (20014)", "20014")), "20014", "Authentication failed (20014)"},
		{"code before texts", fault("20110 - Input error", detail("Object name is not valid (20111)", "20102")), "20102", "Object name is not valid (20111)"},
		{"code only in detail", fault("Parameter required", detail("No selection criteria found in request", "10001")), "10001", "No selection criteria found in request"},
		{"white space", fault("x", detail("m", "\n\t 20103 \n")), "20103", "m"},
		{"upper-case Detail", fault("x", strings.ReplaceAll(detail("m", "20103"), "detail>", "Detail>")), "20103", "m"},
		{"any prefix", strings.NewReplacer("SOAP-ENV:", "s:", "ns1:", "").Replace(fault("x", detail("m", "20103"))), "20103", "m"},
		{"no prefix", strings.NewReplacer("SOAP-ENV:", "", "ns1:", "").Replace(fault("x", detail("m", "20103"))), "20103", "m"},
		{"prefix of faultstring", fault("20103 - Lead not found", ""), "20103", "20103 - Lead not found"},
		{"suffix of message", fault("Lead not found", detail("No lead found with EMAIL = a@b.c (20103)", "")), "20103", "No lead found with EMAIL = a@b.c (20103)"},
		{"faultstring before suffix", fault("20101 - x", detail("y (20103)", "")), "20101", "y (20103)"},
		{"code is no number", fault("20101 - x", detail("y (20103)", "2010x")), "20101", "y (20103)"},
		{"entities", fault("x", detail("a &amp; b &lt;c&gt; &#40;20103&#x29;", "2010&#51;")), "20103", "a & b <c> (20103)"},
		{"CDATA", fault("<![CDATA[20103 - a & <b>20104</b>]]>", ""), "20103", "20103 - a & <b>20104</b>"},
		{"CDATA and text", fault("x", detail("m", "20<![CDATA[10]]>3")), "20103", "m"},
		{"comment within", fault("x", detail("m", "201<!-- 9 -->03")), "20103", "m"},
		{"reference cut by a comment", fault("x", detail("a &am<!-- -->p; b", "20103")), "20103", "a &amp; b"},
		{"reference and CDATA", fault("x", detail("a &am<![CDATA[p; b]]>", "20103")), "20103", "a &amp; b"},

		{"digits in the message", fault("x", detail("20103 leads (20104) failed", "")), "", "20103 leads (20104) failed"},
		{"six digits", fault("201030 - x", detail("y (201030)", "")), "", "y (201030)"},
		{"four digits", fault("2010 - x", detail("y (2010)", "")), "", "y (2010)"},
		{"no blank before the bracket", fault("x", detail("y(20103)", "")), "", "y(20103)"},
		{"suffix of faultstring", fault("x (20103)", ""), "", "x (20103)"},
		{"prefix of message", fault("x", detail("20103 - y", "")), "", "20103 - y"},
		{"code in an attribute", fault("x", `<detail><serviceException code="20103"><message code="20104">m</message></serviceException></detail>`), "", "m"},
		{"code in a comment", fault("x", `<detail><serviceException><!-- <code>20103</code> --><message>m</message></serviceException></detail>`), "", "m"},
		{"code in CDATA markup", fault("x", `<detail><serviceException><![CDATA[<code>20103</code>]]><message>m</message></serviceException></detail>`), "", "m"},
		{"code in an instruction", fault("x", `<detail><?x <serviceException><code>20103</code></serviceException>?></detail>`), "", "x"},
		{"code in a child of code", fault("x", detail("m", "<b>20103</b>")), "", "m"},
		{"child beside the code", fault("x", detail("m", "20<b>99</b>103")), "20103", "m"},
		{"code too deep", fault("x", `<detail><x><serviceException><code>20103</code></serviceException></x></detail>`), "", "x"},
		{"code beside serviceException", fault("x", `<detail><serviceException/><code>20103</code></detail>`), "", "x"},
		{"code outside detail", fault("x", `<serviceException><code>20103</code></serviceException><code>20104</code>`), "", "x"},
		{"second code", fault("x", detail("m", "20103</code><code>20104")), "20103", "m"},
		{"faultcode", strings.Replace(fault("x", ""), "SOAP-ENV:Client", "20103", 1), "", "x"},
		{"nested Fault", fault("x", `<detail><Fault><faultstring>20103 - y</faultstring></Fault></detail>`), "", "x"},
		{"empty Fault", envelope(`<SOAP-ENV:Fault/>`), "", ""},
		{"second child", strings.Replace(fault("20103 - x", ""), "</SOAP-ENV:Body>", "<successGetLead/></SOAP-ENV:Body>", 1), "20103", "20103 - x"},
		{"with a Header", strings.Replace(fault("20103 - x", ""), "<SOAP-ENV:Body>", "<SOAP-ENV:Header><Fault/></SOAP-ENV:Header><SOAP-ENV:Body>", 1), "20103", "20103 - x"},
		{"SOAP 1.2", envelope(`<Fault><Code><Value>s:Sender</Value></Code><Reason><Text xml:lang="en">20103 - x</Text></Reason>` +
			strings.ReplaceAll(detail("m", "20104"), "detail>", "Detail>") + `</Fault>`), "20104", "m"},
		{"SOAP 1.2 reason", envelope(`<Fault><Reason><Text>20103 - x</Text><Text>20104 - y</Text></Reason></Fault>`), "20103", "20103 - x"},
		{"long message", fault("x", detail(strings.Repeat("é", 3000)+" (20103)", "")), "20103", strings.Repeat("é", 512)},
		{"malformed after the Fault", strings.TrimSuffix(fault("20103 - x", ""), "Envelope>") + "nope>\xff<!DOCTYPE", "20103", "20103 - x"},
		{"invalid UTF-8", strings.Replace(fault("x", detail("caf\xe9", "20103")), "<SOAP", "<!-- \xff --><SOAP", 1), "20103", "caf\ufffd"},
		{"byte order mark", byteOrderMark + fault("20103 - x", ""), "20103", "20103 - x"},
	}
	for _, test := range tests {
		for _, status := range []int{200, 202, 500} {
			want := Verdict{Outcome: Fault, Code: test.code, Message: test.message}
			if got := readAll(soapAnswer(status), test.body); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %+v, want %+v", test.name, got, want)
			}
		}
		checkEverySplit(t, soapAnswer(500), test.body)
	}
}

// checkEverySplit cuts once at many places, and everywhere at once.
func checkEverySplit(t *testing.T, a Answer, body string) {
	t.Helper()
	want := readAll(a, body)
	all := make([]int, len(body))
	for i := range all {
		all[i] = i
		if i%(1+len(body)/60) > 0 {
			continue
		}
		if got := readPieces(a, []byte(body), i); !reflect.DeepEqual(got, want) {
			t.Fatalf("%.200q cut at %d:\ngot  %+v\nwant %+v", body, i, got, want)
		}
	}
	if got := readPieces(a, []byte(body), all...); !reflect.DeepEqual(got, want) {
		t.Fatalf("%.200q byte by byte:\ngot  %+v\nwant %+v", body, got, want)
	}
}

func TestCharsets(t *testing.T) {
	body := func(encoding string) string {
		return strings.Replace(fault("x", detail("Caf\xe9 \x80 &amp; &#233;", "20103")), "UTF-8", encoding, 1)
	}
	for encoding, want := range map[string]string{
		"ISO-8859-1": "Café \u0080 & é", "windows-1252": "Café € & é", "iso-8859-15": "Café \ufffd & é", "KOI8-R": "Caf\ufffd \ufffd & é",
	} {
		if got := readAll(soapAnswer(500), body(encoding)).Message; got != want {
			t.Errorf("%s: got %q, want %q", encoding, got, want)
		}
		checkEverySplit(t, soapAnswer(500), body(encoding))
	}
	a := soapAnswer(500)
	a.ContentType = `text/xml; charset="ISO-8859-1"`
	if got := readAll(a, strings.Replace(body(""), ` encoding=""`, "", 1)).Message; got != "Café \u0080 & é" {
		t.Errorf("charset of the Content-Type: got %q", got)
	}
	if got := readAll(soapAnswer(200), body("UTF-8")); got.Outcome != Fault {
		t.Errorf("a Fault read entirely: got %+v", got)
	}
}

func TestPartial(t *testing.T) {
	one := func(i int, status, err string) []Record { return []Record{{Index: i, Status: status, Error: err}} }
	status := func(item, status, err string) string {
		return "<" + item + "><leadId>1</leadId><status>" + status + "</status>" + err + "</" + item + ">"
	}
	list := func(op, list, item string) string {
		return "<ns1:success" + op + "><result><" + list + ">" + status(item, "CREATED", `<error xsi:nil="true"/>`) +
			status(item, "FAILED", "<error>Unknown name: &lt;x&gt; (20105)</error>") + status(item, "UNCHANGED", "") +
			status(item, "SKIPPED", "<error>twice</error>") + "</" + list + "></result></ns1:success" + op + ">"
	}
	listed := []Record{{Index: 1, Status: "FAILED", Error: "Unknown name: <x> (20105)"}, {Index: 3, Status: "SKIPPED", Error: "twice"}}
	result := func(op, s string) string { return "<success" + op + "><result>" + s + "</result></success" + op + ">" }
	leadStatus := func(s string) string {
		return "<leadStatus><leadKey><status>false</status></leadKey><status>" + s + "</status></leadStatus>"
	}

	tests := []struct {
		name, body string
		want       []Record
	}{
		{"syncLead", result("SyncLead", "<leadId>1</leadId>"+status("syncStatus", "FAILED", "<error>no</error>")), one(0, "FAILED", "no")},
		{"syncLead without error", result("SyncLead", status("syncStatus", "FAILED", `<error xsi:nil="true"></error>`)), one(0, "FAILED", "")},
		{"syncMultipleLeads", list("SyncMultipleLeads", "syncStatusList", "syncStatus"), listed},
		{"syncMObjects", list("SyncMObjects", "mObjStatusList", "mObjStatus"), listed},
		{"deleteMObjects", list("DeleteMObjects", "mObjStatusList", "mObjStatus"), listed},
		{"syncCustomObjects", list("SyncCustomObjects", "syncCustomObjStatusList", "syncCustomObjStatus"), listed},
		{"deleteCustomObjects", list("DeleteCustomObjects", "deleteCustomObjStatusList", "syncCustomObjStatus"), listed},
		{"mergeLeads", result("MergeLeads", "<mergeStatus><status>FAILED</status><error>gone</error></mergeStatus>"), one(0, "FAILED", "gone")},
		{"importToList failed", result("ImportToList", "<importStatus>FAILED</importStatus>"), one(0, "FAILED", "")},
		{"importToList canceled", result("ImportToList", "<importStatus> CANCELED\n</importStatus>"), one(0, "CANCELED", "")},
		{"getImportToListStatus", result("GetImportToListStatus", "<status>FAILED</status><importSummary>2 rows</importSummary>"), one(0, "FAILED", "2 rows")},
		{"getImportToListStatus canceled", result("GetImportToListStatus", "<status>CANCELED</status>"), one(0, "CANCELED", "")},
		{"requestCampaign", result("RequestCampaign", "<success>false</success>"), one(0, "false", "")},
		{"scheduleCampaign", result("ScheduleCampaign", "<success>0</success>"), one(0, "0", "")},
		{"listOperation", result("ListOperation", "<success>false</success><statusList>"+leadStatus("true")+leadStatus("false")+"</statusList>"), one(1, "false", "")},
		{"listOperation, success last", result("ListOperation", "<statusList>"+leadStatus("true")+leadStatus("false")+"</statusList><success>0</success>"), one(1, "false", "")},
		{"listOperation, nil", result("ListOperation", `<success>false</success><statusList xsi:nil="true"/>`), one(0, "false", "")},

		{"listOperation true", result("ListOperation", "<success>true</success><statusList>"+leadStatus("false")+"</statusList>"), nil},
		{"campaign true", result("RequestCampaign", "<success>true</success>"), nil},
		{"processing", result("ImportToList", "<importStatus>PROCESSING</importStatus>"), nil},
		{"another path", "<successSyncLead><syncStatus><status>FAILED</status></syncStatus><result><x>" + status("syncStatus", "FAILED", "") + "</x><status>FAILED</status></result></successSyncLead>", nil},
		{"another operation's path", result("SyncLead", "<syncStatusList>"+status("syncStatus", "FAILED", "")+"</syncStatusList>"), nil},
		{"a reading operation", result("GetLead", status("syncStatus", "FAILED", "")), nil},
		{"an unknown operation", result("SyncThings", status("syncStatus", "FAILED", "")), nil},
		{"small first letter", "<successsyncLead><result>" + status("syncStatus", "FAILED", "") + "</result></successsyncLead>", nil},
		{"lead data", result("SyncLead", status("syncStatus", "CREATED", "")+"<leadRecord><syncStatus><status>FAILED</status></syncStatus></leadRecord>"), nil},
		{"comment, CDATA, attribute", result("SyncLead", `<syncStatus status="FAILED"><!-- <status>FAILED</status> --><![CDATA[<status>FAILED</status>]]><status>CREATED</status></syncStatus>`), nil},
		{"second child of Body", "<successGetLead/>" + result("SyncLead", status("syncStatus", "FAILED", "")), nil},
		{"in CDATA", result("SyncLead", status("syncStatus", "<![CDATA[FAILED]]>", "")), one(0, "FAILED", "")},
		{"nested in a status", result("SyncLead", status("syncStatus", "<b>FAILED</b>", "")), nil},
		{"prefixes", strings.NewReplacer("<r", "<p:r", "</r", "</p:r", "<sync", "<p:sync", "</sync", "</p:sync", "<status", "<p:status", "</status", "</p:status").
			Replace(result("SyncLead", status("syncStatus", "FAILED", ""))), one(0, "FAILED", "")},
		{"Fault as second child", "<successGetLead/><SOAP-ENV:Fault><faultstring>20103 - x</faultstring></SOAP-ENV:Fault>", nil},
		{"Fault in data", "<successGetLead><Fault><faultstring>20103 - x</faultstring></Fault></successGetLead>", nil},
	}
	for _, test := range tests {
		body := strings.Replace(envelope(test.body), "<SOAP-ENV:Body>", "<SOAP-ENV:Header><Fault/></SOAP-ENV:Header><SOAP-ENV:Body>", 1)
		got := readAll(soapAnswer(200), body)
		var want Verdict
		if len(test.want) > 0 {
			want = Verdict{Outcome: Partial, Records: test.want, RecordsFailed: len(test.want), Message: test.want[0].Error}
			if want.Message == "" {
				want.Message = test.want[0].Status
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", test.name, got, want)
		}
		checkEverySplit(t, soapAnswer(200), body)
		if got := readAll(soapAnswer(503), body); !reflect.DeepEqual(got, Verdict{Outcome: HTTP, Message: "503 Service Unavailable"}) {
			t.Errorf("%s with status 503: %+v", test.name, got)
		}
	}
}

func TestMemberCheck(t *testing.T) {
	body := envelope("<successListOperation><result><success>false</success><statusList><leadStatus><status>false</status></leadStatus></statusList></result></successListOperation>")
	a := soapAnswer(200)
	if got := readAll(a, body); got.Outcome != Partial {
		t.Errorf("got %+v", got)
	}
	a.Call.MemberCheck = true
	if got := readAll(a, body); got.Outcome != Success {
		t.Errorf("as a member check: got %+v", got)
	}
}

func TestManyRecords(t *testing.T) {
	item := "<syncStatus><status>FAILED</status><error>" + strings.Repeat("x", 5000) + "</error></syncStatus>"
	body := envelope("<successSyncMultipleLeads><result><syncStatusList>" + strings.Repeat(item, MaxRecords+5) + "</syncStatusList></result></successSyncMultipleLeads>")
	got := readAll(soapAnswer(200), body)
	if got.RecordsFailed != MaxRecords+5 || len(got.Records) != MaxRecords || len(got.Records[7].Error) != maxMessage || got.Records[7].Index != 7 {
		t.Errorf("%d failed, %d listed", got.RecordsFailed, len(got.Records))
	}
}

func TestMalformed(t *testing.T) {
	ok := envelope("<successGetLead/>")
	tests := map[string]string{ // body to reason
		"":                                       "empty body",
		" \r\n":                                  "empty body",
		"\xef\xbb":                               "invalid UTF-8",
		"<html><body>Bad Gateway</body></html>":  "not a SOAP envelope: root element is html",
		"<!DOCTYPE html><html></html>":           "not a SOAP envelope: it has a DOCTYPE, as HTML pages have",
		`{"success":true}`:                       "not a SOAP envelope: it looks like JSON",
		"Service unavailable":                    "not a SOAP envelope: it is no XML",
		"x" + ok:                                 "not a SOAP envelope: it is no XML",
		"<?xml version='1.0'?><!-- x -->":        "not a SOAP envelope: it has no root element",
		"<![CDATA[x]]>":                          "not well-formed XML: a CDATA section outside the root element",
		ok + "x":                                 "not well-formed XML: text follows the root element",
		ok + "<a/>":                              "not well-formed XML: an element follows the root element",
		ok + "<!-- x ":                           "not well-formed XML: it ends inside a tag or comment",
		ok[:len(ok)-1]:                           "not well-formed XML: it ends inside a tag or comment",
		ok[:len(ok)-len("</SOAP-ENV:Envelope>")]: "not well-formed XML: it ends before </Envelope>",
		ok[:39]:                                  "not a SOAP envelope: it has no root element",
		strings.Replace(ok, "</SOAP-ENV:Body>", "</Body>", 1): "not well-formed XML: </Body> closes another element",
		"</a>":                                                                    "not well-formed XML: </a> closes another element",
		"<Envelope></a></Envelope>":                                               "not well-formed XML: </a> closes another element",
		"<Envelope/>":                                                             "not a SOAP envelope: it has no Body",
		"<Envelope><Header/></Envelope>":                                          "not a SOAP envelope: it has no Body",
		"<Envelope><Body/></Envelope>":                                            "not a SOAP envelope: its Body is empty",
		"<Envelope><Body>x</Body></Envelope>":                                     "not a SOAP envelope: its Body is empty",
		"<Envelope><Body><a/></Body><Body/></Envelope>":                           "not a SOAP envelope: it has two Body elements",
		"<Envelope><x><Body><a/></Body></x></Envelope>":                           "not a SOAP envelope: it has no Body",
		"<Envelope><Body><a>a < b</a></Body></Envelope>":                          "not well-formed XML: a stray <",
		"<Envelope><Body><Fault><faultstring>20103 - x</faultstring>":             "not well-formed XML: it ends before </Envelope>",
		"<!DOCTYPE a [<!ENTITY b 'c'>]>" + ok:                                     "not a SOAP envelope: it has a DOCTYPE, as HTML pages have",
		"<Envelope><Body><a>\xff</a></Body></Envelope>":                           "invalid UTF-8",
		"<Envelope><Body><a>caf\xe9</a></Body></Envelope>":                        "invalid UTF-8",
		"<Envelope><Body><a/></Body></Envelope><!-- -->\n":                        "",
		byteOrderMark + ok + "\n":                                                 "",
		"\n<Envelope><Body><a>é😀</a></Body></Envelope>":                           "",
		"<Envelope><Body><" + strings.Repeat("n", 70000) + "/></Body></Envelope>": "a tag is longer than 64 KiB",
		"<Envelope><Body></" + strings.Repeat("n", 70000) + "></Body></Envelope>": "a tag is longer than 64 KiB",
		"<Envelope><Body>" + nested(5000) + "</Body></Envelope>":                  "",
		"<Envelope><Body>" + nested(100_000) + "</Body></Envelope>":               "nested more than 10,000 deep",
		"<Envelope><Body>" + nested(1000) + "</b></Body></Envelope>":              "not well-formed XML: </b> closes another element",
		strings.Replace(strings.Replace(ok, "UTF-8", "ISO-8859-1", 1), "<successGetLead/>", "<a>\xe9</a>", 1): "",
		strings.Replace(ok, "UTF-8", "UTF-16", 1):                                                             "",
	}
	for body, reason := range tests {
		want := Verdict{}
		if reason != "" {
			want = Verdict{Outcome: Malformed, Message: reason}
		}
		for _, status := range []int{200, 302} {
			if got := readAll(soapAnswer(status), body); !reflect.DeepEqual(got, want) {
				t.Errorf("%.100q: got %+v, want %q", body, got, reason)
			}
		}
		if len(body) < 1000 {
			checkEverySplit(t, soapAnswer(200), body)
		}
		if got := readAll(soapAnswer(404), body); !reflect.DeepEqual(got, Verdict{Outcome: HTTP, Message: "404 Not Found"}) {
			t.Errorf("%.100q with status 404: got %+v", body, got)
		}
		for _, a := range []Answer{{Method: "GET", Status: 200}, {Method: "HEAD", Status: 200}, {Method: "POST", Status: 204}, {Method: "GET", Status: 304}} {
			if got := readAll(a, body); got.Outcome != Success {
				t.Errorf("%.100q for %v: got %+v", body, a, got)
			}
		}
	}
	if got := readAll(Answer{Method: "GET", Status: 500}, fault("20103 - x", "")); got.Code != "20103" {
		t.Errorf("a Fault for a GET: got %+v", got)
	}
}

func nested(n int) string { return strings.Repeat("<b>", n) + strings.Repeat("</b>", n) }

func TestUnderway(t *testing.T) {
	tests := []struct {
		a              Answer
		read           string
		early, failing bool
	}{
		{soapAnswer(200), "", false, false},
		{soapAnswer(200), "<Envelope><Header/><Body>", false, false},
		{soapAnswer(200), "<Envelope><Body><successGetLea", false, false},
		{soapAnswer(200), "<Envelope><Body><successGetLead>", true, false},
		{soapAnswer(500), "", false, true},
		{soapAnswer(500), "<html>", true, true},
		{soapAnswer(200), "<html>", true, true},
		{soapAnswer(200), "<!D", true, true},
		{soapAnswer(200), "{", true, true},
		{soapAnswer(200), "<Envelope><Body>\xff", false, true},
		{soapAnswer(200), "<Envelope><Body>\xff<a>", true, true},
		{soapAnswer(200), "<Envelope><Body><a>\xff", true, true},
		{soapAnswer(200), "<Envelope><Body><Fault></a>", true, true},
		{soapAnswer(200), "<Envelope><Body><Fault>", false, true},
		{soapAnswer(200), "<Envelope><Body><Fault></Fault></Body></Envelope>", false, true},
		{soapAnswer(200), "<Envelope><Body><successSyncLead><result><syncStatus><status>FAILED</status></syncStatus>", true, true},
		{soapAnswer(200), "<Envelope><Body/>", true, true},
		{Answer{Method: "GET", Status: 200}, "<wsdl:definitions>", true, false},
		{Answer{Method: "HEAD", Status: 200}, "", true, false},
		{Answer{Method: "HEAD", Status: 500}, "", true, true},
		{Answer{Method: "POST", Status: 204}, "", true, false},
	}
	for _, test := range tests {
		r := NewResponseReader(test.a)
		r.Write([]byte(test.read))
		if r.Early() != test.early || r.Failing() != test.failing {
			t.Errorf("%v %q: early %v, failing %v", test.a.Status, test.read, r.Early(), r.Failing())
		}
	}
}

func TestAbort(t *testing.T) {
	tests := map[string]Verdict{
		"":                                {Outcome: Malformed, Message: "gzip: broken"},
		"<Envelope><Body><a>":             {Outcome: Malformed, Message: "gzip: broken"},
		"<html>":                          {Outcome: Malformed, Message: "not a SOAP envelope: root element is html"},
		"<Envelope><Body><Fault></Fault>": {Outcome: Fault},
		"<Envelope><Body><successRequestCampaign><result><success>false</success></result>": {
			Outcome: Partial, Message: "false", RecordsFailed: 1, Records: []Record{{Status: "false"}},
		},
	}
	for body, want := range tests {
		r := NewResponseReader(soapAnswer(200))
		r.Write([]byte(body))
		r.Abort("gzip: broken")
		r.Write([]byte("</a></Body></Envelope>"))
		if got := r.Verdict(); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v", body, got)
		}
		if early := want.Outcome != Fault; r.Early() != early || !r.Failing() {
			t.Errorf("%q: early %v, failing %v", body, r.Early(), r.Failing())
		}
	}
}

func TestSamples(t *testing.T) {
	files, err := filepath.Glob("testdata/soap/*.xml")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasSuffix(name, ".request.xml") {
			continue
		}
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want := Verdict{}
		switch name {
		case "20014-authentication-failed.adobe-docs.xml":
			want = Verdict{Outcome: Fault, Code: "20014", Message: "Authentication failed (20014)"}
		case "blog-2014.fragment.xml":
			want = Verdict{Outcome: Malformed, Message: "not a SOAP envelope: root element is successGetMultipleLeads"}
		case "gettags.response.xml": // Adobe's page leaves the envelope out
			want = Verdict{Outcome: Malformed, Message: "not a SOAP envelope: root element is successGetTags"}
		}
		a := soapAnswer(200)
		if request, err := os.ReadFile(strings.Replace(file, ".response.", ".request.", 1)); err == nil {
			a.Call, _ = readCall("", request)
		}
		if got := readAll(a, string(body)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// soapBody generates bodies near to all the rules.
func soapBody() *rapid.Generator[string] {
	atom := rapid.SampledFrom([]string{
		"<Envelope>", "</Envelope>", "<s:Body>", "</s:Body>", "<Body/>", "<Fault>", "</Fault>", "<faultstring>", "</faultstring>", "20103 - x",
		"<detail>", "</detail>", "<serviceException>", "</serviceException>", "<code>", "</code>", "20103", "&#50;", "&amp;", "&", "(20104)",
		"<successSyncMultipleLeads>", "</successSyncMultipleLeads>", "<successListOperation>", "<result>", "</result>", "<syncStatusList>", "<syncStatus>",
		"<status>", "FAILED", "</status>", "</syncStatus>", "<error>", "x", "</error>", "<success>", "false", "</success>", "<!--", "-->", "<![CDATA[", "]]>",
		"<?xml version='1.0' encoding='ISO-8859-1'?>", "é", "\xff", " ", "<", ">", "<!DOCTYPE", byteOrderMark, "<a b='>'/>",
	})
	loose := rapid.Map(rapid.SliceOfN(atom, 0, 40), func(s []string) string { return strings.Join(s, "") })
	within := rapid.Map(loose, envelope)
	inFault := rapid.Map(loose, func(s string) string { return fault(s, detail(s, "20103")) })
	synced := rapid.Map(loose, func(s string) string {
		return envelope("<successSyncLead><result><syncStatus>" + s + "<status>FAILED</status></syncStatus></result></successSyncLead>")
	})
	return rapid.OneOf(loose, within, inFault, synced)
}

func TestAnySplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := []byte(soapBody().Draw(t, "body"))
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(body)), 0, 6).Draw(t, "cuts")
		slices.Sort(cuts)
		a := soapAnswer(rapid.SampledFrom([]int{200, 500}).Draw(t, "status"))
		if want, got := readPieces(a, body), readPieces(a, body, cuts...); !reflect.DeepEqual(got, want) {
			t.Fatalf("cut at %v:\ngot  %+v\nwant %+v", cuts, got, want)
		}
	})
}

func FuzzSOAPResponse(f *testing.F) {
	f.Add([]byte(fault("20014 - Authentication failed", detail("Authentication failed (20014)", "20014"))), uint16(70), uint16(200), false)
	f.Add([]byte(envelope("<successSyncLead><result><syncStatus><status>FAILED</status><error>é</error></syncStatus></result></successSyncLead>")), uint16(9), uint16(11), true)
	f.Add([]byte("<?xml version='1.0' encoding='ISO-8859-1'?><Envelope><Body><Fault><faultstring>caf\xe9</faultstring></Fault></Body></Envelope>"), uint16(3), uint16(30), true)
	f.Fuzz(func(t *testing.T, body []byte, x, y uint16, ok bool) {
		a := soapAnswer(500)
		if ok {
			a.Status = 200
		}
		i, j := int(x)%(len(body)+1), int(y)%(len(body)+1)
		want, got := readPieces(a, body), readPieces(a, body, min(i, j), max(i, j))
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
		bytewise := make([]int, min(len(body), 4<<10)) // where no tag comes whole
		for k := range bytewise {
			bytewise[k] = k
		}
		if got := readPieces(a, body, bytewise...); !reflect.DeepEqual(got, want) {
			t.Fatalf("bytewise: got  %+v\nwant %+v", got, want)
		}
		if !ok && want.Outcome != Fault && want.Outcome != HTTP {
			t.Fatalf("status 500 gives %+v", want)
		}
	})
}

func BenchmarkSOAPResponse(b *testing.B) {
	var leads strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&leads, "<leadRecord><Id>%d</Id><Email>jane@example.com</Email><leadAttributeList>", i)
		for range 20 {
			leads.WriteString("<attribute><attrName>Company</attrName><attrType>string</attrType><attrValue>Example and Sons of Somewhere</attrValue></attribute>\n")
		}
		leads.WriteString("</leadAttributeList></leadRecord>\n")
	}
	big := []byte(envelope("<ns1:successGetMultipleLeads><result><leadRecordList>" + leads.String() + "</leadRecordList></result></ns1:successGetMultipleLeads>"))
	bench := func(name string, a Answer, body []byte) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				r := NewResponseReader(a)
				for p := body; len(p) > 0; {
					n := min(len(p), 32<<10)
					r.Write(p[:n])
					p = p[n:]
				}
				r.Verdict()
			}
		})
	}
	bench("whole", soapAnswer(200), big)
	bench("head", soapAnswer(200), big[:4<<10])
	bench("fault", soapAnswer(500), []byte(fault("20014 - Authentication failed", detail("Authentication failed (20014)", "20014"))))
}

// TestHostile: whatever comes, a reader holds little. Bodies go on for some MiB.
func TestHostile(t *testing.T) {
	filler := bytes.Repeat([]byte("x"), 1<<20)
	nest := bytes.Repeat([]byte("<b>"), 1<<18)
	tests := []struct {
		open string
		fill []byte
	}{
		{"<", filler}, {"<Envelope ", filler}, {"<Envelope><Body><a b='", filler}, {"<!--", filler}, {"<?xml ", filler}, {"<!DOCTYPE [", filler}, {"", filler},
		{"<Envelope><Body><a>", nest}, {"<Envelope><Header>", nest}, {"<Envelope><Body><Fault><faultstring>", filler},
		{"<Envelope><Body><Fault><faultstring><![CDATA[", filler}, {"<Envelope><Body><Fault><faultstring>&", filler},
		{"<Envelope><Body><successRequestCampaign><result><success>", filler},
		{"<Envelope><Body><successSyncMultipleLeads><result><syncStatusList>", bytes.Repeat([]byte("<syncStatus><status>FAILED</status></syncStatus>"), 20000)},
	}
	for _, test := range tests {
		for _, pieces := range []int{1 << 20, 4096} {
			r := newSOAPResponse(soapAnswer(200))
			r.Write([]byte(test.open))
			for range 6 {
				for p := test.fill; len(p) > 0; {
					n := min(len(p), pieces)
					r.Write(p[:n])
					p = p[n:]
				}
			}
			held := 8 * cap(r.nesting.names)
			for i := range r.fields {
				held += cap(r.fields[i].b) + cap(r.fields[i].pending)
			}
			if held > 64<<10 || cap(r.records) > 2*MaxRecords {
				t.Errorf("%s: %d bytes, %d records held", test.open, held, cap(r.records))
			}
			if got := r.Verdict().Outcome; got != Malformed && got != Partial {
				t.Errorf("%s: %s", test.open, got)
			}
		}
	}
}
