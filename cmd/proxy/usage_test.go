package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"marketo-proxy/emulator"
)

const (
	usageClient = "c8a4f2be-2f4d-4f6e-9d0b-0d5a8a1f7e11"
	usageSecret = "secret-of-c8a4f2be"
)

// secretsOf makes a credentials directory.
func secretsOf(t *testing.T, users ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, user := range users {
		if err := os.WriteFile(filepath.Join(dir, user), []byte(usageSecret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func usageEmulator(t *testing.T, rules ...string) (*emulator.Emulator, string) {
	t.Helper()
	o := emulator.Options{Clients: map[string]string{usageClient: usageSecret}}
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
	srv := httptest.NewServer(e)
	t.Cleanup(srv.Close)
	return e, srv.URL
}

// What Marketo counted is shown: the calls of every user, the two of the command itself, and what failed.
func TestUsage(t *testing.T) {
	_, base := usageEmulator(t, "getListsUsingGET=606#2", "getCampaignsUsingGET=611#1", "getDailyUsageUsingGET=602#1")
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	m := &marketo{base: u, client: usageClient, secrets: []string{usageSecret}, transport: restTransport(nil)}
	defer m.transport.CloseIdleConnections()
	token, err := m.token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"lists", "lists", "lists", "campaigns", "campaigns"} {
		var ignored statistics
		_ = m.get(t.Context(), token, "/rest/v1/"+path+".json", "x", &ignored)
	}
	keys := secretsOf(t, usageClient, "demo17_1_809934544BFABAE58E5D27")
	args := []string{"check", "--usage", "--rest-upstream", base, "--credentials-dir", keys, "--rest-day-limit", "200"}
	var got usageReport
	if err := json.Unmarshal([]byte(must(t, append(args, "--json")...)), &got); err != nil {
		t.Fatal(err)
	}
	today := time.Now()
	if got.Calls < 3 || got.Limit != 200 || got.Percent != 100*float64(got.Calls)/200 || len(got.Users) != 1 || got.Users[0].Calls != got.Calls ||
		!strings.Contains(got.Users[0].User, usageClient) || got.Errors != 4 || len(got.ErrorList) != 3 || got.ErrorList[0].Code != "606" ||
		got.ErrorList[0].Count != 2 || got.ErrorList[0].Class != "throttled" || !got.Ends.After(today) || got.Ends.Sub(today) > 25*time.Hour {
		t.Errorf("%+v", got)
	}
	text := must(t, args...)
	for _, part := range []string{" of 200 (--rest-day-limit), ", "America/Chicago, ends in ", "100.0 %  api-" + usageClient, "     2  606   throttled  Max rate limit exceeded"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in\n%s", part, text)
		}
	}
}

// usageServer answers as Marketo, or as what stands between.
func usageServer(t *testing.T, usage, failures http.HandlerFunc) string {
	mux := http.NewServeMux()
	mux.HandleFunc("/identity/oauth/token", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"access_token":"token-of-c8a4f2be","token_type":"bearer","expires_in":0,"scope":"u@example.com"}`)
	})
	mux.HandleFunc("/rest/v1/stats/usage.json", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token-of-c8a4f2be" || r.URL.RawQuery != "" {
			t.Errorf("asked with %v, %s", r.Header, r.URL)
		}
		usage(w, r)
	})
	mux.HandleFunc("/rest/v1/stats/errors.json", failures)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// The answers of Adobe's own documentation, on their day.
func TestUsageOfTheDocumentation(t *testing.T) {
	var used, failed struct{ Result []statistics }
	for file, into := range map[string]any{"usage-daily.json": &used, "usage-errors.json": &failed} {
		b, err := os.ReadFile(filepath.Join("testdata", file))
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	now := time.Date(2015, 10, 17, 22, 10, 0, 0, time.UTC)
	r := newUsageReport(used.Result[0], failed.Result[0], now, 50_000)
	r.Instance = "123-ABC-456"
	var out strings.Builder
	if err := r.print(&out, screen{}, now); err != nil {
		t.Fatal(err)
	}
	golden(t, "usage", out.String())
	out.Reset()
	if err := r.print(&out, screen{}, now.AddDate(0, 0, 1)); err != nil || !strings.Contains(out.String(), "2015-10-17, which is not today") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// A day of which Marketo has counted nothing, and numbers that are texts.
func TestUsageOfOddAnswers(t *testing.T) {
	keys := secretsOf(t, usageClient)
	for _, c := range []struct{ name, usage, want string }{
		{"nothing", `{"requestId":"1","success":true,"result":[]}`, "  calls       0 of 50,000"},
		{"no result", `{"requestId":"1","success":true}`, "  calls       0 of 50,000"},
		{"texts", `{"requestId":"1","success":true,"result":[{"date":"2026-01-01","total":"1234567","users":[{"userId":"a\u001b[2J","count":"1"}]}]}`, "1,234,567 of 50,000"},
	} {
		base := usageServer(t, says(200, c.usage), says(200, `{"requestId":"1","success":true,"result":[{"total":1,"errors":[{"errorCode":9999,"count":1}]}]}`))
		text := must(t, "check", "--usage", "--rest-upstream", base, "--credentials-dir", keys)
		if !strings.Contains(text, c.want) || !strings.Contains(text, "9999  unknown") || strings.Contains(text, "\x1b") {
			t.Errorf("%s:\n%s", c.name, text)
		}
	}
}

func TestUsageFails(t *testing.T) {
	good := says(200, `{"requestId":"1","success":true,"result":[]}`)
	keys := secretsOf(t, usageClient)
	gone := httptest.NewServer(good)
	gone.Close()
	_, strict := usageEmulator(t)
	_, limited := usageEmulator(t, "getDailyUsageUsingGET=607")
	for _, c := range []struct {
		name, base string
		keys       string
		args       []string
		exit       int
		want       string
	}{
		{"no permission", usageServer(t, says(200, `{"requestId":"1","success":false,"errors":[{"code":"603","message":"Access denied"}]}`), good), keys, nil, exitFailed,
			"usage.json answers 603 Access denied: Check the permissions"},
		{"HTTP 403", usageServer(t, says(403, `{"error":"forbidden"}`), good), keys, nil, exitFailed, "usage.json answers HTTP 403 forbidden: "},
		{"HTTP 401", usageServer(t, says(401, ``), good), keys, nil, exitFailed, "usage.json answers HTTP 401 Unauthorized: "},
		{"errors only", usageServer(t, good, says(200, `{"requestId":"1","success":false,"errors":[{"code":611,"message":"System token-of-c8a4f2be error"}]}`)), keys, nil, exitFailed,
			"errors.json answers 611 System REDACTED error"},
		{"page", usageServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>\x1b[2J") }, good), keys, nil, exitFailed, "usage.json answers"},
		{"quota", limited, keys, nil, exitFailed, "usage.json answers 607"},
		{"wrong secret", strict, func() string {
			dir := secretsOf(t, usageClient)
			_ = os.WriteFile(filepath.Join(dir, usageClient), []byte("wrong"), 0o600)
			return dir
		}(), nil, exitFailed, `no token for the client_id ` + usageClient + `: the identity service answers 401: invalid_client`},
		{"nobody there", gone.URL, keys, nil, exitFailed, "connection refused"},
		{"no client", strict, secretsOf(t, "demo17_1_809934544BFABAE58E5D27"), nil, exitUsage, "--rest-client"},
		{"two clients", strict, secretsOf(t, usageClient, strings.Replace(usageClient, "c", "d", 1)), nil, exitUsage, "2 files that look like a client_id: choose one with --rest-client: " + usageClient + ", d8a4"},
		{"unknown client", strict, keys, []string{"--rest-client=x"}, exitUsage, `no secret is known for "x"`},
		{"no credentials", strict, "", nil, exitUsage, "--credentials-dir"},
	} {
		args := append([]string{"check", "--usage", "--rest-upstream", c.base}, c.args...)
		if c.keys != "" {
			args = append(args, "--credentials-dir", c.keys)
		}
		code, out, errs := call(t, args...)
		if code != c.exit || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, c.want) ||
			strings.Contains(errs, usageSecret) || strings.Contains(errs, "token-of-c8a4f2be") || strings.Contains(errs, "\x1b") {
			t.Errorf("%s: exit %d, %q, %q", c.name, code, out, errs)
		}
	}
	for want, args := range map[string][]string{
		"no REST API to ask":          {"check", "--usage", "--soap-upstream", strict, "--credentials-dir", keys},
		"--json goes with --usage":    {"check", "--json"},
		"where is Marketo? set --ins": {"check", "--usage", "--credentials-dir", keys},
	} {
		if code, _, errs := call(t, args...); code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
}

func TestNumbersForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 50_000: "50,000", 1_234_567: "1,234,567", -1000: "-1,000", -999: "-999"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	for d, want := range map[time.Duration]string{29 * time.Second: "0 min", 59*time.Minute + 40*time.Second: "1 h 0 min", 25 * time.Hour: "25 h 0 min", 5 * time.Minute: "5 min"} {
		if got := roughly(d); got != want {
			t.Errorf("%s: %s", d, got)
		}
	}
}
