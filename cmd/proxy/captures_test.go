package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/journal"
)

var updateGolden = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *updateGolden {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; -update makes it", err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// call runs the program with UTC as its zone.
func call(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), args, []string{"TZ=UTC", "HOME=/nonexistent"}, &out, &errs)
	return code, out.String(), errs.String()
}

// must runs the program, which has to succeed in silence on stderr.
func must(t testing.TB, args ...string) string {
	t.Helper()
	code, out, errs := call(t, args...)
	if code != exitDone || errs != "" {
		t.Fatalf("%v: exit %d, %s", args, code, errs)
	}
	return out
}

var testBegin = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func testID(n int) string {
	ms := testBegin.Add(time.Duration(n) * time.Minute).UnixMilli()
	return fmt.Sprintf("%08x-%04x-7000-8000-%012x", ms>>16, ms&0xffff, n)
}

// testCapture is a SOAP fault; change makes another failure of it.
func testCapture(n int, change func(*capture.Capture)) capture.Capture {
	at := testBegin.Add(time.Duration(n) * time.Minute)
	c := capture.Capture{
		ID: testID(n), Time: at, API: classify.SOAP, Operation: "getLead", Instance: "123-ABC-456", User: "demo17_1_809934544BFABAE58E5D27",
		Outcome: classify.Fault, Code: "20011", Class: classify.ClassMarketo, Message: "Internal error (20011)", Retryable: true,
		Advice: "Retry reads, open a ticket if it lasts.", DurationMS: 1234.5, Complete: true,
		Proxy:    capture.Proxy{Version: "v1.0.0", Host: "node-1", Pod: "app-7d9", Namespace: "prod"},
		Attempts: []capture.AttemptLine{testAttempt(at, "20011", "Internal error")},
	}
	if change != nil {
		change(&c)
	}
	return c
}

func testAttempt(at time.Time, code, text string) capture.AttemptLine {
	request := `<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Header>` +
		`<ns1:AuthenticationHeader><mktowsUserId>demo</mktowsUserId><requestSignature>REDACTED</requestSignature></ns1:AuthenticationHeader></SOAP-ENV:Header>` +
		"<SOAP-ENV:Body>\r\n<!-- lead --><ns1:paramsGetLead><leadKey><keyType>EMAIL</keyType><keyValue>ada@example.com</keyValue><empty/></leadKey></ns1:paramsGetLead></SOAP-ENV:Body></SOAP-ENV:Envelope>"
	response := `<SOAP-ENV:Envelope><SOAP-ENV:Body><SOAP-ENV:Fault><faultcode>SOAP-ENV:Client</faultcode><faultstring>` + code + " - " + text +
		`</faultstring></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>`
	return capture.AttemptLine{
		Started: at, Outcome: classify.Fault, Code: code,
		Timings: capture.TimingsLine{Blocked: -1, DNS: 1.5, Connect: 20, SSL: 12, Send: 0.2, Wait: 1200, Receive: 3},
		Request: capture.RequestLine{
			Method: "POST", URL: "https://123-ABC-456.mktoapi.com/soap/mktows/3_1", HTTPVersion: "HTTP/1.1",
			Headers:  []capture.HeaderLine{{Name: "Content-Type", Value: "text/xml;charset=UTF-8"}, {Name: "Soapaction", Value: `"getLead"`}},
			BodySize: int64(len(request)), Body: capture.BodyLine{Size: int64(len(request)), SHA256: "00", Text: request},
		},
		Response: &capture.ResponseLine{
			Status: 500, StatusText: "Internal Server Error", HTTPVersion: "HTTP/1.1",
			Headers:  []capture.HeaderLine{{Name: "Content-Type", Value: "text/xml"}},
			BodySize: int64(len(response)), Body: capture.BodyLine{Size: int64(len(response)), SHA256: "01", Text: response},
		},
	}
}

