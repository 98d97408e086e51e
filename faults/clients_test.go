//go:build linux

package faults

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// A clientFault is an application that does not behave.
type clientFault struct {
	name    string
	marketo script
	does    func(t *testing.T, s *server, m *marketo, name string)
	outcome string
}

func clientFaults() []clientFault {
	long := longSuccess()
	waiting := after(func(x *exchange) bool { return x.silence() })
	streaming := after(func(x *exchange) bool { x.send(answer("200 OK", long)); return false })
	called := func(s *server, m *marketo, name string) app {
		a := s.must(s.plain())
		_, _ = io.WriteString(a, post(name))
		s.eventually(name+": the call", func() (bool, string) { return len(m.seen(name)) == 1, "it did not come" })
		return a
	}
	left := func(end func(app)) func(*testing.T, *server, *marketo, string) {
		return func(_ *testing.T, s *server, m *marketo, name string) {
			a := called(s, m, name)
			time.Sleep(50 * time.Millisecond)
			end(a)
		}
	}
	midway := func(end func(app)) func(*testing.T, *server, *marketo, string) {
		return func(t *testing.T, s *server, m *marketo, name string) {
			a := called(s, m, name)
			if _, err := io.CopyN(io.Discard, a.in, 1<<20); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			end(a)
		}
	}
	return []clientFault{
		{"hangs up before the answer", waiting, left(func(a app) { a.Close() }), "client"},
		{"resets before the answer", waiting, left(func(a app) { a.reset() }), "client"},
		{"hangs up within the answer", streaming, midway(func(a app) { a.Close() }), "client"},
		{"resets within the answer", streaming, midway(func(a app) { a.reset() }), "client"},
		// What the answer is so far is known, and matters more than who left.
		{"hangs up within a fault", after(func(x *exchange) bool {
			x.send(half(answer("500 x", soapFault("20011"))))
			return x.silence()
		}), left(func(a app) { a.Close() }), "http"},
		// net/http takes the end of what an application says for its end, as nginx does: the call is given up.
		{"half-closes after the request", waiting, left(func(a app) { _ = a.raw.CloseWrite(); _ = a.read("POST"); a.Close() }), "client"},
		{"never says anything", nil, func(t *testing.T, s *server, _ *marketo, name string) {
			a := s.must(s.plain())
			defer a.Close()
			if err := a.closed(28 * time.Second); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}, ""},
		{"stops within the head", nil, func(t *testing.T, s *server, _ *marketo, name string) {
			a := s.must(s.plain())
			defer a.Close()
			_, _ = io.WriteString(a, "POST /soap/x HTTP/1.1\r\nHost: x\r\nX-")
			_ = a.closed(28 * time.Second) // a 408 may be said before
		}, ""},
		{"drips the head for ever", nil, func(t *testing.T, s *server, _ *marketo, name string) {
			a := s.must(s.plain())
			defer a.Close()
			began := time.Now()
			for _, err := io.WriteString(a, "POST /soap/x HTTP/1.1\r\nHost: x\r\n"); err == nil; _, err = io.WriteString(a, "X-Drip: 1\r\n") {
				if time.Since(began) > 28*time.Second {
					t.Errorf("%s: it may go on", name)
					return
				}
				time.Sleep(200 * time.Millisecond)
			}
		}, ""},
		{"stops within a second head", nil, func(t *testing.T, s *server, _ *marketo, name string) {
			a := s.must(s.plain())
			defer a.Close()
			_, _ = io.WriteString(a, post(name)+"POST /soap/x HTTP/1.1\r\nHost: x\r\nX-")
			if g := a.read("POST"); g.status != 200 {
				t.Errorf("%s: %s (%v)", name, g, g.err)
			}
			if err := a.closed(28 * time.Second); err != nil && !strings.Contains(err.Error(), "more came") {
				t.Errorf("%s: %v", name, err)
			}
		}, ""},
		{"calls on and on, and never reads", func(x *exchange) bool {
			return x.payload() && x.send(answer("200 OK", long[:1<<20]+soapSuccess))
		}, func(t *testing.T, s *server, m *marketo, name string) {
			a := s.must(s.plain())
			_ = a.raw.SetReadBuffer(4 << 10)
			_ = a.raw.SetWriteDeadline(time.Now().Add(5 * time.Second))
			sent := 0
			for _, err := io.WriteString(a, post(name)); err == nil && sent < 10_000; _, err = io.WriteString(a, post(name)) {
				sent++
			}
			if n := len(m.seen(name)); n > 100 {
				t.Errorf("%s: %d calls reached Marketo, of %d", name, n, sent)
			}
			a.Close()
		}, "client"},
		{"asks for a tunnel, and never speaks TLS", nil, func(t *testing.T, s *server, _ *marketo, name string) {
			a := s.must(s.plain())
			defer a.Close()
			fmt.Fprintf(a, "CONNECT %s.mktoapi.com:443 HTTP/1.1\r\nHost: %[1]s.mktoapi.com:443\r\n\r\n", instance)
			if g := a.read("CONNECT"); g.status != 200 {
				t.Errorf("%s: %s", name, g)
			}
			if err := a.closed(28 * time.Second); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}, ""},
		{"never shakes hands with the listener over TLS", nil, func(t *testing.T, s *server, _ *marketo, name string) {
			d := door{dial: func() (app, error) { return s.raw("tls-listen") }}
			a := s.must(d)
			defer a.Close()
			if err := a.closed(28 * time.Second); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}, ""},
		{"hangs up at once", nil, says2("", "listen", app.hangUp), ""},
		{"resets at once", nil, says2("", "listen", app.reset), ""},
		{"resets within the head", nil, says2("POST /soap/x HTTP/1.1\r\nHost: x\r\nX-", "listen", app.reset), ""},
		{"hangs up within the handshake with the listener over TLS", nil, says2(hello, "tls-listen", app.hangUp), ""},
		{"resets within the handshake with the listener over TLS", nil, says2(hello, "tls-listen", app.reset), ""},
		{"hangs up after a CONNECT", nil, says2(aTunnel, "listen", app.hangUp), ""},
		{"resets after a CONNECT", nil, says2(aTunnel, "listen", app.reset), ""},
		{"hangs up within the handshake of a tunnel", nil, says2(aTunnel+hello, "listen", app.hangUp), ""},
		{"resets within the trailers", nil, says2("POST "+soapPath+" HTTP/1.1\r\nHost: x\r\n"+caseHeader+": resets within the trailers\r\nTransfer-Encoding: chunked\r\n\r\n"+
			"1\r\n<\r\n0\r\nX-Sum: 1", "listen", app.reset), "client"},
		{"reads slowly", after(func(x *exchange) bool { x.send(answer("200 OK", long[:4<<20])); return false }), func(t *testing.T, s *server, m *marketo, name string) {
			a := called(s, m, name)
			defer a.Close()
			for range 10 {
				_, _ = io.CopyN(io.Discard, a.in, 64<<10)
				time.Sleep(50 * time.Millisecond)
			}
			if n, err := io.CopyN(io.Discard, a.in, 3<<20); err != nil {
				t.Errorf("%s: %v after %d more bytes", name, err, n)
			}
			_, _ = io.CopyN(io.Discard, a.in, 1<<20)
		}, "malformed"},
	}
}

