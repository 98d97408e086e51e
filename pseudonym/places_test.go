package pseudonym

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

// newMasker is one with a fixed key, so that a failure can be repeated.
func newMasker(t testing.TB) *Masker {
	t.Helper()
	m, err := New(strings.NewReader(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func maskBody(t testing.TB, m *Masker, contentType, in string) string {
	t.Helper()
	return readAll(t, m.Body(contentType, io.NopCloser(strings.NewReader(in))))
}

func readAll(t testing.TB, r io.ReadCloser) string {
	t.Helper()
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func envelope(body string) string {
	return `<?xml version="1.0"?><S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/" xmlns:n="http://www.marketo.com/mktows/"><S:Body>` +
		body + `</S:Body></S:Envelope>`
}

const upload = "--b1\r\nContent-Disposition: form-data; name=\"format\"\r\n\r\ncsv\r\n" +
	"--b1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"§.csv\"\r\nContent-Type: text/csv\r\n\r\n" +
	"email,firstName,lastName\r\nx@y.org,§,\"§, Jr.\"\r\n\r\n--b1--\r\n"

// places are where a person's data may stand. Each § is replaced by a secret, which must not come out; what is in keeps must.
var places = []struct {
	name, contentType, body string
	keeps                   []string
}{
	{"SOAP lead attribute", "text/xml", envelope(`<n:successGetLead><result><count>1</count><leadRecordList><leadRecord>` +
		`<Id>1089965</Id><Email>§</Email>` +
		`<ForeignSysPersonId>§</ForeignSysPersonId><ForeignSysType>CUSTOM</ForeignSysType><leadAttributeList><attribute>` +
		`<attrName>FirstName</attrName>` +
		`<attrType>string</attrType><attrValue>§</attrValue></attribute></leadAttributeList></leadRecord></leadRecordList>` +
		`</result></n:successGetLead>`),
		[]string{"<Id>1089965</Id>", "<count>1</count>", "CUSTOM", "<attrName>FirstName</attrName><attrType>string</attrType>"}},
	{"SOAP lead key", "", envelope(`<n:paramsGetLead><leadKey><keyType>EMAIL</keyType><keyValue>§</keyValue></leadKey>` +
		`</n:paramsGetLead>`),
		[]string{"<keyType>EMAIL</keyType>"}},
	{"SOAP lead key, cookie", "", envelope(`<leadKey><keyType>COOKIE</keyType><keyValue>id:287-GTJ-838&amp;token:_mch-§` +
		`</keyValue></leadKey>`), []string{"COOKIE"}},
	{"SOAP lead key, a person in an id", "", envelope(`<leadKey><keyType>IDNUM</keyType><keyValue>§</keyValue>` +
		`</leadKey>`), []string{"IDNUM"}},
	{"SOAP lead key, number", "", envelope(`<leadKey><keyType>IDNUM</keyType><keyValue>1089965</keyValue></leadKey><a>§` +
		`</a>`), []string{"<keyValue>1089965</keyValue>"}},
	{"SOAP list key", "", envelope(`<listKey><keyType>MKTOLISTNAME</keyType><keyValue>Trav-Demo-List</keyValue></listKey>` +
		`<a>§</a>`), []string{"Trav-Demo-List"}},
	{"SOAP selector", "", envelope(`<leadSelector xsi:type="ns1:LeadKeySelector"><keyType>EMAIL</keyType><keyValues>` +
		`<stringItem>§</stringItem><stringItem>§</stringItem>` +
		`</keyValues></leadSelector><includeAttributes><stringItem>FirstName</stringItem></includeAttributes><batchSize>100` +
		`</batchSize><streamPosition>id:1089965:to:1</streamPosition>`),
		[]string{"<stringItem>FirstName</stringItem>", "<batchSize>100</batchSize>", "id:1089965:to:1", `xsi:type="ns1:LeadKeySelector"`}},
	{"SOAP selector, numbers", "", envelope(`<leadSelector><keyType>IDNUM</keyType><keyValues><stringItem>1089965</stringItem>` +
		`<stringItem>§</stringItem></keyValues></leadSelector>`), []string{"<stringItem>1089965</stringItem>"}},
	{"SOAP activity", "", envelope(`<activityRecord><id>1030680</id><activityDateTime>2013-07-09T16:44:28-05:00` +
		`</activityDateTime><activityType>Visit Webpage</activityType>` +
		`<activityAttributes><attribute><attrName>Query Parameters</attrName><attrType/><attrValue>name=§</attrValue>` +
		`</attribute></activityAttributes>` +
		`<personName>§</personName><mktPersonId>1089965</mktPersonId><orgName>§</orgName></activityRecord>`),
		[]string{"1030680", "2013-07-09T16:44:28-05:00", "Visit Webpage", "Query Parameters", "1089965"}},
	{"SOAP MObject", "", envelope(`<mObject><type>Opportunity</type><id>1001</id><attribList><attrib><name>Owner</name>` +
		`<value>§</value></attrib>` +
		`<attrib><name>Workspace Id</name><value>1</value></attrib></attribList></mObject>`),
		[]string{"Opportunity", "<id>1001</id>", "<name>Owner</name>", "<name>Workspace Id</name><value>1</value>"}},
	{"SOAP custom object", "", envelope(`<customObj><customObjKeyList><attribute><attrName>MKTOID</attrName><attrValue>§` +
		`</attrValue></attribute></customObjKeyList>` +
		`</customObj><objTypeName>RoadShow</objTypeName>`), []string{"MKTOID", "RoadShow"}},
	{"SOAP import", "", envelope(`<importFileHeader>Email,FirstName,LastName</importFileHeader><importFileRows>` +
		`<stringItem>§,§,"§"</stringItem></importFileRows><listName>Demo</listName>`),
		[]string{"Email,FirstName,LastName", "<listName>Demo</listName>"}},
	{"SOAP import, person in the header", "", envelope(`<importFileHeader>§,Doe</importFileHeader>`), nil},
	{"SOAP fault", "", envelope(`<S:Fault><faultcode>S:Client</faultcode><faultstring>20103 - Lead not found` +
		`</faultstring><detail><n:serviceException>` +
		`<name>mktServiceException</name><message>No lead found with EMAIL = § (20103)</message><code>20103</code>` +
		`</n:serviceException></detail></S:Fault>`),
		[]string{"20103 - Lead not found", "mktServiceException", "No lead found with EMAIL = ", " (20103)", "<code>20103</code>"}},
	{"SOAP status", "", envelope(`<syncStatus><leadId>7</leadId><status>FAILED</status><error>Value '§' is not valid: §` +
		`</error></syncStatus>`),
		[]string{"<status>FAILED</status>", "is not valid"}},
	{"attributes of XML", "", envelope(`<lead email="§" name='§' id="12" unknown = "§"/>`), []string{`id="12"`}},
	{"unknown elements", "", envelope(`<foo>§<bar>§</bar>§<!-- § -->§<![CDATA[§]]>§</foo>`), []string{"<foo>", "<bar>", "<!-- "}},
	{"CDATA", "", envelope(`<attrValue><![CDATA[ § & more ]]></attrValue>`), []string{"<![CDATA["}},
	{"outside of elements", "", `<a/>§`, []string{"<a/>"}},
	{"instruction", "", `<?xml version="1.0"?><?note §?><!DOCTYPE a [<!ENTITY e "§">]><a b="c">&e;` +
		`</a>`, []string{`<?xml version="1.0"?>`}},
	{"old HTML", "", "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><p>§</p></html>", []string{"//DTD HTML 2.0//EN\">\n<html>"}},
	{"a declaration of its own", "", `<!DOCTYPE § "§"><?xml version="1.0" §="§"?><a/>`, []string{"<a/>"}},
	{"tags that do not match", "", `<includeAttributes><a></b></x></includeAttributes><stringItem>§</stringItem>`, nil},
	{"a quote left open", "", `<a b="c><attrValue>§</attrValue></a>`, nil},
	{"a byte order mark", "", "\ufeff<id>7</id><a>§</a>", []string{"\ufeff<id>7</id>"}},
	{"a byte order mark and JSON", "", "\ufeff{\"id\":7,\"a\":\"§\"}", []string{"\ufeff{\"id\":7"}},
	{"cut in a tag", "", `<a><b c="§`, nil},
	{"cut in a text", "", `<a><b>§`, nil},
	{"cut in a comment", "", `<a><!-- §`, nil},
	{"cut in a section", "", `<a><![CDATA[§`, nil},
	{"cut in an instruction", "", `<a><?x §`, nil},
	{"a long tag", "", `<a b="` + strings.Repeat("x", 70<<10) + `§">§</a>`, []string{"<a ", "</a>"}},
	{"deep XML", "", strings.Repeat("<id>", 100) + "§" + strings.Repeat("</id>", 100), nil},
	{"gateway page", "text/html", "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body class=x><h1>502 Bad Gateway</h1><p>Hello §&nbsp;</p><hr disabled></body></html>",
		[]string{"<title>502 Bad Gateway</title>", "<h1>502 Bad Gateway</h1>", "&nbsp;"}},

	{"REST lead", "application/json", `{"requestId":"e42b#14272d07d78","success":true,"result":[{"id":318581,` +
		`"updatedAt":"2015-06-11T23:15:23Z","lastName":"§","email":"§",` +
		`"custom":{"a":["§",{"b":"§"}]},"ok":true,"none":null,"leadPartitionId":1}]}`,
		[]string{`"requestId":"e42b#14272d07d78"`, `"id":318581`, "2015-06-11T23:15:23Z", `"ok":true`, `"none":null`}},
	{"REST sync", "application/json", `{"action":"createOrUpdate","lookupField":"email","input":[{"email":"§",` +
		`"firstName":"§","id":"§"}]}`,
		[]string{`"action":"createOrUpdate"`, `"lookupField":"email"`}},
	{"REST reasons", "application/json", `{"success":true,"result":[{"status":"skipped","reasons":[{"code":"1004",` +
		`"message":"Lead '§' not found"}]}],"warnings":["Lead § skipped"]}`,
		[]string{`"status":"skipped"`, `"code":"1004"`, "not found"}},
	{"REST error", "application/json", `{"success":false,"errors":[{"code":"1003",` +
		`"message":"Invalid value ‘§'. Required of type ‘Integer'"}]}`,
		[]string{`"code":"1003"`, "Invalid value ‘", "'. Required of type ‘Integer'"}},
	{"REST activity", "application/json", `{"result":[{"id":1,"marketoGUID":"dff23271-f996-47d7-984f-f2676861b5fa",` +
		`"leadId":6,"activityDate":"2015-02-23T18:21:53Z","activityTypeId":1,` +
		`"primaryAttributeValueId":29,"primaryAttributeValue":"§","attributes":[{"name":"Client IP Address","value":"§"},` +
		`{"name":"Webpage ID","value":29}]}],"nextPageToken":"WQV2==","moreResult":false}`,
		[]string{"dff23271-f996-47d7-984f-f2676861b5fa", `"leadId":6`, `{"name":"Client IP Address"`, `{"name":"Webpage ID",` +
			`"value":29}`, `"nextPageToken":"WQV2=="`}},
	{"REST custom object", "application/json", `{"filterType":"dedupeFields","fields":["marketoGuid","vin"],` +
		`"input":[{"vin":"§","name":"§"}]}`, []string{`"fields":["marketoGuid","vin"]`}},
	{"escapes of JSON", "application/json", `{"a":"x\u0020§\u00e9\"§\\"}`, nil},
	{"JSON cut in a string", "", `{"result":[{"email":"§`, nil},
	{"broken JSON", "", `{"a":1,,"§":"§" § "id":"§"}`, []string{`"id":`}},
	{"JSON that is text", "", `[§] is what § wrote`, nil},
	{"JSON lines", "", "{\"id\":1,\"a\":\"§\"}\n{\"id\":2,\"a\":\"§\"}\n", nil},
	{"a long string", "", `{"a":"` + strings.Repeat("x§", 40<<10) + `"}`, []string{`{"a":"masked `}},
	{"deep JSON", "", strings.Repeat(`{"id":`, 100) + `"§"` + strings.Repeat("}", 100), nil},

	{"CSV", "text/csv", "email,firstName,id\nx@y.org,§,17\n\"§\",\"a \"\"§\"\"\n§\",18\n", []string{"email,firstName,id\n", ",17\n", ",18\n"}},
	{"CSV with tabs", "", "Email Address\tFirst Name\n§\t§\n", []string{"Email Address\tFirst Name\n"}},
	{"CSV without a header", "text/csv", "§,Doe\n§,Smith", nil},
	{"a range of CSV", "text/csv", "§,x\n1,2\n", nil},
	{"form", "application/x-www-form-urlencoded", "_method=GET&filterType=email&filterValues=§,a%40b.de&batchSize=300&other=§+§", []string{"filterType=email", "batchSize=300"}},
	{"upload", "multipart/form-data; boundary=b1", upload, []string{`name="format"` + "\r\n\r\ncsv\r\n", "email,firstName,lastName\r\n", ".csv\"", "--b1--"}},
	{"upload, encoded", "", "--b1\r\nContent-Disposition: form-data; name=\"file\"\r\nContent-Transfer-Encoding: base64\r\n\r\n§\r\n--b1--", []string{strings.TrimSpace(BinaryNote)}},
	{"text like multipart", "", "--§\n\nregards", nil},
	{"text", "text/plain", "Lead § was not found\nat §.\n", []string{"Lead ", " was not found\n"}},
	{"binary", "application/octet-stream", "§\x00", []string{BinaryNote}},
	{"no UTF-8", "text/plain", "§ \xff\xfe", []string{BinaryNote}},
}

var secrets = []string{"Wilhelmina", "Wilhelmina.Quux@Corp-Quux.co.uk", "WILHELMINA QUUX", "Wilhelmina Quüx 李"}

// No place lets a person's data through, and none loses what support needs.
func TestPlaces(t *testing.T) {
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) {
			for _, secret := range secrets {
				m := newMasker(t)
				in := strings.ReplaceAll(p.body, "§", secret)
				out := maskBody(t, m, p.contentType, in)
				if lower := strings.ToLower(out); strings.Contains(lower, "wilhelmina") || strings.Contains(lower, "quux") {
					t.Errorf("%.2000s\nbecomes\n%.2000s", in, out)
				}
				for _, k := range p.keeps {
					if !strings.Contains(out, k) {
						t.Errorf("%q is lost:\n%.2000s\nbecomes\n%.2000s", k, in, out)
					}
				}
				if found, err := FindEmail(strings.NewReader(out)); found != "" || err != nil {
					t.Errorf("found %q, %v in %.2000s", found, err, out)
				}
				if len(m.Counts()) == 0 {
					t.Error("nothing was counted")
				}
				checkShape(t, in, out)
				for name, r := range map[string]io.Reader{
					"bytes": iotest.OneByteReader(strings.NewReader(in)), "halves": iotest.HalfReader(strings.NewReader(in)), "data with EOF": iotest.DataErrReader(strings.NewReader(in)),
				} {
					if pieces := readAll(t, newMasker(t).Body(p.contentType, io.NopCloser(r))); pieces != out {
						t.Errorf("in %s it becomes\n%.2000s\nnot\n%.2000s", name, pieces, out)
					}
				}
			}
		})
	}
}

// checkShape: what was XML or JSON still is.
func checkShape(t testing.TB, in, out string) {
	t.Helper()
	if !utf8.ValidString(in) || strings.Contains(in, "\x00") { // may be left out; encoding/xml lets a NUL pass in <!…>
		return
	}
	if strings.IndexAny(in, "{[") == 0 && json.Valid([]byte(in)) && !json.Valid([]byte(out)) {
		t.Errorf("no JSON any more: %.2000q becomes %.2000q", in, out)
	}
	if isXML(in) && !strings.Contains(in, "<!ENTITY") && !isXML(out) {
		t.Errorf("no XML any more: %.2000q becomes %.2000q", in, out)
	}
}

func isXML(s string) bool {
	if !strings.HasPrefix(s, "<") {
		return false
	}
	d := xml.NewDecoder(strings.NewReader(s))
	elements := 0
	for {
		switch t, err := d.RawToken(); {
		case err == io.EOF:
			return elements > 0
		case err != nil:
			return false
		default:
			if _, ok := t.(xml.StartElement); ok {
				elements++
			}
		}
	}
}

// Of the samples of Adobe's documentation nothing changes but values: names and structure stay, byte for byte.
func TestSamples(t *testing.T) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	for _, name := range files {
		in, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		m := newMasker(t)
		out := maskBody(t, m, "", string(in))
		checkShape(t, string(in), out)
		if a, b := bytes.Count(in, []byte("\n")), strings.Count(out, "\n"); a != b {
			t.Errorf("%s: %d lines become %d", name, a, b)
		}
		for _, person := range []string{"@marketo", "Travis", "Kaufman", "rufus", "172.249", "Warner"} {
			if strings.Contains(out, person) {
				t.Errorf("%s: %s is left", name, person)
			}
		}
	}
}
