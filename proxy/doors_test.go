package proxy

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"marketo-proxy/classify"
	"marketo-proxy/downstream"
)

// echoUpstream says what it was asked.
var echoUpstream = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("X-Host", r.Host)
	w.Header().Set("X-Uri", r.RequestURI)
	reply(200, successBody("")).ServeHTTP(w, r)
})

func TestReverseRouting(t *testing.T) {
	r := newRig(t, echoUpstream)
	for path, want := range map[string]int{
		"/soap/mktows/3_1":                       200,
		"/rest/v1/leads.json?filterType=email&a": 200,
		"/bulk/v1/leads/export.json":             200,
		"/identity/oauth/token":                  200,
		"/soap/a%2Fb;c=d?x=%20&y=a+b":            200,
		"/":                                      404,
		"/soap":                                  404,
		"/soapy/":                                404,
		"/admin":                                 404,
		"/metrics":                               404,
	} {
		resp, err := r.client.Get(r.front.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
		if want == 200 && (resp.Header.Get("X-Uri") != path || resp.Header.Get("X-Host") != r.upstream.Listener.Addr().String()) {
			t.Errorf("%s: upstream was asked for %s at %s", path, resp.Header.Get("X-Uri"), resp.Header.Get("X-Host"))
		}
		if want == 404 && !strings.Contains(string(body), "/soap/") {
			t.Errorf("%s: the answer does not say what is served: %s", path, body)
		}
	}
}

func TestUpstreamNotConfigured(t *testing.T) {
	r := newRig(t, echoUpstream, func(c *Config) { c.REST = nil })
	resp, err := r.client.Get(r.front.URL + "/rest/v1/leads.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 404 || !strings.Contains(string(body), "--rest-upstream") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestBasePathOfUpstream(t *testing.T) {
	r := newRig(t, echoUpstream, func(c *Config) {
		u := *c.SOAP
		u.Path = "/base/"
		c.SOAP = &u
	})
	resp, _, err := r.post(signedAt(0))
	if err != nil || resp.Header.Get("X-Uri") != "/base/soap/mktows/3_1" {
		t.Errorf("%v %v", err, resp.Header)
	}
}

// A forward proxy on plain HTTP: the instance's own host goes to the configured upstream, others that are not allowed get 403.
func TestForward(t *testing.T) {
	r := newRig(t, echoUpstream)
	proxyURL, _ := url.Parse(r.front.URL)
	client := &http.Client{Transport: &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return proxyURL, nil }, DisableKeepAlives: true}}
	for target, want := range map[string]int{
		"http://123-abc-456.mktoapi.com/soap/mktows/3_1": 200,
		"http://123-ABC-456.mktorest.com/rest/v1/x.json": 200,
		r.upstream.URL[len("https"):]:                    200,
		"http://example.com/soap/mktows/3_1":             403,
		"http://127.0.0.1:1/soap/":                       403,
		"http://169.254.169.254/rest/":                   403,
		"http://evilmktoapi.com/soap/":                   403,
		"http://mktoapi.com.evil.com/soap/":              403,
		"http://x.mktoapi.com:22/soap/":                  403,
	} {
		if strings.HasPrefix(target, ":") {
			target = "http" + target + "/soap/mktows/3_1"
		}
		resp, err := client.Post(target, "text/xml", strings.NewReader(signedAt(0)))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", target, resp.StatusCode, body, want)
		}
		if want == 200 && resp.Header.Get("X-Host") != r.upstream.Listener.Addr().String() {
			t.Errorf("%s went to %s", target, resp.Header.Get("X-Host"))
		}
	}
}

