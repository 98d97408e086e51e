package replay

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/emulator"
	"marketo-proxy/redact"
	"marketo-proxy/sign"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testUser   = "demo17_1_809934544BFABAE58E5D27"
	testKey    = "27272727aa"
	testClient = "b1f2-client"
	testSecret = "the-secret-of-b1f2"
	oldTime    = "2026-11-24T12:00:00+00:00"
)

type keyMap map[string]string

func (k keyMap) Lookup(user string) (string, bool) { key, ok := k[user]; return key, ok }

var testKeys = keyMap{testUser: testKey, testClient: testSecret}

// target is a Marketo that notes what it gets.
type target struct {
	*httptest.Server
	mu   sync.Mutex
	seen []received
}

type received struct {
	method, uri string
	header      http.Header
	body        []byte
	length      int64
}

func newTarget(t *testing.T, h http.Handler) *target {
	t.Helper()
	target := &target{}
	target.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		target.mu.Lock()
		target.seen = append(target.seen, received{r.Method, r.RequestURI, r.Header.Clone(), body, r.ContentLength})
		target.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(target.Close)
	return target
}

// emulated is a target that answers as Marketo does, and fails by rules.
func emulated(t *testing.T, rules ...string) *target {
	t.Helper()
	o := emulator.Options{Users: map[string]string{testUser: testKey}, Clients: map[string]string{testClient: testSecret}}
	for _, text := range rules {
		rule, err := emulator.ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Rules = append(o.Rules, rule)
	}
	e, err := emulator.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return newTarget(t, e)
}

func (t *target) options() Options {
	u, _ := url.Parse(t.URL)
	return Options{SOAP: u, REST: u, Keys: testKeys, Timeout: 10 * time.Second, Now: time.Now()}
}

// last is the last call that came, without those to the identity service.
func (t *target) calls() (calls []received) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.seen {
		if !strings.HasPrefix(r.uri, "/identity/") || len(t.seen) == 1 {
			calls = append(calls, r)
		}
	}
	return calls
}

const readLead = `<ns1:paramsGetLead><leadKey><keyType>EMAIL</keyType><keyValue>ada@example.com</keyValue></leadKey></ns1:paramsGetLead>`

// envelope is a SOAP call of old, and how it has to be now.
func envelope(timestamp, signature, body string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\r\n" +
		`<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/"><SOAP-ENV:Header>` +
		"<ns1:AuthenticationHeader >\n<mktowsUserId>" + testUser + "</mktowsUserId><requestSignature>" + signature +
		"</requestSignature><requestTimestamp> " + timestamp + "\t</requestTimestamp><audit/></ns1:AuthenticationHeader></SOAP-ENV:Header>" +
		"<SOAP-ENV:Body>" + body + "</SOAP-ENV:Body></SOAP-ENV:Envelope>\n"
}

func zipped(s []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(s)
	_ = z.Close()
	return b.Bytes()
}

// soapCapture is a capture of a call to getLead, or of what change makes of it.
func soapCapture(t testing.TB, change func(*capture.Capture)) *capture.Detail {
	t.Helper()
	original := envelope(oldTime, sign.Signature(testKey, oldTime, testUser), readLead)
	c := &capture.Capture{
		ID: "019dc0de-0000-7000-8000-000000000000", API: classify.SOAP, Operation: "getLead", User: testUser,
		Outcome: classify.Fault, Code: "20011", Message: "Internal error (20011)",
		Attempts: []capture.AttemptLine{{
			Outcome: classify.Fault, Code: "20011", Started: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC),
			Request: capture.RequestLine{
				Method: "POST", URL: "https://123-ABC-456.mktoapi.com/soap/mktows/3_1", HTTPVersion: "HTTP/1.1",
				Headers: []capture.HeaderLine{{Name: "Content-Type", Value: "text/xml; charset=UTF-8"}, {Name: "Soapaction", Value: `""`}},
				Body:    bodyLine([]byte(original), original),
			},
			Response: &capture.ResponseLine{Status: 500, StatusText: "Internal Server Error"},
		}},
	}
	if change != nil {
		change(c)
	}
	return detail(t, c)
}

// bodyLine is how a body of text stands in a capture, when it was wire on the wire.
func bodyLine(wire []byte, text string) capture.BodyLine {
	var masked strings.Builder
	_ = redact.New().Body(&masked, strings.NewReader(text))
	sum := sha256.Sum256(wire)
	return capture.BodyLine{Size: int64(len(wire)), SHA256: hex.EncodeToString(sum[:]), Text: masked.String()}
}

// restCapture is a capture of a read of a lead.
func restCapture(t testing.TB, change func(*capture.Capture)) *capture.Detail {
	t.Helper()
	c := &capture.Capture{
		ID: "019dc0de-0000-7000-8000-000000000001", API: classify.REST, Operation: "getLeadByIdUsingGET", User: testClient,
		Outcome: classify.Fault, Code: "611", Message: "System error", RequestID: "1#2",
		Attempts: []capture.AttemptLine{{
			Outcome: classify.Fault, Code: "611",
			Request: capture.RequestLine{
				Method: "GET", URL: "https://123-ABC-456.mktorest.com/rest/v1/lead/1.json?fields=email", HTTPVersion: "HTTP/1.1",
				Headers: []capture.HeaderLine{{Name: "Accept", Value: "application/json"}, {Name: "Authorization", Value: "Bearer REDACTED"}, {Name: "User-Agent", Value: "app/1"}},
			},
			Response: &capture.ResponseLine{Status: 200, Body: capture.BodyLine{Size: 90, Text: `{"requestId":"1#2","success":false,"errors":[{"code":"611","message":"System error"}]}`}},
		}},
	}
	if change != nil {
		change(c)
	}
	return detail(t, c)
}

func detail(t testing.TB, c *capture.Capture) *capture.Detail {
	t.Helper()
	line, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	d, err := capture.ParseDetail(line)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
