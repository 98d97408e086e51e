//go:build linux

package e2e

import (
	"bytes"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// REST's failures, through each door.
func TestRESTOutcomes(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	srv := serve(t, setup{upstream: marketo.URL, args: []string{"--upstream-timeout=" + upstreamTimeout}})
	token := restToken(t, srv.door("reverse"))
	const leads = "/rest/v1/leads.json"
	for _, c := range []struct {
		method, path, body, fail string
		outcome, code            string
		own                      int
	}{
		{"GET", "/rest/v1/lead/1090177.json", "", "606", "fault", "606", 0},
		{"GET", "/rest/v1/lead/1090177.json", "", "601+number", "fault", "601", 0},
		{"POST", leads, `{"action":"createOnly","lookupField":"email","input":[{"email":"rufus@marketo.com"},{"email":"e2e@example.com"}]}`, "", "partial", "1005", 0},
		{"GET", "/rest/v1/lead/1090177.json", "", "html502", "http", "502", 0},
		{"GET", "/rest/v1/lead/1090177.json", "", "malformed", "malformed", "", 0},
		{"GET", "/rest/v1/lead/1090177.json", "", "reset", "transport", "", 502},
		{"GET", "/rest/v1/lead/1090177.json", "", "hang", "transport", "", 504},
	} {
		for _, name := range doorNames {
			if name != "reverse" && c.fail == "hang" {
				continue
			}
			t.Run(c.outcome+" "+c.fail+" "+name, func(t *testing.T) {
				before := srv.metrics()
				call := newCall()
				header := []string{callHeader, call, "Authorization", "Bearer " + token, "Content-Type", "application/json"}
				if c.fail != "" {
					header = append(header, failHeader, c.fail)
				}
				g := srv.door(name).do(t.Context(), c.method, c.path, strings.NewReader(c.body), header...)
				got := srv.captureOf(call)
				if got.API != "rest" || got.Outcome != c.outcome || got.Code != c.code || got.Operation == "" {
					t.Errorf("captured as %s %s %s %q: %s", got.API, got.Operation, got.Outcome, got.Code, got.Message)
				}
				if auth := got.Attempts[0].Request.get("Authorization"); strings.Contains(auth, token) || !strings.Contains(auth, "REDACTED") {
					t.Errorf("Authorization: %s", auth)
				}
				x := marketo.attempts(call)
				if c.own != 0 {
					if g.status != c.own || !bytes.Contains(g.body, []byte("marketo-proxy:")) {
						t.Errorf("own answer %d %s", g.status, g.body)
					}
				} else if g.err != nil || g.status != x[0].status || hexSum(g.body) != x[0].response.sum() {
					t.Errorf("not Marketo's answer: %d %v", g.status, g.err)
				}
				if d := srv.delta(before); d[`failures_total{api="rest",outcome="`+c.outcome+`"}`] != 1 || d["captures_total"] != 1 || sum(d, "requests_total") != 1 ||
					(sum(d, "faults_total") == 1) != (c.outcome == "fault") || (sum(d, "partial_records_total") > 0) != (c.outcome == "partial") {
					t.Errorf("counted %v", d)
				}
			})
		}
	}
}

// restToken asks for an access token through the proxy.
func restToken(t *testing.T, d *door) string {
	t.Helper()
	g := d.do(t.Context(), http.MethodGet, "/identity/oauth/token?grant_type=client_credentials&client_id="+user+"&client_secret="+key, nil)
	m := regexp.MustCompile(`"access_token"\s*:\s*"([^"]+)"`).FindSubmatch(g.body)
	if m == nil {
		t.Fatalf("no token: %d %s %v", g.status, g.body, g.err)
	}
	return string(m[1])
}