// testCaptures are one of each kind.
func testCaptures() []capture.Capture {
	return []capture.Capture{
		testCapture(1, nil),
		testCapture(2, func(c *capture.Capture) {
			c.Outcome, c.Code, c.Class, c.Message = classify.Recovered, "20016", classify.ClassRenew, "Request expired (20016)"
			c.Renewal, c.DurationMS = capture.RenewalRecovered, 88
			second := testAttempt(c.Time.Add(40*time.Millisecond), "", "")
			second.Outcome = ""
			second.Response.Status, second.Response.StatusText = 200, "OK"
			second.Response.Body = capture.BodyLine{Size: 4, Text: "<ok/>"}
			c.Attempts = []capture.AttemptLine{testAttempt(c.Time, "20016", "Request expired"), second}
		}),
		testCapture(3, func(c *capture.Capture) {
			c.API, c.Operation, c.User, c.Outcome, c.Code, c.Class = classify.REST, "syncLeads", "b1f2", classify.Partial, "1007", classify.ClassCaller
			c.Message, c.RequestID, c.Retryable = "Multiple leads match", "e42b#14272d07d78", false
			c.Records = []classify.Record{{Index: 0, Status: "skipped", Code: "1007", Error: "Multiple lead match lookup criteria"}, {Index: 3, Status: "skipped"}}
			c.Failed = 1200
			a := &c.Attempts[0]
			a.Code, a.Outcome = "1007", classify.Partial
			a.Request.URL = "https://123-ABC-456.mktorest.com/rest/v1/leads.json?access_token=REDACTED"
			a.Request.Body.Text = `{"action":"createOnly", "input":[{"email":"a@b.c","x":[],"y":{}},{"n":1.5e3,"b":true}]}`
			a.Response.Status, a.Response.StatusText = 200, "OK"
			a.Response.Body.Text = `{"requestId":"e42b#14272d07d78","success":true,"result":[]}`
		}),
		testCapture(4, func(c *capture.Capture) {
			c.Outcome, c.Code, c.Class, c.Message, c.Complete = classify.Transport, "", classify.ClassUnknown, "connection reset", false
			c.Attempts[0].Outcome, c.Attempts[0].Code, c.Attempts[0].Error, c.Attempts[0].Response = classify.Transport, "", "connection reset", nil
			c.Attempts[0].Request.Body.Truncated = true
		}),
		testCapture(5, func(c *capture.Capture) {
			c.Outcome, c.Code, c.Class, c.User, c.Operation = classify.HTTP, "", classify.ClassUnknown, "", "other"
			c.Message = "evil \x1b[2J\x1b]0;title\a \u009b31m \u202etxt\n second line 日本語"
			a := c.Attempts[0].Response
			a.Status, a.StatusText = 502, "Bad\x1b[31mGateway"
			a.Body.Text = "<html>\r\n<body>\x1b[2J<br>ü\u009b\t日本</body>\r\n</html>"
			a.Headers = append(a.Headers, capture.HeaderLine{Name: "X\x1b", Value: "\x1b[H"})
			c.Attempts[0].Request.Body = capture.BodyLine{Size: 3, Base64: []byte{0, 1, 2}}
		}),
	}
}

func testLine(t testing.TB, c capture.Capture) []byte {
	t.Helper()
	line, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return append(line, '\n')
}

