//go:build linux

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// wanted is what is expected of a failing call.
type wanted struct {
	name      string
	operation string     // getLead if empty
	auth      credential // who calls
	fail      string     // what the emulator is asked to do
	hangUp    bool       // the application goes away while it waits

	outcome  string
	code     string
	class    string // if known
	attempts int    // 1 if 0
	renewal  string // result in renewals_total
	own      int    // status of the proxy's own answer
	reason   string // in its text
	cut      bool   // the answer ends early
}

var failures = []wanted{
	// Each class once, and each shape of a fault.
	{name: "fault 20011", fail: "20011", outcome: "fault", code: "20011", class: "marketo"},
	{name: "fault 10001 without code in the text", fail: "10001+nocode", outcome: "fault", code: "10001", class: "marketo"},
	{name: "fault 20013 without detail", fail: "20013+nodetail", outcome: "fault", code: "20013", class: "access"},
	{name: "fault 20014 of the signature", auth: credential{key: "wrong"}, outcome: "fault", code: "20014", class: "access"},
	{name: "fault 20015 in a 200", fail: "20015+status=200", outcome: "fault", code: "20015", class: "quota"},
	{name: "fault 20023 of SOAP 1.2", fail: "20023+soap12", outcome: "fault", code: "20023", class: "throttled"},
	{name: "fault 20024 in one line", fail: "20024+server+oneline", outcome: "fault", code: "20024", class: "throttled"},
	{name: "fault 20103 in gzip", fail: "20103+gzip", outcome: "fault", code: "20103", class: "answer"},
	{name: "fault 20105 in chunks", fail: "20105+chunked", outcome: "fault", code: "20105", class: "caller"},
	{name: "fault 20110 in UTF-16", fail: "20110+utf16", outcome: "fault", code: "20110", class: "caller"},
	{name: "fault 20122 in Latin-1", fail: "20122+latin1", outcome: "fault", code: "20122", class: "caller"},
	{name: "fault 20999 of nobody's table", fail: "20999", outcome: "fault", code: "20999", class: "unknown"},
	{name: "fault of 3 MB", fail: "20011+size=3MB", outcome: "fault", code: "20011", class: "marketo"},

	{name: "partial syncLead", operation: "syncLead", fail: "partial", outcome: "partial"},
	{name: "partial syncMultipleLeads", operation: "syncMultipleLeads", fail: "partial", outcome: "partial"},
	{name: "partial syncMObjects", operation: "syncMObjects", fail: "partial=SKIPPED", outcome: "partial"},
	{name: "partial deleteMObjects", operation: "deleteMObjects", fail: "partial", outcome: "partial"},
	{name: "partial syncCustomObjects", operation: "syncCustomObjects", fail: "partial", outcome: "partial"},
	{name: "partial deleteCustomObjects", operation: "deleteCustomObjects", fail: "partial+gzip", outcome: "partial"},
	{name: "partial mergeLeads", operation: "mergeLeads", fail: "partial", outcome: "partial"},
	{name: "partial importToList", operation: "importToList", fail: "partial=CANCELED", outcome: "partial"},
	{name: "partial listOperation", operation: "listOperation", fail: "partial+chunked", outcome: "partial"},
	{name: "partial requestCampaign", operation: "requestCampaign", fail: "partial", outcome: "partial"},
	{name: "partial scheduleCampaign", operation: "scheduleCampaign", fail: "partial", outcome: "partial"},

	{name: "http 502 page", fail: "html502", outcome: "http"},
	{name: "http 503 line", fail: "http503", outcome: "http"},
	{name: "http 404 page", fail: "html404", outcome: "http"},

	{name: "malformed half", fail: "malformed", outcome: "malformed"},
	{name: "malformed empty", fail: "empty", outcome: "malformed"},
	{name: "malformed page in a 200", fail: "html200", outcome: "malformed"},
	{name: "malformed gzip", fail: "badgzip", outcome: "malformed"},

	{name: "transport reset", fail: "reset", outcome: "transport", own: 502, reason: "reset"},
	{name: "transport cut", fail: "cut", outcome: "transport", cut: true},
	{name: "transport cut in chunks", fail: "cut+chunked", outcome: "transport", cut: true},
	{name: "transport cut in a large answer", fail: "size=2MB+cut=1MB", outcome: "transport", cut: true},
	{name: "transport cut in a fault", fail: "20011+cut", outcome: "transport", cut: true},
	{name: "transport timeout", fail: "hang", outcome: "transport", own: 504, reason: "timeout"},

	{name: "client", fail: "slow=1s", hangUp: true, outcome: "client"},

	{name: "recovered", auth: credential{age: time.Hour}, outcome: "recovered", code: "20016", class: "renew", attempts: 2, renewal: "recovered"},
	{name: "recovered from the future", auth: credential{age: -time.Hour}, outcome: "recovered", code: "20016", class: "renew", attempts: 2, renewal: "recovered"},
	{name: "expired in vain", auth: credential{age: time.Hour}, fail: "20016", outcome: "fault", code: "20016", class: "renew", attempts: 2, renewal: "failed"},
	{name: "expired of a stranger", auth: credential{user: "stranger", key: "k"}, fail: "20016", outcome: "fault", code: "20016", class: "renew", renewal: "no_credential"},
	{name: "expired without the key", auth: credential{key: "wrong"}, fail: "20016", outcome: "fault", code: "20016", class: "renew", renewal: "bad_signature"},
}

