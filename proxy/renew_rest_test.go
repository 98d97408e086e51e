package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/identity"
)

const (
	testClient = "6f1d2c3b-4a59-4e77-8c21-0d9b1f3e5a70"
	testSecret = "s3cr3t-of-the-client"
)

// restMarketo issues tokens and refuses those that it revoked, as Marketo does.
type restMarketo struct {
	mu         sync.Mutex
	made       int
	valid      string
	life       int // expires_in
	identities int // calls of the identity endpoint
	same       int // so many more times the refused token is given again
	broken     bool
	slow       time.Duration // of the identity endpoint
	got        []*http.Request
	bodies     []string
}

func (m *restMarketo) expire() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made++
	m.valid = ""
}

func (m *restMarketo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == identity.Path {
		time.Sleep(m.slow)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.identities++
		form := r.URL.Query()
		more, _ := url.ParseQuery(string(body))
		for name, values := range more {
			form[name] = append(form[name], values...)
		}
		if m.broken || form.Get("client_secret") != testSecret {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error":"invalid_client","error_description":"Bad client credentials %s"}`, form.Get("client_secret"))
			return
		}
		if m.same > 0 {
			m.same--
			fmt.Fprintf(w, `{"access_token":"token-%04d:int","token_type":"bearer","expires_in":0}`, m.made-1)
			return
		}
		m.valid = fmt.Sprintf("token-%04d:int", m.made)
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":%d,"scope":"api@example.com"}`, m.valid, m.life)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.got, m.bodies = append(m.got, r), append(m.bodies, string(body))
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token == "" {
		token = r.URL.Query().Get("access_token")
	}
	if token != m.valid || token == "" {
		io.WriteString(w, expired602)
		return
	}
	io.WriteString(w, `{"requestId":"1#2","success":true,"result":[{"id":1}]}`)
}

const expired602 = `{"requestId":"e42b#14272d07d78","success":false,"errors":[{"code":"602","message":"Access token expired"}]}`

// newRESTRig is a rig with a client's secret.
func newRESTRig(t *testing.T, change ...func(*Config)) (*rig, *restMarketo) {
	t.Helper()
	m := &restMarketo{life: 3599}
	r := newRig(t, m, append([]func(*Config){func(c *Config) {
		c.Keys = keyMap{testClient: testSecret}
		c.MoveToken = true
	}}, change...)...)
	r.transport.tokens.pause = time.Millisecond
	return r, m
}

// login asks for a token as an application does.
func (r *rig) login() string {
	r.t.Helper()
	req, _ := http.NewRequest(http.MethodGet, r.front.URL+identity.Path+"?"+grantQuery(testClient, testSecret), nil)
	return r.tokenFrom(req)
}

func (r *rig) tokenFrom(req *http.Request) string {
	r.t.Helper()
	resp, body, err := r.do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatal(err, body)
	}
	token, err := identity.Read(resp.StatusCode, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	return token.Value
}

func grantQuery(client, secret string) string {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}}.Encode()
}

func (r *rig) rest(method, path, body string, header ...string) (*http.Response, string, error) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.front.URL+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return r.do(req)
}

const leadPath = "/rest/v1/lead/1.json"

func TestTokenRenewal(t *testing.T) {
	r, m := newRESTRig(t)
	old := r.login()
	m.expire()
	body := `{"input":[{"email":"a@example.com"}]}`
	resp, answer, err := r.rest(http.MethodPost, "/rest/v1/leads.json?a=%2f&b", body, "Authorization", "Bearer "+old, "Content-Type", "application/json")
	if err != nil || !strings.Contains(answer, `"success":true`) || resp.Header.Get(headerAttempts) != "2" {
		t.Fatal(err, resp.Header, answer)
	}
	c := r.only()
	if c.Outcome != classify.Recovered || c.Code != "602" || c.Renewal != capture.RenewalRecovered || len(c.Attempts) != 2 || c.User != testClient || !c.Complete {
		t.Errorf("%+v", c)
	}
	if len(m.got) != 2 || m.bodies[0] != body || m.bodies[1] != body || m.got[1].RequestURI != "/rest/v1/leads.json?a=%2f&b" {
		t.Errorf("upstream got %d: %v", len(m.got), m.bodies)
	}
	if m.got[0].Header.Get("Authorization") != "Bearer "+old || m.got[1].Header.Get("Authorization") != "Bearer "+m.valid {
		t.Error("the wrong tokens went up")
	}
	// The application keeps its old token; that costs no failing call any more.
	for range 3 {
		resp, answer, err = r.rest(http.MethodGet, leadPath, "", "Authorization", "Bearer "+old)
		if err != nil || !strings.Contains(answer, `"success":true`) || resp.Header.Get(headerAttempts) != "" {
			t.Fatal(err, answer)
		}
	}
	if len(m.got) != 5 || m.identities != 2 || len(r.captures()) != 1 {
		t.Errorf("%d calls, %d identity calls, %d captures", len(m.got), m.identities, len(r.captures()))
	}
}

