package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"marketo-proxy/ca"
	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/downstream"
	"marketo-proxy/journal"
	"marketo-proxy/sign"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testUser = "demo17_1_809934544BFABAE58E5D27"
	testKey  = "27272727aa"
)

// rig is a proxy between a real client and a real server of the test's.
type rig struct {
	t         *testing.T
	upstream  *httptest.Server
	front     *front
	transport *Transport
	doors     *Proxy
	journal   *journal.Journal
	dir       string
	authority *ca.Authority
	seen      *recorder
	client    *http.Client
}

// recorder is the observer: it notes what the finished exchanges were.
type recorder struct {
	mu       sync.Mutex
	finished []capture.Exchange // without bodies
	saved    []error
	offset   time.Duration
}

func (r *recorder) Begun(classify.API) {}
func (r *recorder) Finished(e *capture.Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished = append(r.finished, *e)
}
func (r *recorder) Saved(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.saved = append(r.saved, err)
}
func (r *recorder) ClockOffset(by time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.offset = by
}

type keyMap map[string]string

func (k keyMap) Lookup(user string) (string, bool) { key, ok := k[user]; return key, ok }

// newRig starts it; change may adapt the configuration.
func newRig(t *testing.T, upstream http.Handler, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), seen: &recorder{}}
	r.upstream = httptest.NewUnstartedServer(upstream)
	r.upstream.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	r.upstream.StartTLS()
	base, err := url.Parse(r.upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(r.upstream.Certificate())
	if r.journal, err = journal.Open(journal.Options{Dir: r.dir, MaxSize: 2 << 30}); err != nil {
		t.Fatal(err)
	}
	if r.authority, err = ca.LoadOrCreate(r.dir+"/../ca.pem", r.dir+"/../ca.key"); err != nil {
		t.Fatal(err)
	}
	store := capture.NewStore(r.journal, capture.Proxy{Version: "test", Host: "here"}, 64<<20, nil)
	cfg := Config{
		SOAP: base, REST: base, Instance: "123-ABC-456", ForwardHosts: []string{"*.mktoapi.com", "*.mktorest.com"}, UpstreamCAs: roots,
		Timeout: time.Minute, Sign: SignExpired, Keys: keyMap{testUser: testKey},
		Recorder: store.Recorder(1 << 20), Keeper: store, Observer: r.seen, Log: zap.NewNop(),
	}
	for _, c := range change {
		c(&cfg)
	}
	r.transport = NewTransport(cfg)
	r.doors = New(cfg, r.transport, r.authority)
	r.front = newFront(t, r.doors)
	r.client = &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: 60 * time.Second}
	t.Cleanup(r.close)
	return r
}

// front is the doors behind a server.
type front struct {
	downstream.Server
	Listener net.Listener
	URL      string
}

func newFront(t *testing.T, doors http.Handler) *front {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{Server: downstream.Server{Handler: doors, Log: zap.NewNop()}, Listener: l, URL: "http://" + l.Addr().String()}
	go func() {
		if err := f.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	return f
}

func (r *rig) close() {
	r.client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.front.Shutdown(ctx); err != nil {
		r.t.Errorf("calls did not end: %v", err)
	}
	if err := r.doors.Shutdown(ctx); err != nil {
		r.t.Errorf("tunnels did not end: %v", err)
	}
	r.transport.Close()
	r.upstream.Close()
	if err := r.journal.Close(ctx); err != nil {
		r.t.Error(err)
	}
	if n := r.transport.InFlight(); n != 0 {
		r.t.Errorf("%d calls are in flight after the end", n)
	}
}

// captures reads the journal as another process would, oldest first.
func (r *rig) captures() []capture.Capture {
	r.t.Helper()
	reader, err := journal.OpenReader(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	var all []capture.Capture
	for entry, err := range reader.Newest(time.Time{}) {
		if err != nil {
			r.t.Fatal(err)
		}
		line, err := entry.Open()
		if err != nil {
			r.t.Fatal(err)
		}
		var c capture.Capture
		d := json.NewDecoder(line)
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil {
			r.t.Fatal(err)
		}
		line.Close()
		all = append([]capture.Capture{c}, all...)
	}
	return all
}

// only returns the one capture that is expected.
func (r *rig) only() capture.Capture {
	r.t.Helper()
	all := r.captures()
	if len(all) != 1 {
		r.t.Fatalf("%d captures, want 1: %+v", len(all), all)
	}
	return all[0]
}

// last is the last finished exchange.
func (r *rig) last() capture.Exchange {
	r.t.Helper()
	r.seen.mu.Lock()
	defer r.seen.mu.Unlock()
	if len(r.seen.finished) == 0 {
		r.t.Fatal("no exchange was finished")
	}
	return r.seen.finished[len(r.seen.finished)-1]
}

// envelope is a getLead as PHP's SoapClient writes it.
func envelope(timestamp, signature string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/"><SOAP-ENV:Header><ns1:AuthenticationHeader><mktowsUserId>` +
		testUser + `</mktowsUserId><requestSignature>` + signature + `</requestSignature><requestTimestamp>` + timestamp +
		`</requestTimestamp></ns1:AuthenticationHeader></SOAP-ENV:Header><SOAP-ENV:Body><ns1:paramsGetLead><leadKey><keyType>EMAIL</keyType><keyValue>a@example.com</keyValue></leadKey></ns1:paramsGetLead></SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

// signedAt is an envelope whose signature was made that long ago.
func signedAt(age time.Duration) string {
	timestamp := sign.Timestamp(time.Now().Add(-age))
	return envelope(timestamp, sign.Signature(testKey, timestamp, testUser))
}

func faultBody(code, text string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body><SOAP-ENV:Fault><faultcode>SOAP-ENV:Client</faultcode><faultstring>` +
		code + ` - ` + text + `</faultstring><detail><ns1:serviceException xmlns:ns1="http://www.marketo.com/mktows/"><name>mktServiceException</name><message>` +
		text + ` (` + code + `)</message><code>` + code + `</code></ns1:serviceException></detail></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

func successBody(content string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/"><SOAP-ENV:Body><ns1:successGetLead><result><count>1</count>` +
		content + `</result></ns1:successGetLead></SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

func reply(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/xml; charset=UTF-8")
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// post sends a SOAP call through the reverse door and reads the whole answer.
func (r *rig) post(body string, header ...string) (*http.Response, string, error) {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodPost, r.front.URL+"/soap/mktows/3_1", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	req.Header.Set("SOAPAction", "http://www.marketo.com/mktows/getLead")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return r.do(req)
}

func (r *rig) do(req *http.Request) (*http.Response, string, error) {
	r.t.Helper()
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	_, err = io.Copy(&b, resp.Body)
	return resp, b.String(), err
}

// through is a client that uses the rig as its https proxy and trusts its authority.
func (r *rig) through() *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.authority.CertificatePEM())
	proxyURL, err := url.Parse(r.front.URL)
	if err != nil {
		r.t.Fatal(err)
	}
	tr := &http.Transport{Proxy: http.ProxyURL(proxyURL), TLSClientConfig: &tls.Config{RootCAs: roots}, DisableCompression: true}
	r.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// rawUpstream serves connections by hand, for what net/http would not send.
func rawUpstream(t *testing.T, serve func(net.Conn)) *url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return &url.URL{Scheme: "http", Host: l.Addr().String()}
}

func copyAll(dst io.Writer, src io.Reader) (int64, error) { return io.Copy(dst, src) }
