package emulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"marketo-proxy/classify"
)

// authorize fetches a token for the calls that follow.
func (b *bench) authorize() {
	b.t.Helper()
	b.token = b.identity(testClient, testSecret)["access_token"].(string)
}

func (b *bench) identity(client, secret string) map[string]any {
	b.t.Helper()
	a := b.get("/identity/oauth/token?grant_type=client_credentials&client_id=" + client + "&client_secret=" + secret)
	return b.object(a)
}

func (b *bench) object(a answered) map[string]any {
	b.t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		b.t.Fatalf("not JSON: %v\n%.500s", err, a.body)
	}
	return v
}

func (b *bench) rest(method, path, body string, headers ...string) answered {
	b.t.Helper()
	r, err := http.NewRequest(method, b.s.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+b.token)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return b.do(r)
}

func (b *bench) get(path string, headers ...string) answered {
	b.t.Helper()
	return b.rest("GET", path, "", headers...)
}

// result is the result of a success.
func (b *bench) result(a answered) []map[string]any {
	b.t.Helper()
	v := b.object(a)
	if a.status != 200 || v["success"] != true || v["requestId"] == "" {
		b.t.Fatalf("not a success: %d\n%s", a.status, a.body)
	}
	var result []map[string]any
	for _, r := range v["result"].([]any) {
		result = append(result, r.(map[string]any))
	}
	return result
}

func (b *bench) wantError(a answered, code string) {
	b.t.Helper()
	v := b.object(a)
	list, _ := v["errors"].([]any)
	if a.status != 200 || v["success"] != false || v["requestId"] == "" || len(list) != 1 || list[0].(map[string]any)["code"] != code ||
		list[0].(map[string]any)["message"] == "" {
		b.t.Errorf("want error %s, got %d\n%.500s", code, a.status, a.body)
	}
}

