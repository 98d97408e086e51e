package proxy

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/sign"
)

// marketo answers 20016 to signatures older than five minutes and 20014 to wrong ones, by a clock that may be skewed.
type marketo struct {
	skew time.Duration
	mu   sync.Mutex
	got  []string // bodies as they arrived, decompressed
	raw  []*http.Request
}

func (m *marketo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		body = z
	}
	text, _ := io.ReadAll(body)
	m.mu.Lock()
	m.got, m.raw = append(m.got, string(text)), append(m.raw, r)
	m.mu.Unlock()
	now := time.Now().Add(m.skew)
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	e, err := sign.ReadEnvelope(bytes.NewReader(text))
	if err != nil || !sign.Verify(testKey, e.Timestamp, e.User, e.Signature) {
		reply(500, faultBody("20014", "Authentication failed")).ServeHTTP(w, r)
		return
	}
	at, err := time.Parse(sign.TimestampLayout, e.Timestamp)
	if err != nil || now.Sub(at).Abs() > 5*time.Minute {
		reply(500, faultBody("20016", "Request expired")).ServeHTTP(w, r)
		return
	}
	reply(200, successBody("")).ServeHTTP(w, r)
}

func TestRenewal(t *testing.T) {
	m := &marketo{}
	r := newRig(t, m)
	sent := signedAt(time.Hour)
	resp, body, err := r.post(sent)
	if err != nil || resp.StatusCode != 200 || body != successBody("") {
		t.Fatalf("%v %v %s", err, resp, body)
	}
	c := r.only()
	if resp.Header.Get("Marketo-Proxy-Attempts") != "2" || resp.Header.Get("Marketo-Proxy-Capture") != c.ID {
		t.Errorf("header %v", resp.Header)
	}
	if c.Outcome != classify.Recovered || c.Code != "20016" || c.Class != classify.ClassRenew || c.Renewal != capture.RenewalRecovered || len(c.Attempts) != 2 ||
		c.Attempts[0].Code != "20016" || c.Attempts[1].Response.Status != 200 || !c.Complete {
		t.Errorf("%+v", c)
	}
	if len(m.got) != 2 || m.got[0] != sent {
		t.Fatalf("upstream got %d requests", len(m.got))
	}
	onlyTheValuesDiffer(t, sent, m.got[1])
	for _, a := range c.Attempts {
		if strings.Contains(a.Request.Body.Text, "requestSignature>") && !strings.Contains(a.Request.Body.Text, "<requestSignature>REDACTED</requestSignature>") {
			t.Errorf("a signature was captured: %s", a.Request.Body.Text)
		}
	}
}

// onlyTheValuesDiffer compares two envelopes.
func onlyTheValuesDiffer(t *testing.T, before, after string) {
	t.Helper()
	a, errA := sign.ReadEnvelope(strings.NewReader(before))
	b, errB := sign.ReadEnvelope(strings.NewReader(after))
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if a.Timestamp == b.Timestamp || a.Signature == b.Signature {
		t.Error("the values were not renewed")
	}
	want := strings.Replace(strings.Replace(before, a.Timestamp, b.Timestamp, 1), a.Signature, b.Signature, 1)
	if want != after {
		t.Errorf("more than the two values differ:\n%.300s\n%.300s", want, after)
	}
}

func TestRenewalConditions(t *testing.T) {
	stale := sign.Timestamp(time.Now().Add(-time.Hour))
	good := sign.Signature(testKey, stale, testUser)
	for _, c := range []struct {
		name   string
		body   string
		change func(*Config)
		want   capture.Renewal
	}{
		{"no credential", envelope(stale, good), func(c *Config) { c.Keys = keyMap{"other": testKey} }, capture.NoCredential},
		{"no credentials at all", envelope(stale, good), func(c *Config) { c.Keys = nil }, capture.NoCredential},
		{"a caller without the key", envelope(stale, strings.Repeat("0", 40)), nil, capture.BadSignature},
		{"a signature of another time", envelope(stale+"x", good), nil, capture.BadSignature},
		{"switched off", envelope(stale, good), func(c *Config) { c.Sign = SignNever }, capture.RenewalDisabled},
		{"no header", "<a/>", nil, capture.UnsupportedBody},
		{"no signature", envelope(stale, ""), nil, capture.UnsupportedBody},
	} {
		t.Run(c.name, func(t *testing.T) {
			calls := 0
			change := c.change
			if change == nil {
				change = func(*Config) {}
			}
			r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				calls++
				reply(500, faultBody("20016", "Request expired")).ServeHTTP(w, req)
			}), change)
			resp, body, err := r.post(c.body)
			if err != nil || resp.StatusCode != 500 || body != faultBody("20016", "Request expired") {
				t.Fatalf("%v %v", err, resp)
			}
			if calls != 1 {
				t.Errorf("%d requests reached upstream", calls)
			}
			if got := r.only(); got.Renewal != c.want || got.Outcome != classify.Fault || got.Code != "20016" {
				t.Errorf("renewal %q, outcome %q %q", got.Renewal, got.Outcome, got.Code)
			}
			if resp.Header.Get("Marketo-Proxy-Attempts") != "" {
				t.Error("the header says more than one attempt")
			}
		})
	}
}

func TestRenewalFailsOnce(t *testing.T) {
	calls := 0
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		calls++
		reply(500, faultBody("20016", "Request expired")).ServeHTTP(w, req)
	}))
	resp, _, err := r.post(signedAt(time.Hour))
	if err != nil || resp.StatusCode != 500 || calls != 2 || resp.Header.Get("Marketo-Proxy-Attempts") != "2" {
		t.Fatalf("%v %v after %d calls", err, resp, calls)
	}
	if c := r.only(); c.Renewal != capture.RenewalFailed || c.Outcome != classify.Fault || len(c.Attempts) != 2 {
		t.Errorf("%+v", c)
	}
}