// upstreamTimeout is short, so that a call which hangs does not last; the emulator's other effects are far below.
const upstreamTimeout = "4s"

// Each way to fail, through each door: what the application gets, what is on disk, and what is counted.
func TestOutcomes(t *testing.T) {
	for _, name := range doorNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			marketo := newEmulator(t) // of its own, since calls change what it holds
			srv := serve(t, setup{upstream: marketo.URL, args: []string{"--upstream-timeout=" + upstreamTimeout}})
			d := srv.door(name)
			if g := d.post(getLead(credential{}), callHeader, newCall()); g.err != nil || g.status != 200 || len(g.header.Values("Marketo-Proxy-Capture")) > 0 {
				t.Fatalf("a call that succeeds: %d %v %v", g.status, g.header, g.err)
			}
			if n := len(srv.list()); n != 0 {
				t.Errorf("a call that succeeds is captured %d times", n)
			}
			for _, w := range failures {
				t.Run(w.name, func(t *testing.T) { w.check(t, srv, d, marketo) })
			}
		})
	}
}

func (w wanted) check(t *testing.T, srv *server, d *door, marketo *spy) {
	if w.operation == "" {
		w.operation = "getLead"
	}
	w.attempts = max(w.attempts, 1)
	before := srv.metrics()
	call := newCall()
	request := w.request(t)
	g := w.make(d, request, call)
	c := srv.captureOf(call)
	attempts := marketo.attempts(call)
	if len(attempts) != w.attempts || len(c.Attempts) != w.attempts {
		t.Fatalf("%d attempts at Marketo, %d in the capture; want %d", len(attempts), len(c.Attempts), w.attempts)
	}
	w.checkAnswer(t, g, c, attempts[w.attempts-1])
	w.checkCapture(t, c, request, attempts)
	w.checkMetrics(t, srv, before, c)
	if n := strings.Count(srv.stderr.String(), c.ID); n != 1 {
		t.Errorf("the id is in the log %d times", n)
	}
}

func (w wanted) request(t *testing.T) string {
	if w.operation == "getLead" {
		return getLead(w.auth)
	}
	// Adobe's sample asks for membership, where "false" is an answer.
	return strings.Replace(published(t, w.operation), "ISMEMBEROFLIST", "ADDTOLIST", 1)
}

