//go:build linux

package crash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	soapPath   = "/soap/mktows/3_1"
	kindHeader = "X-Crash-Kind"
	sizeHeader = "X-Crash-Size" // of the answer
	callHeader = "X-Crash-Call" // names a call, on both sides and in its capture
)

// What Marketo does with a call.
const (
	succeed = "succeed"
	fault   = "fault"
	reset   = "reset"
)

// newMarketo answers each call as its headers say.
func newMarketo(t *testing.T) *httptest.Server {
	t.Helper()
	marketo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		size, err := strconv.Atoi(r.Header.Get(sizeHeader))
		if err != nil {
			size = 0
		}
		kind := r.Header.Get(kindHeader)
		if kind == reset {
			panic(http.ErrAbortHandler)
		}
		body := answer(kind, r.Header.Get(callHeader), size)
		w.Header().Set("Content-Type", "text/xml; charset=UTF-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(statusOf(kind))
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(marketo.Close)
	return marketo
}

func statusOf(kind string) int {
	switch kind {
	case fault:
		return http.StatusInternalServerError
	case reset:
		return http.StatusBadGateway // the proxy's own
	}
	return http.StatusOK
}

// answer is the same for the same call, so that either side knows it.
func answer(kind, call string, size int) string {
	padding := strings.Repeat(call+" ", size/(len(call)+1)+1)
	if kind == succeed {
		return `<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" ` +
			`xmlns:ns1="http://www.marketo.com/mktows/"><SOAP-ENV:Body><ns1:successGetLead><result><count>0</count><note>` + padding +
			`</note></result></ns1:successGetLead></SOAP-ENV:Body></SOAP-ENV:Envelope>`
	}
	return `<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/">` +
		`<SOAP-ENV:Body><SOAP-ENV:Fault><faultcode>SOAP-ENV:Client</faultcode><faultstring>20011 - Internal service failure</faultstring>` +
		`<detail><ns1:serviceException xmlns:ns1="http://www.marketo.com/mktows/"><name>mktServiceException</name><message>` + padding +
		`(20011)</message><code>20011</code></ns1:serviceException></detail></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

// signature is in every request; no capture may have it.
const signature = "9b2ddfd4ccf0e8a8b3a8b56a21b5f7d2b3b5c9aa"

func request(call string, size int) string {
	return `<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" ` +
		`xmlns:ns1="http://www.marketo.com/mktows/"><SOAP-ENV:Header><ns1:AuthenticationHeader><mktowsUserId>crash</mktowsUserId>` +
		`<requestSignature>` + signature + `</requestSignature><requestTimestamp>2026-01-02T03:04:05-06:00</requestTimestamp>` +
		`</ns1:AuthenticationHeader></SOAP-ENV:Header><SOAP-ENV:Body><ns1:paramsGetLead><leadKey><keyType>EMAIL</keyType><keyValue>` +
		strings.Repeat(call+" ", size/(len(call)+1)+1) + `</keyValue></leadKey></ns1:paramsGetLead></SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

// sum identifies a body.
type sum struct {
	size   int
	sha256 string
}

func sumOf(body string) sum {
	h := sha256.Sum256([]byte(body))
	return sum{len(body), hex.EncodeToString(h[:])}
}

// failure is what an application knows of a call whose failing answer it read to its end.
type failure struct {
	call     string
	kind     string
	at       time.Time // when it had the end
	sent     sum
	masked   sum // of what was sent, as it is to be kept
	received sum
}

// caller makes calls over connections of its own.
type caller struct {
	client *http.Client
	url    string
}

var calls atomic.Int64 // so that each has another name

func newCaller(t *testing.T, srv *server, connections int) *caller {
	tr := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}
	t.Cleanup(tr.CloseIdleConnections)
	return &caller{&http.Client{Transport: tr, Timeout: time.Minute}, "http://" + srv.at["listen"] + soapPath}
}

// outcome is a call that got an answer.
type outcome struct {
	capture string // its id; "" for a success
	failure failure
	took    time.Duration
}

// call makes one call and checks that its answer is Marketo's, byte for byte. An error means that the answer was not read to its
// end, though its head may have named a capture; wrong tells what is wrong with one that was.
func (c *caller) call(ctx context.Context, kind string, requestSize, size int) (o outcome, wrong string, err error) {
	name := fmt.Sprintf("call-%d", calls.Add(1))
	body := request(name, requestSize)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(body))
	if err != nil {
		return o, "", err
	}
	for k, v := range map[string]string{"Content-Type": "text/xml; charset=UTF-8", kindHeader: kind, callHeader: name,
		sizeHeader: strconv.Itoa(size)} {
		req.Header.Set(k, v)
	}
	begun := time.Now()
	resp, err := c.client.Do(req)
	if err != nil {
		return o, "", err
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	o.capture = resp.Header.Get("Marketo-Proxy-Capture")
	if _, err := io.Copy(&b, resp.Body); err != nil {
		return o, "", err
	}
	got := b.String()
	o.took = time.Since(begun)
	o.failure = failure{name, kind, time.Now(), sumOf(body), sumOf(strings.Replace(body, signature, "REDACTED", 1)), sumOf(got)}
	switch {
	case resp.StatusCode != statusOf(kind):
		wrong = fmt.Sprintf("%s %s: status %d: %.300s", kind, name, resp.StatusCode, got)
	case kind == reset && !strings.Contains(got, "marketo-proxy:"):
		wrong = fmt.Sprintf("%s %s: %.300s", kind, name, got)
	case kind != reset && got != answer(kind, name, size):
		wrong = fmt.Sprintf("%s %s: %d bytes that are not what Marketo sent", kind, name, len(got))
	case (kind == succeed) != (o.capture == ""):
		wrong = fmt.Sprintf("%s %s: capture %q", kind, name, o.capture)
	}
	return o, wrong, nil
}

// traffic goes on in the background, and remembers each failure by the id of its capture.
type traffic struct {
	t       *testing.T
	end     context.CancelFunc
	workers sync.WaitGroup

	mu       sync.Mutex // guards what follows
	failures map[string]failure
	made     int           // calls
	slowest  time.Duration // of the successes
	longest  time.Duration // of the failures
}

// mix says what calls a traffic has.
type mix struct {
	connections int
	pause       time.Duration // of a connection between two calls
	big         int           // one failure in so many is larger than what is kept in memory; 0: none
	size        int           // of the other answers, at most; 0: 16 KB
	noFiles     bool          // the proxy may be without a file for a connection to Marketo, and says so; Marketo keeps those it has
}

// newTraffic starts calls; no answer may be anything but Marketo's.
func newTraffic(t *testing.T, srv *server, m mix) *traffic {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	tr := &traffic{t: t, end: end, failures: map[string]failure{}}
	c := newCaller(t, srv, m.connections)
	if m.size == 0 {
		m.size = 16_000
	}
	for range m.connections {
		tr.workers.Go(func() {
			for ctx.Err() == nil {
				kind, size := fault, rand.IntN(m.size)
				switch n := rand.IntN(100); {
				case n < 30:
					kind = succeed
				case n < 40 && !m.noFiles:
					kind = reset
				case m.big > 0 && rand.IntN(m.big) == 0:
					size = 1_500_000
				}
				// Not ctx: what was begun is to be answered.
				o, wrong, err := c.call(context.Background(), kind, rand.IntN(3000), size)
				if m.noFiles && strings.Contains(wrong, "too many open files") {
					wrong = ""
					o.failure.kind = reset
				}
				if !tr.add(o, wrong, err) {
					return // one is enough
				}
				time.Sleep(m.pause)
			}
		})
	}
	t.Cleanup(tr.stop)
	return tr
}

func (tr *traffic) add(o outcome, wrong string, err error) (ok bool) {
	if err != nil || wrong != "" {
		tr.t.Errorf("an application was harmed: %v %s", err, wrong)
		return false
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.made++
	if o.capture == "" {
		tr.slowest = max(tr.slowest, o.took)
		return true
	}
	tr.longest = max(tr.longest, o.took)
	if _, twice := tr.failures[o.capture]; twice {
		tr.t.Errorf("two calls have the capture %s", o.capture)
	}
	tr.failures[o.capture] = o.failure
	return true
}

// stop lets each call come to its end.
func (tr *traffic) stop() {
	tr.end()
	tr.workers.Wait()
}

// progress is how many calls were answered.
func (tr *traffic) progress() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.made
}
