//go:build linux

package faults

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// An uploadFault breaks a call while its request is on the way.
type uploadFault struct {
	name    string
	marketo script                // nil: reads the request and succeeds
	send    func(a app, n string) // the application's side of a call with this name
	want    string                // what the application gets, if it stays
	reaches string                // what Marketo gets: nothing, cut or whole; empty: as it comes
	outcome string
	reason  string
}

const bodySize = 1 << 20 // more than the proxy reads before it sends

// sends writes all of it; what Marketo does may end that early.
func sends(request func(name string) string) func(app, string) {
	return func(a app, name string) { _, _ = io.WriteString(a, request(name)) }
}

func sized(name string) string {
	return head(name, fmt.Sprintf("Content-Length: %d", len(large(bodySize)))) + string(large(bodySize))
}

func inChunks(name string) string {
	return head(name, "Transfer-Encoding: chunked") + chunked(large(bodySize)) + "0\r\n\r\n"
}

// leaves sends the first part and hangs up, or resets.
func leaves(request func(name string) string, part float64, end func(app)) func(app, string) {
	return func(a app, name string) {
		r := request(name)
		_, _ = io.WriteString(a, r[:int(float64(len(r))*part)])
		time.Sleep(50 * time.Millisecond)
		end(a)
	}
}

// partly reads some of the body before it goes on.
func partly(n int, then func(*exchange) bool) script {
	return func(x *exchange) bool {
		_, _ = io.CopyN(io.Discard, x.in, int64(n))
		return then(x)
	}
}

// slowReader takes a little at a time.
type slowReader struct{ io.Reader }

func (r *slowReader) Read(p []byte) (int, error) {
	time.Sleep(2 * time.Millisecond)
	return r.Reader.Read(p[:min(len(p), 8<<10)])
}

func uploadFaults() []uploadFault {
	closes := func(a app) { a.Close() }
	resets := func(a app) { a.reset() }
	small := func(name string) string { return post(name) }
	early := answer("413 Payload Too Large", "too large", "Connection: close")
	var list []uploadFault
	for _, r := range []struct {
		name    string
		request func(string) string
	}{{"with length", sized}, {"chunked", inChunks}} {
		n := r.name + ": "
		list = append(list,
			uploadFault{n + "whole", nil, sends(r.request), "200", "whole", "", ""},
			uploadFault{n + "the application hangs up half way", nil, leaves(r.request, 0.5, closes), "", "cut", "client", ""},
			uploadFault{n + "the application resets half way", nil, leaves(r.request, 0.5, resets), "", "cut", "client", ""},
			uploadFault{n + "the application hangs up just before the end", nil, leaves(r.request, 1-1e-6, closes), "", "cut", "client", ""},
			uploadFault{n + "Marketo reads slowly", func(x *exchange) bool {
				x.in = bufio.NewReader(&slowReader{x.in})
				return succeed(x)
			}, sends(r.request), "200", "whole", "", ""},
			uploadFault{n + "Marketo hangs up half way", partly(bodySize/2, func(x *exchange) bool { x.Close(); return false }), sends(r.request), "502", "cut", "transport", ""},
			uploadFault{n + "Marketo resets half way", partly(bodySize/2, func(x *exchange) bool { return x.reset() }), sends(r.request), "502", "cut", "transport", ""},
			uploadFault{n + "Marketo answers 413 early and hangs up", partly(1000, func(x *exchange) bool {
				x.send(early)
				_ = x.raw.CloseWrite()
				return x.silence()
			}), sends(r.request), "413", "cut", "http", ""},
			uploadFault{n + "Marketo answers 413 early, and reads on", func(x *exchange) bool {
				return x.send(strings.Replace(early, "Connection: close\r\n", "", 1)) && x.payload()
			}, sends(r.request), "413", "", "http", ""},
		)
	}
	list = append(list,
		uploadFault{"short: the application hangs up half way", nil, leaves(small, 0.9, closes), "", "nothing", "client", ""},
		uploadFault{"short: the application resets half way", nil, leaves(small, 0.9, resets), "", "nothing", "client", ""},
		uploadFault{"short: dripped", nil, func(a app, name string) {
			for _, b := range []byte(post(name)) {
				_, _ = a.Write([]byte{b})
			}
		}, "200", "whole", "", ""},
		uploadFault{"the application hangs up within the head", nil, leaves(func(name string) string { return head(name) }, 0.9, closes), "", "nothing", "", ""},
		uploadFault{"chunked: bad size half way", nil, sends(func(name string) string {
			return head(name, "Transfer-Encoding: chunked") + chunked(large(bodySize)) + "zz\r\n\r\n"
		}), "499", "cut", "client", ""},
		uploadFault{"chunked: hangs up after the last chunk, before the end", nil, leaves(func(name string) string {
			return head(name, "Transfer-Encoding: chunked") + chunked(large(bodySize)) + "0\r\n"
		}, 1, closes), "", "cut", "client", ""},
		uploadFault{"chunked: hangs up within the trailers", nil, leaves(func(name string) string {
			return head(name, "Transfer-Encoding: chunked", "Trailer: X-Sum") + chunked(large(bodySize)) + "0\r\nX-Sum: 1"
		}, 1, closes), "", "cut", "client", ""},
		uploadFault{"chunked: with trailers", nil, sends(func(name string) string {
			return head(name, "Transfer-Encoding: chunked", "Trailer: X-Sum") + chunked(large(bodySize)) + "0\r\nX-Sum: 1\r\n\r\n"
		}), "200", "whole", "", ""},
		uploadFault{"waits for 100, gets it, and sends", nil, func(a app, name string) {
			body := envelope(0)
			_, _ = io.WriteString(a, head(name, fmt.Sprintf("Content-Length: %d", len(body)), "Expect: 100-continue"))
			if line, _ := a.in.Peek(12); string(line) == "HTTP/1.1 100" {
				_, _ = io.WriteString(a, body)
			}
		}, "200", "whole", "", ""},
		uploadFault{"waits for 100, gets Marketo's 401", func(x *exchange) bool {
			x.send(answer("401 Unauthorized", "no", "Connection: close"))
			return false
		}, sends(func(name string) string { return head(name, "Content-Length: 1000", "Expect: 100-continue") }), "401", "cut", "http", ""},
	)
	return list
}

