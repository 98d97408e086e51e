package replay

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/sign"
)

func prepared(t *testing.T, d *capture.Detail, o Options) *Request {
	t.Helper()
	r, err := Prepare(d, len(d.Attempts)-1, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sent(t *testing.T, r *Request) *Answer {
	t.Helper()
	a, err := r.Send(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		name string
		d    *capture.Detail
		rule string
		want Verdict
	}{
		{"soap fixed", soapCapture(t, nil), "", Fixed},
		{"soap same", soapCapture(t, nil), "getLead=20011", SameFailure},
		{"soap another", soapCapture(t, nil), "getLead=20023", AnotherFailure},
		{"soap another kind", soapCapture(t, nil), "getLead=html502", AnotherFailure},
		{"soap cut off", soapCapture(t, nil), "getLead=cut", AnotherFailure},
		{"soap reset", soapCapture(t, nil), "getLead=reset", AnotherFailure},
		{"soap compressed", soapCapture(t, nil), "getLead=20011+gzip", SameFailure},
		{"soap latin1", soapCapture(t, nil), "getLead=20011+latin1", SameFailure},
		{"soap badly compressed", soapCapture(t, nil), "getLead=badgzip", AnotherFailure},
		{"soap success", soapCapture(t, func(c *capture.Capture) { c.Attempts[0].Outcome, c.Attempts[0].Code = "", "" }), "", SameSuccess},
		{"soap no success", soapCapture(t, func(c *capture.Capture) { c.Attempts[0].Outcome, c.Attempts[0].Code = "", "" }), "getLead=20011", FailsNow},
		{"rest fixed", restCapture(t, nil), "", Fixed},
		{"rest same", restCapture(t, nil), "getLeadByIdUsingGET=611", SameFailure},
		{"rest another", restCapture(t, nil), "getLeadByIdUsingGET=610", AnotherFailure},
		{"rest http same", restCapture(t, func(c *capture.Capture) {
			c.Attempts[0].Outcome, c.Attempts[0].Code, c.Attempts[0].Response.Status = classify.HTTP, "", 503
		}), "getLeadByIdUsingGET=http503", SameFailure},
		{"rest http another", restCapture(t, func(c *capture.Capture) {
			c.Attempts[0].Outcome, c.Attempts[0].Code, c.Attempts[0].Response.Status = classify.HTTP, "", 503
		}), "getLeadByIdUsingGET=http500", AnotherFailure},
		{"rest transport same", restCapture(t, func(c *capture.Capture) {
			c.Attempts[0].Outcome, c.Attempts[0].Code, c.Attempts[0].Response = classify.Transport, "", nil
		}), "getLeadByIdUsingGET=cut", SameFailure},
	} {
		var rules []string
		if c.rule != "" {
			rules = append(rules, c.rule)
		}
		target := emulated(t, rules...)
		r := prepared(t, c.d, target.options())
		a := sent(t, r)
		if v, _ := r.Judge(a); v != c.want {
			t.Errorf("%s: %s, want %s: %+v", c.name, v, c.want, a)
		}
		if n := len(target.calls()); n != 1 {
			t.Errorf("%s: sent %d times", c.name, n)
		}
		for _, text := range []string{a.Message, contentOf(a)} {
			for _, secret := range r.Secrets {
				if strings.Contains(text, secret) {
					t.Errorf("%s: %q shows %q", c.name, text, secret)
				}
			}
		}
	}
}

// contentOf is all that a comparison can show of an answer.
func contentOf(a *Answer) (all string) {
	_, d := (&Request{}).Judge(a)
	for _, c := range d.Changes {
		all += *c.After + "\n"
	}
	return all
}

// A SOAP request comes as it was captured, to the byte, but for the two values.
func TestSOAPBytes(t *testing.T) {
	old := sign.Signature(testKey, oldTime, testUser)
	large := `<ns1:paramsGetLead><!--` + strings.Repeat("é x", 1<<18) + `--></ns1:paramsGetLead>`
	noise := make([]byte, maxHeld+maxHeld/8)
	rand.NewChaCha8([32]byte{}).Read(noise)
	random := `<ns1:paramsGetLead><!--` + base64.StdEncoding.EncodeToString(noise) + `--></ns1:paramsGetLead>`
	for _, c := range []struct {
		name   string
		wire   func(timestamp, signature string) []byte
		text   func(timestamp, signature string) string
		header capture.HeaderLine
		proof  Proof
	}{
		{"plain", nil, func(ts, s string) string { return envelope(ts, s, readLead) }, capture.HeaderLine{}, ProofHash},
		{"large", nil, func(ts, s string) string { return envelope(ts, s, large) }, capture.HeaderLine{}, ProofHash},
		{"a marker of its own", nil, func(ts, s string) string {
			return envelope(ts, s, "<ns1:paramsGetLead>REDACTED</ns1:paramsGetLead>")
		}, capture.HeaderLine{}, ProofHash},
		{"Latin-1", func(ts, s string) []byte {
			return []byte(strings.ReplaceAll(strings.Replace(envelope(ts, s, "<ns1:paramsGetLead>é</ns1:paramsGetLead>"), "UTF-8", "ISO-8859-1", 1), "é", "\xe9"))
		}, func(ts, s string) string {
			return strings.Replace(envelope(ts, s, "<ns1:paramsGetLead>é</ns1:paramsGetLead>"), "UTF-8", "ISO-8859-1", 1)
		}, capture.HeaderLine{}, ProofHash},
		{"large gzip", func(ts, s string) []byte { return zipped([]byte(envelope(ts, s, random))) },
			func(ts, s string) string { return envelope(ts, s, random) }, capture.HeaderLine{Name: "Content-Encoding", Value: "gzip"}, ProofGzip},
		{"gzip", func(ts, s string) []byte { return zipped([]byte(envelope(ts, s, readLead))) },
			func(ts, s string) string { return envelope(ts, s, readLead) }, capture.HeaderLine{Name: "Content-Encoding", Value: "gzip"}, ProofGzip},
	} {
		if c.wire == nil {
			c.wire = func(ts, s string) []byte { return []byte(c.text(ts, s)) }
		}
		d := soapCapture(t, func(cap *capture.Capture) {
			r := &cap.Attempts[0].Request
			r.Body = bodyLine(c.wire(oldTime, old), c.text(oldTime, old))
			if c.header.Name != "" {
				r.Headers = append(r.Headers, c.header)
			}
		})
		target := emulated(t)
		o := target.options()
		r := prepared(t, d, o)
		sent(t, r)
		now := sign.Timestamp(o.Now)
		want := c.wire(now, sign.Signature(testKey, now, testUser))
		got := target.calls()[0]
		length := int64(len(want))
		if c.name == "large gzip" {
			length = -1 // it is compressed while it is sent
		}
		if !bytes.Equal(got.body, want) || got.length != length || r.Proof != c.proof {
			t.Errorf("%s: proof %q, length %d, %.1000q\nwant %.1000q", c.name, r.Proof, got.length, got.body, want)
		}
		if got.uri != "/soap/mktows/3_1" || got.header.Get("Soapaction") != `""` || got.header["User-Agent"] != nil || got.header["Accept-Encoding"] != nil {
			t.Errorf("%s: %s %v", c.name, got.uri, got.header)
		}
	}
}

func TestRESTRequest(t *testing.T) {
	const leads = `{"action":"createOrUpdate","input":[{"email":"ada@example.com"}]}`
	write := func(c *capture.Capture) {
		r := &c.Attempts[0].Request
		r.Method, r.URL = "POST", "https://123-ABC-456.mktorest.com/rest/v1/leads.json"
		r.Headers = append(r.Headers, capture.HeaderLine{Name: "Content-Type", Value: "application/json"})
		r.Body = bodyLine([]byte(leads), leads)
	}
	for _, c := range []struct {
		name   string
		change func(*capture.Capture)
		uri    string
		body   string
		proof  Proof
	}{
		{"header", nil, "/rest/v1/lead/1.json?fields=email", "", ProofNone},
		{"query", func(c *capture.Capture) {
			r := &c.Attempts[0].Request
			r.URL = "https://123-ABC-456.mktorest.com/rest/v1/lead/1.json?access_token=REDACTED&fields=email%2Cid"
			r.Headers = nil
		}, "/rest/v1/lead/1.json?fields=email%2Cid", "", ProofNone},
		{"write", write, "/rest/v1/leads.json", leads, ProofHash},
		{"a path of another base URL", func(c *capture.Capture) {
			c.Attempts[0].Request.URL = "http://gateway/marketo/rest/v1/lead/1.json"
		}, "/rest/v1/lead/1.json", "", ProofNone},
		{"long query as a form", func(c *capture.Capture) {
			r := &c.Attempts[0].Request
			r.Method, r.URL = "POST", "https://123-ABC-456.mktorest.com/rest/v1/leads.json?_method=GET"
			r.Headers = []capture.HeaderLine{{Name: "Content-Type", Value: "application/x-www-form-urlencoded"}}
			r.Body = bodyLine([]byte("access_token=1234567890123&filterType=id&filterValues=1"), "access_token=1234567890123&filterType=id&filterValues=1")
		}, "/rest/v1/leads.json?_method=GET", "filterType=id&filterValues=1", ProofUnknown},
		{"a form that says it is a GET", func(c *capture.Capture) {
			r := &c.Attempts[0].Request
			r.Method, r.URL = "POST", "https://123-ABC-456.mktorest.com/rest/v1/leads.json"
			r.Headers = append(r.Headers, capture.HeaderLine{Name: "Content-Type", Value: "application/x-www-form-urlencoded"})
			r.Body = bodyLine([]byte("filterType=id&filterValues=1&_method=GET"), "filterType=id&filterValues=1&_method=GET")
		}, "/rest/v1/leads.json", "filterType=id&filterValues=1&_method=GET", ProofHash},
	} {
		target := emulated(t)
		o := target.options()
		o.AllowWrites = c.name == "write"
		r := prepared(t, restCapture(t, c.change), o)
		a := sent(t, r)
		got := target.calls()[0]
		if got.uri != c.uri || string(got.body) != c.body || r.Proof != c.proof || !strings.HasPrefix(got.header.Get("Authorization"), "Bearer ") {
			t.Errorf("%s: %s %s %q %v", c.name, r.Proof, got.uri, got.body, got.header)
		}
		if a.Outcome != classify.Success || len(target.seen) != 2 {
			t.Errorf("%s: %d calls, %+v", c.name, len(target.seen), a)
		}
		url, header := r.Shown()
		if header.Get("Authorization") != "Bearer REDACTED" || strings.Contains(url, "secret") {
			t.Errorf("%s: shows %s %v", c.name, url, header)
		}
	}
}

// A call to the identity service gets its secret back, wherever it stood.
func TestIdentity(t *testing.T) {
	in := func(url, body string) *capture.Detail {
		return restCapture(t, func(c *capture.Capture) {
			r := &c.Attempts[0].Request
			r.URL, r.Headers, r.Body = url, nil, capture.BodyLine{}
			c.User, c.Attempts[0].Outcome, c.Attempts[0].Code, c.Attempts[0].Response.Status = "", classify.HTTP, "401", 401
			if body != "" {
				r.Method, r.Headers = "POST", []capture.HeaderLine{{Name: "Content-Type", Value: "application/x-www-form-urlencoded"}}
				r.Body = bodyLine([]byte(body), body)
			}
		})
	}
	const address = "https://123-ABC-456.mktorest.com/identity/oauth/token"
	for name, d := range map[string]*capture.Detail{
		"query":        in(address+"?grant_type=client_credentials&client_id="+testClient+"&client_secret=REDACTED", ""),
		"form":         in(address, "grant_type=client_credentials&client_id="+testClient+"&client_secret="+testSecret),
		"wrong secret": in(address, "grant_type=client_credentials&client_id="+testClient+"&client_secret=an-older-secret"),
	} {
		target := emulated(t)
		r := prepared(t, d, target.options())
		a := sent(t, r)
		if v, _ := r.Judge(a); v != Fixed || len(target.seen) != 1 || r.Writes {
			t.Errorf("%s: %s after %d calls: %+v", name, v, len(target.seen), a)
		}
		if url, _ := r.Shown(); strings.Contains(url, testSecret) {
			t.Errorf("%s: %s", name, url)
		}
		var shown strings.Builder
		if err := r.ShowBody(&shown); err != nil || strings.Contains(shown.String(), testSecret) {
			t.Errorf("%s: %s, %v", name, shown.String(), err)
		}
	}
}

func TestRefusals(t *testing.T) {
	soap := func(change func(*capture.RequestLine)) *capture.Detail {
		return soapCapture(t, func(c *capture.Capture) { change(&c.Attempts[0].Request) })
	}
	rest := func(change func(*capture.RequestLine)) *capture.Detail {
		return restCapture(t, func(c *capture.Capture) { change(&c.Attempts[0].Request) })
	}
	field := func(name, value string) func(*capture.RequestLine) {
		return func(r *capture.RequestLine) {
			r.Headers = append(r.Headers, capture.HeaderLine{Name: name, Value: value})
		}
	}
	body := func(text string) func(*capture.RequestLine) {
		return func(r *capture.RequestLine) { r.Body = bodyLine([]byte(text), text) }
	}
	text := func(params string) string {
		return envelope(oldTime, sign.Signature(testKey, oldTime, testUser), params)
	}
	to := func(url string) func(*capture.RequestLine) { return func(r *capture.RequestLine) { r.URL = url } }
	anywhere := func(o *Options) { o.SOAP, o.REST = nil, nil }
	for _, c := range []struct {
		name string
		d    *capture.Detail
		o    func(*Options)
		want string
	}{
		{"write", soap(body(text("<ns1:paramsSyncLead/>"))), nil, "syncLead may change something in Marketo: add --allow-writes"},
		{"a write that the head calls a read", soapCapture(t, func(c *capture.Capture) {
			c.Operation = "getLead"
			c.Attempts[0].Request.Body = bodyLine([]byte(text("<ns1:paramsRequestCampaign/>")), text("<ns1:paramsRequestCampaign/>"))
		}), nil, "requestCampaign may change"},
		{"list", soap(body(text("<ns1:paramsListOperation><listOperation>ADDTOLIST</listOperation></ns1:paramsListOperation>"))), nil, "listOperation may change"},
		{"unknown operation", soap(body(text("<ns1:paramsNew/>"))), nil, "other may change"},
		{"REST write", rest(func(r *capture.RequestLine) { r.Method = "DELETE" }), nil, "may change"},
		{"truncated", soap(func(r *capture.RequestLine) { r.Body.Truncated = true }), nil, "was not kept whole"},
		{"not kept", soap(func(r *capture.RequestLine) { r.Body = capture.BodyLine{Size: 10, Truncated: true} }), nil, "was not kept whole"},
		{"encoding", soap(field("Content-Encoding", "br")), nil, `encoding "br"`},
		{"UTF-16", soap(func(r *capture.RequestLine) { r.Body.Text = strings.Replace(r.Body.Text, "UTF-8", "UTF-16", 1) }), nil, "UTF-16"},
		{"charset without the character", soap(body(strings.Replace(text("<ns1:paramsGetLead>漢</ns1:paramsGetLead>"), "UTF-8", "ISO-8859-1", 1))), nil, "can't be encoded again"},
		{"no key", soap(body(strings.ReplaceAll(text(readLead), testUser, "someone"))), nil, `no key is known for the mktowsUserId "someone"`},
		{"no keys", soap(func(*capture.RequestLine) {}), func(o *Options) { o.Keys = nil }, "no key is known"},
		{"no client", restCapture(t, func(c *capture.Capture) { c.User = "" }), nil, "name the client_id with --user"},
		{"no secret", restCapture(t, func(c *capture.Capture) { c.User = "stranger" }), nil, `no key is known for the client_id "stranger"`},
		{"no envelope", soap(body("hello")), nil, "can't be signed"},
		{"another secret in the body", soap(body(text("<ns1:paramsGetLead><access_token>1234567890</access_token></ns1:paramsGetLead>"))), nil, "a secret that was masked"},
		{"another secret in JSON", rest(func(r *capture.RequestLine) {
			r.Method, r.URL = "POST", "https://123-ABC-456.mktorest.com/rest/v1/leads.json?_method=GET"
			body(`{"client_secret":"1234567890"}`)(r)
		}), nil, "another SHA-256"},
		{"another secret in a header", rest(field("X-Mkto-User-Token", "REDACTED")), nil, `the header "X-Mkto-User-Token"`},
		{"another credential", rest(func(r *capture.RequestLine) { r.Headers[1].Value = "Basic REDACTED" }), nil, "no token that could be fetched"},
		{"another secret in the query", rest(to("https://123-ABC-456.mktorest.com/rest/v1/lead/1.json?id_token=REDACTED")), nil, `the parameter "id_token"`},
		{"part of a parameter", rest(to("https://123-ABC-456.mktorest.com/rest/v1/lead/1.json?a=xREDACTED")), nil, `the parameter "a"`},
		{"changed since", rest(func(r *capture.RequestLine) {
			r.Method, r.URL = "POST", "https://123-ABC-456.mktorest.com/rest/v1/leads.json?_method=GET"
			body("{}")(r)
			r.Body.Text = "[]"
		}), nil, "another SHA-256"},
		{"forged host", soap(to("https://evil.example/soap/mktows/3_1")), anywhere, "no host of Marketo's: if it is trusted, name it with --soap-upstream"},
		{"forged REST host", rest(to("https://x.mktorest.com.evil.example/rest/v1/lead/1.json")), anywhere, "--rest-upstream"},
		{"forged user", soap(to("https://x.mktoapi.com@evil.example/soap/")), anywhere, "no host of Marketo's"},
		{"forged port", soap(to("https://x.mktoapi.com:8443/soap/")), anywhere, "no host of Marketo's"},
		{"not TLS", soap(to("http://x.mktoapi.com/soap/")), anywhere, "no host of Marketo's"},
		{"loopback", soap(to("http://127.0.0.1:9080/soap/")), anywhere, "no host of Marketo's"},
		{"only the other upstream", soap(to("http://127.0.0.1:9080/soap/")), func(o *Options) { o.SOAP = nil }, "--soap-upstream"},
		{"no URL", soap(to("\x7f")), nil, "URL is damaged"},
		{"no attempt", soapCapture(t, func(c *capture.Capture) { c.Attempts = nil }), nil, "0 attempts"},
	} {
		o := Options{SOAP: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}, REST: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}, Keys: testKeys, Timeout: time.Second, Now: time.Now()}
		if c.o != nil {
			c.o(&o)
		}
		_, err := Prepare(c.d, len(c.d.Attempts)-1, o)
		if err == nil || !strings.HasPrefix(err.Error(), "not sent: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		} else if strings.Contains(err.Error(), testKey) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// What is no write, in spite of its name or method, may go; and a host of Marketo's is a target by itself.
func TestAllowed(t *testing.T) {
	member := envelope(oldTime, sign.Signature(testKey, oldTime, testUser), "<ns1:paramsListOperation><listOperation>ISMEMBEROFLIST</listOperation></ns1:paramsListOperation>")
	for name, d := range map[string]*capture.Detail{
		"member check": soapCapture(t, func(c *capture.Capture) { c.Attempts[0].Request.Body = bodyLine([]byte(member), member) }),
		"WSDL": soapCapture(t, func(c *capture.Capture) {
			r := &c.Attempts[0].Request
			r.Method, r.URL, r.Body = "GET", "https://na-c.marketo.com:443/soap/mktows/2_3?WSDL", capture.BodyLine{}
		}),
		"unknown REST read": restCapture(t, func(c *capture.Capture) { c.Attempts[0].Request.URL = "https://x.MKTOREST.com/rest/v9/new.json" }),
		"without a token": restCapture(t, func(c *capture.Capture) {
			c.User = ""
			c.Attempts[0].Request.Headers = nil
		}),
	} {
		r, err := Prepare(d, 0, Options{Keys: testKeys, Timeout: time.Second, Now: time.Now()})
		if err != nil || r.Writes {
			t.Errorf("%s: %v", name, err)
		} else if !strings.HasPrefix(r.URL.String(), "https://") {
			t.Errorf("%s: %s", name, r.URL)
		}
	}
}

func TestNotSent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := &url.URL{Scheme: "http", Host: l.Addr().String()}
	l.Close()
	for name, c := range map[string]struct {
		d    *capture.Detail
		want string
	}{
		"soap": {soapCapture(t, nil), "can't be reached"},
		"rest": {restCapture(t, nil), "no token: "},
	} {
		r := prepared(t, c.d, Options{SOAP: closed, REST: closed, Keys: testKeys, Timeout: 5 * time.Second, Now: time.Now()})
		if _, err := r.Send(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), testSecret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	target := emulated(t)
	o := target.options()
	o.Keys = keyMap{testClient: "another-secret"}
	r := prepared(t, restCapture(t, nil), o)
	if _, err := r.Send(t.Context()); err == nil || !strings.Contains(err.Error(), `answers 401 to the client_id "b1f2-client": "invalid_client: Bad client credentials"`) {
		t.Error(err)
	}
	if len(target.seen) != 1 {
		t.Errorf("%d calls without a token", len(target.seen))
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	elsewhere := newTarget(t, http.NotFoundHandler())
	target := newTarget(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+"/soap/", http.StatusTemporaryRedirect)
	}))
	r := prepared(t, soapCapture(t, nil), target.options())
	a := sent(t, r)
	if v, _ := r.Judge(a); v != AnotherFailure || a.Status != 307 || len(elsewhere.seen) != 0 {
		t.Errorf("%s, status %d, %d calls elsewhere", v, a.Status, len(elsewhere.seen))
	}
	// Nor does the secret of a client go anywhere but to the target.
	r = prepared(t, restCapture(t, nil), target.options())
	if _, err := r.Send(t.Context()); err == nil || len(elsewhere.seen) != 0 {
		t.Errorf("%v, %d calls elsewhere", err, len(elsewhere.seen))
	}
}

func TestTimeout(t *testing.T) {
	target := emulated(t, "getLead=hang")
	o := target.options()
	o.Timeout = 100 * time.Millisecond
	a := sent(t, prepared(t, soapCapture(t, nil), o))
	if a.Outcome != classify.Transport || !strings.Contains(a.Message, "--timeout") {
		t.Errorf("%+v", a)
	}
}

func TestAnotherUser(t *testing.T) {
	target := emulated(t)
	o := target.options()
	o.User, o.Keys = "sandbox_user", keyMap{"sandbox_user": "sandbox-key"}
	r := prepared(t, soapCapture(t, nil), o)
	sent(t, r)
	now := sign.Timestamp(o.Now)
	want := strings.Replace(envelope(now, sign.Signature("sandbox-key", now, "sandbox_user"), readLead), testUser, "sandbox_user", 1)
	if got := target.calls()[0]; string(got.body) != want || r.Proof != ProofUnknown {
		t.Errorf("%s %s", r.Proof, got.body)
	}
	if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "sandbox_user in place of "+testUser) }) {
		t.Error(r.Notes)
	}
}

