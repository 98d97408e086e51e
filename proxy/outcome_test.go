package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"marketo-proxy/classify"
)

func TestSuccessPassesUnchanged(t *testing.T) {
	var got http.Header
	var gotBody string
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		got = req.Header.Clone()
		b := new(strings.Builder)
		_, _ = copyAll(b, req.Body)
		gotBody = b.String()
		w.Header().Set("X-Marketo", "yes")
		w.Header().Add("X-Twice", "1")
		w.Header().Add("X-Twice", "2")
		w.Header().Set("Marketo-Proxy-Capture", "forged")
		w.Header().Set("Keep-Alive", "timeout=5")
		reply(200, successBody("")).ServeHTTP(w, req)
	}))
	sent := signedAt(0)
	resp, body, err := r.post(sent, "X-Forwarded-For", "10.0.0.1", "Connection", "X-Hop", "X-Hop", "secret", "Te", "trailers", "User-Agent", "")
	if err != nil || resp.StatusCode != 200 || body != successBody("") {
		t.Fatalf("%v %v %q", err, resp, body)
	}
	if gotBody != sent {
		t.Errorf("upstream got %q", gotBody)
	}
	for name, want := range map[string]string{"X-Forwarded-For": "10.0.0.1", "Soapaction": "http://www.marketo.com/mktows/getLead", "X-Hop": "", "Te": "", "Via": "", "Forwarded": "", "User-Agent": ""} {
		if got.Get(name) != want {
			t.Errorf("upstream got %s %q, want %q", name, got.Get(name), want)
		}
	}
	if resp.Header.Get("X-Marketo") != "yes" || len(resp.Header["X-Twice"]) != 2 || resp.Header.Get("Marketo-Proxy-Capture") != "" || resp.Header.Get("Keep-Alive") != "" {
		t.Errorf("header %v", resp.Header)
	}
	if e := r.last(); e.Verdict.Outcome != classify.Success || e.Call.Operation != "getLead" || e.Call.User != testUser || e.Instance != "123-ABC-456" {
		t.Errorf("exchange %+v", e)
	}
	if n := len(r.captures()); n != 0 {
		t.Errorf("%d captures of a success", n)
	}
}

func TestFaultIsCaptured(t *testing.T) {
	answer := faultBody("20103", "Lead not found")
	r := newRig(t, reply(500, answer))
	sent := signedAt(0)
	resp, body, err := r.post(sent, "Authorization", "Bearer topsecret", "Cookie", "session=hidden")
	if err != nil || resp.StatusCode != 500 || body != answer {
		t.Fatalf("%v %v %q", err, resp, body)
	}
	c := r.only()
	if resp.Header.Get("Marketo-Proxy-Capture") != c.ID || c.ID == "" {
		t.Errorf("header names %q, capture is %q", resp.Header.Get("Marketo-Proxy-Capture"), c.ID)
	}
	if c.Outcome != classify.Fault || c.Code != "20103" || c.Message != "Lead not found (20103)" || c.Class != classify.ClassAnswer ||
		c.Operation != "getLead" || c.User != testUser || !c.Complete || c.Advice == "" || len(c.Attempts) != 1 || c.API != "soap" {
		t.Errorf("%+v", c)
	}
	a := c.Attempts[0]
	if a.Response.Status != 500 || a.Response.Body.Text != answer || a.Response.Body.Size != int64(len(answer)) || a.Request.BodySize != int64(len(sent)) {
		t.Errorf("%+v", a)
	}
	_, signature, _ := strings.Cut(sent, "<requestSignature>")
	signature = signature[:40]
	if want := strings.Replace(sent, signature, "REDACTED", 1); a.Request.Body.Text != want {
		t.Errorf("request body\n%s\nwant\n%s", a.Request.Body.Text, want)
	}
	for _, h := range a.Request.Headers {
		if strings.Contains(h.Value, "topsecret") || strings.Contains(h.Value, "hidden") {
			t.Errorf("a secret stands in %s: %s", h.Name, h.Value)
		}
	}
	if a.Timings.Wait < 0 || a.Timings.Send < 0 || a.Timings.Receive < 0 {
		t.Errorf("timings %+v", a.Timings)
	}
}

// What Marketo did not send is not made up, and trailers pass, announced or not.
func TestAnswerHeadIsMarketos(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = copyAll(io.Discard, req.Body)
		w.Header()["Content-Type"] = nil
		w.Header()["Date"] = nil
		w.Header().Set("Trailer", "X-Announced")
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, successBody(""))
		w.Header().Set("X-Announced", "1")
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	}))
	resp, body, err := r.post(signedAt(0))
	if err != nil || body != successBody("") {
		t.Fatal(err, body)
	}
	if len(resp.Header["Content-Type"]) != 0 || len(resp.Header["Date"]) != 0 {
		t.Errorf("header %v", resp.Header)
	}
	if resp.Trailer.Get("X-Announced") != "1" || resp.Trailer.Get("X-Late") != "2" {
		t.Errorf("trailer %v", resp.Trailer)
	}
}