// Each way for a request to break on its way. What Marketo gets of a broken one must not look whole.
func TestUploads(t *testing.T) {
	for _, over := range []string{"plain", "TLS"} {
		t.Run(over, func(t *testing.T) {
			t.Parallel()
			m := newMarketo(t, over == "TLS")
			srv := serve(t, programs.race, m, "--upstream-timeout=30s")
			d := srv.plain()
			if over == "TLS" {
				d = srv.secure()
			}
			faults := uploadFaults()
			runCases(t, len(faults), func(i int) {
				c := faults[i]
				if c.marketo != nil {
					m.set(c.name, c.marketo)
				}
				a, err := d.dial()
				if err != nil {
					t.Error(err)
					return
				}
				defer a.Close()
				read := make(chan got, 1)
				if c.want != "" && !strings.Contains(c.name, "waits for 100, gets it") {
					go func() { read <- a.read("POST") }() // an early answer is lost if nobody reads it while sending
				}
				c.send(a, c.name)
				if strings.Contains(c.name, "waits for 100, gets it") {
					read <- a.read("POST")
				}
				if c.want != "" {
					if g := <-read; g.String() != c.want {
						t.Errorf("%s: %s (%v) %.300s, want %s", c.name, g, g.err, g.body, c.want)
					}
				}
			})
			want := map[string]expected{}
			for _, c := range faults {
				want[c.name] = expected{c.outcome, c.reason}
			}
			srv.recorded(want)
			for _, c := range faults {
				seen := m.seen(c.name)
				reached := "nothing"
				for _, q := range seen {
					m.mu.Lock()
					if reached = "cut"; q.whole {
						reached = "whole"
					}
					m.mu.Unlock()
				}
				if c.reaches != "" && reached != c.reaches || len(seen) > 1 {
					t.Errorf("%s: Marketo got %s of %d requests, want %s", c.name, reached, len(seen), c.reaches)
				}
			}
			srv.clean()
		})
	}
}

// A Marketo that stops reading must not hold a call for ever: not while the application waits, and not after it has left.
func TestMarketoStopsReading(t *testing.T) {
	t.Parallel()
	m := newMarketo(t, false)
	srv := serve(t, programs.race, m, "--upstream-timeout=2s")
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	for _, name := range []string{"stays", "leaves"} {
		m.set(name, func(x *exchange) bool { <-stop; return false })
		a := srv.must(srv.plain())
		defer a.Close()
		body := strings.Repeat("x", 32<<20) // more than all buffers on the way
		go func() { _, _ = io.WriteString(a, head(name, fmt.Sprintf("Content-Length: %d", len(body)))+body) }()
		if name == "stays" {
			_ = a.raw.SetDeadline(time.Now().Add(15 * time.Second))
			if g := a.read("POST"); g.status != 504 {
				t.Errorf("the application stays: %s (%v), want 504", g, g.err)
			}
			continue
		}
		srv.eventually("the call", func() (bool, string) { return len(m.seen(name)) == 1, "it did not come" })
		time.Sleep(200 * time.Millisecond)
		a.reset()
	}
	srv.clean()
}