// writeCaptures appends to the journal in dir and closes it, so that its segments get compressed.
func writeCaptures(t testing.TB, dir string, captures ...capture.Capture) {
	t.Helper()
	j, err := journal.Open(journal.Options{Dir: dir, MaxSize: 1 << 30, SegmentSize: 8 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range captures {
		if err := <-j.Append(journal.Record{Line: testLine(t, c)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func testDir(t testing.TB) string {
	dir := t.TempDir()
	writeCaptures(t, dir, testCaptures()...)
	return dir
}

func TestCapturesLs(t *testing.T) {
	dir := testDir(t)
	golden(t, "ls", must(t, "captures", "ls", "--capture-dir", dir))
	if got, want := must(t, "captures", "--capture-dir", dir), must(t, "captures", "ls", "--capture-dir", dir); got != want {
		t.Errorf("captures is not captures ls: %s", got)
	}
	golden(t, "ls-by-code", must(t, "captures", "ls", "--by", "code", "--capture-dir", dir))
	golden(t, "ls-by-user", must(t, "captures", "ls", "--by", "user", "--utc", "--capture-dir", dir))
	golden(t, "ls-by-hour", must(t, "captures", "ls", "--by", "hour", "--capture-dir", dir))
	golden(t, "ls-by-code-json", must(t, "captures", "ls", "--by", "code", "--json", "--capture-dir", dir))
}

func TestCapturesLsChooses(t *testing.T) {
	dir := testDir(t)
	for _, c := range []struct {
		args string
		want string // which, newest first
	}{
		{"--limit 2", "54"},
		{"--limit 0", "54321"},
		{"--code 20011,20016", "21"},
		{"--code 20011 --code 1007", "31"},
		{"--class caller --api rest", "3"},
		{"--outcome transport", "4"},
		{"--operation syncleads", "3"},
		{"--user b1f2", "3"},
		{"--since 2026-11-24T12:03:00Z --until 2026-11-24T13:05:00+01:00", "43"},
		{"--since 2026-11-24T12:05:00", "5"},
	} {
		out := must(t, append([]string{"captures", "ls", "--json", "--capture-dir", dir}, strings.Fields(c.args)...)...)
		got := ""
		for line := range strings.Lines(out) {
			var head capture.Capture
			if err := json.Unmarshal([]byte(line), &head); err != nil {
				t.Fatal(err)
			}
			got += head.ID[len(head.ID)-1:]
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.args, got, c.want)
		}
	}
}

// What --json prints is what stands in the journal, to the byte.
func TestCapturesJSON(t *testing.T) {
	dir := testDir(t)
	var want []byte
	captures := testCaptures()
	slices.Reverse(captures)
	for _, c := range captures {
		want = append(want, testLine(t, c)...)
		if got := must(t, "captures", "show", c.ID, "--json", "--capture-dir", dir); got != string(testLine(t, c)) {
			t.Errorf("show: %s", got)
		}
	}
	if got := must(t, "captures", "ls", "--json", "--capture-dir", dir); got != string(want) {
		t.Errorf("ls: %s", got)
	}
}

func TestCapturesShow(t *testing.T) {
	dir := testDir(t)
	for i, name := range []string{"fault", "recovered", "partial", "transport", "hostile"} {
		golden(t, "show-"+name, must(t, "captures", "show", testID(i + 1)[:13], "--capture-dir", dir))
	}
	out := must(t, "captures", "show", testID(1), "--body-max", "100", "--capture-dir", dir)
	if !strings.Contains(out, "[the first 100; --body-max=0 shows all]") {
		t.Error(out)
	}
	writeCaptures(t, dir, testCapture(9, func(c *capture.Capture) {
		c.API, c.Operation, c.Code = classify.REST, "getLeadByIdUsingGET", "602"
		c.Renewal, c.RenewalError = capture.RenewalFailed, "the identity service answers 401"
	}))
	out = must(t, "captures", "show", testID(9), "--capture-dir", dir)
	if !strings.Contains(out, "  renewal     no new access token could be had: the identity service answers 401\n") || strings.Contains(out, "signed") {
		t.Error(out)
	}
}

// Hours are those of the zone, and the same hour of two days, or of both sides of a change of the clock, is two.
func TestCapturesByHour(t *testing.T) {
	dir := t.TempDir()
	for n, at := range []string{"2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z", "2026-11-01T07:30:00Z", "2026-11-01T07:59:59Z"} {
		moment, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		writeCaptures(t, dir, testCapture(n, func(c *capture.Capture) { c.Time = moment }))
	}
	var out, errs bytes.Buffer
	if code := run(context.Background(), []string{"captures", "ls", "--by", "hour", "--json", "--capture-dir", dir}, []string{"TZ=America/Chicago"}, &out, &errs); code != exitDone {
		t.Fatal(errs.String())
	}
	got := regexp.MustCompile(`"(hour":"[^"]*|count":\d+)`).FindAllString(out.String(), -1)
	want := []string{`"hour":"2026-11-01T01:00:00-06:00`, `"count":2`, `"hour":"2026-11-01T01:00:00-05:00`, `"count":1`, `"hour":"2026-11-01T00:00:00-05:00`, `"count":1`}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestCapturesInTheLocalZone(t *testing.T) {
	dir := testDir(t)
	var out, errs bytes.Buffer
	environ := []string{"TZ=America/Chicago", "MARKETO_PROXY_CAPTURE_DIR=" + dir}
	if _, err := time.LoadLocation("America/Chicago"); err != nil {
		t.Fatal(err)
	}
	if code := run(context.Background(), []string{"captures", "--since", "2026-11-24 06:05"}, environ, &out, &errs); code != 0 {
		t.Fatal(errs.String())
	}
	if got := out.String(); !strings.HasPrefix(got, "TIME (CST)") || !strings.Contains(got, "\n2026-11-24 06:05:00") || strings.Count(got, "\n") != 2 {
		t.Error(got)
	}
}

func TestCapturesMistakes(t *testing.T) {
	dir := testDir(t)
	empty := t.TempDir()
	missing := filepath.Join(empty, "none")
	for _, c := range []struct {
		args string
		code int
		want string // in stderr
	}{
		{"ls --capture-dir " + missing, exitFailed, "no directory " + missing + " to read captures from: name it with --capture-dir or MARKETO_PROXY_CAPTURE_DIR"},
		{"show 019abcde --capture-dir " + missing, exitFailed, "no directory"},
		{"tail --capture-dir " + missing, exitFailed, "no directory"},
		{"export --capture-dir " + missing, exitFailed, "no directory"},
		{"ls --capture-dir " + empty, exitDone, empty + " holds no captures"},
		{"ls --code 99999 --capture-dir " + dir, exitDone, "no capture in " + dir + " is what the filter asks for"},
		{"ls --since yesterday", exitUsage, `--since: "yesterday" is not a time`},
		{"ls --since 1h --until 2h", exitUsage, "--since: "},
		{"ls --api soup", exitUsage, `--api: "soup" is none of soap, rest`},
		{"ls --class x --outcome y", exitUsage, "; --class: "},
		{"ls --code abc", exitUsage, `"abc" is not a code`},
		{"ls --limit -1", exitUsage, "--limit"},
		{"ls --by weather", exitUsage, "--by"},
		{"tail --until 2020-01-01", exitUsage, "--until"},
		{"show", exitUsage, "id"},
		{"show " + testID(9) + " --capture-dir " + dir, exitFailed, "no capture in " + dir + " has the id " + testID(9)},
		{"show 019 --capture-dir " + dir, exitFailed, "at least 8"},
		{"export -o x.txt --capture-dir " + dir, exitUsage, "--format har"},
		{"export --format pdf --capture-dir " + dir, exitUsage, "neither har nor jsonl"},
		{"export " + testID(1) + " --code 20011 --capture-dir " + dir, exitUsage, "not both"},
		{"export " + testID(9) + " --capture-dir " + dir, exitFailed, "no capture"},
		{"export --limit -3 --capture-dir " + dir, exitUsage, "--limit"},
		{"export --format har -o " + dir + " --capture-dir " + dir, exitFailed, "is a directory"},
		{"export --format har -o " + missing + "/x.har --capture-dir " + dir, exitFailed, "no such file or directory"},
	} {
		code, out, errs := call(t, append([]string{"captures"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 || out != "" {
			t.Errorf("%s: exit %d, stdout %q, stderr %q; want exit %d, %q", c.args, code, out, errs, c.code, c.want)
		}
	}
}

func TestCapturesShowNeedsOneID(t *testing.T) {
	dir := t.TempDir()
	writeCaptures(t, dir, testCapture(1, nil), testCapture(1, func(c *capture.Capture) { c.ID = c.ID[:35] + "f" }))
	code, out, errs := call(t, "captures", "show", testID(1)[:30], "--capture-dir", dir)
	if want := "several ids begin with " + testID(1)[:30] + ": "; code != exitFailed || out != "" || !strings.Contains(errs, want) {
		t.Errorf("exit %d, %s, %s", code, out, errs)
	}
}

func TestCapturesReportsDamage(t *testing.T) {
	dir := testDir(t)
	files, err := filepath.Glob(filepath.Join(dir, "*.gz"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var junk strings.Builder
	for n := range 20 {
		fmt.Fprintf(&junk, "junk\x1b %d\n", n)
	}
	if err := os.WriteFile(filepath.Join(dir, "20261124T130000.000Z-00000000.jsonl"), []byte(junk.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := call(t, "captures", "ls", "--capture-dir", dir)
	lines := strings.Split(strings.TrimSpace(errs), "\n")
	if code != exitDone || strings.Count(out, "\n") != 6 || len(lines) != maxDamageLines+1 ||
		!strings.HasPrefix(lines[0], "marketo-proxy: skipped: ") || lines[5] != "marketo-proxy: skipped: and 15 more" {
		t.Errorf("exit %d\n%s\n%s", code, out, errs)
	}
}
