package admin

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"marketo-proxy/capture"
)

const hostile = `</pre><script>alert(1)</script><img src=x onerror=alert(2)>"'` + "\u202e"

// testDetail is a line with two attempts, in which everything that comes from outside is hostile.
func testDetail(id string) string {
	q := func(s string) string { return strings.ReplaceAll(fmt.Sprintf("%q", s), `\x`, `\u00`) }
	message := func(side string) string {
		start := `"method":"POST","url":` + q("http://x/?access_token=REDACTED&"+hostile)
		if side == "response" {
			start = `"status":500,"statusText":` + q(hostile)
		}
		return fmt.Sprintf(`%q:{%s,"httpVersion":"HTTP/1.1","headers":[{"name":%s,"value":%s},{"name":"Authorization","value":"REDACTED"}],"bodySize":90,"body":{"size":90,"sha256":"ab","truncated":true,"text":%s}}`,
			side, start, q(hostile), q(hostile), q("<a><b>REDACTED</b><c>"+hostile+"</c></a>"))
	}
	attempt := `{"startedDateTime":"2026-11-24T12:00:00Z","outcome":"fault","code":"20016","error":` + q(hostile) +
		`,"timings":{"blocked":-1,"dns":1,"connect":5,"ssl":3,"send":1,"wait":100,"receive":2},` + message("request") + `,` + message("response") + `}`
	return fmt.Sprintf(`{"id":%q,"time":"2026-11-24T12:00:00Z","api":"soap","operation":%s,"instance":%s,"user":%s,"outcome":"recovered","code":"20016","message":%s,`+
		`"class":%s,"advice":%s,"request_id":%s,"records":[{"index":3,"status":"FAILED","error":%s}],"records_failed":7,"renewal":"recovered","duration_ms":109,`+
		`"complete":false,"proxy":{"version":"v1","host":%s,"pod":"p","namespace":"n"},"attempts":[%s,%s]}`+"\n",
		id, q(hostile), q(hostile), q(hostile), q(hostile), q(hostile), q(hostile), q(hostile), q(hostile), q(hostile), attempt, attempt)
}

func testServer(t testing.TB, o Options, lines ...string) *Server {
	t.Helper()
	o.Dir = testJournal(t, indexNow.Add(-time.Hour), lines)
	o.Now = func() time.Time { return indexNow.Add(time.Minute) }
	return newServer(t, o)
}

var (
	quotedValue = regexp.MustCompile(`"[^"]*"`)
	activeTag   = regexp.MustCompile(`<(script|img|style|iframe|object|[^>]*\son\w+=|[^>]*\sstyle=)[^>]*>`)
)

// inert fails the test for markup that did not come from a template.
func inert(t *testing.T, page string) {
	t.Helper()
	found := activeTag.FindAllString(quotedValue.ReplaceAllString(page, `""`), -1)
	if want := []string{`<script src="" defer>`, `<img src="" alt="" width="" height="">`}; !slices.Equal(found, want) {
		t.Errorf("the page has %q", found)
	}
	if strings.Contains(page, "\u202e") {
		t.Errorf("text that runs backwards: %s", page[max(0, strings.Index(page, "\u202e")-200):])
	}
}

