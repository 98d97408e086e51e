//go:build linux

package e2e

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Where Marketo can't be reached, the application gets a fault that says why, and the call is captured all the same.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	plain := newSpy(t, http.NotFoundHandler())
	secure := newTLSUpstream(t)
	for _, c := range []struct {
		name, upstream, reason string
		doors                  []string
	}{
		{"refused", "http://" + nobody, "refused", doorNames},
		{"name", "https://marketo.invalid", "dns", doorNames[:1]},
		{"no TLS", "https://" + plain.Listener.Addr().String(), "tls", doorNames[:1]},
		{"unknown authority", secure, "tls", doorNames[:1]},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, setup{upstream: c.upstream})
			for _, name := range c.doors {
				before := srv.metrics()
				g := srv.door(name).post(getLead(credential{}), callHeader, newCall())
				faultcode, text, ok := faultIn(g.body)
				if g.err != nil || g.status != 502 && g.status != 504 || !ok || faultcode != "SOAP-ENV:Server" || !strings.HasPrefix(text, "marketo-proxy:") || !strings.Contains(text, c.reason) {
					t.Fatalf("%s: %d %s %v", name, g.status, g.body, g.err)
				}
				got := srv.show(g.header.Get("Marketo-Proxy-Capture"))
				if got.Outcome != "transport" || got.Complete || len(got.Attempts) != 1 || got.Attempts[0].Response != nil || got.Attempts[0].Error == "" ||
					got.Operation != "getLead" || got.User != user {
					t.Errorf("%s: %+v", name, got)
				}
				if d := srv.delta(before); d[`failures_total{api="soap",outcome="transport"}`] != 1 || d[`captures_total`] != 1 || len(d) != 4 {
					t.Errorf("%s: %v", name, d)
				}
			}
		})
	}
}

// The four doors lead nowhere else.
func TestDoorsAreClosedForOthers(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	srv := serve(t, setup{upstream: marketo.URL})
	reverse, forward, intercepted := srv.door("reverse"), srv.door("forward"), srv.door("intercepted")
	if g := reverse.do(t.Context(), http.MethodGet, "/elsewhere", nil); g.status != http.StatusNotFound || !bytes.Contains(g.body, []byte("marketo-proxy")) {
		t.Errorf("another path: %d %s", g.status, g.body)
	}
	forward.soap = "http://example.com"
	if g := forward.post("x"); g.status != http.StatusForbidden {
		t.Errorf("another host: %d %s %v", g.status, g.body, g.err)
	}
	for _, host := range []string{"https://example.com", "https://" + instance + ".mktoapi.com:8443", "https://mktoapi.com.example.com"} {
		intercepted.soap = host
		if g := intercepted.post("x"); g.err == nil || !strings.Contains(g.err.Error(), "Forbidden") {
			t.Errorf("CONNECT to %s: %d %v", host, g.status, g.err)
		}
	}
	// Inside a tunnel the Host of the request chooses nothing.
	inside := srv.door("intercepted")
	req, err := http.NewRequest(http.MethodPost, inside.url(soapPath), strings.NewReader(getLead(credential{})))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "example.com"
	call := newCall()
	req.Header.Set(callHeader, call)
	resp, err := inside.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 200 || len(marketo.attempts(call)) != 1 {
		t.Errorf("another Host inside a tunnel: %d, %d attempts", resp.StatusCode, len(marketo.attempts(call)))
	}
	if list := srv.list(); len(list) != 0 {
		t.Errorf("%d captures of calls that were none", len(list))
	}
}
