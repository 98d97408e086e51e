//go:build linux

package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"marketo-proxy/built"
	"marketo-proxy/emulator"
)

// inFlight waits until so many calls are under way.
func (s *server) inFlight(n int) {
	s.t.Helper()
	eventually(s.t, "calls in flight", func() (bool, string) {
		now := int(sum(s.metrics(), "marketo_proxy_requests_in_flight"))
		return now == n, fmt.Sprintf("%d, want %d", now, n)
	})
}

// On SIGTERM nobody new is let in, the calls in flight come to their end, failures among them are captured, and the exit code is 0.
func TestTermination(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	e, err := emulator.New(emulator.Options{Users: map[string]string{user: key}})
	if err != nil {
		t.Fatal(err)
	}
	marketo := newSpy(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Wait") != "" {
			<-release
		}
		e.ServeHTTP(w, r)
	}))
	srv := serve(t, setup{upstream: marketo.URL})
	var wg sync.WaitGroup
	var failed []string
	slow := 0
	for _, name := range doorNames {
		d := srv.door(name)
		d.post(getLead(credential{})) // leaves an idle connection behind, which must not hold anything up
		for _, fail := range []string{"identity", "20011", "partial+drip=20ms"} {
			call, request := newCall(), getLead(credential{})
			if strings.Contains(fail, "partial") {
				request = published(t, "syncLead")
			}
			if fail != "identity" {
				failed = append(failed, call)
			}
			slow++
			wg.Go(func() {
				g := d.post(request, callHeader, call, failHeader, fail, "X-Wait", "yes")
				x := marketo.attempts(call)
				if g.err != nil || len(x) != 1 || g.status != x[0].status || hexSum(g.body) != x[0].response.sum() {
					t.Errorf("%s, %s: not Marketo's answer: %d %v", name, fail, g.status, g.err)
				}
			})
		}
	}
	srv.inFlight(slow)
	srv.signal(syscall.SIGTERM)
	eventually(t, "new connections are refused", func() (bool, string) {
		for _, listener := range []string{"listen", "tls-listen"} {
			c, err := net.Dial("tcp", srv.at[listener])
			if err == nil {
				c.Close()
				return false, listener
			}
		}
		return true, ""
	})
	if srv.hasEnded() {
		t.Error("it ended before its calls")
	}
	close(release)
	wg.Wait()
	if code := srv.wait(); code != 0 {
		t.Errorf("exit %d\n%s", code, tail(srv.stderr.String()))
	}
	found := map[string]bool{}
	for _, c := range srv.list() {
		found[c.call()] = true
	}
	for _, call := range failed {
		if !found[call] {
			t.Errorf("%s is not captured", call)
		}
	}
}

