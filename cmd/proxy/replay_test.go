package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"marketo-proxy/capture"
	"marketo-proxy/emulator"
	"marketo-proxy/sign"
)

const (
	sampleClient = "b1f2c3d4-client"
	sampleSecret = "secret-of-b1f2c3d4"
)

// replayRig is a Marketo that fails as it is told, with a proxy before it that captures what fails.
type replayRig struct {
	t        *testing.T
	emulator *emulator.Emulator
	upstream string
	dir      string // of captures
	keys     string
	proxy    string

	mu      sync.Mutex
	secrets map[string]bool // all that was on the wire
	calls   int
}

var sentSecret = regexp.MustCompile(`requestSignature>([0-9a-f]{40})<|Bearer (\S+)|client_secret=([^&\s]+)|"access_token":"([^"]+)"`)

// note remembers the secrets in what passes.
func (r *replayRig) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, match := range sentSecret.FindAllStringSubmatch(text, -1) {
		for _, secret := range match[1:] {
			if secret != "" {
				r.secrets[secret] = true
			}
		}
	}
}

func newReplayRig(t *testing.T) *replayRig {
	t.Helper()
	r := &replayRig{t: t, keys: t.TempDir(), secrets: map[string]bool{sampleKey: true, sampleSecret: true}}
	for user, key := range map[string]string{sampleUser: sampleKey, sampleClient: sampleSecret} {
		if err := os.WriteFile(filepath.Join(r.keys, user), []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	r.emulator, err = emulator.New(emulator.Options{Users: map[string]string{sampleUser: sampleKey}, Clients: map[string]string{sampleClient: sampleSecret}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.emulator.Close)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(body))
		if z, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, _ = io.ReadAll(z)
		}
		r.mu.Lock()
		r.calls++
		r.mu.Unlock()
		r.note(string(body) + "\n" + req.URL.RawQuery + "\n" + req.Header.Get("Authorization"))
		r.emulator.ServeHTTP(w, req)
	}))
	t.Cleanup(upstream.Close)
	r.upstream = upstream.URL
	serve, err := demoFlags(t.TempDir(), strings.TrimPrefix(r.upstream, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	serve.Listen, serve.MetricsListen, serve.AdminListen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	serve.Sign = "never"
	p, err := serve.start(&world{ctx: context.Background(), env: environment{}, stdout: io.Discard, stderr: io.Discard}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.stop(5 * time.Second); err != nil {
			t.Error(err)
		}
	})
	r.dir, r.proxy = serve.CaptureDir, "http://"+p.addr("listen")
	return r
}

// fail replaces the emulator's rules.
func (r *replayRig) fail(rules ...string) {
	r.t.Helper()
	var parsed []emulator.Rule
	for _, text := range rules {
		rule, err := emulator.ParseRule(text)
		if err != nil {
			r.t.Fatal(err)
		}
		parsed = append(parsed, rule)
	}
	if err := r.emulator.SetRules(parsed); err != nil {
		r.t.Fatal(err)
	}
}

// send makes a call through the proxy and returns the id of its capture.
func (r *replayRig) send(req *http.Request) (id string) {
	r.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		r.t.Fatal(err)
	}
	if id = resp.Header.Get("Marketo-Proxy-Capture"); id == "" {
		r.t.Fatalf("%s: not captured", resp.Status)
	}
	return id
}

