//go:build linux

package faults

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// clumsy is a connection whose first write has something in front, and whose writes come byte by byte.
type clumsy struct {
	net.Conn
	front   string
	dripped bool
}

func (c *clumsy) Write(p []byte) (int, error) {
	out := append([]byte(c.front), p...)
	c.front = ""
	step := len(out)
	if c.dripped {
		step = 1
	}
	for ; len(out) > 0; out = out[min(step, len(out)):] {
		if _, err := c.Conn.Write(out[:min(step, len(out))]); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Whoever speaks TLS to the proxy gets HTTP/1.1 over TLS 1.2 or 1.3, whatever else it offers and however the bytes of its handshake come:
// on the listener over TLS, and in a tunnel.
func TestHandshakes(t *testing.T) {
	t.Parallel()
	m := newMarketo(t, false)
	srv := serve(t, programs.race, m)
	const host = instance + ".mktoapi.com"
	connect := fmt.Sprintf("CONNECT %s:443 HTTP/1.1\r\nHost: %[1]s:443\r\n\r\n", host)
	for i, c := range []struct {
		name   string
		config *tls.Config
		wire   clumsy
		want   string
	}{
		{"TLS 1.3", &tls.Config{MinVersion: tls.VersionTLS13}, clumsy{}, "200 over TLS 1.3"},
		{"TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12}, clumsy{}, "200 over TLS 1.2"},
		{"TLS 1.1", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, clumsy{}, "no handshake"},
		{"HTTP/2 preferred", &tls.Config{NextProtos: []string{"h2", "http/1.1"}}, clumsy{}, "200 over TLS 1.3 as http/1.1"},
		{"HTTP/2 only", &tls.Config{NextProtos: []string{"h2"}}, clumsy{}, "no handshake"},
		{"without SNI", &tls.Config{InsecureSkipVerify: true}, clumsy{}, "200 over TLS 1.3"},
		{"dripped", &tls.Config{}, clumsy{dripped: true}, "200 over TLS 1.3"},
	} {
		for _, listener := range []string{"tls-listen", "listen"} {
			raw, err := net.Dial("tcp", srv.at[listener])
			if err != nil {
				t.Fatal(err)
			}
			_ = raw.SetDeadline(time.Now().Add(patience))
			wire := c.wire
			wire.Conn = raw
			config := c.config.Clone()
			config.RootCAs = srv.roots()
			if !config.InsecureSkipVerify {
				config.ServerName = host
			}
			if listener == "listen" {
				_, _ = io.WriteString(raw, connect)
				if _, err := io.ReadFull(raw, make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))); err != nil {
					t.Fatal(err)
				}
			}
			inner := tls.Client(&wire, config)
			got := "no handshake"
			if err := inner.Handshake(); err == nil {
				a := srv.app(raw, inner)
				_, _ = io.WriteString(a, post(fmt.Sprintf("hello-%s-%d", listener, i)))
				state := inner.ConnectionState()
				got = fmt.Sprintf("%s over %s", a.read("POST"), tls.VersionName(state.Version))
				if state.NegotiatedProtocol != "" {
					got += " as " + state.NegotiatedProtocol
				}
			}
			if got != c.want {
				t.Errorf("%s, on --%s: %s, want %s", c.name, listener, got, c.want)
			}
			raw.Close()
		}
	}
	srv.clean()
}

// What a client says right behind its CONNECT is the beginning of its handshake.
func TestHandshakeBehindConnect(t *testing.T) {
	t.Parallel()
	m := newMarketo(t, false)
	srv := serve(t, programs.race, m)
	const host = instance + ".mktoapi.com"
	raw, err := net.Dial("tcp", srv.at["listen"])
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(patience))
	answer := []byte("HTTP/1.1 200 Connection established\r\n\r\n")
	wire := &skipping{Conn: &clumsy{Conn: raw, front: fmt.Sprintf("CONNECT %s:443 HTTP/1.1\r\nHost: %[1]s:443\r\n\r\n", host)}, skip: answer}
	inner := tls.Client(wire, &tls.Config{ServerName: host, RootCAs: srv.roots()})
	a := srv.app(raw, inner)
	_, _ = io.WriteString(a, post("behind"))
	if g := a.read("POST"); g.status != 200 {
		t.Errorf("%s (%v)", g, g.err)
	}
	raw.Close()
	srv.clean()
}

// skipping is a connection whose other side says something first that is not for who reads.
type skipping struct {
	net.Conn
	skip []byte
}

func (c *skipping) Read(p []byte) (int, error) {
	if len(c.skip) > 0 {
		b := make([]byte, len(c.skip))
		if _, err := io.ReadFull(c.Conn, b); err != nil {
			return 0, err
		}
		if !bytes.Equal(b, c.skip) {
			return 0, fmt.Errorf("it says %s", strings.TrimSpace(string(b)))
		}
		c.skip = nil
	}
	return c.Conn.Read(p)
}