// statuses are status and reason of each record: "created", "skipped 1004".
func statuses(result []map[string]any) string {
	var list []string
	for _, r := range result {
		text := fmt.Sprint(r["status"])
		if reasons, ok := r["reasons"].([]any); ok {
			text += fmt.Sprint(" ", reasons[0].(map[string]any)["code"])
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

func TestIdentity(t *testing.T) {
	b := newBench(t, func(o *Options) { o.TokenTTL = time.Minute })
	first := b.identity(testClient, testSecret)
	if first["expires_in"] != 59.0 || first["token_type"] != "bearer" {
		t.Errorf("%v", first)
	}
	b.clock.advance(30 * time.Second)
	if again := b.identity(testClient, testSecret); again["access_token"] != first["access_token"] || again["expires_in"] != 29.0 {
		t.Errorf("%v", again)
	}
	b.token = first["access_token"].(string)
	b.result(b.get("/rest/v1/lists.json"))
	b.clock.advance(30 * time.Second)
	b.wantError(b.get("/rest/v1/lists.json"), "602")
	b.wantError(b.get("/rest/v1/lists.json"), "601")
	second := b.object(b.rest("POST", "/identity/oauth/token", "grant_type=client_credentials&client_id="+testClient+"&client_secret="+testSecret,
		"Content-Type: application/x-www-form-urlencoded"))
	if second["access_token"] == first["access_token"] {
		t.Error("an expired token was issued again")
	}
	b.wantError(b.get("/rest/v1/lists.json", "Authorization: x"), "600")
	b.wantError(b.get("/rest/v1/lists.json", "Authorization: Bearer nonsense"), "601")
	b.wantError(b.get("/rest/v1/lists.json?access_token="+second["access_token"].(string), "Authorization: "), "600")
	for query, want := range map[string]string{
		"grant_type=client_credentials&client_id=nobody&client_secret=x":             "401 unauthorized",
		"grant_type=client_credentials&client_id=" + testClient + "&client_secret=x": "401 invalid_client",
		"grant_type=password": "400 unsupported_grant_type",
	} {
		a := b.get("/identity/oauth/token?" + query)
		if v := b.object(a); fmt.Sprint(a.status, " ", v["error"]) != want || v["error_description"] == "" {
			t.Errorf("%s: %d %v", query, a.status, v)
		}
	}
	if a := b.get("/identity/oauth/token", FailHeader+": 401"); a.status != 401 {
		t.Errorf("401 on demand: %+v", a)
	}
	b.wantCount("rest", "identityUsingGET", "401", 3)
}

func TestQueryToken(t *testing.T) {
	b := newBench(t, func(o *Options) { o.QueryToken = true })
	b.authorize()
	b.result(b.get("/rest/v1/lists.json?access_token="+b.token, "Authorization: "))
}

func TestRESTErrors(t *testing.T) {
	b := newBench(t)
	b.authorize()
	for _, code := range classify.Codes(classify.REST) {
		a := b.get("/rest/v1/lists.json", FailHeader+": "+code.Code)
		if code.Code == "413" || code.Code == "414" {
			if fmt.Sprint(a.status) != code.Code {
				t.Errorf("%s: %d", code.Code, a.status)
			}
			continue
		}
		b.wantError(a, code.Code)
		b.wantCount("rest", "getListsUsingGET", code.Code, 1)
	}
	if a := b.get("/rest/v1/lists.json", FailHeader+": 606+number"); !strings.Contains(a.body, `"code":606,`) {
		t.Errorf("a number: %s", a.body)
	}
	b.wantError(b.get("/rest/v1/nothing.json"), "610")
	b.wantError(b.get("/rest/v1/leads/delete.json"), "605")
	b.wantError(b.rest("POST", "/rest/v1/leads.json", "{"), "609")
	b.wantError(b.rest("POST", "/rest/v1/leads.json", "{}", "Content-Type: text/plain"), "612")
	if a := b.rest("POST", "/rest/v1/leads.json", strings.Repeat(" ", maxBody+1)); a.status != 413 {
		t.Errorf("large body: %d", a.status)
	}
	long := "/rest/v1/leads.json?filterType=email&filterValues=" + strings.Repeat("x", maxURI)
	if a := b.get(long); a.status != 414 {
		t.Errorf("long URI: %d", a.status)
	}
	form := url.Values{"filterType": {"email"}, "filterValues": {strings.Repeat("x@example.com,", 200) + "joe@marketo.com"}}
	if result := b.result(b.rest("POST", "/rest/v1/leads.json?_method=GET", form.Encode(), "Content-Type: application/x-www-form-urlencoded")); len(result) != 1 {
		t.Errorf("_method=GET: %v", result)
	}
	const formType = "Content-Type: application/x-www-form-urlencoded; charset=utf-8"
	if result := b.result(b.rest("POST", "/rest/v1/leads.json", form.Encode()+"&_method=GET", formType)); len(result) != 1 {
		t.Errorf("_method=GET in the form: %v", result)
	}
	b.wantError(b.rest("POST", "/rest/v1/leads.json?_method=PUT", form.Encode()+"&_method=GET", formType), "612") // the query counts
	// the statistics agree with the counts
	stats := b.result(b.get("/rest/v1/stats/errors.json"))[0]
	total := 0
	for k, n := range b.e.Counts() {
		if isCode(k.Outcome) {
			total += n
		}
	}
	if stats["total"] != float64(total) {
		t.Errorf("stats %v, want %d", stats, total)
	}
	usage := b.result(b.get("/rest/v1/stats/usage.json"))[0]
	if usage["total"].(float64) < 3 || len(usage["users"].([]any)) != 1 {
		t.Errorf("usage %v", usage)
	}
}

func TestRESTLimits(t *testing.T) {
	b := newBench(t, func(o *Options) { o.RESTLimits = Limits{Day: 7, Window: 5, Concurrent: 1} })
	b.authorize()
	for range 5 {
		b.result(b.get("/rest/v1/lists.json"))
	}
	b.wantError(b.get("/rest/v1/lists.json"), "606")
	b.clock.advance(20 * time.Second)
	done := make(chan answered)
	go func() { done <- b.get("/rest/v1/lists.json", FailHeader+": slow=1h") }()
	b.until(func() bool { return b.inFlight(b.e.restUse) == 1 })
	b.wantError(b.get("/rest/v1/lists.json"), "615")
	b.e.Close() // ends the waiting
	b.result(<-done)
	b.result(b.get("/rest/v1/lists.json"))
	b.wantError(b.get("/rest/v1/lists.json"), "607")
}

func TestRESTLeads(t *testing.T) {
	b := newBench(t)
	b.authorize()
	sync := func(body string, headers ...string) string {
		return statuses(b.result(b.rest("POST", "/rest/v1/leads.json", body, headers...)))
	}
	for _, test := range []struct{ body, want string }{
		{`{"action":"createOnly","input":[{"email":"r1@example.com","firstName":"R","leadScore":7},{"email":"joe@marketo.com"}]}`, "created, skipped 1005"},
		{`{"action":"updateOnly","input":[{"email":"r1@example.com","lastName":null},{"email":"nobody@example.com"}]}`, "updated, skipped 1004"},
		{`{"input":[{"email":"r2@example.com","shoes":42},{"firstName":"No key"},{"email":"twin@example.com"}]}`, "skipped 1006, skipped 1003, skipped 1007"},
		{`{"lookupField":"id","action":"updateOnly","input":[{"id":2,"city":"Lier"},{"id":1}]}`, "updated, skipped 1004"},
		{`{"action":"createDuplicate","input":[{"email":"joe@marketo.com"}]}`, "created"},
	} {
		if got := sync(test.body); got != test.want {
			t.Errorf("%s: %s, want %s", test.body, got, test.want)
		}
	}
	b.wantCount("rest", "syncLeadUsingPOST", "partial", 4)
	three := `{"input":[{"email":"s1@example.com"},{"email":"s2@example.com"},{"email":"s3@example.com"}]}`
	if got := sync(three, FailHeader+": partial=1003"); got != "skipped 1003, created, skipped 1003" {
		t.Errorf("partial: %s", got)
	}
	for body, code := range map[string]string{`{}`: "1002", `{"action":"x","input":[{}]}`: "1001", `{"lookupField":"x","input":[{}]}`: "1006"} {
		b.wantError(b.rest("POST", "/rest/v1/leads.json", body), code)
	}
	lead := b.result(b.get("/rest/v1/lead/2.json?fields=email,city,leadScore,company"))[0]
	if lead["city"] != "Lier" || lead["leadScore"] != 10.0 || lead["id"] != 2.0 || lead["company"] != "Example Ltd" {
		t.Errorf("%v", lead)
	}
	if n := len(b.result(b.get("/rest/v1/lead/1.json"))); n != 0 {
		t.Errorf("%d leads", n)
	}
	b.wantError(b.get("/rest/v1/lead/two.json"), "1001")
	b.wantError(b.get("/rest/v1/lead/2.json?fields=shoes"), "1006")
	b.wantError(b.get("/rest/v1/leads.json"), "1003")
	b.wantError(b.get("/rest/v1/leads.json?filterType=shoes&filterValues=42"), "1003")
	b.wantError(b.get("/rest/v1/leads.json?filterType=email"), "1003")
	b.wantError(b.get("/rest/v1/leads.json?filterType=email&filterValues=x&nextPageToken=bogus"), "1003")
	b.wantError(b.get("/rest/v1/leads.json?filterType=email&filterValues=x&batchSize=x"), "1001")

	first := b.get("/rest/v1/leads.json?filterType=company&filterValues=Example+Ltd&batchSize=2")
	token, _ := b.object(first)["nextPageToken"].(string)
	rest := b.get("/rest/v1/leads.json?filterType=company&filterValues=Example+Ltd&batchSize=2&nextPageToken=" + url.QueryEscape(token))
	if len(b.result(first)) != 2 || len(b.result(rest)) != 1 || b.object(rest)["nextPageToken"] != nil {
		t.Errorf("pages:\n%s\n%s", first.body, rest.body)
	}

	if got := statuses(b.result(b.rest("POST", "/rest/v1/leads/delete.json", `{"input":[{"id":16},{"id":1}]}`))); got != "deleted, skipped 1004" {
		t.Errorf("delete: %s", got)
	}
	b.wantError(b.rest("POST", "/rest/v1/leads/delete.json", ""), "1002")
	if a := b.rest("POST", "/rest/v1/leads/2/merge.json?leadId=15", ""); b.object(a)["success"] != true || b.object(a)["result"] != nil {
		t.Errorf("merge: %s", a.body)
	}
	b.wantError(b.rest("POST", "/rest/v1/leads/2/merge.json?leadId=15", ""), "1004")
	b.wantError(b.rest("POST", "/rest/v1/leads/2/merge.json?leadIds="+strings.Repeat("9,", 26), ""), "1080")
	if n := len(b.result(b.get("/rest/v1/leads/describe.json"))); n != len(leadFields)+2 {
		t.Errorf("describe has %d fields", n)
	}
	b.result(b.get("/rest/v1/leads/describe2.json"))
}

func TestRESTListsAndCampaigns(t *testing.T) {
	b := newBench(t)
	b.authorize()
	if n := len(b.result(b.get("/rest/v1/lists.json?name=Newsletter,Nothing"))); n != 1 {
		t.Errorf("%d lists", n)
	}
	b.result(b.get("/rest/v1/lists/1002.json"))
	b.wantError(b.get("/rest/v1/lists/7.json"), "1013")
	for _, path := range []string{"/rest/v1/lists/1002/leads.json", "/rest/v1/list/1002/leads.json"} {
		if n := len(b.result(b.get(path))); n != 3 {
			t.Errorf("%d leads at %s", n, path)
		}
	}
	for _, test := range []struct{ method, path, body, want string }{
		{"POST", "/rest/v1/lists/1002/leads.json", `{"input":[{"id":15},{"id":1}]}`, "added, skipped 1004"},
		{"GET", "/rest/v1/lists/1002/leads/ismember.json?id=15,16,1", "", "memberof, notmemberof, skipped 1004"},
		{"DELETE", "/rest/v1/lists/1002/leads.json?id=15&id=2", "", "removed, removed"},
	} {
		if got := statuses(b.result(b.rest(test.method, test.path, test.body))); got != test.want {
			t.Errorf("%s %s: %s", test.method, test.path, got)
		}
	}
	if n := len(b.result(b.get("/rest/v1/campaigns.json"))); n != 5 {
		t.Errorf("%d campaigns", n)
	}
	b.result(b.get("/rest/v1/campaigns/4496.json"))
	b.wantError(b.get("/rest/v1/campaigns/1.json"), "1013")
	b.result(b.rest("POST", "/rest/v1/campaigns/4496/trigger.json", `{"input":{"leads":[{"id":2}]}}`))
	b.wantError(b.rest("POST", "/rest/v1/campaigns/4496/trigger.json", `{"input":{"leads":[{"id":1}]}}`), "1004")
	b.wantError(b.rest("POST", "/rest/v1/campaigns/4496/trigger.json", `{}`), "1002")
	b.wantError(b.rest("POST", "/rest/v1/campaigns/4501/trigger.json", `{"input":{"leads":[{"id":2}]}}`), "1003")
	b.result(b.rest("POST", "/rest/v1/campaigns/4501/schedule.json", `{"input":{"runAt":"2026-11-25T00:00:00Z"}}`))
	b.wantError(b.rest("POST", "/rest/v1/campaigns/4501/schedule.json", `{"input":{"runAt":"2026-11-24T12:01:00Z"}}`), "1042")
	b.wantError(b.rest("POST", "/rest/v1/campaigns/4501/schedule.json", `{"input":{"runAt":"soon"}}`), "1001")
	b.wantError(b.rest("POST", "/rest/v1/campaigns/4496/schedule.json", `{}`), "1003")
}

func TestRESTActivities(t *testing.T) {
	b := newBench(t)
	b.authorize()
	b.result(b.get("/rest/v1/activities/types.json"))
	b.wantError(b.get("/rest/v1/activities/pagingtoken.json"), "1002")
	b.wantError(b.get("/rest/v1/activities/pagingtoken.json?sinceDatetime=lately"), "1001")
	token := b.object(b.get("/rest/v1/activities/pagingtoken.json?sinceDatetime=2026-11-20"))["nextPageToken"].(string)
	b.wantError(b.get("/rest/v1/activities.json?activityTypeIds=1"), "1002")
	b.wantError(b.get("/rest/v1/activities.json?nextPageToken="+url.QueryEscape(token)), "1002")
	b.wantError(b.get("/rest/v1/activities.json?activityTypeIds=999&nextPageToken="+url.QueryEscape(token)), "1001")
	n, next := 0, token
	for more := true; more; {
		v := b.object(b.get("/rest/v1/activities.json?activityTypeIds=1,12&batchSize=9&nextPageToken=" + url.QueryEscape(next)))
		n += len(v["result"].([]any))
		more, next = v["moreResult"].(bool), v["nextPageToken"].(string)
	}
	if n != 42 {
		t.Errorf("%d activities", n)
	}
	b.rest("POST", "/rest/v1/leads.json", `{"input":[{"email":"joe@marketo.com","city":"Lier"}]}`)
	b.rest("POST", "/rest/v1/leads/delete.json?id=2", "")
	a := b.get("/rest/v1/activities/leadchanges.json?fields=city&nextPageToken=" + url.QueryEscape(next))
	if !strings.Contains(a.body, `"newValue":"Lier"`) || len(b.result(a)) != 1 {
		t.Errorf("changes: %s", a.body)
	}
	b.wantError(b.get("/rest/v1/activities/leadchanges.json?nextPageToken="+url.QueryEscape(next)), "1002")
	if result := b.result(b.get("/rest/v1/activities/deletedleads.json?nextPageToken=" + url.QueryEscape(next))); len(result) != 1 || result[0]["leadId"] != 2.0 {
		t.Errorf("deleted: %v", result)
	}
}

func TestBulkExport(t *testing.T) {
	b := newBench(t, func(o *Options) { o.JobTime = time.Minute })
	b.authorize()
	for body, code := range map[string]string{
		`{"fields":["id"]}`: "1002", `{"filter":{"createdAt":{}}}`: "1002", `{"fields":["id"],"filter":{"moon":1}}`: "1035",
		`{"fields":["shoes"],"filter":{"createdAt":{}}}`: "1006", `{"fields":["id"],"format":"XML","filter":{"createdAt":{}}}`: "1001",
	} {
		b.wantError(b.rest("POST", "/bulk/v1/leads/export/create.json", body), code)
	}
	create := `{"fields":["id","email","company"],"format":"CSV","columnHeaderNames":{"email":"Email Address"},"filter":{"createdAt":{"startAt":"x"}}}`
	id := b.result(b.rest("POST", "/bulk/v1/leads/export/create.json", create))[0]["exportId"].(string)
	job := "/bulk/v1/leads/export/" + id
	status := func() string { return b.result(b.get(job + "/status.json"))[0]["status"].(string) }
	if s := status(); s != "Created" {
		t.Error(s)
	}
	b.wantError(b.get(job+"/file.json"), "1013")
	b.result(b.rest("POST", job+"/enqueue.json", ""))
	b.wantError(b.rest("POST", job+"/enqueue.json", ""), "1029")
	for _, want := range []string{"Queued", "Processing", "Completed"} {
		if s := status(); s != want {
			t.Errorf("%s, want %s", s, want)
		}
		b.clock.advance(30 * time.Second)
	}
	done := b.result(b.get(job + "/status.json"))[0]
	file := b.get(job+"/file.json", "Accept-Encoding: gzip")
	if file.header.Get("Content-Type") != "text/csv" || file.header.Get("Content-Encoding") != "" || !strings.HasPrefix(file.body, "id,Email Address,company\n2,ada@example.com,Example Ltd\n") ||
		done["fileSize"] != float64(len(file.body)) || done["numberOfRecords"] != 14.0 || !strings.HasPrefix(done["fileChecksum"].(string), "sha256:") {
		t.Errorf("%v\n%v\n%s", done, file.header, file.body)
	}
	size := len(file.body)
	for want, r := range map[string]string{file.body[10:20]: "bytes=10-19", file.body[10:]: "bytes=10-", file.body[size-7:]: "bytes=-7"} {
		part := b.get(job+"/file.json", "Range: "+r)
		if part.status != 206 || part.body != want || !strings.HasSuffix(part.header.Get("Content-Range"), fmt.Sprintf("/%d", size)) {
			t.Errorf("%s: %d %v\n%q", r, part.status, part.header, part.body)
		}
	}
	for _, r := range []string{"bytes=99999-", "bytes=5-2", "bytes=x"} {
		if a := b.get(job+"/file.json", "Range: "+r); a.status != 416 {
			t.Errorf("%s: %d", r, a.status)
		}
	}
	large := b.get(job+"/file.json", SizeHeader+": 1MiB")
	part := b.get(job+"/file.json", SizeHeader+": 1MiB", "Range: bytes=500000-600000")
	if len(large.body) != 1<<20 || part.status != 206 || part.body != large.body[500000:600001] {
		t.Errorf("large: %d bytes, part %d bytes", len(large.body), len(part.body))
	}
	if a := b.get(job+"/file.json", FailHeader+": cut"); a.err == nil || len(a.body) != size/2 {
		t.Errorf("cut: %v", a.err)
	}

	other := b.result(b.rest("POST", "/bulk/v1/activities/export/create.json", `{"filter":{"createdAt":{}}}`))[0]["exportId"].(string)
	b.wantError(b.get("/bulk/v1/leads/export/"+other+"/status.json"), "1013")
	b.result(b.rest("POST", "/bulk/v1/activities/export/"+other+"/cancel.json", ""))
	if jobs := b.result(b.get("/bulk/v1/activities/export.json")); len(jobs) != 1 || jobs[0]["status"] != "Cancelled" {
		t.Errorf("%v", jobs)
	}
	b.wantError(b.rest("POST", job+"/cancel.json", ""), "1003")
}

func TestBulkImport(t *testing.T) {
	b := newBench(t)
	b.authorize()
	upload := func(path, content string) answered {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		part, err := w.CreateFormFile("file", "leads.csv")
		if err != nil {
			t.Fatal(err)
		}
		part.Write([]byte(content)) // into memory
		w.Close()
		return b.rest("POST", path, body.String(), "Content-Type: "+w.FormDataContentType())
	}
	a := upload("/bulk/v1/leads.json?format=csv", "email,firstName\nimp1@example.com,I\n\"imp2@example.com\",\"J, K\"\nonly\n,nobody\n")
	id := fmt.Sprint(b.result(a)[0]["batchId"])
	status := b.result(b.get("/bulk/v1/leads/batch/" + id + ".json"))[0]
	if status["status"] != "Complete" || status["numOfLeadsProcessed"] != 2.0 || status["numOfRowsFailed"] != 2.0 {
		t.Errorf("%v", status)
	}
	failures := b.get("/bulk/v1/leads/batch/" + id + "/failures.json")
	if !strings.HasPrefix(failures.body, "email,firstName,Import Failure Reason\nonly,missing columns\n") {
		t.Errorf("%q", failures.body)
	}
	if warnings := b.get("/bulk/v1/leads/batch/" + id + "/warnings.json"); warnings.body != "email,firstName,Import Warning Reason\n" {
		t.Errorf("%q", warnings.body)
	}
	b.wantCount("rest", "importLeadUsingPOST", "ok", 1)
	b.wantError(upload("/bulk/v1/leads.json", "email\n"), "1002")
	b.wantError(upload("/bulk/v1/leads.json?format=xls", "email\n"), "1001")
	b.wantError(upload("/bulk/v1/leads.json?format=csv", ""), "1003")
	b.wantError(b.rest("POST", "/bulk/v1/leads.json?format=csv", "email\n"), "613")
	b.wantError(b.get("/bulk/v1/leads/batch/7.json"), "1013")
	if a := upload("/bulk/v1/leads.json?format=csv", strings.Repeat("x", maxBulkBody)); a.status != 413 {
		t.Errorf("large: %d", a.status)
	}
}

// "expired" ends a token that was in use, so that its successor heals the call.
func TestExpired(t *testing.T) {
	b := newBench(t)
	b.authorize()
	const path, expired = "/rest/v1/lead/2.json", FailHeader + ": expired"
	b.result(b.get(path, expired)) // a token's first call
	b.wantError(b.get(path, expired), "602")
	b.wantError(b.get(path), "601")
	first := b.token
	if b.authorize(); b.token == first {
		t.Error("the same token again")
	}
	b.result(b.get(path, expired))
	b.result(b.get(path))
	b.wantError(b.get(path, expired), "602")
}
