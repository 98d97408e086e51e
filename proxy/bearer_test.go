package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What an application sends, and what goes up.
func TestQueryToken(t *testing.T) {
	r, m := newRESTRig(t)
	for _, c := range []struct {
		path, header string
		wantURI      string
		wantHeader   string
		counted      bool
	}{
		{"/rest/v1/leads.json?access_token=a:int", "", "/rest/v1/leads.json", "Bearer a:int", true},
		{"/rest/v1/leads.json?b=%2f&&access_token=a%3Aint&c=+x&d", "", "/rest/v1/leads.json?b=%2f&&c=+x&d", "Bearer a:int", true},
		{"/bulk/v1/leads.json?access_token=a:int&access_token=b", "", "/bulk/v1/leads.json", "Bearer a:int", true},
		{"/rest/v1/leads.json?access_token=a:int", "Bearer own", "/rest/v1/leads.json", "Bearer own", true},
		{"/rest/v1/leads.json?xaccess_token=a&q=access_token", "", "/rest/v1/leads.json?xaccess_token=a&q=access_token", "", false},
		{"/rest/v1/leads.json?access_token=", "", "/rest/v1/leads.json?access_token=", "", true},
		{"/rest/v1/leads.json?access_token=a%0d%0ab", "", "/rest/v1/leads.json?access_token=a%0d%0ab", "", true},
		{"/rest/v1/leads.json?access_token=%zz", "", "/rest/v1/leads.json?access_token=%zz", "", true},
	} {
		var header []string
		if c.header != "" {
			header = []string{"Authorization", c.header}
		}
		if _, _, err := r.rest(http.MethodGet, c.path, "", header...); err != nil {
			t.Fatal(err)
		}
		got := m.got[len(m.got)-1]
		if got.RequestURI != c.wantURI || got.Header.Get("Authorization") != c.wantHeader {
			t.Errorf("%s: went up as %s with %q", c.path, got.RequestURI, got.Header.Get("Authorization"))
		}
		if r.last().QueryToken != c.counted {
			t.Errorf("%s: counted %t", c.path, !c.counted)
		}
	}
	for _, c := range r.captures() {
		if strings.Contains(c.Attempts[0].Request.URL, "a:int") || strings.Contains(c.Attempts[0].Request.URL, "a%3Aint") {
			t.Errorf("captured as %s", c.Attempts[0].Request.URL)
		}
	}
}

// A token in the query is healed too, where it was: moved or, switched off, in its place.
func TestQueryTokenRenewal(t *testing.T) {
	for _, move := range []bool{true, false} {
		r, m := newRESTRig(t, func(c *Config) { c.MoveToken = move })
		old := r.login()
		m.expire()
		_, body, err := r.rest(http.MethodGet, leadPath+"?a=1&access_token="+url.QueryEscape(old)+"&b", "")
		if err != nil || !strings.Contains(body, `"success":true`) || len(m.got) != 2 {
			t.Fatalf("move %t: %v %s", move, err, body)
		}
		uri, header := m.got[1].RequestURI, m.got[1].Header.Get("Authorization")
		if move && (uri != leadPath+"?a=1&b" || header != "Bearer "+m.valid) ||
			!move && (uri != leadPath+"?a=1&access_token="+url.QueryEscape(m.valid)+"&b" || header != "") {
			t.Errorf("move %t: %s %q", move, uri, header)
		}
	}
}

// Whatever else is in a query stays as it was written, in its order.
func TestWithToken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		others := rapid.SliceOf(rapid.StringMatching(`[a-z%=+;/.]{0,8}`)).Draw(t, "others")
		at := rapid.IntRange(0, len(others)).Draw(t, "at")
		query := strings.Join(append(append(append([]string{}, others[:at]...), "access_token=t%3Aint"), others[at:]...), "&")
		if value, ok := queryToken(query); !ok || value != "t%3Aint" {
			t.Fatalf("%q: %q", query, value)
		}
		if got := withToken(query, ""); got != strings.Join(others, "&") {
			t.Fatalf("%q became %q", query, got)
		}
		if got := withToken(query, "new:int"); got != strings.Replace(query, "access_token=t%3Aint", "access_token=new%3Aint", 1) {
			t.Fatalf("%q became %q", query, got)
		}
	})
}