func TestPages(t *testing.T) {
	id := testID(indexNow, 1)
	s := testServer(t, Options{Version: "v1", CommandDir: "/a dir/it's", ReplayFlags: "--credentials-dir /keys", SOAPCallers: func() []SOAPCaller {
		return []SOAPCaller{{User: hostile, Operation: "getLead", REST: "GET /rest/v1/leads.json", Calls: 7, Last: indexNow}, {User: "b", Operation: "x", Calls: 1234567, Last: indexNow}}
	}}, testLine(indexNow.Add(-time.Minute), 2, "rest", "611", "getLeadByIdUsingGET", hostile), testDetail(id))
	for path, want := range map[string][]string{
		"/":            {"20016", "611", "2 captures", "/captures/" + id, "Who still calls SOAP", "GET /rest/v1/leads.json", "nothing like it", "1234567", `id="c` + id},
		"/?code=20016": {"1 capture", `aria-current="true"`, `value="20016"`},
		"/?code=20011": {"No capture is what the filter asks for", "0 captures"},
		"/?api=x":      {`"x" is none of soap, rest`, `value=""`},
		"/captures/" + id: {
			"Attempt 1 of 2", "Attempt 2 of 2", "<mark", "REDACTED</mark>", "Request Expired", "7 failed records", "And 6 more", "wait 100 ms", "tls 3.0 ms", "connect 2.0 ms",
			`marketo-proxy replay ` + id + ` --capture-dir &#39;/a dir/it&#39;\&#39;&#39;s&#39; --credentials-dir /keys`, "marketo-proxy ticket " + id, "n/p on ", "Not the whole body", "nobody&#39;s: the proxy healed it",
			"<i>&lt;a&gt;\n  &lt;b&gt;</i><mark", "/api/captures/" + id + "/har", "no: a body or an answer is not whole", `\u202e`,
		},
		"/captures/" + testID(indexNow, 9): {"there is no such capture"},
		"/codes":                           {"20016", "611", "Whose turn"},
		"/codes?q=expired%20signature":     {"20016"},
		"/codes?q=2001&api=soap":           {"20011"},
		"/codes?class=x":                   {`"x" is none of`},
		"/nothing":                         {"there is no such page"},
	} {
		w := get(s, "localhost:8081", path, "Sec-Fetch-Site", "none")
		if kind := w.Header().Get("Content-Type"); kind != "text/html; charset=utf-8" {
			t.Errorf("%s: %s", path, kind)
		}
		for _, text := range want {
			if !strings.Contains(w.Body.String(), text) && !strings.Contains(html.UnescapeString(w.Body.String()), text) {
				t.Errorf("%s: %d, %q is missing in %s", path, w.Code, text, w.Body)
			}
		}
		inert(t, w.Body.String())
	}
	if w := get(s, "localhost", "/captures/"+id[:34]); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/captures/"+id {
		t.Errorf("the beginning of an id: %d to %s", w.Code, w.Header().Get("Location"))
	}
	if w := get(s, "localhost", "/"); strings.Contains(w.Body.String(), "/api/ticket") {
		t.Error("tickets are offered")
	}
}

// A call is shown in the terms of its API.
func TestRenewalOnThePage(t *testing.T) {
	soap, rest := testID(indexNow, 1), testID(indexNow, 2)
	line := func(id, api, operation, more string) string {
		return fmt.Sprintf(`{"id":%q,"time":"2026-11-24T12:00:00Z","api":%q,"operation":%q,"outcome":"fault","code":"602","class":"renew",%s,"attempts":[]}`+"\n", id, api, operation, more)
	}
	s := testServer(t, Options{}, line(soap, "soap", "getLead", `"renewal":"no_credential"`)+
		line(rest, "rest", "getLeadByIdUsingGET", `"renewal":"failed","renewal_error":"the identity service answers 401"`))
	for id, want := range map[string][]string{
		soap: {"<dt>In REST</dt><dd>GET /rest/v1/leads.json, GET /rest/v1/lead/{leadId}.json</dd>", "no key is known for this user"},
		rest: {"<dt>Renewal</dt><dd>no new access token could be had: the identity service answers 401</dd>"},
	} {
		page := get(s, "localhost", "/captures/"+id).Body.String()
		for _, text := range want {
			if !strings.Contains(page, text) {
				t.Errorf("%s is missing in %s", text, page)
			}
		}
		if (id == rest) == strings.Contains(page, "In REST") {
			t.Errorf("%s says what it is in REST: %s", id, page)
		}
	}
}

