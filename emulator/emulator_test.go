package emulator

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"marketo-proxy/sign"
)

const (
	testUser   = "demo17_1_809934544BFABAE58E5D27"
	testKey    = "27272727aa"
	testClient = "client-1"
	testSecret = "secret-1"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bench is an emulator behind a real HTTP server.
type bench struct {
	t     *testing.T
	e     *Emulator
	s     *httptest.Server
	clock *clock
	token string
}

func newBench(t *testing.T, change ...func(*Options)) *bench {
	t.Helper()
	b := &bench{t: t, clock: &clock{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}}
	options := Options{
		Users:   map[string]string{testUser: testKey, "bigcorp1_461839624B16E06BA2D663": "899756834129871744AAEE88DDCC77CDEEDEC1AAAD66"},
		Clients: map[string]string{testClient: testSecret},
		Now:     b.clock.Now,
	}
	for _, c := range change {
		c(&options)
	}
	var err error
	if b.e, err = New(options); err != nil {
		t.Fatal(err)
	}
	b.s = httptest.NewServer(b.e)
	t.Cleanup(func() {
		b.e.Close()
		b.s.Close()
	})
	return b
}

// signed is an envelope around params, the inside of the Body, signed at that time.
func signed(params string, at time.Time) string {
	timestamp := sign.Timestamp(at)
	return `<?xml version="1.0" encoding="UTF-8"?>` +
		`<SOAP-ENV:Envelope xmlns:SOAP-ENV="` + soap11 + `" xmlns:ns1="` + mktows + `" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		`<SOAP-ENV:Header><ns1:AuthenticationHeader><mktowsUserId>` + testUser + `</mktowsUserId><requestSignature>` +
		sign.Signature(testKey, timestamp, testUser) + `</requestSignature><requestTimestamp>` + timestamp +
		`</requestTimestamp></ns1:AuthenticationHeader></SOAP-ENV:Header><SOAP-ENV:Body>` + params + `</SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

// params is a params element.
func params(operation, inside string) string {
	name := "ns1:params" + strings.ToUpper(operation[:1]) + operation[1:]
	return "<" + name + ">" + inside + "</" + name + ">"
}

// answered is a response with its body.
type answered struct {
	status int
	header http.Header
	body   string
	err    error // from reading the body
}

func (b *bench) do(r *http.Request) answered {
	b.t.Helper()
	response, err := b.s.Client().Do(r)
	if err != nil {
		return answered{err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answered{response.StatusCode, response.Header, string(body), err}
}

// post sends a body to the SOAP endpoint; headers are "Name: value".
func (b *bench) post(body string, headers ...string) answered {
	b.t.Helper()
	r, err := http.NewRequest("POST", b.s.URL+"/soap/mktows/3_1", strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/xml;charset=UTF-8")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return b.do(r)
}

// soap calls an operation with a good signature.
func (b *bench) soap(operation, inside string, headers ...string) answered {
	b.t.Helper()
	return b.post(signed(params(operation, inside), b.clock.Now()), headers...)
}

// failure is what a fault says.
type failure struct {
	Code    string `xml:"Body>Fault>faultcode"`
	String  string `xml:"Body>Fault>faultstring"`
	Name    string `xml:"Body>Fault>detail>serviceException>name"`
	Message string `xml:"Body>Fault>detail>serviceException>message"`
	Number  string `xml:"Body>Fault>detail>serviceException>code"`
}

func readFault(t *testing.T, a answered) failure {
	t.Helper()
	var f failure
	if err := xml.Unmarshal([]byte(a.body), &f); err != nil {
		t.Fatalf("not XML: %v\n%s", err, a.body)
	}
	return f
}

// wantFault checks a fault in the documented shape.
func (b *bench) wantFault(a answered, code string) failure {
	b.t.Helper()
	f := readFault(b.t, a)
	if a.status != 500 || f.Number != code || !strings.HasPrefix(f.String, code+" - ") || !strings.HasSuffix(f.Message, " ("+code+")") ||
		f.Code != "SOAP-ENV:Client" || f.Name != "mktServiceException" {
		b.t.Errorf("want fault %s with status 500, got %d:\n%s", code, a.status, a.body)
	}
	return f
}

// want checks a success and its parts, given without white space between tags.
func (b *bench) want(a answered, parts ...string) string {
	b.t.Helper()
	if a.status != 200 || a.err != nil {
		b.t.Fatalf("status %d, error %v:\n%s", a.status, a.err, a.body)
	}
	flat := flatten(a.body)
	for _, part := range parts {
		if !strings.Contains(flat, part) {
			b.t.Errorf("no %s in\n%s", part, a.body)
		}
	}
	return flat
}

func flatten(body string) string {
	lines := strings.Split(body, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "")
}

func (b *bench) wantCount(api, operation, outcome string, n int) {
	b.t.Helper()
	if got := b.e.Counts()[Count{api, operation, outcome}]; got != n {
		b.t.Errorf("count of %s %s %s is %d, want %d: %v", api, operation, outcome, got, n, b.e.Counts())
	}
}

// until waits for something that another goroutine does.
func (b *bench) until(done func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("waited in vain: %v", b.e.Counts())
		}
	}
}

func (b *bench) inFlight(l *limiter) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inFlight
}

const joe = `<leadKey><keyType>EMAIL</keyType><keyValue>joe@marketo.com</keyValue></leadKey>`

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		options Options
		want    string
	}{
		{Options{MaxAge: -1}, "negative"},
		{Options{PublicURL: "marketo.example.com"}, "public URL"},
		{Options{PublicURL: "ftp://example.com"}, "public URL"},
		{Options{Rules: []Rule{{}}}, "rule 1"},
	} {
		if _, err := New(test.options); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v", test.options, err)
		}
	}
}

