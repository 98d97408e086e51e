package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"marketo-proxy/emulator"
	"marketo-proxy/sign"
)

const (
	workers = 16
	// pause is the longest one between two calls of a worker. With it the emulator's limits are reached now and then.
	pause = 400 * time.Millisecond
)

// callPatience is how long an application waits: for ever, by the clock of this traffic.
const callPatience = time.Minute

// kind is one kind of call.
type kind struct {
	weight    int
	api       string
	operation string // of SOAP; of REST a method and a path
	fail      string // what the emulator is asked to do
	age       time.Duration
	user, key string // the first user if empty
	gzip      bool   // the application accepts it
	ballast   int    // random bytes in the request, which do not compress
	hangUp    bool   // the application leaves while it waits
	badToken  bool
}

// kinds are all that can happen. A call that should succeed may still meet one of the emulator's rules or limits: it is the emulator's
// counts that the proxy's are compared with. So a call whose answer is spoilt has it spoilt in a way that leaves no doubt, fault or not.
func kinds() []kind {
	all := []kind{
		{weight: 14, operation: "getLead"},
		{weight: 8, operation: "getLead", gzip: true},
		{weight: 8, operation: "syncLead"},
		{weight: 8, operation: "syncMultipleLeads"},
		{weight: 5, operation: "getMultipleLeads", gzip: true},
		{weight: 4, operation: "getLeadActivity"},
		{weight: 4, operation: "describeMObject"},
		{weight: 2, operation: "getLead", fail: "chunked"},
		{weight: 1, operation: "getMultipleLeads", fail: "size=1500kB"},
		{weight: 1, operation: "getMultipleLeads", fail: "size=1500kB", gzip: true},
		{weight: 1, operation: "syncMultipleLeads", ballast: 800 << 10},

		{weight: 4, operation: "syncLead", fail: "partial", ballast: 64 << 10},
		{weight: 4, operation: "syncMultipleLeads", fail: "partial+gzip", gzip: true},
		{weight: 1, operation: "syncMObjects", fail: "partial=SKIPPED"},

		{weight: 1, operation: "getLead", fail: "20011+size=600kB", ballast: 16 << 10},
		{weight: 1, operation: "getLead", fail: "20999"},
		{weight: 2, operation: "getLead", fail: "html502", ballast: 64 << 10},
		{weight: 2, operation: "getLead", fail: "http503", ballast: 32 << 10},
		{weight: 2, operation: "getLead", fail: "empty"},
		{weight: 2, operation: "getLead", fail: "malformed+status=200"},
		{weight: 2, operation: "getLead", fail: "badgzip+status=200", gzip: true},
		{weight: 2, operation: "getLead", fail: "cut"},
		{weight: 2, operation: "getLead", fail: "cut+chunked"},
		{weight: 1, operation: "getMultipleLeads", fail: "size=1200kB+cut=700kB"},
		{weight: 3, operation: "syncLead", fail: "reset", ballast: 64 << 10},
		{weight: 1, operation: "getLead", fail: "hang"},
		{weight: 1, operation: "getLead", fail: "hang", hangUp: true},
		{weight: 2, operation: "notAnOperation"},

		{weight: 5, operation: "getLead", age: time.Hour},
		{weight: 1, operation: "syncMultipleLeads", age: time.Hour, ballast: 100 << 10},
		{weight: 1, operation: "getLead", fail: "20016"},
		{weight: 1, operation: "getLead", age: time.Hour, user: stranger, key: unknown},
		{weight: 1, operation: "getLead", fail: "20016", key: "wrong"},
		{weight: 1, operation: "getLead", key: "wrong"},

		{weight: 8, api: "rest", operation: "GET /rest/v1/leads.json?filterType=email&filterValues=rufus@marketo.com"},
		{weight: 4, api: "rest", operation: "GET /rest/v1/leads/describe.json", gzip: true},
		{weight: 6, api: "rest", operation: "POST /rest/v1/leads.json"},
		{weight: 3, api: "rest", operation: "POST /rest/v1/leads.json", fail: "partial=1004"},
		{weight: 2, api: "rest", operation: "POST /rest/v1/leads.json", fail: "partial+gzip", gzip: true, ballast: 4 << 10},
		{weight: 1, api: "rest", operation: "GET /rest/v1/leads.json?filterType=email&filterValues=a@example.com", fail: "size=1500kB"},
		{weight: 1, api: "rest", operation: "GET /rest/v1/campaigns.json", badToken: true},
		{weight: 1, api: "rest", operation: "GET /rest/v1/nothing.json"},
		{weight: 1, api: "rest", operation: "POST /rest/v1/leads.json", fail: "html502"},
		{weight: 1, api: "rest", operation: "POST /rest/v1/leads.json", fail: "html200"},
		{weight: 1, api: "rest", operation: "POST /rest/v1/leads.json", fail: "empty"},
		{weight: 1, api: "rest", operation: "POST /rest/v1/leads.json", fail: "cut"},
		{weight: 1, api: "rest", operation: "POST /rest/v1/leads.json", fail: "hang"},
		{weight: 1, api: "rest", operation: "GET /rest/v1/lists.json", fail: "hang", hangUp: true},
	}
	// Faults in each of their shapes.
	for i, code := range []string{"10001", "20013", "20015", "20019", "20022", "20024", "20101", "20103", "20105", "20110", "20122", "20123"} {
		shapes := []string{"", "+status=200", "+nodetail", "+soap12", "+nocode", "+chunked", "+gzip", "+utf16", "+latin1", "+oneline", "+server", "+slow=50ms"}
		all = append(all, kind{weight: 1, operation: "getLead", fail: code + shapes[i], ballast: 12 << 10})
	}
	for _, code := range []string{"601", "602", "604", "607", "608", "611", "615", "1003", "1006", "4711"} {
		all = append(all, kind{weight: 1, api: "rest", operation: "POST /rest/v1/leads.json", fail: code})
	}
	for i := range all {
		if all[i].api == "" {
			all[i].api = "soap"
		}
	}
	return all
}

