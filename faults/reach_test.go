//go:build linux

package faults

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A reachFault keeps a call from reaching Marketo at all. Such a call was not made, whatever the application makes of it.
type reachFault struct {
	name    string
	is      func(t *testing.T) (upstream *marketo, url string) // one of both
	args    []string
	status  int
	reason  string
	atLeast time.Duration // how long it takes, since only a timeout ends it
}

// accepting is a Marketo that does this to each connection.
func accepting(secure bool, f func(net.Conn)) func(*testing.T) (*marketo, string) {
	return func(t *testing.T) (*marketo, string) {
		m := newMarketo(t, secure)
		m.setAccept(f)
		return m, ""
	}
}

// showing is a Marketo with another certificate than it should have.
func showing(change func(t *testing.T, m *marketo, a *authority)) func(*testing.T) (*marketo, string) {
	return func(t *testing.T) (*marketo, string) {
		m := newMarketo(t, true)
		a := newAuthority(t)
		m.caFile = a.file
		change(t, m, a)
		return m, ""
	}
}

func hold(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// first reads something first: without that, a close is a reset.
func first(then func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)); then(c) }
}

func reachFaults() []reachFault {
	return []reachFault{
		{"nothing listens", func(t *testing.T) (*marketo, string) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			return nil, "http://" + l.Addr().String()
		}, nil, 502, "refused", 0},
		{"the name does not exist", func(*testing.T) (*marketo, string) { return nil, "https://nowhere.invalid" }, nil, 502, "dns", 0},
		{"packets vanish", func(t *testing.T) (*marketo, string) { return nil, "http://" + blackHole(t) }, nil, 504, "timeout", 9 * time.Second},
		{"accepts and hangs up", accepting(false, first(func(c net.Conn) { c.Close() })), nil, 502, "cut off", 0},
		{"accepts and resets", accepting(false, first(reset)), nil, 502, "reset", 0},
		{"accepts, and stays silent", accepting(false, hold), []string{"--upstream-timeout=2s"}, 504, "timeout", 2 * time.Second},
		{"TLS: hangs up in the handshake", accepting(true, first(func(c net.Conn) { c.Close() })), nil, 502, "", 0},
		{"TLS: resets in the handshake", accepting(true, first(reset)), nil, 502, "", 0},
		{"TLS: never shakes hands", accepting(true, hold), nil, 504, "timeout", 9 * time.Second},
		{"TLS: answers with plain HTTP", accepting(true, first(func(c net.Conn) { _, _ = io.WriteString(c, answer("200 OK", soapSuccess)) })), nil, 502, "tls", 0},
		{"TLS: answers with garbage", accepting(true, first(func(c net.Conn) { _, _ = c.Write([]byte(strings.Repeat("\x00\xff", 500))); hold(c) })), nil, 502, "tls", 0},
		{"TLS: answers with an alert", accepting(true, first(func(c net.Conn) { _, _ = c.Write([]byte("\x15\x03\x03\x00\x02\x02\x28")) })), nil, 502, "tls", 0},
		{"TLS: cut within the server's hello", accepting(true, first(func(c net.Conn) { _, _ = c.Write([]byte("\x16\x03\x03\x00\x7a\x02\x00")) })), nil, 502, "", 0},
		{"TLS: certificate expired", showing(func(t *testing.T, m *marketo, a *authority) {
			m.setTLS(a.serving(t, time.Now().Add(-time.Hour), "127.0.0.1"))
		}), nil, 502, "expired", 0},
		{"TLS: certificate of another host", showing(func(t *testing.T, m *marketo, a *authority) {
			m.setTLS(a.serving(t, time.Now().Add(time.Hour), "evil.example"))
		}), nil, 502, "another host", 0},
		{"TLS: certificate of an unknown authority", showing(func(*testing.T, *marketo, *authority) {}), nil, 502, "unknown authority", 0},
		{"TLS: only version 1.1", showing(func(t *testing.T, m *marketo, a *authority) {
			c := a.serving(t, time.Now().Add(time.Hour), "127.0.0.1")
			c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
			m.setTLS(c)
		}), nil, 502, "tls", 0},
	}
}

// blackHole is an address whose queue of connections is full, so that further ones get no answer at all.
func blackHole(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}).String()
	for range 8 {
		c, err := net.DialTimeout("tcp", addr, 300*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("the queue does not become full")
	return ""
}

func TestReaching(t *testing.T) {
	for _, c := range reachFaults() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			upstream, url := c.is(t)
			var srv *server
			if upstream != nil {
				srv = serve(t, programs.race, upstream, c.args...)
			} else {
				srv = serveAt(t, programs.race, append([]string{"--soap-upstream=" + url, "--rest-upstream=" + url}, c.args...)...)
			}
			began := time.Now()
			g := srv.plain().call(post("reach"))
			took := time.Since(began)
			if g.status != c.status || g.cut || !strings.Contains(string(g.body), "marketo-proxy: ") || !strings.Contains(string(g.body), ":Fault>") {
				t.Errorf("%s %s (%v), want %d", g, g.body, g.err, c.status)
			}
			if took < c.atLeast || took > c.atLeast+10*time.Second {
				t.Errorf("it took %s", took)
			}
			if upstream != nil && len(upstream.seen("reach")) > 0 {
				t.Error("Marketo got the request")
			}
			srv.recorded(map[string]expected{"reach": {"transport", c.reason}})
			srv.clean()
		})
	}
}

// A certificate that changes between two calls is accepted if it is valid, and not otherwise; the old connection is of no use then.
func TestCertificateChanges(t *testing.T) {
	t.Parallel()
	m := newMarketo(t, true)
	a := newAuthority(t)
	m.caFile = a.file
	m.setTLS(a.serving(t, time.Now().Add(time.Hour), "127.0.0.1"))
	srv := serve(t, programs.race, m)
	for i, step := range []struct {
		until time.Duration
		name  string
		want  int
	}{{time.Hour, "127.0.0.1", 200}, {2 * time.Hour, "127.0.0.1", 200}, {time.Hour, "evil.example", 502}, {-time.Hour, "127.0.0.1", 502}, {time.Hour, "127.0.0.1", 200}} {
		m.setTLS(a.serving(t, time.Now().Add(step.until), step.name))
		m.hangUp()
		time.Sleep(100 * time.Millisecond) // until the proxy can know that the old connection has ended
		if g := srv.plain().call(post("change")); g.status != step.want {
			t.Errorf("certificate %d: %s (%v) %s, want %d", i, g, g.err, g.body, step.want)
		}
	}
	srv.clean()
}

// A Marketo that is slow in each step of its handshake is waited for.
func TestSlowHandshake(t *testing.T) {
	t.Parallel()
	m := newMarketo(t, true)
	config := m.tls
	m.setAccept(func(c net.Conn) { m.serve(c, tls.Server(&clumsy{Conn: c, dripped: true}, config), 1) })
	srv := serve(t, programs.race, m)
	if g := srv.plain().call(post("slow")); g.status != 200 {
		t.Errorf("%s (%v) %s", g, g.err, g.body)
	}
	srv.clean()
}