func TestIntercepted(t *testing.T) {
	r := newRig(t, reply(500, faultBody("20103", "Lead not found")))
	client := r.through()
	resp, err := client.Post("https://123-abc-456.mktoapi.com/soap/mktows/3_1", "text/xml", strings.NewReader(signedAt(0)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	c := r.only()
	if err != nil || resp.StatusCode != 500 || string(body) != faultBody("20103", "Lead not found") || resp.Header.Get("Marketo-Proxy-Capture") != c.ID || c.Operation != "getLead" {
		t.Errorf("%v %v %+v", err, resp, c)
	}
	if leaf := resp.TLS.PeerCertificates[0]; leaf.VerifyHostname("123-abc-456.mktoapi.com") != nil {
		t.Errorf("certificate for %v", leaf.DNSNames)
	}
}

func TestConnectIsRefused(t *testing.T) {
	r := newRig(t, echoUpstream)
	for host, want := range map[string]int{
		"123-abc-456.mktoapi.com:443":        200,
		"other.mktorest.com:443":             200,
		r.upstream.Listener.Addr().String():  200,
		"123-abc-456.mktoapi.com:22":         403,
		"example.com:443":                    403,
		"mktoapi.com:443":                    403,
		"evilmktoapi.com:443":                403,
		"127.0.0.1:22":                       403,
		"123-abc-456.mktoapi.com.evil.x:443": 403,
		"169.254.169.254:443":                403,
	} {
		conn, err := net.Dial("tcp", r.front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", host, host)
		resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
		if err != nil || resp.StatusCode != want {
			t.Errorf("CONNECT %s: %v %v, want %d", host, err, resp, want)
		}
		conn.Close()
	}
}

// Inside a tunnel the request may say what it likes: it goes to the host that CONNECT was allowed for.
func TestHostIsPinnedInTheTunnel(t *testing.T) {
	victim := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the victim was reached") }))
	defer victim.Close()
	r := newRig(t, echoUpstream)
	conn, err := net.Dial("tcp", r.front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "CONNECT 123-abc-456.mktoapi.com:443 HTTP/1.1\r\nHost: 123-abc-456.mktoapi.com:443\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect}); err != nil || resp.StatusCode != 200 {
		t.Fatal(err, resp)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.authority.CertificatePEM())
	inner := tls.Client(conn, &tls.Config{ServerName: "123-abc-456.mktoapi.com", RootCAs: roots})
	replies := bufio.NewReader(inner)
	host := victim.Listener.Addr().String()
	for _, head := range []string{
		"GET /soap/x HTTP/1.1\r\nHost: " + host + "\r\n\r\n",
		"GET http://" + host + "/soap/x HTTP/1.1\r\nHost: " + host + "\r\n\r\n",
		"GET /soap/x HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n",
	} {
		if _, err := io.WriteString(inner, head); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(replies, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		if resp.Header.Get("X-Host") != r.upstream.Listener.Addr().String() {
			t.Errorf("%q went to %q with %d", head, resp.Header.Get("X-Host"), resp.StatusCode)
		}
	}
}

func TestWSDLAddress(t *testing.T) {
	wsdl := `<?xml version="1.0"?><definitions xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"><service name="S"><!-- location="x" -->` +
		`<port name="P" binding="b"><soap:address  location = 'https://123-ABC-456.mktoapi.com/soap/mktows/3_1'/></port></service><other location="stays"/></definitions>`
	var encodings []string
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		encodings = append(encodings, req.Header.Get("Accept-Encoding"))
		reply(200, wsdl).ServeHTTP(w, req)
	}))
	get := func(client *http.Client, url string) string {
		t.Helper()
		req, _ := http.NewRequest(http.MethodGet, url, nil)
		req.Header.Set("Accept-Encoding", "gzip")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.ContentLength != int64(len(body)) {
			t.Fatalf("%v, Content-Length %d of %d", err, resp.ContentLength, len(body))
		}
		return string(body)
	}
	const original = "https://123-ABC-456.mktoapi.com/soap/mktows/3_1"
	for url, want := range map[string]string{
		r.front.URL + "/soap/mktows/3_1?WSDL":   r.front.URL + "/soap/mktows/3_1",
		r.front.URL + "/soap/mktows/2_2?wsdl&x": r.front.URL + "/soap/mktows/2_2",
	} {
		if got := get(r.client, url); got != strings.Replace(wsdl, original, want, 1) {
			t.Errorf("%s:\n%s", url, got)
		}
	}
	if got := get(r.through(), "https://123-abc-456.mktoapi.com/soap/mktows/3_1?WSDL"); !strings.Contains(got, "'https://123-abc-456.mktoapi.com/soap/mktows/3_1'") {
		t.Errorf("intercepted: %s", got)
	}
	if got := get(r.client, r.front.URL+"/soap/mktows/3_1?noWSDL"); got != wsdl {
		t.Errorf("without ?WSDL: %s", got)
	}
	if e := r.last(); e.Verdict.Outcome != classify.Success || e.Call.Operation != "other" {
		t.Errorf("%+v", e)
	}
	for i, e := range encodings[:3] {
		if e != "" {
			t.Errorf("request %d asked for %s", i, e)
		}
	}
}

func TestTLSListener(t *testing.T) {
	r := newRig(t, echoUpstream)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &downstream.Server{Handler: r.doors, Log: r.doors.cfg.Log}
	go func() { _ = server.Serve(tls.NewListener(l, r.doors.TLSConfig())) }()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.authority.CertificatePEM())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	for _, name := range []string{l.Addr().String(), strings.Replace(l.Addr().String(), "127.0.0.1", "localhost", 1)} {
		resp, err := client.Post("https://"+name+"/soap/mktows/3_1", "text/xml", strings.NewReader(signedAt(0)))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
}