// traffic is a crowd of applications.
type traffic struct {
	marketo *marketo
	proxy   *proxy
	ledger  *ledger
	kinds   []kind // each as often as it weighs
	calls   atomic.Int64
}

func newTraffic(m *marketo, p *proxy, l *ledger) *traffic {
	t := &traffic{marketo: m, proxy: p, ledger: l}
	for _, k := range kinds() {
		for range k.weight {
			t.kinds = append(t.kinds, k)
		}
	}
	return t
}

// run makes calls for length, and waits for the last of them.
func (t *traffic) run(ctx context.Context, length time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			token := t.token()
			for n := 1; ctx.Err() == nil; n++ {
				if n%50 == 0 {
					token = t.token()
				}
				t.call(t.kinds[mathrand.IntN(len(t.kinds))], token)
				select {
				case <-ctx.Done():
				case <-time.After(mathrand.N(pause)):
				}
			}
		})
	}
	wg.Wait()
}

// token asks the identity service for one; "" after a failure, which then leads to others.
func (t *traffic) token() (token string) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}}
	if mathrand.IntN(4) == 0 {
		form.Set("client_secret", "wrong")
	}
	r, err := http.NewRequest(http.MethodPost, t.proxy.base+"/identity/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.ledger.wrong("token: %v", err)
		return ""
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	body := t.do(r, kind{api: "rest"})
	var answer struct {
		Token string `json:"access_token"`
	}
	_ = json.Unmarshal(body, &answer) // "" is what becomes of anything else
	return answer.Token
}

func (t *traffic) call(k kind, token string) {
	r, err := t.request(k, token)
	if err != nil {
		t.ledger.wrong("%+v: %v", k, err)
		return
	}
	t.do(r, k)
}

