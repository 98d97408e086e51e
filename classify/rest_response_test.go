package classify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func restAnswer(status int) Answer {
	return Answer{Call: Call{API: REST, Operation: "syncLeadUsingPOST"}, Method: "POST", Status: status, ContentType: "application/json;charset=UTF-8"}
}

func TestREST(t *testing.T) {
	const id = `"requestId":"e42b#14272d07d78"`
	v := func(o Outcome, code, message string) Verdict {
		return Verdict{Outcome: o, Code: code, Message: message, RequestID: "e42b#14272d07d78"}
	}
	skipped := func(code string, records ...Record) Verdict {
		w := v(Partial, code, records[0].Error)
		if w.Message == "" {
			w.Message = records[0].Status
		}
		w.Records, w.RecordsFailed = records, len(records)
		return w
	}
	long := strings.Repeat(`é\u00e9`, 5000)
	tests := []struct {
		name, body string
		want       Verdict
	}{
		{"fault", `{` + id + `,"success":false,"errors":[{"code":"601","message":"Unauthorized"},{"code":"602","message":"x"}]}`, v(Fault, "601", "Unauthorized")},
		{"number as code", `{` + id + `,"errors":[{"message":"M","code": 606 }],"success":false}`, v(Fault, "606", "M")},
		{"no errors", `{` + id + `,"success":false}`, v(Fault, "", "")},
		{"success with errors", `{` + id + `,"success":true,"errors":[{"code":"1003","message":"M"}]}`, v(Fault, "1003", "M")},
		{"errors after the result", `{` + id + `,"result":[{"id":1}],"success":false,"errors":[{"code":"611","message":"M"}]}`, v(Fault, "611", "M")},
		{"errors without success", `{` + id + `,"errors":[{"code":"611","message":"M"}]}`, v(Fault, "611", "M")},
		{"escapes", `{` + id + `,"succ\u0065ss":false,"errors":[{"cod\u0065":" 701 ","message":"a \"b\" \u00e9 \ud83d\ude00"}]}`, v(Fault, "701", `a "b" é 😀`)},
		{"long message", `{` + id + `,"success":false,"errors":[{"message":"` + long + `","code":"701"}]}`, v(Fault, "701", strings.Repeat("é", 512))},
		{"no number as code", `{` + id + `,"success":false,"errors":[{"code":"x1003","message":"M"}]}`, v(Fault, "", "M")},
		{"code of the second error", `{` + id + `,"success":false,"errors":[{"message":"M"},{"code":"602","message":"x"}]}`, v(Fault, "", "M")},
		{"nested code", `{` + id + `,"success":false,"errors":[{"message":"M","more":{"code":"602"},"list":[{"code":"602"}]}]}`, v(Fault, "", "M")},
		{"errors is an object", `{` + id + `,"success":false,"errors":{"code":"602","message":"x"}}`, v(Fault, "", "")},

		{"success", `{` + id + `,"success":true,"result":[{"id":50,"status":"created"}],"errors":[],"warnings":[]}`, v(Success, "", "")},
		{"warnings", `{` + id + `,"success":true,"warnings":[{"code":"702","message":"No data"}],"result":[]}`, v(Success, "", "")},
		{"success in data", `{` + id + `,"success":true,"result":[{"success":false,"errors":[],"fields":{"status":"skipped","errors":[{"code":"601"}]}}]}`, v(Success, "", "")},
		{"data in a string", `{` + id + `,"success":true,"result":[{"firstName":"\"success\":false,\"errors\":[{\"code\":\"601\"}]"}]}`, v(Success, "", "")},
		{"result is an object", `{` + id + `,"success":true,"result":{"status":"skipped","reasons":[{"code":"1004"}]}}`, v(Success, "", "")},
		{"top-level status", `{` + id + `,"success":true,"status":"skipped"}`, v(Success, "", "")},
		{"nested list", `{` + id + `,"success":true,"result":[[{"status":"skipped"}]]}`, v(Success, "", "")},
		{"status of another list", `{` + id + `,"success":true,"results":[{"status":"skipped"}]}`, v(Success, "", "")},
		{"no envelope", `{"access_token":"x","expires_in":3599}`, Verdict{}},
		{"byte order mark", "\xef\xbb\xbf{" + id + `,"success":true}`, v(Success, "", "")},

		{"skipped", `{` + id + `,"success":true,"result":[{"id":50,"status":"created"},{"status":"skipped","reasons":[{"code":"1005","message":"Lead already exists"},{"code":"1"}]}]}`,
			skipped("1005", Record{Index: 1, Status: "skipped", Code: "1005", Error: "Lead already exists"})},
		{"skipped, reasons first", `{` + id + `,"result":[{"reasons":[{"code":1004,"message":"M"}],"status":"Skipped"},{"status":"updated"},{"status":"skipped","reasons":[{"code":"1004","message":"N"}]}],"success":true}`,
			skipped("1004", Record{Index: 0, Status: "Skipped", Code: "1004", Error: "M"}, Record{Index: 2, Status: "skipped", Code: "1004", Error: "N"})},
		{"skipped for two reasons", `{` + id + `,"success":true,"result":[{"status":"skipped","reasons":[{"code":"1004"}]},{"status":"skipped","reasons":[{"code":"1005"}]}]}`,
			skipped("", Record{Index: 0, Status: "skipped", Code: "1004"}, Record{Index: 1, Status: "skipped", Code: "1005"})},
		{"skipped with errors", `{` + id + `,"success":true,"result":[7,{"status":"skipped","errors":[{"code":"1003","message":"M"}]}]}`,
			skipped("1003", Record{Index: 1, Status: "skipped", Code: "1003", Error: "M"})},
		{"skipped without reason", `{` + id + `,"success":true,"result":[{"status":"skipped","message":"M"}]}`, skipped("", Record{Index: 0, Status: "skipped", Error: "M"})},
		{"skipped, then fault", `{` + id + `,"result":[{"status":"skipped","reasons":[{"code":"1004"}]}],"success":false,"errors":[{"code":"611","message":"M"}]}`, v(Fault, "611", "M")},
		{"skipped, then cut off", `{` + id + `,"result":[{"status":"skipped"}],`, skipped("", Record{Index: 0, Status: "skipped"})},

		{"empty", "", Verdict{Outcome: Malformed, Message: "empty body"}},
		{"white space", " \r\n", Verdict{Outcome: Malformed, Message: "empty body"}},
		{"HTML", "<html>Bad Gateway</html>", Verdict{Outcome: Malformed, Message: "not JSON: it looks like HTML or XML"}},
		{"HTML cut off", "<h", Verdict{Outcome: Malformed, Message: "not JSON: it looks like HTML or XML"}},
		{"text", "Service Unavailable", Verdict{Outcome: Malformed, Message: "not an answer of Marketo: no JSON object"}},
		{"array", "[]", Verdict{Outcome: Malformed, Message: "not an answer of Marketo: a JSON array"}},
		{"number", "12", Verdict{Outcome: Malformed, Message: "not an answer of Marketo: no JSON object"}},
		{"cut off", `{` + id + `,"success":true`, v(Malformed, "", "not JSON: byte 46: the input ends early: a comma or the end of the object or array is missing")},
		{"cut off in a string", `{` + id + `,"success":true,"x":"`, v(Malformed, "", "not JSON: byte 52: the input ends in a string")},
		{"trailing", `{` + id + `,"success":true}x`, v(Malformed, "", "not JSON: byte 47: something follows the value")},
		{"two commas", `{` + id + `,,"success":false}`, v(Malformed, "", "not JSON: byte 32: a member name is missing")},
	}
	for _, test := range tests {
		if got := readAll(restAnswer(200), test.body); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", test.name, got, test.want)
		}
		checkEverySplit(t, restAnswer(200), test.body)
		checkEverySplit(t, restAnswer(500), test.body)
		if got := readAll(restAnswer(503), test.body); got.Outcome != Fault && got.Outcome != HTTP {
			t.Errorf("%s with status 503: %+v", test.name, got)
		}
		for _, a := range []Answer{
			{Call: Call{API: REST, Operation: Other}, Status: 200, ContentType: "text/html"},
			{Call: Call{API: REST, Operation: "getExportLeadsFileUsingGET"}, Status: 200, ContentType: "text/csv"},
			{Call: Call{API: REST, Operation: "syncLeadUsingPOST"}, Status: 200, Method: "HEAD"},
			{Call: Call{API: REST, Operation: "syncLeadUsingPOST"}, Status: 204},
		} {
			r := NewResponseReader(a)
			early := r.Early()
			r.Write([]byte(test.body))
			if got := r.Verdict(); !early || got.Outcome != Success {
				t.Errorf("%s for %+v: early %v, %+v", test.name, a, early, got)
			}
		}
	}
}

