//go:build linux

package e2e

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Secrets that no rule about their form could give away.
const (
	secretKey    = "kEy-9d41f7c2ab55"
	clientSecret = "cLiEnT-77e0d2c91b"
	sessionValue = "cOoKiE-5fa1c3d8e6"
	tokenValue   = "tOkEn-a81bc92d4f-e3:int"
	bearerValue  = "bEaReR-0c9d8e7f6a"
)

// Whatever fails, in whatever way, no key and no signature is in anything that the program writes or shows, also where Marketo's
// side repeats them.
func TestSecrets(t *testing.T) {
	t.Parallel()
	marketo := newSpy(t, http.HandlerFunc(echo))
	home := t.TempDir()
	srv := serve(t, setup{upstream: marketo.URL, home: home, keys: map[string]string{user: secretKey, "client-id": clientSecret}, args: []string{
		"--log-level=debug", "--capture-max-size=4MiB", "--capture-memory=16KiB"}})
	auth := credential{key: secretKey, age: 1}
	for _, name := range doorNames {
		d := srv.door(name)
		for _, answer := range []string{"fault", "expired", "html", "malformed", "partial", "large", "reset"} {
			for range 3 {
				d.post(getLead(auth), callHeader, newCall(), "X-Answer", answer, "Cookie", "session="+sessionValue, "Authorization", "Bearer "+bearerValue,
					"Proxy-Authorization", "Basic "+bearerValue)
			}
		}
		d.do(t.Context(), http.MethodPost, soapPath+"?requestSignature="+sessionValue, strings.NewReader(getLead(auth)), callHeader, newCall(), "X-Answer", "fault")
		for _, answer := range []string{"token", "fault"} {
			d.do(t.Context(), http.MethodGet, "/identity/oauth/token?grant_type=client_credentials&client_id=client-id&client_secret="+clientSecret, nil,
				callHeader, newCall(), "X-Answer", answer)
		}
		d.do(t.Context(), http.MethodGet, "/rest/v1/leads.json?access_token="+tokenValue, nil, callHeader, newCall(), "X-Answer", "fault", "Authorization", "Bearer "+tokenValue)
	}
	secrets := []string{secretKey, clientSecret, sessionValue, tokenValue, bearerValue}
	marketo.mu.Lock()
	for _, attempts := range marketo.calls {
		for _, x := range attempts {
			if m := regexp.MustCompile(`<requestSignature>([0-9a-f]{40})<`).FindSubmatch(x.request.kept); m != nil {
				secrets = append(secrets, string(m[1]))
			}
		}
	}
	marketo.mu.Unlock()
	if len(secrets) < 100 {
		t.Fatalf("only %d secrets: the test tries less than it should", len(secrets))
	}
	look := func(where string, content []byte) {
		t.Helper()
		content = unzip(content)
		for _, secret := range secrets {
			if i := bytes.Index(content, []byte(secret)); i >= 0 {
				t.Errorf("%s has a secret: …%s…", where, content[max(0, i-200):min(len(content), i+100)])
				return
			}
		}
	}
	look("the log", []byte(srv.stderr.String()+srv.stdout.String()))
	eventually(t, "a segment is compressed", func() (bool, string) {
		return len(segments(t, home, "*.jsonl.gz")) > 0, fmt.Sprint(segments(t, home, "*"))
	})
	look("environ", read(t, fmt.Sprintf("/proc/%d/environ", srv.cmd.Process.Pid)))
	look("cmdline", read(t, fmt.Sprintf("/proc/%d/cmdline", srv.cmd.Process.Pid)))
	for _, accept := range []string{"", "application/openmetrics-text"} {
		_, page, _ := srv.get("metrics", accept)
		look("/metrics "+accept, []byte(page))
	}
	list := srv.list()
	if len(list) < 80 {
		t.Errorf("%d captures", len(list))
	}
	look("captures ls", []byte(must(t, "captures", "ls", "--limit=0", "--capture-dir", srv.captures)))
	look("captures export --format har", []byte(must(t, "captures", "export", "--format=har", "--capture-dir", srv.captures)))
	for _, c := range list[:12] {
		look("captures show", []byte(must(t, "captures", "show", c.ID, "--body-max=0", "--capture-dir", srv.captures)))
	}
	for _, path := range []string{"/api/captures?limit=1000", "/api/captures/" + list[0].ID, "/api/captures/" + list[0].ID + "/har"} {
		resp, err := http.Get("http://" + srv.at["admin-listen"] + path)
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("%s: %d %v", path, resp.StatusCode, err)
		}
		look(path, page)
	}
	srv.terminate()
	files := 0
	err := filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(filepath.Dir(path)) == "credentials" {
			return err
		}
		files++
		look(path, read(t, path))
		if info, err := d.Info(); err == nil && strings.HasPrefix(path, srv.captures) && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil || files < 5 {
		t.Errorf("%d files, %v", files, err)
	}
	look("the log of the end", []byte(srv.stderr.String()))
}

