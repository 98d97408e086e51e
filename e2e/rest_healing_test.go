//go:build linux

package e2e

import (
	"bytes"
	"context"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"marketo-proxy/emulator"
)

const (
	leadPath  = "/rest/v1/lead/1090177.json"
	tokenLife = 2 * time.Second // Marketo's is an hour
)

// shortTokens is an emulated Marketo whose tokens soon expire.
func shortTokens(o *emulator.Options) { o.TokenTTL = tokenLife }

// identityCalls are those of the proxy itself: an application's carry its header.
func (s *spy) identityCalls() (n int) {
	for _, x := range s.attempts("") {
		if strings.HasPrefix(x.uri, "/identity/") && x.header.Get("User-Agent") == "marketo-proxy" {
			n++
		}
	}
	return n
}

// An expired token is replaced, through every door, for the application that it was issued to; nothing of it shows anywhere.
func TestRESTHealing(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t, shortTokens)
	srv := serve(t, setup{upstream: marketo.URL, args: []string{"--log-level=debug"}})
	tokens := map[string]string{}
	for _, name := range doorNames {
		tokens[name] = restToken(t, srv.door(name))
	}
	time.Sleep(tokenLife)
	for _, name := range doorNames {
		body := `{"action":"updateOnly","lookupField":"email","input":[{"email":"rufus@marketo.com","firstName":"` + strings.Repeat("x", 100) + `"}]}`
		call := newCall()
		g := srv.door(name).do(t.Context(), http.MethodPost, "/rest/v1/leads.json?partitionName=a%20b", strings.NewReader(body),
			callHeader, call, "Content-Type", "application/json", "Authorization", "Bearer "+tokens[name])
		if g.err != nil || !bytes.Contains(g.body, []byte(`"success":true`)) {
			t.Errorf("%s: %v %s", name, g.err, g.body)
		}
		x := marketo.attempts(call)
		// The doors share the client, so the first heals for all; the others go up with the new token at once.
		if name == doorNames[0] {
			if len(x) != 2 || g.header.Get("Marketo-Proxy-Attempts") != "2" || g.header.Get("Marketo-Proxy-Capture") == "" {
				t.Fatalf("%s: %d attempts, %v", name, len(x), g.header)
			}
			c := srv.captureOf(call)
			if c.Outcome != "recovered" || c.Code != "602" || c.Class != "renew" || c.User != user || len(c.Attempts) != 2 {
				t.Errorf("captured as %s %s %s of %q, %d attempts", c.Outcome, c.Code, c.Class, c.User, len(c.Attempts))
			}
		}
		last := x[len(x)-1]
		if string(last.request.kept) != body || last.uri != "/rest/v1/leads.json?partitionName=a%20b" || last.header.Get("Authorization") == "Bearer "+tokens[name] {
			t.Errorf("%s: what went up again is not what came", name)
		}
	}
	if n := marketo.identityCalls(); n != 1 {
		t.Errorf("the proxy asked for a token %d times", n)
	}
	if m := srv.metrics(); m[`marketo_proxy_renewals_total{api="rest",result="recovered"}`] != 1 || m[`marketo_proxy_faults_total{api="rest",class="renew",code="602"}`] != 1 {
		t.Errorf("counted %v", m)
	}
	srv.nothingShows(marketo)
}

