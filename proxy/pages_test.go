package proxy

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// A page in a browser of this machine's must not get to the keys that --sign=always lends: neither by a request that any site may
// make without asking, nor by a name of its own that was made to stand for 127.0.0.1.
func TestPagesGetNoKey(t *testing.T) {
	var arrived atomic.Int64
	upstream := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived.Add(1)
		echoUpstream(w, r)
	})
	for _, c := range []struct {
		sign       SignMode
		host       string // "": as it is
		name, text string // of a header
		want       int
	}{
		{sign: SignAlways, want: 200},
		{sign: SignAlways, host: "localhost:8080", want: 200},
		{sign: SignAlways, host: "[::1]:8080", want: 200},
		{sign: SignAlways, host: "marketo-proxy:8080", want: 200}, // of a container
		{sign: SignAlways, host: "123-ABC-456.mktoapi.com", want: 200},
		{sign: SignAlways, host: "123-abc-456.mktorest.com:8080", want: 200},
		{sign: SignAlways, name: "Sec-Fetch-Mode", text: "cors", want: 200}, // Node's fetch sends it
		{sign: SignAlways, name: "Sec-Fetch-Site", text: "none", want: 200}, // typed by a person
		{sign: SignAlways, name: "Origin", text: "https://evil.example", want: 403},
		{sign: SignAlways, name: "Origin", text: "null", want: 403},
		{sign: SignAlways, name: "Sec-Fetch-Site", text: "cross-site", want: 403},
		{sign: SignAlways, name: "Sec-Fetch-Site", text: "same-site", want: 403},
		{sign: SignAlways, host: "evil.example:8080", want: 403},
		{sign: SignAlways, host: "127.0.0.1.evil.example", want: 403},
		{sign: SignAlways, host: "mktorest.com.evil.example", want: 403},
		{sign: SignExpired, name: "Origin", text: "https://evil.example", want: 200}, // it has no key to call with
		{sign: SignExpired, host: "evil.example:8080", want: 200},
	} {
		r := newRig(t, upstream, func(cfg *Config) { cfg.Sign = c.sign })
		for method, path := range map[string]string{http.MethodPost: "/soap/mktows/3_1", http.MethodGet: "/rest/v1/leads.json"} {
			body := ""
			if method == http.MethodPost {
				body = signedAt(0)
			}
			req, err := http.NewRequest(method, r.front.URL+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if c.name != "" {
				req.Header.Set(c.name, c.text)
			}
			if req.Host = c.host; c.host == "" {
				req.Host = req.URL.Host
			}
			before := arrived.Load()
			resp, err := r.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != c.want || (arrived.Load() > before) != (c.want == 200) {
				t.Errorf("%s %+v: %d, %d calls went up: %.200s", path, c, resp.StatusCode, arrived.Load()-before, text)
			}
			if c.want == 403 && !strings.Contains(string(text), "--sign=always") {
				t.Errorf("%s %+v: the answer does not say why: %s", path, c, text)
			}
		}
	}
}
