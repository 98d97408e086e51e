//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"marketo-proxy/built"
)

// publishedKeys are those that Adobe printed beside its samples. Some of the samples are signed with neither.
var publishedKeys = map[string]string{user: key, "bigcorp1_461839624B16E06BA2D663": "899756834129871744AAEE88DDCC77CDEEDEC1AAAD66"}

var (
	faultCode   = regexp.MustCompile(`<code>(\d+)</code>`)
	paramsOf    = regexp.MustCompile(`<(?:\w+:)?params(\w+)`)
	memberCheck = "ISMEMBEROFLIST"
)

// Every request that Adobe published passes through each door, bytes equal on both sides, and what fails among them is captured,
// coded and counted.
func TestPublishedRequests(t *testing.T) {
	t.Parallel()
	keys := t.TempDir()
	for name, content := range publishedKeys {
		if err := os.WriteFile(filepath.Join(keys, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	base, err := url.Parse(emulated(t, start(t, program(built.Plain), nil, "emulate", "--listen=127.0.0.1:0", "--any-age", "--window-limit=0", "--credentials-dir="+keys)))
	if err != nil {
		t.Fatal(err)
	}
	marketo := newSpy(t, httputil.NewSingleHostReverseProxy(base))
	srv := serve(t, setup{upstream: marketo.URL, keys: publishedKeys})
	files, err := filepath.Glob("testdata/docs/*")
	if err != nil {
		t.Fatal(err)
	}
	before := srv.metrics()
	requests, failed, codes := map[string]float64{}, map[string]string{}, map[string]float64{}
	for _, file := range files {
		request := read(t, file)
		m := paramsOf.FindSubmatch(request)
		if m == nil {
			continue // an answer
		}
		operation := strings.ToLower(string(m[1][:1])) + string(m[1][1:])
		for _, name := range doorNames {
			call := newCall()
			g := srv.door(name).post(string(request), callHeader, call, "SOAPAction", "http://www.marketo.com/mktows/"+operation)
			x := marketo.attempts(call)
			if len(x) != 1 || !bytes.Equal(x[0].request.kept, request) {
				t.Fatalf("%s, %s: Marketo got something else, in %d attempts", file, name, len(x))
			}
			if g.err != nil || g.status != x[0].status || !bytes.Equal(g.body, x[0].response.kept) {
				t.Errorf("%s, %s: the application got something else: %d %v", file, name, g.status, g.err)
			}
			requests[fmt.Sprintf(`requests_total{api="soap",operation="%s"}`, operation)]++
			switch m := faultCode.FindSubmatch(g.body); {
			case m != nil && g.status == http.StatusInternalServerError:
				failed[call] = "fault " + string(m[1]) + " " + operation
				codes[string(m[1])]++
			case failedStatus.Match(g.body) && !bytes.Contains(request, []byte(memberCheck)):
				failed[call] = "partial  " + operation
			case g.status != http.StatusOK:
				t.Errorf("%s: %d %s", file, g.status, g.body)
			}
		}
	}
	if len(requests) != 23 {
		t.Errorf("%d operations, want all 23: %v", len(requests), requests)
	}
	captures := map[string]string{}
	for _, c := range srv.list() {
		captures[c.call()] = c.Outcome + " " + c.Code + " " + c.Operation
	}
	if !maps.Equal(captures, failed) {
		t.Errorf("captured %v\nfailed %v", captures, failed)
	}
	delta := srv.delta(before)
	for name, n := range requests {
		if delta[name] != n {
			t.Errorf("%s is %v, want %v", name, delta[name], n)
		}
	}
	for code, n := range codes {
		if got := delta[fmt.Sprintf(`faults_total{api="soap",class="%s",code="%s"}`, soapCodes[code], code)]; got != n {
			t.Errorf("%v faults %s counted, %v happened", got, code, n)
		}
	}
	if n := sum(delta, "failures_total"); int(n) != len(failed) {
		t.Errorf("%v failures counted, %d happened", n, len(failed))
	}
	t.Logf("%v calls, %d of them failed: %v", sum(delta, "requests_total"), len(failed), codes)
}

// fragments are answers that Adobe printed without their envelope, which is no answer that a server may give.
var fragments = map[string]bool{"gettags.response.xml": true, "blog-2014.2.soap-response-from-the-first-call-to-getmultipleleads.xml": true}

// Every answer that Adobe published passes byte for byte, and is a success.
func TestPublishedAnswers(t *testing.T) {
	t.Parallel()
	marketo := newSpy(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := os.ReadFile(filepath.Join("testdata/docs", filepath.Base(r.Header.Get("X-File"))))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		replies(http.StatusOK, "text/xml;charset=UTF-8", string(answer))(w, r)
	}))
	srv := serve(t, setup{upstream: marketo.URL})
	before := srv.metrics()
	answers, err := filepath.Glob("testdata/docs/*respon*.xml")
	if err != nil || len(answers) < 24 {
		t.Fatalf("%d answers, %v", len(answers), err)
	}
	for i, file := range answers {
		request := strings.NewReplacer(".response.", ".request.", "blog-2014.2.soap-response-from-the-first", "blog-2014.1.soap-request-for-first").Replace(file)
		g := srv.door(doorNames[i%len(doorNames)]).post(string(read(t, request)), "X-File", filepath.Base(file))
		if g.err != nil || g.status != http.StatusOK || !bytes.Equal(g.body, read(t, file)) || (g.header.Get("Marketo-Proxy-Capture") != "") != fragments[filepath.Base(file)] {
			t.Errorf("%s: %d %v %v", file, g.status, g.header, g.err)
		}
	}
	for _, c := range srv.list() {
		if file := c.Attempts[0].Request.get("X-File"); !fragments[file] || c.Outcome != "malformed" {
			t.Errorf("%s is captured as %s: %s", file, c.Outcome, c.Message)
		}
	}
	delta := srv.delta(before)
	if int(sum(delta, "requests_total")) != len(answers) || int(sum(delta, "failures_total")) != len(fragments) {
		t.Errorf("counted %v", delta)
	}
}

// What is not changed is not changed: bodies of any bytes, methods, paths, queries and fields that no proxy has to know.
func TestTransparency(t *testing.T) {
	t.Parallel()
	odd := append([]byte("\x00\xff\xfe<not xml>\r\n"), bytes.Repeat([]byte{0x80, '\n', '<'}, 50_000)...)
	marketo := newSpy(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = bytes.NewBuffer(nil).ReadFrom(r.Body)
		h := w.Header()
		h["X-Twice"] = []string{"a", "b"}
		h.Set("Marketo-Proxy-Capture", "forged")
		h.Set("Marketo-Proxy-Else", "forged")
		h.Set("Keep-Alive", "timeout=5")
		h.Set("Content-Type", "application/octet-stream")
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(odd)
	}))
	srv := serve(t, setup{upstream: marketo.URL})
	for _, name := range doorNames {
		d := srv.door(name)
		for _, path := range []string{soapPath, "/soap/mktows/2_3//a%2Fb%20c?x=1&y=%3F&x=2", "/rest/v1/leads.json?filterValues=a,b%2Cc&nextPageToken=A%3D%3D", "/bulk/v1/leads.json", "/identity/x"} {
			for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
				call := newCall()
				g := d.do(t.Context(), method, path, bytes.NewReader(odd), callHeader, call, "X-Forwarded-For", "192.0.2.7", "Via", "1.1 other", "X-Own", "a, b",
					"Connection", "X-Hop", "X-Hop", "dropped", "Te", "trailers", "Accept-Encoding", "br;q=0.5, gzip", "User-Agent", "")
				x := marketo.attempts(call)
				if g.err != nil || len(x) != 1 {
					t.Fatalf("%s %s %s: %d attempts, %v", name, method, path, len(x), g.err)
				}
				if x[0].request.sum() != hexSum(odd) || x[0].uri != path {
					t.Errorf("%s %s %s: Marketo got %d bytes at %s", name, method, path, x[0].request.size, x[0].uri)
				}
				want := map[string]string{"X-Forwarded-For": "192.0.2.7", "Via": "1.1 other", "X-Own": "a, b", "Accept-Encoding": "br;q=0.5, gzip", "X-Hop": "", "Te": "",
					"Connection": "", "User-Agent": "", "Forwarded": "", "X-Forwarded-Host": "", "X-Forwarded-Proto": ""}
				for field, value := range want {
					if got := strings.Join(x[0].header.Values(field), "|"); got != value {
						t.Errorf("%s %s: Marketo got %s: %q, want %q", name, path, field, got, value)
					}
				}
				if g.status != http.StatusAccepted || !bytes.Equal(g.body, odd) || strings.Join(g.header.Values("X-Twice"), "|") != "a|b" {
					t.Errorf("%s %s %s: got %d, %d bytes, %v", name, method, path, g.status, len(g.body), g.header)
				}
				if g.header.Get("Marketo-Proxy-Else") != "" || g.header.Get("Marketo-Proxy-Capture") == "forged" || g.header.Get("Keep-Alive") != "" || g.header.Get("Via") != "" {
					t.Errorf("%s %s: %v", name, path, g.header)
				}
			}
		}
	}
}
