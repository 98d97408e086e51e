package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/journal"
)

// filled makes a directory with one capture and returns its id.
func filled(t *testing.T) (dir, id string) {
	t.Helper()
	dir = t.TempDir()
	j, err := journal.Open(journal.Options{Dir: dir, MaxSize: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	s := capture.NewStore(j, capture.Proxy{}, 1<<20, nil)
	body := s.Recorder(1 << 20).New()
	_, _ = body.Write([]byte("<a/>"))
	body.Finish(true)
	e := &capture.Exchange{ID: capture.NewID(), Started: time.Now(), Call: classify.Call{API: classify.SOAP, Operation: "getLead"},
		Verdict:  classify.Verdict{Outcome: classify.Fault, Code: "20011"},
		Attempts: []*capture.Attempt{{Started: time.Now(), Request: capture.RequestHead{Method: "POST", URL: &url.URL{Scheme: "http", Host: "x", Path: "/"}, Body: body}}}}
	if err := <-s.Save(e); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return dir, e.ID
}

func newServer(t testing.TB, o Options) *Server {
	s := New(o)
	t.Cleanup(s.Close)
	return s
}

func get(h http.Handler, host, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = host
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAPI(t *testing.T) {
	dir, id := filled(t)
	h := newServer(t, Options{Dir: dir})
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"/api/captures":                           {200, `"id":"` + id},
		"/api/captures?code=20011&since=1h":       {200, `"id":"` + id},
		"/api/captures?code=20012":                {200, `{"captures":[]}`},
		"/api/captures?since=yesterday&limit=x":   {400, "limit"},
		"/api/captures?outcome=none":              {400, "outcome"},
		"/api/captures/" + id:                     {200, `"text":"\u003ca/\u003e"`},
		"/api/captures/" + id + "/har":            {200, `"version":"1.2"`},
		"/api/captures/00000000-0000-7000-8000-0": {404, "no such capture"},
		"/api/codes":                              {200, `"code":"20016"`},
		"/nothing":                                {404, ""},
	} {
		w := get(h, "127.0.0.1:8081", path)
		text := strings.ReplaceAll(w.Body.String(), "<a/>", `\u003ca/\u003e`)
		if w.Code != want.status || !strings.Contains(text, want.text) {
			t.Errorf("%s: %d %.300s, want %d with %s", path, w.Code, text, want.status, want.text)
		}
		if w.Code == 200 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: not JSON: %.200s", path, w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/api/captures", nil)
	r.Host = "localhost"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestGuard(t *testing.T) {
	dir, _ := filled(t)
	open, closed := newServer(t, Options{Dir: dir}), newServer(t, Options{Dir: dir, Token: "0123456789abcdef"})
	for host, want := range map[string]int{
		"127.0.0.1:8081": 200, "localhost": 200, "LOCALHOST:80": 200, "[::1]:8081": 200, "127.9.9.9": 200,
		"evil.example": 403, "10.0.0.1:8081": 403, "": 403, "localhost.evil.example:8081": 403, "127.0.0.1.evil.example": 403,
	} {
		if w := get(open, host, "/api/codes"); w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
	}
	for header, want := range map[string]int{"": 401, "Bearer 0123456789abcdef": 200, "Bearer 0123456789abcdeF": 401, "Basic 0123456789abcdef": 401, "0123456789abcdef": 401} {
		if w := get(closed, "localhost", "/api/codes", "Authorization", header); w.Code != want {
			t.Errorf("Authorization %q: %d, want %d", header, w.Code, want)
		}
	}
}
