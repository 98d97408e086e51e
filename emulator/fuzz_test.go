package emulator

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// serve answers without a server; a cut-off answer is none.
func serve(e *Emulator, r *http.Request) (w *httptest.ResponseRecorder, cut bool) {
	w = httptest.NewRecorder()
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			cut = true
		default:
			panic(v)
		}
	}()
	e.ServeHTTP(w, r)
	return w, false
}

// FuzzSOAP sends any parameters, signed, and any envelope: whatever comes, the answer is a SOAP document.
func FuzzSOAP(f *testing.F) {
	files, err := filepath.Glob("testdata/requests/*.xml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		inside := between(string(raw), "Body>", "</")
		if _, after, ok := strings.Cut(string(raw), ":Body>"); ok {
			inside, _, _ = strings.Cut(after, "</SOAP-ENV:Body>")
		}
		f.Add(inside, true)
		f.Add(string(raw), false)
	}
	f.Add(params("syncMultipleLeads", "<leadRecordList><leadRecord><Id>2</Id></leadRecord></leadRecordList>"), true)
	f.Add(params("getMultipleLeads", newsletter+"<streamPosition>id:1:os:1:rc:1</streamPosition>"), true)
	f.Add(params("getMObjects", "<type>Program</type><streamPosition>bW9iamVjdC8xMDAy</streamPosition>"), true)
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	e, err := New(Options{Users: map[string]string{testUser: testKey}, Now: func() time.Time { return now }})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, inside bool) {
		if inside {
			text = signed(text, now)
		}
		w, cut := serve(e, httptest.NewRequest("POST", "/soap/mktows/3_1", strings.NewReader(text)))
		if cut || w.Code != 200 && w.Code != 500 {
			t.Fatalf("status %d", w.Code)
		}
		decoder := xml.NewDecoder(w.Body)
		for {
			if _, err := decoder.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzREST sends any query and body to any endpoint: the answer is JSON, or a file.
func FuzzREST(f *testing.F) {
	routes := restRoutes()
	for i := range routes {
		f.Add(i, "2", "fields=id&filterType=id&filterValues=2&nextPageToken=x", `{"input":[{"id":2}]}`)
	}
	f.Add(1, "2", "filterType=email&filterValues=joe@marketo.com&batchSize=1", "")
	f.Add(2, "2", "", `{"action":"createOnly","lookupField":"id","input":[{"id":1e400},{"email":{}},null]}`)
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	e, err := New(Options{Clients: map[string]string{testClient: testSecret}, Now: func() time.Time { return now }})
	if err != nil {
		f.Fatal(err)
	}
	token := e.tokens.issue(testClient, now).text
	f.Fuzz(func(t *testing.T, i int, id, query, body string) {
		route := routes[uint(i)%uint(len(routes))]
		r := httptest.NewRequest(route.method, "/", strings.NewReader(body))
		r.URL.Path, r.URL.RawQuery = strings.Replace(route.path, "{id}", id, 1), query
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		w, cut := serve(e, r)
		if cut || !slices.Contains([]int{200, 400, 401, 413, 414}, w.Code) {
			t.Fatalf("status %d", w.Code)
		}
		if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("not JSON: %q", w.Body)
		}
	})
}