// An answer is read to a bound, whatever comes, and its head shows how far the clocks differ.
func TestLargeAnswer(t *testing.T) {
	target := newTarget(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		block := []byte("<a>" + strings.Repeat("x", 1<<20) + "</a>")
		for range maxAnswer/len(block) + 10 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	r := prepared(t, soapCapture(t, nil), target.options())
	a := sent(t, r)
	if _, d := r.Judge(a); a.Outcome == classify.Success || a.Size < maxAnswer || a.Size > maxAnswer+1<<20 || d.Note == "" {
		t.Errorf("%+v", a)
	}
	if a.Clock > -59*time.Minute || a.Clock < -61*time.Minute {
		t.Error(a.Clock)
	}
}

// Sent to a wrong place, a capture gives its bytes, but never the key.
func FuzzPrepare(f *testing.F) {
	f.Add("https://1.mktoapi.com/soap/mktows/3_1", "Authorization", "Bearer REDACTED", envelope(oldTime, "REDACTED", readLead), false)
	f.Add("https://1.mktorest.com/rest/v1/leads.json?_method=GET&access_token=REDACTED", "Cookie", "REDACTED", "client_secret=REDACTED&client_id=b1f2-client", true)
	f.Add("http://[::1]/x?client_id=b1f2-client&client_secret=REDACTED", "content-type", "application/x-www-form-urlencoded", "REDACTED", true)
	f.Fuzz(func(t *testing.T, address, name, value, text string, rest bool) {
		d := soapCapture(t, func(c *capture.Capture) {
			if rest {
				c.API, c.User = classify.REST, testClient
			}
			r := &c.Attempts[0].Request
			r.URL, r.Body = address, bodyLine([]byte(text), text)
			r.Headers = append(r.Headers, capture.HeaderLine{Name: name, Value: value})
		})
		r, err := Prepare(d, 0, Options{Keys: testKeys, Timeout: time.Second, Now: time.Now()})
		if err != nil {
			if strings.Contains(err.Error(), testSecret) || strings.Contains(err.Error(), testKey) {
				t.Fatal(err)
			}
			return
		}
		if r.Writes || !isMarketo(r.URL) {
			t.Fatalf("writes %v, to %s", r.Writes, r.URL)
		}
		shown, header := r.Shown()
		var body strings.Builder
		if err := r.ShowBody(&body); err != nil {
			t.Fatal(err)
		}
		_ = header.Write(&body)
		if all := shown + body.String(); strings.Contains(all, testSecret) && !strings.Contains(address+value+text, testSecret) {
			t.Fatal(all)
		}
	})
}