func TestRESTStatus(t *testing.T) {
	tests := []struct {
		operation   string
		status      int
		contentType string
		body        string
		want        Verdict
	}{
		{"identityUsingGET", 401, "application/json", `{"error":"unauthorized","error_description":"No client with requested id: x"}`,
			Verdict{Outcome: HTTP, Code: "401", Message: "unauthorized: No client with requested id: x"}},
		{"identityUsingGET", 400, "application/json", `{"error":"invalid_request"}`, Verdict{Outcome: HTTP, Message: "invalid_request"}},
		{"identityUsingGET", 200, "application/json", `{"access_token":"x","token_type":"bearer","expires_in":0,"scope":"a@b.c"}`, Verdict{}},
		{"syncPersons", 202, "", "", Verdict{}},
		{"syncPersons", 429, "application/json", `{"error_code":"4290801","message":"Too many requests"}`, Verdict{Outcome: Fault, Code: "4290801", Message: "Too many requests"}},
		{"syncPersons", 401, "application/json", `{"message":"M","error_code":401013}`, Verdict{Outcome: Fault, Code: "401013", Message: "M"}},
		{"syncLeadUsingPOST", 413, "text/html", "<html>", Verdict{Outcome: HTTP, Code: "413", Message: "413 Request Entity Too Large"}},
		{"syncLeadUsingPOST", 503, "text/html", "", Verdict{Outcome: HTTP, Message: "503 Service Unavailable"}},
		{"syncLeadUsingPOST", 799, "", "", Verdict{Outcome: HTTP, Message: "799"}},
		{"syncLeadUsingPOST", 601, "", "", Verdict{Outcome: HTTP, Message: "601"}},
		{"syncLeadUsingPOST", 500, "application/json", `{"requestId":"a","success":false,"errors":[{"code":"611","message":"M"}]}`, Verdict{Outcome: Fault, Code: "611", Message: "M", RequestID: "a"}},
		{"syncLeadUsingPOST", 302, "text/html", "<html>", Verdict{}},
		{Other, 200, "application/json", "<html>", Verdict{Outcome: Malformed, Message: "not JSON: it looks like HTML or XML"}},
		{Other, 200, "", "<html>", Verdict{}},

		{"getExportLeadsFileUsingGET", 200, "application/json", "id,firstName\n1,\"{\"\"success\"\":false}\"\n", Verdict{}},
		{"getExportLeadsFileUsingGET", 206, "application/json", "\"success\":false,\"errors\":[{\"code\":\"601\"}]", Verdict{}},
		{"getImportLeadFailuresUsingGET", 200, "", "Email,Import Failure Reason\n", Verdict{}},
		{"getImportLeadWarningsUsingGET", 200, "application/json", "", Verdict{}},
		{"getExportLeadsFileUsingGET", 404, "text/plain", "Not Found", Verdict{Outcome: HTTP, Message: "404 Not Found"}},
		{"getExportLeadsFileUsingGET", 200, "application/json", `{"requestId":"a","success":false,"errors":[{"code":"602","message":"M"}]}`,
			Verdict{Outcome: Fault, Code: "602", Message: "M", RequestID: "a"}},
		{"getExportLeadsFileUsingGET", 200, "text/csv", `{"requestId":"a","success":false,"errors":[{"code":"602","message":"M"}]}`, Verdict{}},

		{"getImportLeadStatusUsingGET", 200, "application/json", `{"success":true,"result":[{"batchId":1,"status":"Failed","message":"M"}]}`,
			Verdict{Outcome: Partial, Message: "M", RecordsFailed: 1, Records: []Record{{Status: "Failed", Error: "M"}}}},
		{"getExportLeadsUsingGET", 200, "application/json", `{"success":true,"result":[{"exportId":"x","status":"Failed"}]}`, Verdict{}},
	}
	for _, test := range tests {
		a := Answer{Call: Call{API: REST, Operation: test.operation}, Method: "GET", Status: test.status, ContentType: test.contentType}
		if got := readAll(a, test.body); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s %d %q:\ngot  %+v\nwant %+v", test.operation, test.status, test.body, got, test.want)
		}
		checkEverySplit(t, a, test.body)
	}
}

