//go:build linux

package e2e

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// What has arrived of an answer goes to the application at once, and what the application has sent of a request goes to Marketo:
// either side waits here for the other before it goes on.
func TestStreaming(t *testing.T) {
	t.Parallel()
	first, rest, _ := strings.Cut(success("getLead", "|"), "|")
	answers := map[string]struct{ path, contentType, first, rest string }{
		"soap": {soapPath, "text/xml", first, rest},
		"json": {"/rest/v1/leads.json?filterType=id", "application/json", `{"requestId":"1#2","success":true,"result":[{"id":1}`, `,{"id":2}]}`},
		"file": {"/bulk/v1/leads/export/x-y/file.json", "text/csv", "id,email\n1,a@example.com\n", "2,b@example.com\n"},
	}
	seen := map[string]chan struct{}{} // by call: the application has the first part
	arrived := map[string]chan struct{}{}
	calls := []string{}
	for range len(answers) * len(doorNames) * 2 {
		call := newCall()
		calls = append(calls, call)
		seen[call], arrived[call] = make(chan struct{}), make(chan struct{})
	}
	marketo := newSpy(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := r.Header.Get(callHeader)
		if r.ContentLength != 0 {
			if _, err := io.ReadFull(r.Body, make([]byte, 100_000)); err != nil {
				t.Error(err)
			}
			close(arrived[call])
			_, _ = io.Copy(io.Discard, r.Body)
		}
		a := answers[r.Header.Get("X-Kind")]
		w.Header().Set("Content-Type", a.contentType)
		if r.Header.Get("X-Length") != "" {
			w.Header().Set("Content-Length", strconv.Itoa(len(a.first)+len(a.rest)))
		}
		_, _ = io.WriteString(w, a.first)
		w.(http.Flusher).Flush()
		<-seen[call]
		_, _ = io.WriteString(w, a.rest)
	}))
	srv := serve(t, setup{upstream: marketo.URL})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, name := range doorNames {
		d := srv.door(name)
		for kind, a := range answers {
			for _, length := range []string{"", "known"} {
				call := calls[0]
				calls = calls[1:]
				out, in := io.Pipe()
				method, body := http.MethodGet, io.Reader(http.NoBody)
				if kind == "soap" {
					method, body = http.MethodPost, out
					go func() {
						head, end, _ := strings.Cut(getLead(credential{}), "rufus")
						_, _ = io.WriteString(in, head+strings.Repeat("r", 100_000))
						<-arrived[call]
						_, _ = io.WriteString(in, end)
						in.Close()
					}()
				}
				resp, err := d.open(ctx, method, a.path, body, callHeader, call, "X-Kind", kind, "X-Length", length)
				if err != nil {
					t.Fatal(err)
				}
				first := make([]byte, len(a.first))
				if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != a.first {
					t.Errorf("%s, %s: %v, %q", name, kind, err, first)
				}
				close(seen[call])
				rest, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || string(rest) != a.rest {
					t.Errorf("%s, %s: %v, %q", name, kind, err, rest)
				}
			}
		}
	}
	if n := len(srv.list()); n != 0 {
		t.Errorf("%d captures", n)
	}
}
