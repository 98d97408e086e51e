//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A bulk file passes as it is, whole or in part: CSV under the name of JSON, whatever is written in it.
func TestRESTBulkFile(t *testing.T) {
	t.Parallel()
	file := []byte(strings.Repeat("id,email,note\n1,a@example.com,\"{\"\"success\"\":false}\"\n", 100_000)) // 5 MB
	marketo := newSpy(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json") // as Marketo's name for it says
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
	}))
	srv := serve(t, setup{upstream: marketo.URL, args: []string{"--capture-body-limit=64KiB"}})
	for _, path := range []string{"/bulk/v1/leads/export/x-1/file.json", "/bulk/v1/leads/batch/7/failures.json", "/bulk/v1/program/members/import/7/warnings.json"} {
		for _, c := range []struct {
			header, content string
			status          int
			want            []byte
		}{
			{"", "", 200, file},
			{"bytes=1000-2000000", fmt.Sprintf("bytes 1000-2000000/%d", len(file)), 206, file[1000:2000001]},
			{"bytes=-5", fmt.Sprintf("bytes %d-%d/%d", len(file)-5, len(file)-1, len(file)), 206, file[len(file)-5:]},
		} {
			header := []string{callHeader, newCall(), "Authorization", "Bearer x:int"}
			if c.header != "" {
				header = append(header, "Range", c.header)
			}
			g := srv.door("reverse").do(t.Context(), http.MethodGet, path, nil, header...)
			if g.err != nil || g.status != c.status || !bytes.Equal(g.body, c.want) || g.header.Get("Content-Range") != c.content {
				t.Errorf("%s %s: %d, %d bytes, %q, %v", path, c.header, g.status, len(g.body), g.header.Get("Content-Range"), g.err)
			}
		}
	}
	if list := srv.list(); len(list) != 0 {
		t.Errorf("%d captures of files that are as they should be", len(list))
	}
}

// An upload of 10 MB is sent again as it was, also where captures keep less of it; one that fails is kept.
func TestRESTUpload(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t, shortTokens)
	srv := serve(t, setup{upstream: marketo.URL, args: []string{"--capture-body-limit=16MiB"}})
	small := serve(t, setup{upstream: marketo.URL, args: []string{"--capture-body-limit=64KiB"}})
	tokens := map[*server]string{srv: restToken(t, srv.door("reverse")), small: restToken(t, small.door("reverse"))}
	time.Sleep(tokenLife)
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", "leads.csv")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(part, "email,firstName\n"+strings.Repeat("rufus@marketo.com,Rufus\n", 430_000))
	w.Close()
	upload := func(s *server, call string, extra ...string) got {
		return s.door("reverse").do(t.Context(), http.MethodPost, "/bulk/v1/leads.json?format=csv", bytes.NewReader(form.Bytes()),
			append([]string{callHeader, call, "Content-Type", w.FormDataContentType(), "Authorization", "Bearer " + tokens[s]}, extra...)...)
	}
	for _, s := range []*server{srv, small} {
		call := newCall()
		g := upload(s, call)
		x := marketo.attempts(call)
		if s == srv && len(x) != 2 {
			t.Fatalf("%d attempts: %v %s", len(x), g.err, g.body)
		}
		if g.err != nil || !bytes.Contains(g.body, []byte(`"success":true`)) {
			t.Fatalf("%v %s", g.err, g.body)
		}
		for _, a := range x {
			if a.request.sum() != hexSum(form.Bytes()) {
				t.Errorf("%d bytes went up, not what was sent", a.request.size)
			}
		}
	}
	call := newCall()
	upload(srv, call, failHeader, "1016")
	if c := srv.captureOf(call); c.Code != "1016" || int(c.Attempts[0].Request.Body.Size) != form.Len() || c.Attempts[0].Request.Body.Truncated {
		t.Errorf("captured as %s, %+v", c.Code, c.Attempts[0].Request.Body.Size)
	}
}
