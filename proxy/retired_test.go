package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"marketo-proxy/classify"
	"marketo-proxy/upstream"
)

// Whatever is at the address of the SOAP API that Adobe switched off, the capture and the application are told what it means.
func TestNobodyServesSOAP(t *testing.T) {
	page := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			_, _ = w.Write([]byte("<html><title>Not here</title><body>This page is not available.<br></body></html>"))
		}
	}
	gone := &net.DNSError{Err: "no such host", Name: "123-abc-456.mktoapi.com", IsNotFound: true}
	for _, c := range []struct {
		name    string
		answer  http.HandlerFunc
		dial    error
		outcome classify.Outcome
		retired bool
	}{
		{"name gone", nil, gone, classify.Transport, true},
		{"refused", nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, classify.Transport, true},
		{"404", page(404), nil, classify.HTTP, true},
		{"410", page(410), nil, classify.HTTP, true},
		{"page", page(200), nil, classify.Malformed, true},
		{"redirect", page(302), nil, classify.Malformed, true},
		{"reset", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, classify.Transport, false}, // cut off: somebody was there
		{"a fault", reply(500, faultBody("20014", "Authentication failed")), nil, classify.Fault, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			core, logged := observer.New(zap.InfoLevel)
			host := &url.URL{Scheme: "https", Host: "123-abc-456.mktoapi.com"}
			r := newRig(t, c.answer, func(cfg *Config) { cfg.SOAP, cfg.Log = host, zap.New(core) })
			r.transport.upstream = &upstream.Transport{
				TLSConfig: &tls.Config{InsecureSkipVerify: true}, // the test server has no certificate for Marketo's name
				DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
					switch {
					case addr != "123-abc-456.mktoapi.com:443":
						return nil, errors.New("dials " + addr)
					case c.dial != nil:
						return nil, c.dial
					}
					return new(net.Dialer).DialContext(ctx, network, r.upstream.Listener.Addr().String())
				},
			}
			r.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			_, body, err := r.post(signedAt(0))
			if err != nil {
				t.Fatal(err)
			}
			got := r.only()
			for what, text := range map[string]string{"message": got.Message, "advice": got.Advice} {
				if told := strings.Contains(text, "31 July 2026") || strings.Contains(text, "GET /rest/v1/leads.json"); told != c.retired {
					t.Errorf("%s: %q", what, text)
				}
			}
			if got.Outcome != c.outcome || got.Attempts[0].Outcome != c.outcome || c.retired && (got.Retryable || got.Operation != "getLead") {
				t.Errorf("%+v", got)
			}
			if c.dial != nil && !strings.Contains(body, "31 July 2026") {
				t.Errorf("the application is told %q", body)
			}
			if lines := logged.FilterMessage("call").Len(); lines > 0 == c.retired {
				t.Errorf("%d lines of log", lines)
			}
			if e := r.last(); c.retired != classify.Retired(e.Verdict, e.Call.API) {
				t.Errorf("observers see %+v", e.Verdict)
			}
		})
	}
}

// An upstream of one's own is none of Adobe's.
func TestOwnSOAPUpstreamIsNotRetired(t *testing.T) {
	r := newRig(t, reply(404, "nothing here"))
	if _, _, err := r.post(signedAt(0)); err != nil {
		t.Fatal(err)
	}
	if c := r.only(); c.Outcome != classify.HTTP || strings.Contains(c.Message+c.Advice, "2026") {
		t.Errorf("%+v", c)
	}
}