func (r *replayRig) soap(operation, params string, zip bool) string {
	r.t.Helper()
	timestamp := sign.Timestamp(time.Now())
	body := []byte(`<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/"><SOAP-ENV:Header>` +
		`<ns1:AuthenticationHeader><mktowsUserId>` + sampleUser + `</mktowsUserId><requestSignature>` + sign.Signature(sampleKey, timestamp, sampleUser) +
		`</requestSignature><requestTimestamp>` + timestamp + `</requestTimestamp></ns1:AuthenticationHeader></SOAP-ENV:Header><SOAP-ENV:Body><ns1:params` +
		operation + `>` + params + `</ns1:params` + operation + `></SOAP-ENV:Body></SOAP-ENV:Envelope>`)
	if zip {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(body)
		_ = z.Close()
		body = b.Bytes()
	}
	req, err := http.NewRequest(http.MethodPost, r.proxy+"/soap/mktows/3_1", bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	if zip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	return r.send(req)
}

// rest makes a call with a token that the proxy fetched.
func (r *replayRig) rest(method, path, body string) string {
	r.t.Helper()
	resp, err := http.Get(r.proxy + "/identity/oauth/token?grant_type=client_credentials&client_id=" + sampleClient + "&client_secret=" + sampleSecret)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var token struct {
		Text string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&token); err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequest(method, r.proxy+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token.Text)
	req.Header.Set("Content-Type", "application/json")
	return r.send(req)
}

// replay runs the command, which must never show a secret nor leave anything behind.
func (r *replayRig) replay(args ...string) (code int, stdout, stderr string) {
	r.t.Helper()
	code, stdout, stderr = call(r.t, append([]string{"replay", "--capture-dir", r.dir, "--credentials-dir", r.keys, "--soap-upstream", r.upstream,
		"--rest-upstream", r.upstream}, args...)...)
	r.mu.Lock()
	defer r.mu.Unlock()
	for secret := range r.secrets {
		if strings.Contains(stdout+stderr, secret) {
			r.t.Errorf("%v shows the secret %s:\n%s%s", args, secret, stdout, stderr)
		}
	}
	if strings.Count(stderr, "\n") > 1 {
		r.t.Errorf("%v: stderr is more than a line: %s", args, stderr)
	}
	return code, stdout, stderr
}

const getLeadParams = `<leadKey><keyType>EMAIL</keyType><keyValue>ada@example.com</keyValue></leadKey>`

func TestReplay(t *testing.T) {
	r := newReplayRig(t)
	r.fail("getLead=20011", "getLeadByIdUsingGET=611", "syncLead=20023", "syncLeadUsingPOST=606")
	soap, zipped := r.soap("GetLead", getLeadParams, false), r.soap("GetLead", getLeadParams, true)
	rest := r.rest("GET", "/rest/v1/lead/1.json?fields=email", "")
	soapWrite := r.soap("SyncLead", `<leadRecord><Email>ada@example.com</Email></leadRecord>`, false)
	restWrite := r.rest("POST", "/rest/v1/leads.json", `{"input":[{"email":"ada@example.com"}]}`)
	for _, c := range []struct {
		name string
		fail string
		args []string
		code int
		want string // on stdout, or on stderr where there is no outcome
	}{
		{"soap same", "getLead=20011", []string{soap}, exitDone, "Verdict: same failure\n\nThe answers do not differ."},
		{"soap prefix", "getLead=20011", []string{soap[:30]}, exitDone, "Replay of " + soap},
		{"soap fixed", "", []string{soap}, exitDifferent, "Verdict: fixed\n\nDifferences: "},
		{"soap another", "getLead=20023", []string{soap}, exitDifferent, "Verdict: another failure"},
		{"soap checked", "", []string{soap}, exitDifferent, "checked by its SHA-256"},
		{"soap gzip", "getLead=20011", []string{zipped}, exitDone, "compressed again"},
		{"no answer", "getLead=reset", []string{soap}, exitDifferent, "status      500 Internal Server Error    no answer"},
		{"rest same", "getLeadByIdUsingGET=611", []string{rest, "--user", sampleClient}, exitDone, "same failure"},
		{"rest fixed", "", []string{rest, "--user", sampleClient}, exitDifferent, "fixed"},
		{"rest another", "getLeadByIdUsingGET=610", []string{rest, "--user", sampleClient}, exitDifferent, "another failure"},
		{"rest without a client", "", []string{rest, "--user", "nobody"}, exitNotSent, `no key is known for the client_id "nobody"`},
		{"soap write refused", "", []string{soapWrite}, exitNotSent, "syncLead may change something in Marketo: add --allow-writes"},
		{"soap write", "", []string{soapWrite, "--allow-writes"}, exitDifferent, "fixed"},
		{"rest write refused", "", []string{restWrite, "--user", sampleClient}, exitNotSent, "syncLeadUsingPOST may change something"},
		{"rest write", "", []string{restWrite, "--user", sampleClient, "--allow-writes"}, exitDifferent, "this operation may change something in Marketo"},
		{"upstream down", "", []string{soap, "--soap-upstream", "http://127.0.0.1:1"}, exitNotSent, "127.0.0.1:1 can't be reached"},
		{"no keys", "", []string{soap, "--credentials-dir", t.TempDir()}, exitNotSent, "no key is known for the mktowsUserId"},
		{"unknown id", "", []string{testID(77)}, exitNotSent, "no capture in " + r.dir + " has the id"},
		{"short id", "", []string{"01a"}, exitNotSent, "at least 8"},
		{"attempt", "", []string{soap, "--attempt", "2"}, exitUsage, "--attempt: 2 is none: the capture has 1"},
		{"negative attempt", "", []string{soap, "--attempt=-1"}, exitUsage, "counted from 1"},
		{"timeout", "", []string{soap, "--timeout", "0s"}, exitUsage, "--timeout"},
		{"upstream", "", []string{soap, "--soap-upstream", "http://example.com"}, exitUsage, "http is allowed for loopback hosts only"},
		{"keys", "", []string{soap, "--credentials-dir", "/nonexistent"}, exitUsage, "credentials"},
		{"no id", "", nil, exitUsage, "<id>"},
	} {
		var rules []string
		if c.fail != "" {
			rules = append(rules, c.fail)
		}
		r.fail(rules...)
		code, out, errs := r.replay(c.args...)
		said, silent := out, errs
		if c.code >= exitUsage {
			said, silent = errs, out
		}
		if code != c.code || !strings.Contains(said, c.want) || silent != "" {
			t.Errorf("%s: exit %d\n%s%s", c.name, code, out, errs)
		}
	}
	// Nor does a variable allow what changes something.
	var said bytes.Buffer
	environ := []string{"MARKETO_PROXY_ALLOW_WRITES=true", "MARKETO_PROXY_CAPTURE_DIR=" + r.dir, "MARKETO_PROXY_CREDENTIALS_DIR=" + r.keys, "MARKETO_PROXY_SOAP_UPSTREAM=" + r.upstream}
	if code := run(context.Background(), []string{"replay", soapWrite}, environ, io.Discard, &said); code != exitNotSent || !strings.Contains(said.String(), "--allow-writes") {
		t.Errorf("exit %d: %s", code, said.String())
	}
	// Without a target that is named, a key goes to Marketo only.
	before := r.calls
	code, out, errs := call(t, "replay", soap, "--capture-dir", r.dir, "--credentials-dir", r.keys)
	if code != exitNotSent || !strings.Contains(errs, "is no host of Marketo's") || out != "" || r.calls != before {
		t.Errorf("exit %d, %d calls: %s%s", code, r.calls-before, out, errs)
	}
}

func TestReplayJSON(t *testing.T) {
	r := newReplayRig(t)
	r.fail("getLead=20011", "getLeadByIdUsingGET=611")
	soap, rest := r.soap("GetLead", getLeadParams, false), r.rest("GET", "/rest/v1/lead/1.json", "")
	r.fail()
	for id, args := range map[string][]string{soap: {soap, "--json"}, rest: {rest, "--json", "--user", sampleClient}} {
		code, out, errs := r.replay(args...)
		var line replayLine
		if err := json.Unmarshal([]byte(out), &line); err != nil || code != exitDifferent || errs != "" || strings.Count(out, "\n") != 1 {
			t.Fatalf("exit %d, %v: %s%s", code, err, out, errs)
		}
		if line.Capture != id || line.Attempt != 1 || line.Verdict != "fixed" || *line.Same || *line.Changes == 0 || len(line.Diff) == 0 ||
			line.Captured.Code == "" || line.Captured.Meaning == "" || line.Now.Outcome != "" || line.Now.Status != 200 {
			t.Errorf("%s", out)
		}
		before := r.calls
		code, out, errs = r.replay(append(args, "--dry-run")...)
		line = replayLine{}
		if err := json.Unmarshal([]byte(out), &line); err != nil || code != exitDone || errs != "" || line.Verdict != "" || line.Now != nil || r.calls != before {
			t.Errorf("dry run: exit %d, %v, %d calls: %s%s", code, err, r.calls-before, out, errs)
		}
		if id == soap && !strings.Contains(line.Request.Body, "<requestSignature>REDACTED</requestSignature>") {
			t.Errorf("dry run: %s", line.Request.Body)
		}
	}
}

var volatile = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "HOST:PORT"},
	{regexp.MustCompile(`(?m)(  time  .*  )\S+ \S+ UTC$`), "${1}NOW"},
	{regexp.MustCompile(`(?m)(  took  .*s  ).*$`), "${1}SOME TIME"},
	{regexp.MustCompile(`(?m)(  request id  .*  )\S+$`), "${1}ID"},
	{regexp.MustCompile(`<requestTimestamp>[^<]*`), "<requestTimestamp>FRESH"},
}