// Nothing raw of an undecided call can be found in the directory.
func TestNothingRawOnDisk(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	srv := serve(t, setup{upstream: marketo.URL, args: []string{"--capture-memory=1KiB"}})
	request := strings.Replace(getLead(credential{}), "rufus@", strings.Repeat("x", 300<<10)+"@", 1)
	done := make(chan got)
	go func() { done <- srv.door("reverse").post(request, failHeader, "slow=2s+20011") }()
	srv.inFlight(1)
	for looks := 0; ; looks++ {
		select {
		case g := <-done:
			if g.status != 500 || looks < 3 {
				t.Errorf("%d %v, looked %d times", g.status, g.err, looks)
			}
			return
		default:
		}
		_ = filepath.WalkDir(srv.captures, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil
			}
			if content, err := os.ReadFile(path); err == nil && bytes.Contains(content, []byte("xxxxxxxx")) && !strings.HasSuffix(path, ".jsonl") {
				t.Errorf("%s has the raw request", path)
			}
			return nil
		})
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// echo repeats all that it was told, in the ways that answers fail.
func echo(w http.ResponseWriter, r *http.Request) {
	request, _ := io.ReadAll(r.Body)
	var escaped strings.Builder
	_ = xml.EscapeText(&escaped, request)
	signature := string(regexp.MustCompile(`[0-9a-f]{40}`).Find(request))
	h := w.Header()
	h.Set("Set-Cookie", "session="+sessionValue+"; Path=/")
	h.Set("X-Seen-Signature", signature)
	h.Set("Content-Type", "text/xml; charset=utf-8")
	answer := r.Header.Get("X-Answer")
	if !strings.HasPrefix(r.URL.Path, "/soap/") {
		h.Set("Content-Type", "application/json")
		if answer == "token" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"unauthorized","access_token":"`+tokenValue+`","client_secret":"`+clientSecret+`"}`)
			return
		}
		_, _ = io.WriteString(w, `{"requestId":"1#2","success":false,"errors":[{"code":"606","message":"refused `+r.URL.RawQuery+`"}],"access_token":"`+tokenValue+`"}`)
		return
	}
	switch answer {
	case "fault":
		w.WriteHeader(500)
		_, _ = io.WriteString(w, fault("20110", "Input error in "+escaped.String()))
	case "expired":
		w.WriteHeader(500)
		_, _ = io.WriteString(w, fault("20016", "Request Expired, signature "+signature))
	case "html":
		h.Set("Content-Type", "text/html")
		w.WriteHeader(502)
		_, _ = io.WriteString(w, "<html><body><p>No gateway for "+string(request)+"</p></body></html>")
	case "malformed":
		_, _ = io.WriteString(w, "not XML, but "+string(request))
	case "partial":
		_, _ = io.WriteString(w, success("syncLead", "<leadId>0</leadId><syncStatus><leadId>0</leadId><status>FAILED</status><error>"+escaped.String()+"</error></syncStatus>"))
	case "large":
		w.WriteHeader(500)
		_, _ = io.WriteString(w, fault("20011", strings.Repeat("long ", 20000)+escaped.String()))
	default:
		panic(http.ErrAbortHandler)
	}
}