// A clock that is an hour slow makes every signature expired; the corrected time heals them.
func TestRenewalCorrectsTheClock(t *testing.T) {
	for _, skew := range []time.Duration{time.Hour, -time.Hour} {
		m := &marketo{skew: skew}
		r := newRig(t, m)
		resp, _, err := r.post(signedAt(0))
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("skew %s: %v %v", skew, err, resp)
		}
		r.seen.mu.Lock()
		offset := r.seen.offset
		r.seen.mu.Unlock()
		if (offset - skew).Abs() > 2*time.Second {
			t.Errorf("offset %s, want %s", offset, skew)
		}
	}
}

// Whatever the framing and the encoding of the request, the renewed one has the same but for the two values.
func TestRenewalOfAnyTransfer(t *testing.T) {
	big := strings.Repeat("<!-- lead record -->", 100_000) // 2 MB: over the memory limit
	for _, size := range []string{"", big} {
		for _, encoding := range []string{"", "gzip"} {
			for _, chunked := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d bytes %s chunked=%v", len(size), encoding, chunked), func(t *testing.T) {
					m := &marketo{}
					r := newRig(t, m)
					sent := strings.Replace(signedAt(time.Hour), "<SOAP-ENV:Body>", size+"<SOAP-ENV:Body>", 1)
					wire := []byte(sent)
					if encoding != "" {
						var b bytes.Buffer
						z := gzip.NewWriter(&b)
						_, _ = io.WriteString(z, sent)
						_ = z.Close()
						wire = b.Bytes()
					}
					body := io.Reader(bytes.NewReader(wire))
					if chunked {
						body = io.MultiReader(body) // hides the length
					}
					req, err := http.NewRequest(http.MethodPost, r.front.URL+"/soap/mktows/3_1", body)
					if err != nil {
						t.Fatal(err)
					}
					if encoding != "" {
						req.Header.Set("Content-Encoding", encoding)
					}
					resp, got, err := r.do(req)
					if err != nil || resp.StatusCode != 200 || got != successBody("") {
						t.Fatalf("%v %v %.500s", err, resp, got)
					}
					if len(m.got) != 2 || m.got[0] != sent {
						t.Fatalf("%d requests", len(m.got))
					}
					onlyTheValuesDiffer(t, sent, m.got[1])
					if encoding == "" && !chunked && m.raw[1].ContentLength != int64(len(m.got[1])) {
						t.Errorf("Content-Length %d of %d bytes", m.raw[1].ContentLength, len(m.got[1]))
					}
				})
			}
		}
	}
}

func TestSignAlways(t *testing.T) {
	always := func(c *Config) { c.Sign = SignAlways }
	for _, body := range []string{
		envelope("", ""),
		envelope("2001-01-01T00:00:00+00:00", "not a signature"),
		strings.NewReplacer("<requestSignature></requestSignature>", "", "<requestTimestamp></requestTimestamp>", "<requestTimestamp/>").Replace(envelope("", "")),
		strings.Replace(envelope("", ""), "<SOAP-ENV:Body>", strings.Repeat("<!-- x -->", 20_000)+"<SOAP-ENV:Body>", 1),
	} {
		m := &marketo{}
		r := newRig(t, m, always)
		resp, _, err := r.post(body)
		if err != nil || resp.StatusCode != 200 || len(m.got) != 1 {
			t.Fatalf("%v %v, %d requests for %.900s", err, resp, len(m.got), body)
		}
		if len(r.captures()) != 0 {
			t.Error("a success was captured")
		}
		if e := r.last(); e.Call.Operation != "getLead" || e.Call.User != testUser {
			t.Errorf("call %+v", e.Call)
		}
	}
	m := &marketo{}
	r := newRig(t, m, always, func(c *Config) { c.Keys = nil })
	sent := envelope("", "")
	resp, body, err := r.post(sent)
	if err != nil || resp.StatusCode != 500 || !strings.Contains(body, "20014") || m.got[0] != sent {
		t.Fatalf("without a key the call must pass unchanged: %v %v %s", err, resp, body)
	}
	if c := r.only(); c.Renewal != capture.NoCredential {
		t.Errorf("renewal %q", c.Renewal)
	}
}

// A skewed clock at the first call of --sign=always: the 20016 teaches the offset, and the call is signed once more.
func TestSignAlwaysWithWrongClock(t *testing.T) {
	m := &marketo{skew: 2 * time.Hour}
	r := newRig(t, m, func(c *Config) { c.Sign = SignAlways })
	for i := range 2 {
		resp, _, err := r.post(envelope("", ""))
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("call %d: %v %v", i, err, resp)
		}
	}
	if len(m.got) != 3 {
		t.Errorf("%d requests, want 2 for the first call and 1 for the second", len(m.got))
	}
}

// A header that names a capture is a promise: a healed call whose code is skipped has none.
func TestRenewalOfASkippedCode(t *testing.T) {
	r := newRig(t, &marketo{}, func(c *Config) { c.Skip = map[string]bool{"20016": true} })
	resp, body, err := r.post(signedAt(time.Hour))
	if err != nil || resp.StatusCode != 200 || body != successBody("") || resp.Header.Get("Marketo-Proxy-Attempts") != "2" {
		t.Fatalf("%v %v %s", err, resp, body)
	}
	if id := resp.Header.Get("Marketo-Proxy-Capture"); id != "" || len(r.captures()) != 0 {
		t.Errorf("the header names %q, %d captures", id, len(r.captures()))
	}
	if e := r.last(); e.Verdict.Outcome != classify.Recovered || e.Captured {
		t.Errorf("%+v", e.Verdict)
	}
}
