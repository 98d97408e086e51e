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
	_, _ = io.Copy(io.Discard, req.Body)
	req.Body.Close()
	return &http.Response{StatusCode: 200, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(c.body)),
		Header: http.Header{"Content-Type": {"text/xml; charset=UTF-8"}, "Date": {"Tue, 24 Nov 2026 12:00:00 GMT"}},
		Body:   io.NopCloser(strings.NewReader(c.body)), Request: req}, nil
}

// BenchmarkCall is a 2 KB call with a 4 KB answer through door, goproxy and Transport, without sockets.
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

// nobody observes nothing.
type nobody struct{}

func (nobody) Begun(classify.API)         {}
func (nobody) Finished(*capture.Exchange) {}
func (nobody) Saved(error)                {}
func (nobody) ClockOffset(time.Duration)  {}
