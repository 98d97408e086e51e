package proxy

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/upstream"
)

// canned answers at once, so that what is measured is the proxy's own work.
type canned struct{ body string }

func (canned) CloseIdleConnections() {}

func (c canned) Do(_ context.Context, req *http.Request, _ *upstream.Trace) (*http.Response, error) {
	if req.Body != http.NoBody {
		_, _ = io.Copy(io.Discard, req.Body)
		_ = req.Body.Close()
	}
	return &http.Response{StatusCode: 200, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(c.body)),
		Header: http.Header{"Content-Type": {"text/xml; charset=UTF-8"}, "Date": {"Tue, 24 Nov 2026 12:00:00 GMT"}},
		Body:   io.NopCloser(strings.NewReader(c.body)), Request: req}, nil
}

// BenchmarkCall is a 2 KB call with a 4 KB answer through door and Transport, without sockets.
func BenchmarkCall(b *testing.B) {
	u := &url.URL{Scheme: "https", Host: "123-abc-456.mktoapi.com"}
	cfg := Config{SOAP: u, REST: u, Sign: SignExpired, Keys: keyMap{testUser: testKey}, Observer: nobody{}, Log: zap.NewNop(),
		Recorder: &capture.Recorder{MemoryLimit: 1 << 20, BodyLimit: 64 << 20}}
	t := NewTransport(cfg)
	t.upstream = canned{successBody(strings.Repeat("<attribute><attrName>Company</attrName><attrValue>Marketo</attrValue></attribute>", 45))}
	doors := New(cfg, t, nil)
	defer func() { _ = doors.Shutdown(b.Context()) }()
	body := strings.Replace(signedAt(0), "</ns1:paramsGetLead>", strings.Repeat("<x>0123456789</x>", 80)+"</ns1:paramsGetLead>", 1)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/soap/mktows/3_1", strings.NewReader(body))
		r.Header.Set("Content-Type", "text/xml; charset=UTF-8")
		w := httptest.NewRecorder()
		doors.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}

// BenchmarkDo is what the Transport alone adds to a call, without sockets and doors.
func BenchmarkDo(b *testing.B) {
	u := &url.URL{Scheme: "https", Host: "123-abc-456.mktoapi.com"}
	t := NewTransport(Config{SOAP: u, REST: u, Sign: SignExpired, Keys: keyMap{testUser: testKey}, Observer: nobody{}, Log: zap.NewNop(),
		Timeout: time.Minute, Recorder: &capture.Recorder{MemoryLimit: 1 << 20, BodyLimit: 64 << 20}})
	soap := strings.Replace(signedAt(0), "</ns1:paramsGetLead>", strings.Repeat("<x>0123456789</x>", 80)+"</ns1:paramsGetLead>", 1)
	for _, bench := range []struct{ name, method, target, body, answer string }{
		{"SOAP", http.MethodPost, "/soap/mktows/3_1", soap,
			successBody(strings.Repeat("<attribute><attrName>Company</attrName><attrValue>Marketo</attrValue></attribute>", 20))},
		{"REST", http.MethodGet, "/rest/v1/leads.json?filterType=id&filterValues=1", "",
			`{"requestId":"a9#1","result":[` + strings.Repeat(`{"id":1,"firstName":"Some","email":"some.body@example.com"},`, 30) + `{}],"success":true}`},
	} {
		b.Run(bench.name, func(b *testing.B) {
			t.upstream = canned{bench.answer}
			in := httptest.NewRequest(bench.method, bench.target, nil)
			in.Header.Set("Content-Type", "text/xml; charset=UTF-8")
			e := &entry{api: classify.API(strings.ToLower(bench.name)), upstream: u}
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			in = in.WithContext(ctx)
			b.ReportAllocs()
			for b.Loop() {
				if in.ContentLength = int64(len(bench.body)); bench.body != "" {
					in.Body = io.NopCloser(strings.NewReader(bench.body))
				}
				resp := t.Do(in, e)
				if n, err := io.Copy(io.Discard, resp.Body); n != int64(len(bench.answer)) || err != nil || resp.StatusCode != 200 {
					b.Fatal(n, err, resp.Status)
				}
				_ = resp.Body.Close()
			}
		})
	}
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Begun(classify.API)         {}
func (nobody) Finished(*capture.Exchange) {}
func (nobody) Saved(error)                {}
func (nobody) ClockOffset(time.Duration)  {}
