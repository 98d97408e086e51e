package proxy

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/upstream"
)

func soapUpstream(u *url.URL) func(*Config) { return func(c *Config) { c.SOAP = u } }

// Where there is no answer, a SOAP toolkit must be able to raise a fault.
func TestNoAnswer(t *testing.T) {
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := &url.URL{Scheme: "http", Host: refused.Addr().String()}
	refused.Close()
	reset := rawUpstream(t, func(c net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(c))
		_ = c.(*net.TCPConn).SetLinger(0)
	})
	closing := rawUpstream(t, func(c net.Conn) { _, _ = http.ReadRequest(bufio.NewReader(c)) })
	garbage := rawUpstream(t, func(c net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(c))
		_, _ = io.WriteString(c, "SSH-2.0-OpenSSH\r\n\r\n")
	})
	silent := rawUpstream(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	for _, c := range []struct {
		name   string
		to     *url.URL
		change func(*Config)
		status int
		reason string
	}{
		{"refused", nobody, nil, 502, "refused: "},
		{"no such host", &url.URL{Scheme: "https", Host: "no-such-host.invalid"}, nil, 502, "dns: "},
		{"reset", reset, nil, 502, "reset: "},
		{"closed", closing, nil, 502, "cut off: "},
		{"not HTTP", garbage, nil, 502, "protocol: "},
		{"silence", silent, func(c *Config) { c.Timeout = 200 * time.Millisecond }, 504, "timeout: "},
		{"unknown authority", nil, func(c *Config) { c.UpstreamCAs = nil }, 502, "tls: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, reply(200, successBody("")), func(cfg *Config) {
				if c.to != nil {
					cfg.SOAP = c.to
				}
				if c.change != nil {
					c.change(cfg)
				}
			})
			resp, body, err := r.post(signedAt(0))
			if err != nil || resp.StatusCode != c.status {
				t.Fatalf("%v %v", err, resp)
			}
			got := r.only()
			if got.Outcome != classify.Transport || !strings.HasPrefix(got.Message, c.reason) || got.Attempts[0].Response != nil || got.Complete {
				t.Errorf("%+v", got)
			}
			if !strings.Contains(body, "<faultcode>SOAP-ENV:Server</faultcode><faultstring>marketo-proxy: "+c.reason) ||
				!strings.HasPrefix(resp.Header.Get("Content-Type"), "text/xml") || resp.Header.Get("Marketo-Proxy-Capture") != got.ID {
				t.Errorf("%v %s", resp.Header, body)
			}
			if strings.Contains(body, "127.0.0.1") || strings.Contains(got.Message, "127.0.0.1") || strings.Contains(got.Attempts[0].Error, "127.0.0.1") {
				t.Errorf("an address of the network leaked: %s %+v", body, got)
			}
		})
	}
}

func TestNoAnswerForREST(t *testing.T) {
	r := newRig(t, reply(200, "{}"), func(c *Config) { c.REST = &url.URL{Scheme: "https", Host: "no-such-host.invalid"} })
	resp, err := r.client.Get(r.front.URL + "/rest/v1/lead/1.json?access_token=verysecrettoken")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	c := r.only()
	if resp.StatusCode != 502 || !strings.Contains(string(body), `"success":false`) || !strings.Contains(string(body), `"requestId":"`+c.ID) || c.API != "rest" {
		t.Errorf("%d %s %+v", resp.StatusCode, body, c)
	}
	if strings.Contains(c.Attempts[0].Request.URL, "verysecrettoken") {
		t.Errorf("the token stands in %s", c.Attempts[0].Request.URL)
	}
}

// An answer cut short must never look complete.
func TestCutShort(t *testing.T) {
	full := successBody(strings.Repeat("<x>1234567890</x>", 1000))
	for name, head := range map[string]string{
		"content length": fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s", len(full), full[:len(full)/2]),
		"chunked":        fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(full)/2, full[:len(full)/2]),
		"in a fault":     fmt.Sprintf("HTTP/1.1 500 Error\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n%s\r\n", faultBody("20011", "x")[:64]),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil, soapUpstream(rawUpstream(t, func(c net.Conn) {
				req, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				_, _ = io.WriteString(c, head)
			})))
			_, body, err := r.post(signedAt(0))
			if err == nil {
				t.Fatalf("the answer looks complete: %d bytes", len(body))
			}
			if name != "in a fault" && body != full[:len(full)/2] {
				t.Errorf("%d bytes arrived, %d were sent", len(body), len(full)/2)
			}
			c := r.only()
			if c.Outcome != classify.Transport || !strings.HasPrefix(c.Message, "cut off: ") || c.Complete || !c.Attempts[0].Response.Body.Truncated {
				t.Errorf("%+v", c)
			}
		})
	}
}