// The bodies are those of an upload: known length or none, small or past every limit.
func TestTokenRenewalOfAnyBody(t *testing.T) {
	for _, size := range []int{1, smallBody, smallBody + 1, 3 << 20} {
		for _, chunked := range []bool{false, true} {
			r, m := newRESTRig(t)
			old := r.login()
			m.expire()
			body := strings.Repeat("x", size)
			var source io.Reader = strings.NewReader(body)
			if chunked {
				source = io.MultiReader(source)
			}
			req, _ := http.NewRequest(http.MethodPost, r.front.URL+"/bulk/v1/leads.json?format=csv", source)
			req.Header.Set("Authorization", "bearer "+old)
			resp, answer, err := r.do(req)
			if err != nil || resp.Header.Get(headerAttempts) != "2" || len(m.bodies) != 2 || m.bodies[0] != body || m.bodies[1] != body {
				t.Errorf("%d bytes, chunked %t: %v %s", size, chunked, err, answer)
			}
		}
	}
}

func TestTokenRenewalConditions(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		token  func(r *rig) string // the caller's
		broken bool
		want   capture.Renewal
	}{
		{"a thief", nil, func(*rig) string { return "stolen:int" }, false, capture.BadSignature},
		{"switched off", func(c *Config) { c.Sign = SignNever }, (*rig).login, false, capture.RenewalDisabled},
		{"no credentials", func(c *Config) { c.Keys = nil }, (*rig).login, false, capture.NoCredential},
		{"no secret", func(c *Config) { c.Keys = keyMap{"other": "x"} }, (*rig).login, false, capture.NoCredential},
		{"identity fails", nil, (*rig).login, true, capture.RenewalFailed},
		{"two clients named", nil, func(r *rig) string {
			return r.tokenBy("?"+grantQuery(testClient, testSecret)+"&client_id=x", "")
		}, false, capture.BadSignature},
		{"another client in the body", nil, func(r *rig) string {
			return r.tokenBy("?client_id="+testClient, grantQuery("x", testSecret))
		}, false, capture.BadSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			var changes []func(*Config)
			if c.change != nil {
				changes = append(changes, c.change)
			}
			r, m := newRESTRig(t, changes...)
			token := c.token(r)
			m.expire()
			m.broken = c.broken
			before := m.identities
			resp, body, err := r.rest(http.MethodGet, leadPath, "", "Authorization", "Bearer "+token)
			if err != nil || body != expired602 || resp.Header.Get(headerAttempts) != "" || len(m.got) != 1 {
				t.Fatalf("%v %v %s, %d calls", err, resp, body, len(m.got))
			}
			got := r.only()
			if got.Renewal != c.want || got.Outcome != classify.Fault || got.Code != "602" {
				t.Errorf("renewal %q, outcome %q %q", got.Renewal, got.Outcome, got.Code)
			}
			if asked := m.identities - before; asked != 0 && !c.broken {
				t.Errorf("%d identity calls", asked)
			}
			if c.broken && (!strings.Contains(got.RenewalError, "answers 401") || strings.Contains(got.RenewalError, testSecret)) {
				t.Errorf("renewal error %q", got.RenewalError)
			}
		})
	}
}

func (r *rig) tokenBy(query, form string) string {
	r.t.Helper()
	req, _ := http.NewRequest(http.MethodPost, r.front.URL+identity.Path+query, strings.NewReader(form))
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r.tokenFrom(req)
}

// A name that no client has is not remembered, whatever its size.
func TestHugeClientID(t *testing.T) {
	r, _ := newRESTRig(t)
	req, _ := http.NewRequest(http.MethodGet, r.front.URL+identity.Path+"?"+grantQuery(strings.Repeat("x", maxClientID+1), testSecret), nil)
	r.tokenFrom(req)
	if !r.transport.issued.empty() {
		t.Error("it was remembered")
	}
}