func TestBodies(t *testing.T) {
	id := testID(indexNow, 1)
	s := testServer(t, Options{}, testDetail(id))
	w := get(s, "localhost", "/api/captures/"+id+"/2/response")
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "sandbox") ||
		!strings.HasPrefix(w.Body.String(), "<a><b>REDACTED</b><c></pre><script>") {
		t.Errorf("%d, %v, %s", w.Code, w.Header(), w.Body)
	}
	for _, path := range []string{"/3/response", "/0/request", "/x/request", "/1/else"} {
		if w := get(s, "localhost", "/api/captures/"+id+path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// A page of a body of any size is bounded.
func TestHugeBody(t *testing.T) {
	id := testID(indexNow, 1)
	body := strings.Repeat("<a>", 2_000_000)
	line := strings.Replace(testDetail(id), "<a><b>", body, 1)
	s := testServer(t, Options{}, line)
	w := get(s, "localhost", "/captures/"+id)
	if w.Code != 200 || !strings.Contains(w.Body.String(), "Only the first 256.0 KiB are shown.") || w.Body.Len() > 4<<20 {
		t.Errorf("%d, %d bytes", w.Code, w.Body.Len())
	}
}

func TestTicket(t *testing.T) {
	id := testID(indexNow, 1)
	var asked capture.Query
	var askedIDs []string
	fails := error(nil)
	s := testServer(t, Options{Ticket: func(_ context.Context, w io.Writer, q capture.Query, ids []string) error {
		asked, askedIDs = q, ids
		if fails != nil {
			return fails
		}
		z := zip.NewWriter(w)
		f, err := z.Create("SUMMARY.md")
		if err == nil {
			_, err = io.WriteString(f, "x")
		}
		return errors.Join(err, z.Close())
	}}, testDetail(id))
	w := get(s, "localhost", "/api/ticket?id="+id+"&id=x")
	if _, err := zip.NewReader(bytes.NewReader(w.Body.Bytes()), int64(w.Body.Len())); err != nil || w.Header().Get("Content-Type") != "application/zip" || len(askedIDs) != 2 {
		t.Errorf("%d, %v, %v, %v", w.Code, w.Header(), err, askedIDs)
	}
	if name := w.Header().Get("Content-Disposition"); !strings.HasPrefix(name, `attachment; filename="ticket-2026`) {
		t.Error(name)
	}
	if w := get(s, "localhost", "/api/ticket?id="+url.QueryEscape("\"\r\n../"+id)); w.Header().Get("Content-Disposition") != `attachment; filename="ticket-..`+id+`.zip"` {
		t.Error(w.Header().Get("Content-Disposition"))
	}
	get(s, "localhost", "/api/ticket?code=20011")
	if !asked.Since.Equal(indexNow.Add(-59*time.Minute)) || asked.Limit != 0 || asked.Codes[0] != "20011" || len(askedIDs) != 0 {
		t.Errorf("%+v, %v", asked, askedIDs)
	}
	fails = fmt.Errorf("ticket: %w", capture.ErrNotFound)
	if w := get(s, "localhost", "/api/ticket", "Accept", "text/html,*/*"); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "ticket: there is no such capture") ||
		!strings.Contains(w.Body.String(), "<h1>") || w.Header().Get("Content-Disposition") != "" {
		t.Errorf("%d, %s", w.Code, w.Body)
	}
	if w := get(s, "localhost", "/api/ticket"); w.Code != http.StatusNotFound || !strings.HasPrefix(w.Body.String(), `{"error":"ticket: `) {
		t.Errorf("%d, %s", w.Code, w.Body)
	}
	if w := get(s, "localhost", "/"); !strings.Contains(w.Body.String(), `href="/api/ticket"`) {
		t.Error("no ticket is offered")
	}
	without := testServer(t, Options{})
	if w := get(without, "localhost", "/api/ticket"); w.Code != http.StatusNotFound {
		t.Errorf("without tickets: %d", w.Code)
	}
}

// What other sites' pages ask for is not served, but for links to the page; nothing can be framed.
func TestOtherSites(t *testing.T) {
	s := testServer(t, Options{}, testDetail(testID(indexNow, 1)))
	navigate := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	frame := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}
	for _, c := range []struct {
		path   string
		header []string
		want   int
	}{
		{"/", append([]string{"Sec-Fetch-Site", "cross-site"}, navigate...), 200},
		{"/", append([]string{"Sec-Fetch-Site", "cross-site"}, frame...), 403},
		{"/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403},
		{"/", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"/api/captures", append([]string{"Sec-Fetch-Site", "cross-site"}, navigate...), 403},
		{"/api/captures", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors"}, 403},
		{"/api/captures", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"/api/captures", []string{"Origin", "http://evil.example"}, 403},
		{"/api/captures", []string{"Origin", "http://localhost:8081"}, 200},
		{"/api/events", []string{"Sec-Fetch-Site", "cross-site"}, 403},
	} {
		w := get(s, "localhost:8081", c.path, c.header...)
		if w.Code != c.want {
			t.Errorf("%s, %v: %d, want %d", c.path, c.header, w.Code, c.want)
		}
		if h := w.Header(); !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || strings.Contains(h.Get("Content-Security-Policy"), "unsafe") ||
			h.Get("X-Frame-Options") != "DENY" || h.Get("Access-Control-Allow-Origin") != "" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", c.path, h)
		}
	}
	for _, path := range []string{"/", "/captures/x", "/codes", "/api/captures", "/api/ticket", "/api/events", "/assets/style.css"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions} {
			r := httptest.NewRequest(method, path, nil)
			r.Host = "localhost"
			w := httptest.NewRecorder()
			if s.ServeHTTP(w, r); w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
	}
}

const testToken = "0123456789abcdef"

func post(s *Server, path, form string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form))
	r.Host = "localhost"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestSession(t *testing.T) {
	now := indexNow
	s := newServer(t, Options{Dir: testJournal(t, indexNow, nil), Token: testToken, Now: func() time.Time { return now }})
	for path, want := range map[string]int{"/": 401, "/captures/x": 401, "/codes": 401, "/api/codes": 401, "/api/events": 401, "/login": 200, "/assets/style.css": 200} {
		if w := get(s, "localhost", path); w.Code != want || strings.Contains(w.Body.String(), testToken) {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	w := post(s, "/login", "token="+testToken+"&next=%2Fcodes%3Fq%3D1")
	cookie := w.Header().Get("Set-Cookie")
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/codes?q=1" || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") || strings.Contains(cookie, testToken) {
		t.Fatalf("%d, %v", w.Code, w.Header())
	}
	pair, _, _ := strings.Cut(cookie, ";")
	for _, path := range []string{"/", "/api/codes", "/codes"} {
		if w := get(s, "localhost", path, "Cookie", pair); w.Code != 200 {
			t.Errorf("%s with the cookie: %d", path, w.Code)
		}
	}
	if w := get(s, "localhost", "/api/codes", "Cookie", pair[:len(pair)-1]+"x"); w.Code != 401 {
		t.Errorf("another cookie: %d", w.Code)
	}
	if w := get(s, "localhost", "/", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"); !strings.Contains(w.Body.String(), `http-equiv="refresh"`) {
		t.Errorf("by a link from elsewhere: %d", w.Code)
	}
	if w := post(s, "/logout", "", "Cookie", pair, "Origin", "http://evil.example"); w.Code != 403 {
		t.Errorf("logged out by another site: %d", w.Code)
	}
	post(s, "/logout", "", "Cookie", pair)
	if w := get(s, "localhost", "/", "Cookie", pair); w.Code != 401 {
		t.Errorf("after logging out: %d", w.Code)
	}

	pair, _, _ = strings.Cut(post(s, "/login", "token="+testToken).Header().Get("Set-Cookie"), ";")
	for range maxTries {
		if w := post(s, "/login", "token=wrong"); w.Code != 401 || w.Header().Get("Set-Cookie") != "" {
			t.Fatalf("a wrong token: %d", w.Code)
		}
	}
	if w := post(s, "/login", "token="+testToken); w.Code != http.StatusTooManyRequests {
		t.Errorf("after many wrong tokens: %d", w.Code)
	}
	now = now.Add(triesWindow)
	if w := post(s, "/login", "token="+testToken); w.Code != http.StatusSeeOther {
		t.Errorf("a minute later: %d", w.Code)
	}
	now = now.Add(sessionLength)
	if w := get(s, "localhost", "/", "Cookie", pair); w.Code != 401 {
		t.Errorf("a session too old: %d", w.Code)
	}
	for range 3 * maxSessions {
		post(s, "/login", "token="+testToken)
	}
	if n := len(s.sessions.ends); n > maxSessions {
		t.Errorf("%d sessions", n)
	}
	open := testServer(t, Options{})
	if w := post(open, "/login", "token="); w.Code != 404 || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("log-in without a token: %d", w.Code)
	}
}