// The application's own impatience is neither Marketo's fault nor a success.
func TestClientHangsUp(t *testing.T) {
	upstreamGone := make(chan struct{})
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		<-req.Context().Done()
		close(upstreamGone)
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.front.URL+"/soap/mktows/3_1", strings.NewReader(signedAt(0)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.Do(req); err == nil {
		t.Fatal("no error")
	}
	select {
	case <-upstreamGone:
	case <-time.After(5 * time.Second):
		t.Fatal("the call to Marketo goes on after the application left")
	}
	waitFor(t, func() bool { return len(r.captures()) == 1 })
	if c := r.only(); c.Outcome != classify.Client {
		t.Errorf("%+v", c)
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for range 500 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it did not happen within 5 s")
}

// The first bytes of an answer, and of a request, are not held back for the last.
func TestStreaming(t *testing.T) {
	for _, kind := range []string{"chunked", "content length", "gzip"} {
		t.Run(kind, func(t *testing.T) {
			first, rest := successBody("<a>1</a>")[:270], successBody("<a>1</a>")[270:]
			gotFirst := make(chan struct{})
			r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				_, _ = io.Copy(io.Discard, req.Body)
				out := io.Writer(w)
				flush := func() {}
				switch kind {
				case "content length":
					w.Header().Set("Content-Length", fmt.Sprint(len(first)+len(rest)))
				case "gzip":
					w.Header().Set("Content-Encoding", "gzip")
					z := gzip.NewWriter(w)
					defer z.Close()
					out, flush = z, func() { _ = z.Flush() }
				}
				_, _ = io.WriteString(out, first)
				flush()
				w.(http.Flusher).Flush()
				select {
				case <-gotFirst:
				case <-time.After(5 * time.Second):
					t.Error("the first part did not arrive before the last was sent")
				}
				_, _ = io.WriteString(out, rest)
			}))
			req, _ := http.NewRequest(http.MethodPost, r.front.URL+"/soap/mktows/3_1", strings.NewReader(signedAt(0)))
			resp, err := r.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body := io.Reader(resp.Body)
			if kind == "gzip" {
				if body, err = gzip.NewReader(resp.Body); err != nil {
					t.Fatal(err)
				}
			}
			buf := make([]byte, 270)
			if _, err := io.ReadFull(body, buf); err != nil || string(buf) != first {
				t.Errorf("%v %q", err, buf)
			}
			close(gotFirst)
			if tail, err := io.ReadAll(body); err != nil || string(tail) != rest {
				t.Errorf("%v %q", err, tail)
			}
			if e := r.last(); e.Verdict.Outcome != classify.Success {
				t.Errorf("%+v", e.Verdict)
			}
		})
	}
}

func TestRequestStreams(t *testing.T) {
	started := make(chan struct{})
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		buf := make([]byte, 5)
		_, _ = io.ReadFull(req.Body, buf)
		close(started)
		reply(200, successBody("")).ServeHTTP(w, req)
	}))
	pr, pw := io.Pipe()
	go func() {
		_, _ = io.WriteString(pw, signedAt(0))
		select {
		case <-started:
		case <-time.After(5 * time.Second):
			t.Error("the request waits for its end")
		}
		pw.Close()
	}()
	req, _ := http.NewRequest(http.MethodPost, r.front.URL+"/soap/mktows/3_1", pr)
	if resp, _, err := r.do(req); err != nil || resp.StatusCode != 200 {
		t.Fatal(err, resp)
	}
}

// A partial failure is known only at the end; its last bytes wait for the disk like those of every other failure.
func TestTheEndWaitsForTheDisk(t *testing.T) {
	partial := strings.NewReplacer("successGetLead", "successSyncLead", "<count>1</count>", "<syncStatus><status>FAILED</status><error>no</error></syncStatus>").Replace(successBody(""))
	for name, upstream := range map[string]http.Handler{
		"fault":   reply(500, faultBody("20011", "Internal Error")),
		"partial": reply(200, partial),
		"partial, chunked": http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			_, _ = io.Copy(io.Discard, req.Body)
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, partial)
		}),
		"http":            reply(503, "busy"),
		"malformed":       reply(200, "<html>"),
		"malformed, late": reply(200, successBody("")+"<again/>"),
	} {
		t.Run(name, func(t *testing.T) {
			keeper := &slowKeeper{release: make(chan error, 1), asked: make(chan struct{})}
			r := newRig(t, upstream, func(c *Config) { c.Keeper = keeper })
			done := make(chan string, 1)
			go func() {
				_, body, err := r.post(signedAt(0))
				done <- fmt.Sprint(body, err)
			}()
			<-keeper.asked
			select {
			case got := <-done:
				t.Fatalf("the application saw the end before the capture was safe: %s", got)
			case <-time.After(50 * time.Millisecond):
			}
			keeper.release <- nil
			select {
			case <-done:
			case <-time.After(5 * time.Second):
				t.Fatal("the answer did not come after the capture was safe")
			}
		})
	}
}