const (
	hello   = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" // of TLS, up to what is random in it
	aTunnel = "CONNECT " + instance + ".mktoapi.com:443 HTTP/1.1\r\nHost: x\r\n\r\n"
)

func (a app) hangUp() { a.Close() }

// says2 says something to a listener, and ends the connection.
func says2(what, listener string, end func(app)) func(*testing.T, *server, *marketo, string) {
	return func(t *testing.T, s *server, _ *marketo, name string) {
		a, err := s.raw(listener)
		if err != nil {
			t.Error(err)
			return
		}
		if strings.HasPrefix(what, "CONNECT") {
			_, _ = io.WriteString(a, aTunnel)
			if g := a.read("CONNECT"); g.status != 200 {
				t.Errorf("%s: %s", name, g)
			}
		}
		_, _ = io.WriteString(a, strings.TrimPrefix(what, aTunnel))
		time.Sleep(50 * time.Millisecond)
		end(a)
	}
}

// longSuccess is an answer of 18 MiB, more than what all buffers on its way can take.
func longSuccess() string {
	return strings.Replace(soapSuccess, "<count>", strings.Repeat("<!-- a comment, of which there are many: they all go by, and are kept of none -->", 1<<18)+"<count>", 1)
}

// slowFaults end after the limits that are a minute long.
func slowFaults() []clientFault {
	long := answer("200 OK", longSuccess())
	return []clientFault{
		{"never reads the answer", after(func(x *exchange) bool { x.send(long); return false }), func(t *testing.T, s *server, m *marketo, name string) {
			a := s.must(s.plain())
			_ = a.raw.SetReadBuffer(4 << 10)
			defer a.Close()
			_, _ = io.WriteString(a, post(name))
			time.Sleep(75 * time.Second)
		}, "client"},
		{"stops within the body", nil, func(t *testing.T, s *server, m *marketo, name string) {
			a := s.must(s.plain())
			defer a.Close()
			_, _ = io.WriteString(a, head(name, "Content-Length: 1000000")+"<")
			_ = a.closed(75 * time.Second)
		}, "client"},
		{"stops within the trailers", nil, stops1("Transfer-Encoding: chunked", "1\r\n<\r\n0\r\nX-Sum: "), "client"},
		{"stops within the size of a chunk", nil, stops1("Transfer-Encoding: chunked", "1\r\n<\r\n1"), "client"},
		{"waits for a 100, and sends nothing then", nil, stops1("Content-Length: 5", "", "Expect: 100-continue"), "client"},
		{"stops within a body that is refused", nil, func(t *testing.T, s *server, _ *marketo, name string) {
			a := s.must(s.plain())
			defer a.Close()
			_, _ = io.WriteString(a, "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n<")
			began := time.Now()
			_ = a.raw.SetDeadline(began.Add(75 * time.Second))
			if _, err := io.Copy(io.Discard, a.in); err != nil && time.Since(began) > 74*time.Second {
				t.Errorf("%s: %v", name, err)
			}
		}, ""},
		{"says nothing after a call", nil, func(t *testing.T, s *server, _ *marketo, name string) {
			a := s.must(s.plain())
			defer a.Close()
			_, _ = io.WriteString(a, post(name))
			if g := a.read("POST"); g.status != 200 {
				t.Errorf("%s: %s (%v)", name, g, g.err)
			}
			began := time.Now()
			if err := a.closed(135 * time.Second); err != nil || time.Since(began) < 100*time.Second {
				t.Errorf("%s: %v after %s", name, err, time.Since(began))
			}
		}, ""},
		{"drips the body for ever", nil, func(t *testing.T, s *server, m *marketo, name string) {
			a := s.must(s.plain())
			defer a.Close()
			_ = a.raw.SetDeadline(time.Time{})
			began := time.Now()
			for _, err := io.WriteString(a, head(name, "Transfer-Encoding: chunked")); err == nil; _, err = io.WriteString(a, "1\r\nx\r\n") {
				if time.Since(began) > 80*time.Second {
					t.Errorf("%s: it may go on", name)
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}, "client"},
	}
}

// stops1 sends a head with this field, and this much of a body.
func stops1(field, part string, fields ...string) func(*testing.T, *server, *marketo, string) {
	return func(t *testing.T, s *server, _ *marketo, name string) {
		a := s.must(s.plain())
		defer a.Close()
		_, _ = io.WriteString(a, head(name, append(fields, field)...)+part)
		began := time.Now()
		_ = a.raw.SetDeadline(began.Add(80 * time.Second))
		if _, err := io.Copy(io.Discard, a.in); err != nil && time.Since(began) > 79*time.Second {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// raw is a connection to a listener, without TLS.
func (s *server) raw(listener string) (app, error) {
	other := &server{t: s.t, at: map[string]string{"listen": s.at[listener]}}
	return other.plain().dial()
}

// Applications that leave, stop or dawdle in each phase. The limits are the program's own.
func TestApplications(t *testing.T) {
	t.Parallel()
	m := newMarketo(t, false)
	srv := serve(t, programs.race, m)
	faults := clientFaults()
	if *minutes {
		faults = append(faults, slowFaults()...)
	}
	want := map[string]expected{}
	runCases(t, len(faults), func(i int) {
		c := faults[i]
		if c.marketo != nil {
			m.set(c.name, c.marketo)
		}
		c.does(t, srv, m, c.name)
	})
	for _, c := range faults {
		want[c.name] = expected{c.outcome, ""}
	}
	srv.recorded(want)
	srv.clean()
}

// Requests that come in one write are answered in their order, each sent once.
func TestPipelining(t *testing.T) {
	t.Parallel()
	m := newMarketo(t, false)
	srv := serve(t, programs.race, m)
	for _, d := range []door{srv.plain(), srv.tunnelled(), srv.secure()} {
		a := srv.must(d)
		var all strings.Builder
		const n = 20
		for i := range n {
			fmt.Fprint(&all, post(fmt.Sprintf("%s-%d", d.name, i)))
		}
		if _, err := io.WriteString(a, all.String()); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			name := fmt.Sprintf("%s-%d", d.name, i)
			g := a.read("POST")
			if g.status != 200 || g.header.Get("X-Seen") != "POST "+soapPath+" "+name || string(g.body) != soapSuccess {
				t.Fatalf("%s: %s (%v) of %q", name, g, g.err, g.header.Get("X-Seen"))
			}
			if seen := m.seen(name); len(seen) != 1 || !seen[0].whole {
				t.Errorf("%s: Marketo got %d", name, len(seen))
			}
		}
		a.Close()
	}
	srv.clean()
}

// An application that leaves while its call waits is seen to leave, with more calls behind that one as well. Whether those count as calls that
// it gave up is not said.
func TestLeavesCallsBehind(t *testing.T) {
	t.Parallel()
	m := newMarketo(t, false)
	srv := serve(t, programs.race, m)
	for name, end := range map[string]func(app){"hangs up": app.hangUp, "resets": app.reset} {
		ended := make(chan struct{})
		m.set(name, after(func(x *exchange) bool { defer close(ended); return x.silence() }))
		a := srv.must(srv.plain())
		_, _ = io.WriteString(a, post(name)+post(name+", behind"))
		srv.eventually(name+": the call", func() (bool, string) { return len(m.seen(name)) == 1, "it did not come" })
		time.Sleep(50 * time.Millisecond)
		end(a)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: the call goes on", name)
		}
	}
	srv.clean()
}