func (w wanted) make(d *door, request, call string) got {
	header := []string{callHeader, call, "Content-Type", "text/xml; charset=UTF-8"}
	if w.fail != "" {
		header = append(header, failHeader, w.fail)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if w.hangUp {
		time.AfterFunc(300*time.Millisecond, cancel)
	}
	return d.do(ctx, http.MethodPost, soapPath, strings.NewReader(request), header...)
}

func (w wanted) checkAnswer(t *testing.T, g got, c *captured, x *exchange) {
	t.Helper()
	switch {
	case w.hangUp:
		return
	case w.own != 0:
		faultcode, text, ok := faultIn(g.body)
		if g.err != nil || g.status != w.own || !ok || faultcode != "SOAP-ENV:Server" || !strings.HasPrefix(text, "marketo-proxy:") || !strings.Contains(text, w.reason) {
			t.Errorf("the proxy's own answer: %d %v %s %v, want %d", g.status, g.header, g.body, g.err, w.own)
		}
	case w.cut:
		if g.err == nil {
			t.Errorf("the cut answer looks complete: %d, %d bytes", g.status, len(g.body))
		}
		// The proxy holds nothing back of what had arrived.
		if g.status != 0 && g.status != x.status || !bytes.Equal(g.body, x.response.kept[:min(len(g.body), len(x.response.kept))]) {
			t.Errorf("the cut answer differs: %d, %d bytes", g.status, len(g.body))
		}
		if got, sent := int64(len(g.body)), x.response.size; got != sent {
			t.Errorf("%d bytes of the cut answer arrived, Marketo sent %d", got, sent)
		}
	default:
		if g.err != nil || g.status != x.status || hexSum(g.body) != x.response.sum() {
			t.Errorf("not Marketo's answer: %d, %d bytes, %v; Marketo sent %d, %d bytes", g.status, len(g.body), g.err, x.status, x.response.size)
		}
	}
	known := w.outcome == "fault" || w.outcome == "http" || w.outcome == "recovered" || w.own != 0
	if id := g.header.Get("Marketo-Proxy-Capture"); known && id != c.ID || id != "" && id != c.ID {
		t.Errorf("Marketo-Proxy-Capture is %q, the capture %s", id, c.ID)
	}
	again := ""
	if w.attempts > 1 {
		again = "2"
	}
	if n := g.header.Get("Marketo-Proxy-Attempts"); n != again {
		t.Errorf("Marketo-Proxy-Attempts is %q, want %q", n, again)
	}
}

func (w wanted) checkCapture(t *testing.T, c *captured, request string, attempts []*exchange) {
	t.Helper()
	if c.Outcome != w.outcome || c.Code != w.code || w.class != "" && c.Class != w.class {
		t.Errorf("captured as %s %q %s (%s), want %s %q %s", c.Outcome, c.Code, c.Class, c.Message, w.outcome, w.code, w.class)
	}
	caller := cmp.Or(w.auth.user, user)
	if c.API != "soap" || c.Operation != w.operation || c.User != caller || c.Instance != instance {
		t.Errorf("captured as %s %s of %s at %s", c.API, c.Operation, c.User, c.Instance)
	}
	if age := time.Since(c.Time); age < 0 || age > 10*time.Minute {
		t.Errorf("captured at %s", c.Time)
	}
	// What calls itself gzip and is not can't be decoded, so it can't be masked and is not kept.
	if whole := w.outcome != "transport" && w.outcome != "client" && w.fail != "badgzip"; c.Complete != whole {
		t.Errorf("complete is %v, want %v", c.Complete, whole)
	}
	for i, a := range c.Attempts {
		w.checkAttempt(t, a, attempts[i])
	}
	if first := attempts[0]; first.request.sum() != hexSum([]byte(request)) {
		t.Error("Marketo got another request than the application sent")
	}
	if w.outcome == "partial" {
		checkRecords(t, c, attempts[0].response.kept)
	} else if len(c.Records) > 0 {
		t.Errorf("records %v", c.Records)
	}
}

func (w wanted) checkAttempt(t *testing.T, a attempt, x *exchange) {
	t.Helper()
	r := a.Request
	if r.Method != "POST" || !strings.HasSuffix(r.URL, soapPath) || r.HTTPVersion != "HTTP/1.1" || r.get("Content-Type") != "text/xml; charset=UTF-8" {
		t.Errorf("request %s %s %s %v", r.Method, r.URL, r.HTTPVersion, r.Headers)
	}
	if r.Body.SHA256 != x.request.sum() || r.Body.Size != x.request.size || r.Body.Truncated {
		t.Errorf("request body of %d bytes, Marketo got %d", r.Body.Size, x.request.size)
	}
	masked := strings.Contains(r.Body.Text, "<requestSignature>REDACTED</requestSignature>") && strings.Contains(r.Body.Text, "<mktowsUserId>")
	if !masked {
		t.Errorf("request text: %.600s", r.Body.Text)
	}
	if len(a.Timings) == 0 {
		t.Error("no timings")
	}
	if w.own != 0 || w.hangUp || a.Response == nil {
		if w.own == 0 && !w.hangUp || a.Response != nil || a.Error == "" {
			t.Errorf("response %v, error %q", a.Response, a.Error)
		}
		return
	}
	if w.cut != (a.Error != "") {
		t.Errorf("error %q", a.Error)
	}
	resp := a.Response
	if resp.Status != x.status || resp.Body.SHA256 != x.response.sum() || resp.Body.Size != x.response.size {
		t.Errorf("response %d of %d bytes, Marketo sent %d of %d", resp.Status, resp.Body.Size, x.status, x.response.size)
	}
	if w.code != "" && !strings.Contains(resp.Body.Text, "Fault>") {
		if a.Response.Status != http.StatusOK || w.outcome != "recovered" {
			t.Errorf("response text: %.600s", resp.Body.Text)
		}
	}
}

var failedStatus = regexp.MustCompile(`<(?:status|importStatus)>(?:FAILED|SKIPPED|CANCELED|false)<`)

// checkRecords wants as many failed records as the answer has.
func checkRecords(t *testing.T, c *captured, answer []byte) {
	t.Helper()
	answer = unzip(answer)
	failed := max(len(failedStatus.FindAll(answer, -1)), 1) // without records, success itself is false
	if len(c.Records) != failed {
		t.Errorf("%d records, want %d: %+v\n%s", len(c.Records), failed, c.Records, answer)
	}
	for i, r := range c.Records {
		if r.Status == "" || c.Operation != "listOperation" && r.Index != 2*i { // every other one fails
			t.Errorf("record %+v", r)
		}
	}
}

func (w wanted) checkMetrics(t *testing.T, srv *server, before map[string]float64, c *captured) {
	t.Helper()
	want := map[string]float64{
		fmt.Sprintf(`requests_total{api="soap",operation="%s"}`, w.operation):                               1,
		fmt.Sprintf(`failures_total{api="soap",outcome="%s"}`, w.outcome):                                   1,
		fmt.Sprintf(`operation_failures_total{api="soap",class="%s",operation="%s"}`, c.Class, w.operation): 1,
		`captures_total`: 1,
	}
	if w.code != "" {
		code := w.code
		if w.class == "unknown" {
			code = "other"
		}
		faults := w.attempts
		if w.outcome == "recovered" {
			faults = 1
		}
		want[fmt.Sprintf(`faults_total{api="soap",class="%s",code="%s"}`, w.class, code)] = float64(faults)
	}
	if w.outcome == "partial" {
		want[fmt.Sprintf(`partial_records_total{api="soap",operation="%s"}`, w.operation)] = float64(len(c.Records))
	}
	if w.renewal != "" {
		want[fmt.Sprintf(`renewals_total{api="soap",result="%s"}`, w.renewal)] = 1
	}
	eventually(t, "metrics", func() (bool, string) {
		delta := srv.delta(before)
		return maps.Equal(delta, want), fmt.Sprintf("%v\nwant %v", delta, want)
	})
}