// A disk that does not answer costs two seconds, and the loss is told.
func TestDiskDoesNotAnswer(t *testing.T) {
	keeper := &slowKeeper{release: make(chan error, 1), asked: make(chan struct{})}
	r := newRig(t, reply(500, faultBody("20011", "x")), func(c *Config) { c.Keeper = keeper })
	began := time.Now()
	resp, body, err := r.post(signedAt(0))
	if err != nil || resp.StatusCode != 500 || body != faultBody("20011", "x") {
		t.Fatal(err, resp)
	}
	if took := time.Since(began); took < 1900*time.Millisecond || took > 4*time.Second {
		t.Errorf("the answer took %s", took)
	}
	keeper.release <- nil // late, but there
	waitFor(t, func() bool {
		r.seen.mu.Lock()
		defer r.seen.mu.Unlock()
		return len(r.seen.saved) == 2 && errors.Is(r.seen.saved[0], ErrLate) && r.seen.saved[1] == nil
	})
}

type slowKeeper struct {
	release chan error
	asked   chan struct{}
}

func (k *slowKeeper) Save(e *capture.Exchange) <-chan error {
	e.Release()
	close(k.asked)
	return k.release
}

func TestSkippedCodesAreNotCaptured(t *testing.T) {
	r := newRig(t, reply(500, faultBody("20103", "Lead not found")), func(c *Config) { c.Skip = map[string]bool{"20103": true} })
	resp, _, err := r.post(signedAt(0))
	if err != nil || resp.Header.Get("Marketo-Proxy-Capture") != "" || len(r.captures()) != 0 {
		t.Error(err, resp.Header)
	}
	if e := r.last(); e.Verdict.Code != "20103" || e.Captured {
		t.Errorf("%+v", e)
	}
}

// Many calls share few connections.
func TestConnectionsAreReused(t *testing.T) {
	r := newRig(t, reply(200, successBody("")))
	dialed := make(chan struct{}, 10_000)
	r.transport.upstream.(*upstream.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialed <- struct{}{}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	r.client.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
	const workers, calls = 64, 30
	results := make(chan error, workers)
	for range workers {
		go func() {
			for range calls {
				resp, _, err := r.post(signedAt(0), "Connection", "close")
				if err != nil || resp.StatusCode != 200 {
					results <- fmt.Errorf("%v %v", err, resp)
					return
				}
			}
			results <- nil
		}()
	}
	for range workers {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
	if n := len(dialed); n > 2*workers { // a connection is idle again only just after its answer was read
		t.Errorf("%d connections for %d concurrent calls", n, workers)
	}
}

func TestTooManyInFlight(t *testing.T) {
	hold := make(chan struct{})
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		<-hold
		reply(200, successBody("")).ServeHTTP(w, req)
	}), func(c *Config) { c.MaxInFlight = 1 })
	first := make(chan error, 1)
	go func() { _, _, err := r.post(signedAt(0)); first <- err }()
	waitFor(t, func() bool { return r.transport.InFlight() == 1 })
	resp, body, err := r.post(signedAt(0))
	if err != nil || resp.StatusCode != 503 || !strings.Contains(body, "too many calls") {
		t.Errorf("%v %v %s", err, resp, body)
	}
	close(hold)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if c := r.only(); c.Outcome != classify.Transport || len(c.Attempts) != 1 || c.Attempts[0].Request.Method != "POST" || c.Attempts[0].Timings.Send >= 0 {
		t.Errorf("%+v", c)
	}
}

// An application that hangs up in the middle of a small request, which is read before it is sent.
func TestUploadCut(t *testing.T) {
	r := newRig(t, echoUpstream)
	conn, err := net.Dial("tcp", r.front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body := signedAt(0)
	fmt.Fprintf(conn, "POST /soap/mktows/3_1 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body)+10, body)
	conn.Close()
	waitFor(t, func() bool { return len(r.captures()) == 1 })
	c := r.only()
	if c.Outcome != classify.Client || c.Operation != "getLead" || len(c.Attempts) != 1 || c.Attempts[0].Request.Body.Size != int64(len(body)) || !c.Attempts[0].Request.Body.Truncated {
		t.Errorf("%+v", c)
	}
}

// Marketo takes the head of a request and no more: nothing else would end the call.
func TestUploadStalls(t *testing.T) {
	r := newRig(t, nil, soapUpstream(rawUpstream(t, func(c net.Conn) {
		_, _ = bufio.NewReader(c).ReadString('\n')
		time.Sleep(2 * time.Second)
	})), func(c *Config) { c.Timeout = 300 * time.Millisecond })
	req, _ := http.NewRequest(http.MethodPost, r.front.URL+"/soap/mktows/3_1", io.MultiReader(strings.NewReader(signedAt(0)), repeat("<!-- x -->", 3<<20)))
	resp, _, err := r.do(req)
	if err == nil && resp.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("%v", resp)
	}
	waitFor(t, func() bool { return len(r.captures()) == 1 })
	if c := r.only(); c.Outcome != classify.Transport || !strings.HasPrefix(c.Message, "timeout") {
		t.Errorf("%+v", c)
	}
}
