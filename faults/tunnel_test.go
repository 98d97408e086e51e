//go:build linux

package faults

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A tunnelSwap tries to leave the host that a tunnel was allowed for.
type tunnelSwap struct {
	name   string
	sni    string // empty: the host of the tunnel
	head   string // {victim} is an address that must never be reached
	status int
}

func tunnelSwaps() []tunnelSwap {
	return []tunnelSwap{
		{"the host itself", "", "GET /rest/x HTTP/1.1\r\nHost: " + tunnelHost + "\r\n", 200},
		{"another Host", "", "GET /rest/x HTTP/1.1\r\nHost: {victim}\r\n", 200},
		{"the metadata service as Host", "", "GET /rest/x HTTP/1.1\r\nHost: 169.254.169.254\r\n", 200},
		{"absolute form", "", "GET http://{victim}/rest/x HTTP/1.1\r\nHost: {victim}\r\n", 200},
		{"absolute form over https", "", "GET https://{victim}/rest/x HTTP/1.1\r\nHost: " + tunnelHost + "\r\n", 200},
		{"another name in SNI", "evil.example", "GET /rest/x HTTP/1.1\r\nHost: evil.example\r\n", 200},
		{"a tunnel in the tunnel", "", "CONNECT {victim} HTTP/1.1\r\nHost: {victim}\r\n", 403},
		{"a path of no API", "", "GET /x HTTP/1.1\r\nHost: {victim}\r\n", 200},
	}
}

const tunnelHost = instance + ".mktorest.com"

// Whatever a request inside a tunnel says, it goes where CONNECT was allowed to.
func TestTunnels(t *testing.T) {
	t.Parallel()
	m := newMarketo(t, true)
	srv := serve(t, programs.race, m)
	var reached atomic.Int32
	victim, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer victim.Close()
	go func() {
		for {
			c, err := victim.Accept()
			if err != nil {
				return
			}
			reached.Add(1)
			c.Close()
		}
	}()
	for i, c := range tunnelSwaps() {
		name := fmt.Sprintf("tunnel-%d", i)
		raw, err := net.Dial("tcp", srv.at["listen"])
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(raw, "CONNECT %s:443 HTTP/1.1\r\nHost: %s\r\n\r\n", tunnelHost, victim.Addr())
		if resp, err := http.ReadResponse(bufio.NewReader(raw), &http.Request{Method: "CONNECT"}); err != nil || resp.StatusCode != 200 {
			t.Fatal(c.name, err, resp)
		}
		config := &tls.Config{ServerName: tunnelHost, RootCAs: srv.roots()}
		if c.sni != "" {
			config = &tls.Config{ServerName: c.sni, InsecureSkipVerify: true}
		}
		inner := tls.Client(raw, config)
		in := srv.app(raw, inner)
		head := strings.ReplaceAll(c.head, "{victim}", victim.Addr().String())
		if _, err := io.WriteString(inner, head+caseHeader+": "+name+"\r\n\r\n"); err != nil {
			t.Fatal(c.name, err)
		}
		method, _, _ := strings.Cut(head, " ")
		g := in.read(method)
		if g.status != c.status {
			t.Errorf("%s: %s (%v) %.200s, want %d", c.name, g, g.err, g.body, c.status)
		}
		if state := inner.ConnectionState(); len(state.PeerCertificates) == 0 || state.PeerCertificates[0].VerifyHostname(tunnelHost) != nil {
			t.Errorf("%s: the certificate is for another host", c.name)
		}
		if n := len(m.seen(name)); c.status == 200 && n != 1 || c.status != 200 && n != 0 {
			t.Errorf("%s: Marketo got %d requests", c.name, n)
		}
		inner.Close()
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the victim was reached %d times", n)
	}
	srv.clean()
}