// With nothing to wait for, it ends at once, whatever connections are open.
func TestTerminationWhenIdle(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	srv := serve(t, setup{upstream: marketo.URL})
	for _, name := range doorNames {
		if g := srv.door(name).post(getLead(credential{})); g.status != http.StatusOK {
			t.Fatal(g)
		}
	}
	began := time.Now()
	if code := srv.terminate(); code != 0 {
		t.Errorf("exit %d\n%s", code, srv.stderr.String())
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// A call that outlasts --shutdown-timeout is cut, and captured.
func TestTerminationTimeout(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	srv := serve(t, setup{upstream: marketo.URL, args: []string{"--shutdown-timeout=1s"}})
	var wg sync.WaitGroup
	var named []string
	for _, name := range []string{"reverse", "intercepted"} {
		d, call := srv.door(name), newCall()
		named = append(named, call)
		wg.Go(func() {
			if g := d.post(getLead(credential{}), callHeader, call, failHeader, "hang"); g.err == nil && g.status < 500 {
				t.Errorf("%s: a call without an answer got %d", name, g.status)
			}
		})
	}
	srv.inFlight(2)
	began := time.Now()
	srv.terminate() // with which code is not promised
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %s", took)
	}
	wg.Wait()
	found := map[string]bool{}
	for _, c := range srv.list() {
		found[c.call()] = true
	}
	for _, call := range named {
		if !found[call] {
			t.Errorf("%s, which was cut, is not captured", call)
		}
	}
}

// closedAfter is how long the other side keeps a connection; every byte that comes meanwhile is dropped.
func closedAfter(c net.Conn) time.Duration {
	began := time.Now()
	_ = c.SetReadDeadline(began.Add(2 * time.Minute))
	_, _ = io.Copy(io.Discard, c)
	return time.Since(began)
}

// drip writes a byte now and then until the connection ends.
func drip(c net.Conn, what string) {
	for i := 0; ; i++ {
		if _, err := c.Write([]byte{what[i%len(what)]}); err != nil {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// Clients that never finish are sent away, on every port and in every phase: the head within half a minute, a dripping body or a
// reader that does not read within two.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	srv := serve(t, setup{upstream: marketo.URL})
	dial := func(listener string) net.Conn {
		c, err := net.Dial("tcp", srv.at[listener])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	send := func(c net.Conn, text string) net.Conn {
		if _, err := io.WriteString(c, text); err != nil {
			t.Error(err)
		}
		return c
	}
	secure := func(c net.Conn) net.Conn { return tls.Client(c, &tls.Config{InsecureSkipVerify: true}) }
	tunnel := func() net.Conn {
		c := send(dial("listen"), "CONNECT "+instance+".mktoapi.com:443 HTTP/1.1\r\nHost: "+instance+".mktoapi.com:443\r\n\r\n")
		answer := make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))
		if _, err := io.ReadFull(c, answer); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
			t.Fatalf("CONNECT: %s %v", answer, err)
		}
		return c
	}
	const (
		head      = "POST " + soapPath + " HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		headLimit = 45 * time.Second
		bodyLimit = 110 * time.Second
	)
	hello := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 500) // of TLS, valid so far
	call := newCall()
	body := head + callHeader + ": " + call + "\r\nContent-Type: text/xml\r\nContent-Length: 100000\r\n\r\n"
	var wg sync.WaitGroup
	for _, c := range []struct {
		name  string
		conn  net.Conn
		drips string
		limit time.Duration
	}{
		{"silence", dial("listen"), "", headLimit},
		{"head", send(dial("listen"), head), "X-Slow: 1\r\n", headLimit},
		{"head over TLS", send(secure(dial("tls-listen")), head), "X-Slow: 1\r\n", headLimit},
		{"head in a tunnel", send(secure(tunnel()), head), "X-Slow: 1\r\n", headLimit},
		{"handshake", dial("tls-listen"), hello, headLimit},
		{"handshake in a tunnel", tunnel(), hello, headLimit},
		{"head on the metrics port", send(dial("metrics-listen"), "GET /metrics HTTP/1.1\r\n"), "X-Slow: 1\r\n", headLimit},
		{"head on the admin port", send(dial("admin-listen"), "GET /api/captures HTTP/1.1\r\n"), "X-Slow: 1\r\n", headLimit},
		{"body", send(dial("listen"), body), "<", bodyLimit},
		{"body in a tunnel", send(secure(tunnel()), strings.Replace(body, call, newCall(), 1)), "<", bodyLimit},
	} {
		if c.drips != "" {
			go drip(c.conn, c.drips)
		}
		wg.Go(func() {
			if took := closedAfter(c.conn); took > c.limit {
				t.Errorf("%s: the connection was open for %s", c.name, took)
			} else {
				t.Logf("%s: closed after %s", c.name, took.Round(time.Second))
			}
		})
	}
	// Asks for a large answer, and does not read it.
	request := getLead(credential{})
	deaf := send(dial("listen"), fmt.Sprintf("%s%s: 64MiB\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s", head, sizeHeader, len(request), request))
	defer deaf.Close()
	wg.Wait()
	eventually(t, "calls of slow clients end", func() (bool, string) {
		n := sum(srv.metrics(), "marketo_proxy_requests_in_flight")
		return n == 0, fmt.Sprint(n)
	})
	if c := srv.captureOf(call); c.Outcome != "client" {
		t.Errorf("the dripping call is captured as %s: %s", c.Outcome, c.Message)
	}
}

// A head that is too large, and calls beyond what is bounded, are refused; the process stays well.
func TestBounds(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	srv := serve(t, setup{program: built.Plain, upstream: marketo.URL})
	d := srv.door("reverse")
	if g := d.post(getLead(credential{}), "X-Large", strings.Repeat("x", 256<<10)); g.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a head of 256 KiB: %d %v", g.status, g.err)
	}
	const most = 1024
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for range most {
		wg.Go(func() {
			d.do(ctx, http.MethodPost, soapPath, strings.NewReader(getLead(credential{})), failHeader, "hang", "Content-Type", "text/xml")
		})
	}
	srv.inFlight(most)
	g := d.post(getLead(credential{}))
	faultcode, text, ok := faultIn(g.body)
	if g.status < 500 || !ok || faultcode != "SOAP-ENV:Server" || !strings.HasPrefix(text, "marketo-proxy:") {
		t.Errorf("one call more: %d %s %v", g.status, g.body, g.err)
	}
	cancel()
	wg.Wait()
	srv.inFlight(0)
	if g := d.post(getLead(credential{})); g.status != http.StatusOK {
		t.Errorf("afterwards: %d %v", g.status, g.err)
	}
}