// However many calls fail together, one asks for a token.
func TestTokenRenewalOfACrowd(t *testing.T) {
	r, m := newRESTRig(t)
	m.slow = 50 * time.Millisecond
	old := r.tokenBy("", grantQuery(testClient, testSecret)) // a POST with a form
	m.expire()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if _, body, err := r.rest(http.MethodGet, leadPath, "", "Authorization", "Bearer "+old); err != nil || !strings.Contains(body, `"success":true`) {
				t.Error(err, body)
			}
		})
	}
	wg.Wait()
	if m.identities != 2 {
		t.Errorf("%d identity calls, want the application's and one more", m.identities)
	}
}

// Marketo gives the same token as long as it lives, also when that is no second any more.
func TestTokenRenewalWithTheSameToken(t *testing.T) {
	for _, c := range []struct {
		same int
		want capture.Renewal
	}{{1, capture.RenewalRecovered}, {100, capture.RenewalFailed}} {
		r, m := newRESTRig(t)
		old := r.login()
		m.expire()
		m.same = c.same
		for range 3 {
			if _, _, err := r.rest(http.MethodGet, leadPath, "", "Authorization", "Bearer "+old); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.captures()[0]; got.Renewal != c.want || (got.RenewalError != "") != (c.want == capture.RenewalFailed) {
			t.Errorf("same token %d times: %q %q", c.same, got.Renewal, got.RenewalError)
		}
		if m.identities > 1+3*2 {
			t.Errorf("%d identity calls", m.identities)
		}
	}
}

// A token with no life left is used, and not kept.
func TestTokenWithoutLife(t *testing.T) {
	r, m := newRESTRig(t)
	m.life = 0
	old := r.login()
	m.expire()
	if resp, body, err := r.rest(http.MethodGet, leadPath, "", "Authorization", "Bearer "+old); err != nil || resp.Header.Get(headerAttempts) != "2" {
		t.Fatal(err, body)
	}
	if token := r.transport.tokens.present(testClient, ""); token != "" {
		t.Error("it was kept")
	}
}

// With --sign=always a call needs no token, and one that it has stays.
func TestTokenAlways(t *testing.T) {
	r, m := newRESTRig(t, func(c *Config) { c.Sign, c.RESTClient = SignAlways, testClient })
	for range 3 {
		if resp, body, err := r.rest(http.MethodGet, leadPath, ""); err != nil || !strings.Contains(body, `"success":true`) || resp.Header.Get(headerAttempts) != "" {
			t.Fatal(err, body)
		}
	}
	if m.identities != 1 {
		t.Errorf("%d identity calls", m.identities)
	}
	m.expire()
	if resp, body, err := r.rest(http.MethodGet, leadPath, ""); err != nil || !strings.Contains(body, `"success":true`) || resp.Header.Get(headerAttempts) != "2" {
		t.Fatal(err, body)
	}
	if _, body, _ := r.rest(http.MethodGet, leadPath, "", "Authorization", "Bearer theirs:int"); body != expired602 || m.got[len(m.got)-1].Header.Get("Authorization") != "Bearer theirs:int" {
		t.Errorf("the application's own token was replaced: %s", body)
	}
	m.expire()
	m.broken = true
	if _, body, _ := r.rest(http.MethodGet, leadPath, ""); body != expired602 {
		t.Errorf("%s", body)
	}
	if e := r.last(); e.Renewal != capture.RenewalFailed || e.RenewalError == "" {
		t.Errorf("%q %q", e.Renewal, e.RenewalError)
	}
}

// The table is bounded and forgets what would be over first.
func TestIssuedIsBounded(t *testing.T) {
	i, now := newIssued(), time.Now()
	for n := range maxIssued + 10 {
		i.add(fmt.Sprint("token", n), "client", "secret", time.Duration(n)*time.Second, now)
	}
	if len(i.tokens) != maxIssued {
		t.Errorf("%d tokens", len(i.tokens))
	}
	if _, ok := i.owner("token9", now); ok {
		t.Error("the oldest is still known")
	}
	if is, ok := i.owner("token10", now); !ok || is.client != "client" {
		t.Error("a younger one is not")
	}
	if _, ok := i.owner("token10", now.Add(48*time.Hour)); ok {
		t.Error("it is known for ever")
	}
	i.refuse("token20")
	late := now.Add(tokenGrace)
	if is, ok := i.owner("token20", late); !ok || !is.refused {
		t.Error("a refused token is not known")
	}
	if _, ok := i.owner("token20", late.Add(tokenGrace-time.Minute)); !ok {
		t.Error("a token in use was forgotten")
	}
}