func TestOtherPathsAndMethods(t *testing.T) {
	b := newBench(t)
	for _, test := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/", 404}, {"POST", "/other", 404}, {"GET", "/soap/mktows/3_1", 405}, {"PUT", "/soap/mktows/3_1", 405},
	} {
		r, err := http.NewRequest(test.method, b.s.URL+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := b.do(r); a.status != test.want {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, a.status, test.want)
		}
	}
	if n := len(b.e.Counts()); n != 0 {
		t.Errorf("%d counts", n)
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	b := newBench(t)
	b.authorize()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 5 {
				email := fmt.Sprintf("c%d@example.com", (i+j)%5)
				b.soap("syncLead", `<leadRecord><Email>`+email+`</Email></leadRecord><returnLead>true</returnLead>`)
				b.soap("getLead", `<leadKey><keyType>EMAIL</keyType><keyValue>`+email+`</keyValue></leadKey>`)
				b.soap("listOperation", `<listOperation>ADDTOLIST</listOperation><listKey><keyType>MKTOLISTNAME</keyType><keyValue>Newsletter</keyValue></listKey><listMemberList>`+joe+`</listMemberList>`)
				b.soap("getMultipleLeads", `<leadSelector xsi:type="ns1:StaticListSelector"><staticListName>Newsletter</staticListName></leadSelector>`, FailHeader+": gzip:0.5")
				b.soap("getLeadChanges", `<startPosition/>`)
				b.get("/rest/v1/leads.json?filterType=email&filterValues=" + email)
				b.get("/rest/v1/lists.json")
				b.get("/rest/v1/stats/errors.json")
				b.e.Counts()
			}
		})
	}
	group.Wait()
	total := 0
	for k, n := range b.e.Counts() {
		total += n
		if k.Outcome != "ok" {
			t.Errorf("%+v: %d", k, n)
		}
	}
	if want := 8*5*8 + 1; total != want {
		t.Errorf("%d calls counted, want %d", total, want)
	}
}

// TestLargeRequest reads a batch that is larger than what is held of it.
func TestLargeRequest(t *testing.T) {
	b := newBench(t)
	const n = maxLeads + 2000
	pr, pw := io.Pipe()
	go func() {
		w := &bytes.Buffer{}
		whole := signed(params("syncMultipleLeads", "<leadRecordList>|</leadRecordList><dedupEnabled>true</dedupEnabled>"), b.clock.Now())
		head, end, _ := strings.Cut(whole, "|")
		w.WriteString(head)
		for i := range n {
			fmt.Fprintf(w, `<leadRecord><Email>l%d@example.com</Email><leadAttributeList><attribute><attrName>Company</attrName>`+
				`<attrValue>%s</attrValue></attribute></leadAttributeList></leadRecord>`, i, "Größe &amp; Söhne")
			if w.Len() > 64<<10 {
				pw.Write(w.Bytes()) // into the pipe
				w.Reset()
			}
		}
		w.WriteString(end)
		pw.Write(w.Bytes())
		pw.Close()
	}()
	response, err := http.Post(b.s.URL+"/soap/mktows/3_1", "text/xml", pr)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	decoder := xml.NewDecoder(response.Body)
	statuses := 0
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := token.(xml.StartElement); ok && s.Name.Local == "syncStatus" {
			statuses++
		}
	}
	if statuses != n {
		t.Errorf("%d statuses, want %d", statuses, n)
	}
	if kept := len(b.e.store.order); kept > maxLeads {
		t.Errorf("%d leads kept", kept)
	}
	b.want(b.soap("getLead", joe), "<Id>67508</Id>") // sample leads are never forgotten
	b.want(b.soap("getLead", fmt.Sprintf("<leadKey><keyType>EMAIL</keyType><keyValue>l%d@example.com</keyValue></leadKey>", n-1)), "Größe &amp; Söhne")
}
