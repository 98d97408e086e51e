package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/elazarl/goproxy"

	"marketo-proxy/classify"
)

// The interception loop is ours: goproxy's own dies with a panic in a handler, gives no answer when the upstream fails, and
// lets the request inside a tunnel choose another host. Here a hijacked connection becomes one of a second server, with all its
// timeouts and its shutdown.

// connectPatience is how long a client may take for the answer to its CONNECT.
const connectPatience = time.Minute

type tunnelKey struct{}

// connect decides on a CONNECT by its host and port alone.
func (p *Proxy) connect(host string, ctx *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
	name, port, err := net.SplitHostPort(strings.ToLower(host))
	if err != nil || !p.tunnelAllowed(name, port) {
		resp := goproxy.NewResponse(ctx.Req, "text/plain; charset=utf-8", http.StatusForbidden,
			"marketo-proxy: this host and port are not allowed: --forward-hosts lists the hosts, on port 443\n")
		resp.TransferEncoding = nil // it copies the request's
		resp.Header.Set("Connection", "close")
		ctx.Resp = resp
		return goproxy.RejectConnect, host
	}
	return &goproxy.ConnectAction{Action: goproxy.ConnectHijack, Hijack: func(_ *http.Request, client net.Conn, _ *goproxy.ProxyCtx) {
		_ = client.SetDeadline(time.Now().Add(connectPatience))
		if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
			client.Close()
			return
		}
		_ = client.SetDeadline(time.Time{}) // the inner server sets its own from here on
		p.tunnels.hand(tls.Server(&tunnel{client, net.JoinHostPort(name, port)}, p.tunnelTLS()))
	}}, host
}

func (p *Proxy) tunnelAllowed(name, port string) bool {
	if port == "443" && p.allowed(name) {
		return true
	}
	for _, api := range []classify.API{classify.SOAP, classify.REST} {
		if up := p.upstream(api); up != nil && p.isOwn(api, name, port) && (port == portOf(up) || port == "443") {
			return true
		}
	}
	return false
}

func (p *Proxy) tunnelTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			host, _, _ := net.SplitHostPort(tunnelHost(hello.Conn))
			return p.authority.Certificate(host)
		},
	}
}

// TLSConfig is for a listener where clients speak TLS to the proxy itself: the certificate is made for the name that the client
// asks for, or for the address it connected to.
func (p *Proxy) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			name := hello.ServerName
			if name == "" {
				name, _, _ = net.SplitHostPort(hello.Conn.LocalAddr().String())
			}
			return p.authority.Certificate(name)
		},
	}
}

// tunnel is a connection inside which the client speaks TLS with what it takes for host.
type tunnel struct {
	net.Conn
	host string // with port
}

func tunnelHost(c net.Conn) string {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if t, ok := c.(*tunnel); ok {
		return t.host
	}
	return ""
}

// tunnelListener hands connections to a server.
type tunnelListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newTunnelListener() *tunnelListener {
	return &tunnelListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *tunnelListener) hand(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.closed:
		c.Close()
	}
}

// Accept implements net.Listener.
func (l *tunnelListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *tunnelListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *tunnelListener) Addr() net.Addr { return &net.TCPAddr{} }
