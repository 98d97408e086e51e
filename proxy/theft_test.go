package proxy

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"marketo-proxy/capture"
	"marketo-proxy/upstream"
)

// Who knew a secret that was changed since gets no token of those that know the new one.
func TestSecretChanged(t *testing.T) {
	r, m := newRESTRig(t)
	old := r.login()
	m.expire()
	if _, body, err := r.rest(http.MethodGet, leadPath, "", "Authorization", "Bearer "+old); err != nil || !strings.Contains(body, `"success":true`) {
		t.Fatal(err, body)
	}
	r.transport.cfg.Keys = keyMap{testClient: "another secret"} // the token above is valid still
	_, body, err := r.rest(http.MethodGet, leadPath, "", "Authorization", "Bearer "+old)
	if got := r.last(); err != nil || body != expired602 || got.Renewal != capture.BadSignature || !strings.Contains(got.RenewalError, "another secret") {
		t.Errorf("%v %s: renewal %q, %q", err, body, got.Renewal, got.RenewalError)
	}
	if m.identities != 2 {
		t.Errorf("%d identity calls", m.identities)
	}
}

// What a call of the identity service means to Marketo may be another client than the one that it seems to name.
func TestUnclearClients(t *testing.T) {
	good := grantQuery(testClient, testSecret)
	for _, c := range []struct{ name, query, form, header, value string }{
		{"two secrets", "?" + good + "&client_secret=x", "", "", ""},
		{"another case", "?" + good + "&CLIENT_ID=x", "", "", ""},
		{"an escaped name", "?" + good + "&client%5Fid=x", "", "", ""},
		{"a semicolon", "?" + good + ";client_id=x", "", "", ""},
		{"query and form", "?client_id=x", good, "", ""},
		{"another grant", "?" + strings.Replace(good, "client_credentials", "password", 1), "", "", ""},
		{"a client in the header", "?" + good, "", "Authorization", "Basic eDp5"},
		{"a form in EBCDIC", "", good, "Content-Type", "application/x-www-form-urlencoded; charset=ibm037"},
		{"a form that is none", "", good, "Content-Type", "text/plain"},
		{"a form in another encoding", "", good, "Content-Encoding", "br"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := newRESTRig(t, func(cfg *Config) { cfg.Keys = keyMap{testClient: testSecret, "x": testSecret} })
			header := []string{"Content-Type", "application/x-www-form-urlencoded"}
			if c.header != "" {
				header = append(header, c.header, c.value)
			}
			if _, body, err := r.rest(http.MethodPost, "/identity/oauth/token"+c.query, c.form, header...); err != nil {
				t.Fatal(err, body)
			}
			if !r.transport.issued.empty() {
				t.Error("the token was remembered")
			}
		})
	}
}

// detour takes every call to one place, whatever host it is for.
type detour struct {
	Upstream
	to *url.URL
}

func (d detour) Do(ctx context.Context, req *http.Request, trace *upstream.Trace) (*http.Response, error) {
	u := *req.URL
	u.Host = d.to.Host
	req.URL, req.Host = &u, d.to.Host
	return d.Upstream.Do(ctx, req, trace)
}

// Another instance, which the forward proxy serves, can't make the proxy believe that it knows a client, nor get a token.
func TestOtherHostsTeachNothing(t *testing.T) {
	for _, mode := range []SignMode{SignExpired, SignAlways} {
		r, m := newRESTRig(t, func(c *Config) { c.Sign, c.RESTClient = mode, testClient })
		r.transport.upstream = detour{r.transport.upstream, r.transport.cfg.REST}
		front, err := url.Parse(r.front.URL)
		if err != nil {
			t.Fatal(err)
		}
		forward := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(front), DisableKeepAlives: true}}
		get := func(path, token string) string {
			req, _ := http.NewRequest(http.MethodGet, "http://666-BAD-666.mktorest.com"+path, nil)
			if token != "" {
				req.Header.Set("Authorization", "Bearer "+token)
			}
			resp, err := forward.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			return resp.Header.Get(headerAttempts)
		}
		get("/identity/oauth/token?"+grantQuery(testClient, testSecret), "")
		if !r.transport.issued.empty() {
			t.Error("another host taught it a token")
		}
		old := r.login()
		m.expire()
		before := m.identities
		for _, token := range []string{old, ""} {
			if attempts := get(leadPath, token); attempts != "" || m.identities != before {
				t.Errorf("%s: healed with %d calls of the identity service", mode, m.identities-before)
			}
			if sent := m.got[len(m.got)-1].Header.Get("Authorization"); strings.TrimPrefix(sent, "Bearer ") != token {
				t.Errorf("%s: %q went to another host", mode, sent)
			}
		}
	}
}