// The body's requestId counts; X-Request-Id stands in for it.
func TestRequestID(t *testing.T) {
	for body, want := range map[string]string{
		`{"error_code":"4290801","message":"Too many requests"}`:                             "from-header",
		`{"requestId":"e42b#1","success":false,"errors":[{"code":"606","message":"limit"}]}`: "e42b#1",
		"<html>": "from-header",
		"":       "from-header",
	} {
		a := Answer{Call: Call{API: REST, Operation: "syncPersons"}, Method: http.MethodPost, Status: 429, ContentType: "application/json", RequestID: "from-header"}
		if got := readAll(a, body).RequestID; got != want {
			t.Errorf("%q: %q", body, got)
		}
	}
	a := Answer{Call: Call{API: REST}, Status: 429, RequestID: strings.Repeat("x", 2*maxMessage)}
	if got := readAll(a, "").RequestID; len(got) != maxMessage {
		t.Errorf("%d bytes", len(got))
	}
}

func TestRESTUnderway(t *testing.T) {
	tests := []struct {
		read           string
		early, failing bool
	}{
		{``, false, false},
		{`{"requestId":"a","succ`, false, false},
		{`{"success":true,`, true, false},
		{`{"result":[`, false, false},
		{`{"result":[{`, true, false},
		{`{"result":[{"status":"skipped"}`, true, true},
		{`{"success":false,`, false, true},
		{`{"errors":[`, false, false},
		{`{"errors":[{`, false, true},
		{`{"success":true,"errors":[{`, false, true},
		{`<`, true, true},
		{`<html>`, true, true},
		{`{]`, true, true},
		{`{"success":false]`, false, true},
	}
	for _, test := range tests {
		r := NewResponseReader(restAnswer(200))
		r.Write([]byte(test.read))
		if r.Early() != test.early || r.Failing() != test.failing {
			t.Errorf("%q: early %v, failing %v", test.read, r.Early(), r.Failing())
		}
	}
	r := NewResponseReader(restAnswer(200))
	r.Write([]byte(`{"success":true,`))
	r.Abort("gzip: broken")
	if got := r.Verdict(); got.Outcome != Malformed || got.Message != "gzip: broken" {
		t.Errorf("got %+v", got)
	}
}