func stable(out string) string {
	for _, v := range volatile {
		out = v.what.ReplaceAllString(out, v.with)
	}
	return out
}

// What people see, for captures whose times do not change.
func TestReplayScreens(t *testing.T) {
	r := newReplayRig(t)
	dir := t.TempDir()
	signed := func(c *capture.Capture) {
		request := &c.Attempts[0].Request
		request.Body.Text = strings.Replace(request.Body.Text, "<mktowsUserId>demo</mktowsUserId>",
			"<mktowsUserId>"+sampleUser+"</mktowsUserId><requestTimestamp>2026-11-24T12:01:00+00:00</requestTimestamp>", 1)
		request.Body.SHA256 = "0"
	}
	writeCaptures(t, dir,
		testCapture(1, signed),
		testCapture(2, func(c *capture.Capture) {
			*c = testCaptures()[2]
			c.ID = testID(2)
			c.Attempts[0].Request.Method, c.Attempts[0].Request.URL = "GET", "https://123-ABC-456.mktorest.com/rest/v1/lead/1.json?access_token=REDACTED&fields=email"
			c.Attempts[0].Request.Body = capture.BodyLine{}
			c.Attempts[0].Response.Body.Text = `{"requestId":"e42b#14272d07d78","success":true,"result":[{"id":1,"status":"skipped","reasons":[{"code":"1007","message":"Multiple\u001b[2J"}]}]}`
		}),
		testCapture(3, func(c *capture.Capture) {
			signed(c)
			c.Attempts[0].Request.Body.Truncated = true
		}),
		testCapture(4, func(c *capture.Capture) {
			signed(c)
			c.Attempts[0].Request.URL = "https://mktoapi.com.evil.example/soap/mktows/3_1"
		}),
	)
	proxied := r.dir
	r.dir = dir
	defer func() { r.dir = proxied }()
	for _, c := range []struct {
		name string
		code int
		args []string
	}{
		{"replay-soap", exitDifferent, []string{testID(1)}},
		{"replay-dry", exitDone, []string{testID(1), "--dry-run"}},
		{"replay-dry-cut", exitDone, []string{testID(1), "--dry-run", "--body-max", "50"}},
		{"replay-rest", exitDifferent, []string{testID(2), "--user", sampleClient}},
	} {
		code, out, errs := r.replay(c.args...)
		if code != c.code || errs != "" {
			t.Errorf("%s: exit %d, %s", c.name, code, errs)
		}
		golden(t, c.name, stable(out))
	}
	for id, want := range map[string]string{testID(3): "was not kept whole", testID(4): "not sent: "} {
		code, _, errs := call(t, "replay", id, "--capture-dir", dir, "--credentials-dir", r.keys)
		if code != exitNotSent || !strings.Contains(errs, want) {
			t.Errorf("%s: exit %d, %s", want, code, errs)
		}
	}
	writeCaptures(t, dir, testCapture(1, func(c *capture.Capture) { c.ID = c.ID[:35] + "f" }))
	if code, _, errs := r.replay(testID(1)[:30]); code != exitNotSent || !strings.Contains(errs, "several ids begin with") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

func TestReplayOnTerminal(t *testing.T) {
	r := newReplayRig(t)
	r.fail("getLead=20011")
	id := r.soap("GetLead", getLeadParams, false)
	seen := onTerminal(t, []string{"TZ=UTC"}, "replay", id, "--capture-dir", r.dir, "--credentials-dir", r.keys, "--soap-upstream", r.upstream)
	if !strings.Contains(seen, "\x1b[31mVerdict: same failure\x1b[0m") {
		t.Errorf("%q", seen)
	}
}