// After the log-in one goes on here, wherever the address wants to lead.
func TestHere(t *testing.T) {
	for address, want := range map[string]string{
		"": "/", "/codes?q=1": "/codes?q=1", "//evil.example/": "/", "http://evil.example/": "/", `/\evil.example`: "/", "javascript:alert(1)": "/", "/login": "/",
		"/%2f/evil.example": "/", "/?x=http://evil.example": "/?x=http://evil.example", "/api/ticket": "/", "\t//evil.example": "/",
	} {
		if got := here(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}

// A stream tells of what comes, filtered, and ends with the server.
func TestEvents(t *testing.T) {
	s := testServer(t, Options{}, testLine(indexNow, 1, "soap", "20011", "getLead", "m"))
	front := httptest.NewServer(s)
	defer front.Close()
	answer, err := http.Get(front.URL + "/api/events?code=611")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if kind := answer.Header.Get("Content-Type"); kind != "text/event-stream; charset=utf-8" {
		t.Fatal(kind)
	}
	x, err := s.index()
	if err != nil {
		t.Fatal(err)
	}
	<-x.past
	for i, code := range []string{"20011", "611"} {
		x.take(&capture.Stored{Capture: capture.Capture{ID: testID(indexNow, 10+i), Time: indexNow, Code: code, Message: "a\nb"}}, nil)
	}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() && lines.Text() != "event: capture" {
	}
	lines.Scan()
	id := lines.Text()
	lines.Scan()
	if data := lines.Text(); id != "id: "+testID(indexNow, 11) || !strings.HasPrefix(data, `data: {"id":`) || !strings.Contains(data, `"code":"611"`) {
		t.Errorf("%s, %s", id, data)
	}
	s.Close()
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Error(err)
	}
	if w := get(s, "localhost", "/"); w.Code != http.StatusInternalServerError {
		t.Errorf("after closing: %d", w.Code)
	}
}