func TestRESTSamples(t *testing.T) {
	files, err := filepath.Glob("testdata/rest/*.json")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want := Success
		switch {
		case !json.Valid(body): // Adobe's pages have slips of the pen
			want = Malformed
		case strings.Contains(string(body), `"success": false`):
			want = Fault
		case strings.Contains(string(body), `"skipped"`):
			want = Partial
		}
		got := readAll(restAnswer(200), string(body)).Outcome
		if got == Partial && want == Malformed {
			continue // the skipped record comes before the slip
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", filepath.Base(file), got, want)
		}
	}
}

func restBody() *rapid.Generator[string] {
	atom := rapid.SampledFrom([]string{
		"{", "}", "[", "]", ":", ",", `"success"`, "true", "false", "null", `"errors"`, `"result"`, `"requestId"`, `"code"`, `"message"`, `"status"`,
		`"skipped"`, `"reasons"`, `"1004"`, "1005", "12", "-", `"\u00e9"`, `"\x"`, `"é`, `"`, " ", "\n", "\xff", `"error"`, `"error_code"`, `"a\ud83d`, `\ude00"`,
	})
	loose := rapid.Map(rapid.SliceOfN(atom, 0, 40), func(s []string) string { return strings.Join(s, "") })
	inside := func(before, after string) *rapid.Generator[string] {
		return rapid.Map(loose, func(s string) string { return before + s + after })
	}
	return rapid.OneOf(loose, inside(`{"success":true,"result":[{"status":"skipped","reasons":[`, `]}]}`),
		inside(`{"success":false,"errors":[{"code":`, `,"message":"x"}]}`), inside(`{"requestId":"a",`, `}`))
}

func TestRESTAnySplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := []byte(restBody().Draw(t, "body"))
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(body)), 0, 6).Draw(t, "cuts")
		slices.Sort(cuts)
		a := restAnswer(rapid.SampledFrom([]int{200, 500}).Draw(t, "status"))
		if want, got := vague(readPieces(a, body)), vague(readPieces(a, body, cuts...)); !reflect.DeepEqual(got, want) {
			t.Fatalf("cut at %v:\ngot  %+v\nwant %+v", cuts, got, want)
		}
	})
}

// vague leaves out which of several offences was found first: that can depend on the pieces.
func vague(v Verdict) Verdict {
	if strings.HasPrefix(v.Message, "not JSON: byte") {
		v.Message = "not JSON"
	}
	return v
}

func FuzzRESTResponse(f *testing.F) {
	f.Add([]byte(`{"requestId":"a","success":false,"errors":[{"code":"601","message":"Unauthorized"}]}`), uint16(20), uint16(60))
	f.Add([]byte(`{"success":true,"result":[{"status":"skipped","reasons":[{"code":1004,"message":"\u00e9"}]}]}`), uint16(20), uint16(70))
	f.Fuzz(func(t *testing.T, body []byte, x, y uint16) {
		i, j := int(x)%(len(body)+1), int(y)%(len(body)+1)
		want, got := vague(readPieces(restAnswer(200), body)), vague(readPieces(restAnswer(200), body, min(i, j), max(i, j)))
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
		var envelope struct{ Success *bool }
		if json.Unmarshal(body, &envelope) == nil && bytes.Count(body, []byte("uccess")) == 1 && bytes.Contains(body, []byte(`"success"`)) &&
			envelope.Success != nil && !*envelope.Success && want.Outcome != Fault && !bytes.ContainsAny(body, "\\") {
			t.Fatalf("success is false, got %+v", want)
		}
	})
}

func BenchmarkRESTResponse(b *testing.B) {
	var leads strings.Builder
	for i := range 5000 {
		if i > 0 {
			leads.WriteByte(',')
		}
		fmt.Fprintf(&leads, `{"id":%d,"updatedAt":"2026-11-24T11:45:00Z","lastName":"Doe","email":"jane@example.com","createdAt":"2026-11-24T11:45:00Z","firstName":"Jane"}`, i)
	}
	body := []byte(`{"requestId":"a#1","result":[` + leads.String() + `],"success":true}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r := NewResponseReader(restAnswer(200))
		for p := body; len(p) > 0; {
			n := min(len(p), 32<<10)
			r.Write(p[:n])
			p = p[n:]
		}
		r.Verdict()
	}
}
