package proxy

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"marketo-proxy/classify"
)

const restFault = `{"success":false,"errors":[{"code":"611","message":"System error"}]}`

// A POST whose form says that it is a GET is one: in captures, metrics and all that asks whether a call writes.
func TestFormOfGET(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		_, _ = io.Copy(io.Discard, in.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, restFault)
	}))
	const get, post = "getLeadsByFilterUsingGET", "syncLeadUsingPOST"
	long := "filterType=email&filterValues=" + strings.Repeat("a%40example.com,", smallBody/10)
	for _, c := range []struct{ name, contentType, body, want string }{
		{"at the end", "application/x-www-form-urlencoded", "filterType=id&filterValues=1&_method=GET", get},
		{"of a long form", "application/x-www-form-urlencoded", long + "&_method=GET", get},
		{"nowhere", "application/x-www-form-urlencoded", long, post},
		{"in what is no form", "application/json", "_method=GET", post},
	} {
		for _, encoding := range []string{"", "gzip"} {
			body := c.body
			if encoding != "" {
				body = zipped(body)
			}
			header := []string{"Content-Type", c.contentType}
			if encoding != "" {
				header = append(header, "Content-Encoding", encoding)
			}
			if _, answer, err := r.rest(http.MethodPost, "/rest/v1/leads.json", body, header...); err != nil || answer != restFault {
				t.Fatal(err, answer)
			}
			if got := r.last(); got.Call.Operation != c.want || got.Attempts[0].Request.Method != http.MethodPost {
				t.Errorf("%s %s: %s, want %s", c.name, encoding, got.Call.Operation, c.want)
			}
		}
	}
}

func zipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, s)
	_ = z.Close()
	return b.String()
}

// The Data Ingestion API has its requestId in a header.
func TestXRequestID(t *testing.T) {
	body := ""
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "8d5f-of-the-header")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, body)
	}))
	for _, c := range []struct{ body, want string }{
		{`{"error_code":"4290801","message":"Too many requests"}`, "8d5f-of-the-header"},
		{`{"requestId":"e42b#14272d07d78","success":false,"errors":[{"code":"606"}]}`, "e42b#14272d07d78"},
		{"", "8d5f-of-the-header"},
	} {
		body = c.body
		if _, _, err := r.rest(http.MethodPost, "/rest/v1/leads.json", ""); err != nil {
			t.Fatal(err)
		}
		if got := r.last().Verdict.RequestID; got != c.want {
			t.Errorf("%s: request_id %q, want %q", c.body, got, c.want)
		}
	}
	if _, _, err := r.post(signedAt(0)); err != nil {
		t.Fatal(err)
	}
	if got := r.last(); got.Call.API != classify.SOAP || got.Verdict.RequestID != "" {
		t.Errorf("SOAP: %q", got.Verdict.RequestID)
	}
}
