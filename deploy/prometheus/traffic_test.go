//go:build linux

package prometheus

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"marketo-proxy/built"
	"marketo-proxy/sign"
)

// The users of the tests: the proxy has the key of the first.
const (
	user   = "demo17_1_809934544BFABAE58E5D27"
	key    = "27272727aa"
	other  = "other17_1_809934544BFABAE58E5D27"
	header = "Marketo-Emulator-Fail"
)

// credentials makes a directory of keys.
func credentials(t *testing.T, users ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range users {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// emulate starts a Marketo without limits and returns its URL.
func emulate(t *testing.T, args ...string) string {
	t.Helper()
	p := start(t, os.Getenv(programEnv), nil, append([]string{"emulate", "--listen=127.0.0.1:0",
		"--credentials-dir=" + credentials(t, user, other), "--day-limit=0", "--window-limit=0", "--concurrent-limit=0"}, args...)...)
	var url string
	p.wait("emulate says where it listens", func() (bool, string) {
		url = regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(p.stdout.String())
		return url != "", p.stderr.String()
	})
	return url
}

// pod is a running proxy.
type pod struct {
	*process
	env     []string // for commands beside it
	dir     string   // of its captures
	at      map[string]string
	metrics string // address
}

func serve(t *testing.T, upstream string, args ...string) *pod {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "captures")
	env := []string{"MARKETO_PROXY_SOAP_UPSTREAM=" + upstream, "MARKETO_PROXY_REST_UPSTREAM=" + upstream, "MARKETO_PROXY_CAPTURE_DIR=" + dir,
		"MARKETO_PROXY_CREDENTIALS_DIR=" + credentials(t, user)}
	p := &pod{dir: dir, env: env, process: start(t, os.Getenv(programEnv), env, append([]string{"serve", "--listen=127.0.0.1:0",
		"--metrics-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"}, args...)...)}
	p.wait("serve says where it listens", func() (bool, string) {
		p.at = built.Listeners(p.stderr.String())
		return p.at["metrics-listen"] != "", p.stderr.String()
	})
	p.metrics = p.at["metrics-listen"]
	return p
}

// call is one call of an application.
type call struct {
	api    string
	fail   string        // what the emulator does to it
	user   string        // SOAP: whose signature it has; REST: whose token, which the proxy did not see issued
	age    time.Duration // of the signature
	write  bool          // in place of a read
	weight int           // how often in a round
}

// round has every failure that an alert is about, in the share that sets it off.
var round = []call{
	{api: "soap", weight: 2},
	{api: "soap", fail: "20011", weight: 2},
	{api: "soap", fail: "20023", weight: 1},
	{api: "soap", fail: "20015", weight: 1},
	{api: "soap", fail: "20014", weight: 1},
	{api: "soap", fail: "29999", weight: 1},
	{api: "soap", fail: "reset", weight: 2},
	{api: "soap", fail: "html502", weight: 2},
	{api: "soap", fail: "malformed", weight: 2},
	{api: "soap", fail: "partial", write: true, weight: 1},
	{api: "soap", age: time.Hour, weight: 7},
	{api: "soap", age: time.Hour, user: other, weight: 2},
	{api: "rest", weight: 2},
	{api: "rest", fail: "611", weight: 2},
	{api: "rest", fail: "606", weight: 1},
	{api: "rest", fail: "607", weight: 1},
	{api: "rest", fail: "603", weight: 1},
	{api: "rest", fail: "9999", weight: 1},
	{api: "rest", fail: "reset", weight: 2},
	{api: "rest", fail: "html502", weight: 2},
	{api: "rest", fail: "malformed", weight: 2},
	{api: "rest", write: true, weight: 1}, // of a lead that is there
	{api: "rest", fail: "expired", weight: 7},
	{api: "rest", user: other, weight: 2},
}

// healthy has successes only.
var healthy = []call{{api: "soap", weight: 1}, {api: "rest", weight: 1}}

// traffic makes rounds of calls until the test ends, one call each pause.
func (p *pod) traffic(round []call, pause time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	p.t.Cleanup(func() { cancel(); <-done })
	token := p.token()
	go func() {
		defer close(done)
		client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
		defer client.CloseIdleConnections()
		for ctx.Err() == nil {
			for _, c := range round {
				for range c.weight {
					_ = p.send(ctx, client, c, token) // the failures are what it is for
					time.Sleep(pause)
				}
			}
		}
	}()
}

// token asks for one of REST.
func (p *pod) token() string {
	p.t.Helper()
	resp, err := http.Get("http://" + p.at["listen"] +
		"/identity/oauth/token?grant_type=client_credentials&client_id=" + user + "&client_secret=" + key)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	m := regexp.MustCompile(`"access_token"\s*:\s*"([^"]+)"`).FindSubmatch(body)
	if m == nil {
		p.t.Fatalf("no token: %s", body)
	}
	return string(m[1])
}

func (p *pod) send(ctx context.Context, client *http.Client, c call, token string) error {
	var req *http.Request
	var err error
	switch base := "http://" + p.at["listen"]; {
	case c.api == "soap":
		req, err = http.NewRequestWithContext(ctx, http.MethodPost, base+"/soap/mktows/3_1", strings.NewReader(c.envelope()))
	case c.write:
		req, err = http.NewRequestWithContext(ctx, http.MethodPost, base+"/rest/v1/leads.json",
			strings.NewReader(`{"action":"createOnly","lookupField":"email","input":[{"email":"rufus@marketo.com"}]}`))
	default:
		req, err = http.NewRequestWithContext(ctx, http.MethodGet, base+"/rest/v1/lead/1090177.json", nil)
	}
	if err != nil {
		return err
	}
	if c.api == "rest" {
		if c.user != "" {
			token = c.user
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
	} else {
		req.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	}
	if c.fail != "" {
		req.Header.Set(header, c.fail)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return err
}

// envelope is a SOAP request, signed.
func (c call) envelope() string {
	name := user
	if c.user != "" {
		name = c.user
	}
	params := `<ns1:paramsGetLead><leadKey><keyType>EMAIL</keyType><keyValue>rufus@marketo.com</keyValue></leadKey></ns1:paramsGetLead>`
	if c.write {
		params = `<ns1:paramsSyncMultipleLeads><leadRecordList><leadRecord><Email>a@example.com</Email></leadRecord><leadRecord>` +
			`<Email>b@example.com</Email></leadRecord></leadRecordList></ns1:paramsSyncMultipleLeads>`
	}
	timestamp := sign.Timestamp(time.Now().Add(-c.age))
	return `<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/"><SOAP-ENV:Header>` +
		`<ns1:AuthenticationHeader><mktowsUserId>` + name + `</mktowsUserId><requestSignature>` + sign.Signature(key, timestamp, name) +
		`</requestSignature><requestTimestamp>` + timestamp + `</requestTimestamp></ns1:AuthenticationHeader></SOAP-ENV:Header><SOAP-ENV:Body>` +
		params + `</SOAP-ENV:Body></SOAP-ENV:Envelope>`
}