func (t *traffic) request(k kind, token string) (*http.Request, error) {
	method, path, body := http.MethodPost, "/soap/mktows/3_1", ""
	contentType := "text/xml; charset=UTF-8"
	if k.api == "rest" {
		method, path, _ = strings.Cut(k.operation, " ")
		contentType = "application/json"
		if method == http.MethodPost {
			body = `{"action":"createOrUpdate","lookupField":"email","input":[{"email":"a@example.com","firstName":"A` + ballast(k.ballast) +
				`"},{"email":"b@example.com"}]}`
		}
	} else {
		body = envelope(k)
	}
	r, err := http.NewRequest(method, t.proxy.base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", contentType)
	if k.badToken {
		token = "nobodys:int"
	}
	if k.api == "rest" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if k.fail != "" {
		r.Header.Set(emulator.FailHeader, k.fail)
	}
	if k.gzip {
		r.Header.Set("Accept-Encoding", "gzip")
	}
	return r, nil
}

// do makes a call, and compares what the application gets with what Marketo sent.
func (t *traffic) do(r *http.Request, k kind) []byte {
	call := strconv.FormatInt(t.calls.Add(1), 10)
	sent := t.marketo.expect(call)
	r.Header.Set(callHeader, call)
	ctx, cancel := context.WithTimeout(context.Background(), callPatience)
	defer cancel()
	if k.hangUp {
		go func() {
			select {
			case <-sent.arrived: // else the emulator would not know of it
				time.Sleep(50 * time.Millisecond)
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	var body []byte
	resp, err := t.proxy.http.Do(r.WithContext(ctx))
	if err == nil {
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	size, sum := t.marketo.forget(call)
	seen := seen{kind: k, err: err, left: ctx.Err() != nil}
	if resp != nil {
		seen.status, seen.header = resp.StatusCode, resp.Header
		seen.own = strings.Contains(string(body[:min(len(body), 1000)]), "marketo-proxy: ")
		seen.differs = err == nil && !seen.own && (int64(len(body)) != size || fmt.Sprintf("%x", sha256.Sum256(body)) != sum)
	}
	t.ledger.add(seen)
	return body
}

// envelope is a SOAP request.
func envelope(k kind) string {
	who, with := user, key
	if k.user != "" {
		who = k.user
	}
	if k.key != "" {
		with = k.key
	}
	at := time.Now().Add(-k.age).Format("2006-01-02T15:04:05-07:00")
	name := "ns1:params" + strings.ToUpper(k.operation[:1]) + k.operation[1:]
	filling := ""
	if k.ballast > 0 {
		filling = "<!-- " + ballast(k.ballast) + " -->"
	}
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/"` +
		` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><SOAP-ENV:Header><ns1:AuthenticationHeader><mktowsUserId>` + who +
		`</mktowsUserId><requestSignature>` + sign.Signature(with, at, who) + `</requestSignature><requestTimestamp>` + at +
		`</requestTimestamp></ns1:AuthenticationHeader></SOAP-ENV:Header><SOAP-ENV:Body><` + name + `>` + params[k.operation] + filling +
		`</` + name + `></SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

const leadKey = `<leadKey><keyType>EMAIL</keyType><keyValue>rufus@marketo.com</keyValue></leadKey>`

var params = map[string]string{
	"getLead":         leadKey,
	"getLeadActivity": leadKey + `<batchSize>10</batchSize>`,
	"syncLead": `<leadRecord><Email>ada@example.com</Email><leadAttributeList><attribute><attrName>FirstName</attrName><attrValue>Ada</attrValue>` +
		`</attribute></leadAttributeList></leadRecord><returnLead>true</returnLead>`,
	"syncMultipleLeads": `<leadRecordList><leadRecord><Email>ada@example.com</Email></leadRecord><leadRecord><Email>bob@example.com</Email>` +
		`</leadRecord></leadRecordList><dedupEnabled>true</dedupEnabled>`,
	"getMultipleLeads": `<leadSelector xsi:type="ns1:LeadKeySelector"><keyType>EMAIL</keyType><keyValues><stringItem>rufus@marketo.com</stringItem>` +
		`<stringItem>ada@example.com</stringItem></keyValues></leadSelector><batchSize>100</batchSize>`,
	"describeMObject": `<objectName>LeadRecord</objectName>`,
	"syncMObjects": `<mObjectList><mObject><type>Opportunity</type><externalKey><name>ExternalId</name><value>1</value></externalKey></mObject>` +
		`</mObjectList><operation>UPSERT</operation>`,
}

// ballast is text that does not compress much.
func ballast(size int) string {
	raw := make([]byte, size*3/4)
	rand.Read(raw) // never fails
	return base64.RawURLEncoding.EncodeToString(raw)
}