// tokenText is what the emulator's tokens look like.
var tokenText = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:int`)

// nothingShows looks for tokens and secrets in what the program wrote.
func (s *server) nothingShows(marketo *spy) {
	s.t.Helper()
	secrets := map[string]bool{key: true}
	marketo.mu.Lock()
	for _, attempts := range marketo.calls {
		for _, x := range attempts {
			for _, token := range tokenText.FindAllString(string(x.response.kept)+x.header.Get("Authorization"), -1) {
				secrets[token] = true
			}
		}
	}
	marketo.mu.Unlock()
	if len(secrets) < 2 {
		s.t.Fatal("no token was seen")
	}
	_, metrics, _ := s.get("metrics", "")
	for where, text := range map[string]string{
		"the log": s.stderr.String(), "/metrics": metrics,
		"captures": must(s.t, "captures", "export", "--format=jsonl", "--capture-dir", s.captures),
		"the HAR":  must(s.t, "captures", "export", "--format=har", "--capture-dir", s.captures),
	} {
		for secret := range secrets {
			if strings.Contains(text, secret) {
				s.t.Errorf("%s has a secret: %s", where, secret)
			}
		}
	}
}

// Calls that fail together cost one call of the identity endpoint.
func TestRESTHealingOfACrowd(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t, shortTokens)
	srv := serve(t, setup{upstream: marketo.URL})
	d := srv.door("reverse")
	token := restToken(t, d)
	time.Sleep(tokenLife)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			g := d.do(t.Context(), http.MethodGet, leadPath, nil, callHeader, newCall(), "Authorization", "Bearer "+token)
			if g.err != nil || !bytes.Contains(g.body, []byte(`"success":true`)) {
				t.Errorf("%v %s", g.err, g.body)
			}
		})
	}
	wg.Wait()
	if n := marketo.identityCalls(); n != 1 {
		t.Errorf("the proxy asked for a token %d times", n)
	}
}

// Who never showed the secret gets what Marketo says, and the secret stays where it is.
func TestRESTThief(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t, shortTokens)
	owner := serve(t, setup{upstream: marketo.URL})
	token := restToken(t, owner.door("reverse"))
	time.Sleep(tokenLife)
	srv := serve(t, setup{upstream: marketo.URL}) // that has not seen the token
	for _, c := range []struct{ token, code string }{{token, "602"}, {token, "601"}, {"stolen:int", "601"}} {
		call := newCall()
		g := srv.door("reverse").do(t.Context(), http.MethodGet, leadPath, nil, callHeader, call, "Authorization", "Bearer "+c.token)
		x := marketo.attempts(call)
		if len(x) != 1 || hexSum(g.body) != x[0].response.sum() || !bytes.Contains(g.body, []byte(c.code)) || g.header.Get("Marketo-Proxy-Attempts") != "" {
			t.Errorf("%s: %d attempts, %s", c.code, len(x), g.body)
		}
		if got := srv.captureOf(call); got.Outcome != "fault" || got.Code != c.code {
			t.Errorf("captured as %s %s", got.Outcome, got.Code)
		}
	}
	if n := marketo.identityCalls(); n != 0 {
		t.Errorf("the proxy asked for a token %d times", n)
	}
	if m := srv.metrics(); m[`marketo_proxy_renewals_total{api="rest",result="bad_signature"}`] != 3 {
		t.Error("not counted")
	}
}

// With --sign=always an application needs neither token nor secret.
func TestRESTAlways(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t, shortTokens)
	srv := serve(t, setup{upstream: marketo.URL, args: []string{"--sign=always", "--rest-client=" + user}})
	for round := range 2 {
		g := srv.door("reverse").do(t.Context(), http.MethodGet, leadPath, nil, callHeader, newCall())
		if g.err != nil || !bytes.Contains(g.body, []byte(`"success":true`)) {
			t.Fatalf("%d: %v %s", round, g.err, g.body)
		}
		time.Sleep(tokenLife)
	}
	if n := marketo.identityCalls(); n != 2 {
		t.Errorf("the proxy asked for a token %d times", n)
	}
}

// What Marketo ended on 31 August 2026 goes on, and is counted, unless it is switched off.
func TestRESTQueryToken(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	moves := serve(t, setup{upstream: marketo.URL})
	leaves := serve(t, setup{upstream: marketo.URL, env: []string{"MARKETO_PROXY_MOVE_ACCESS_TOKEN=false"}})
	for _, c := range []struct {
		srv  *server
		want string
		uri  string
	}{{moves, `"success":true`, leadPath + "?fields=id%2Cemail"}, {leaves, `"600"`, ""}} {
		call := newCall()
		token := restToken(t, c.srv.door("reverse"))
		g := c.srv.door("reverse").do(context.Background(), http.MethodGet, leadPath+"?access_token="+token+"&fields=id%2Cemail", nil, callHeader, call)
		if g.err != nil || !bytes.Contains(g.body, []byte(c.want)) {
			t.Errorf("%v %s", g.err, g.body)
		}
		if x := marketo.attempts(call); c.uri != "" && (x[0].uri != c.uri || x[0].header.Get("Authorization") != "Bearer "+token) {
			t.Errorf("went up as %s", x[0].uri)
		}
		if n := c.srv.metrics()[`marketo_proxy_query_tokens_total{operation="getLeadByIdUsingGET"}`]; n != 1 {
			t.Errorf("counted %v", n)
		}
		if log := c.srv.stderr.String(); strings.Contains(log, token) {
			t.Error("the log has the token")
		}
	}
}
