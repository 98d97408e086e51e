package proxy

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/elazarl/goproxy"

	"marketo-proxy/ca"
	"marketo-proxy/classify"
	"marketo-proxy/downstream"
)

// Proxy is the doors: reverse, forward, and intercepted CONNECT, all on one http.Handler, all leading to one Transport.
type Proxy struct {
	cfg       Config
	transport *Transport
	goproxy   *goproxy.ProxyHttpServer // speaks CONNECT
	authority *ca.Authority
	inner     *downstream.Server // serves what arrives inside tunnels
	tunnels   *tunnelListener
}

// New returns the doors to t. Shutdown must be called in the end.
func New(cfg Config, t *Transport, authority *ca.Authority) *Proxy {
	p := &Proxy{cfg: cfg, transport: t, goproxy: goproxy.NewProxyHttpServer(), authority: authority, tunnels: newTunnelListener()}
	g := p.goproxy
	g.Tr = &http.Transport{} // never used; the default one would skip verification
	g.ConnectDial = nil      // the default reads HTTPS_PROXY, which may name this very process
	g.Logger = discard{}
	g.OnRequest().HandleConnectFunc(p.connect)
	p.inner = &downstream.Server{Handler: http.HandlerFunc(p.intercepted), Log: cfg.Log}
	p.inner.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, tunnelKey{}, tunnelHost(c))
	}
	go func() { _ = p.inner.Serve(p.tunnels) }() // ends with Shutdown
	return p
}

// Shutdown stops taking tunnels and waits for the calls in them until ctx ends; then it cuts them.
func (p *Proxy) Shutdown(ctx context.Context) error {
	err := p.inner.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, p.inner.Close())
	}
	return err
}

// ServeHTTP is the door for what arrives on the listeners.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodConnect:
		p.goproxy.ServeHTTP(w, r)
	case r.URL.IsAbs():
		e, refusal := p.forwardEntry(r.URL.Host, r.URL.Path)
		if e == nil {
			refuse(w, http.StatusForbidden, refusal)
			return
		}
		e.self = r.URL.Scheme + "://" + r.URL.Host
		p.serve(w, r, e)
	default:
		e, refusal := p.reverseEntry(r.URL.Path)
		if e == nil {
			refuse(w, http.StatusNotFound, refusal)
			return
		}
		e.self = "http://" + r.Host
		if r.TLS != nil {
			e.self = "https://" + r.Host
		}
		p.serve(w, r, e)
	}
}

// intercepted is the door for what arrives inside a tunnel. The host is the one that CONNECT was allowed for, whatever the request
// inside says.
func (p *Proxy) intercepted(w http.ResponseWriter, r *http.Request) {
	host, _ := r.Context().Value(tunnelKey{}).(string)
	e, refusal := p.forwardEntry(host, r.URL.Path)
	if e == nil || r.Method == http.MethodConnect {
		refuse(w, http.StatusForbidden, refusal)
		return
	}
	e.self = "https://" + strings.TrimSuffix(host, ":443")
	p.serve(w, r, e)
}

// serve makes the call and passes its answer on. One that was cut short must not look complete: its connection ends.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, e *entry) {
	if p.cfg.Sign == SignAlways {
		if page := p.fromPage(r, e); page != "" {
			refuse(w, http.StatusForbidden, "--sign=always lends its keys to no web page, and this call seems to come from one, by "+page+
				": let an application call, at 127.0.0.1 or localhost")
			return
		}
	}
	stripHopByHop(r.Header)
	resp := p.transport.Do(r, e)
	header := w.Header()
	maps.Copy(header, resp.Header)
	for name := range resp.Trailer {
		header["Trailer"] = append(header["Trailer"], name)
	}
	w.WriteHeader(resp.StatusCode)
	_, err := io.Copy(w, resp.Body)
	_ = resp.Body.Close() // what became of the answer is known, and settled by this
	if err != nil {
		_ = http.NewResponseController(w).Flush() // what did arrive is the application's
		panic(http.ErrAbortHandler)
	}
	for name, values := range resp.Trailer { // all are known only now
		header[http.TrailerPrefix+name] = values
	}
}

// reverseEntry routes by path alone.
func (p *Proxy) reverseEntry(path string) (e *entry, refusal string) {
	api := apiOf(path)
	switch {
	case api == "":
		return nil, "this path belongs to no Marketo API: /soap/ goes to the SOAP API, /rest/, /bulk/ and /identity/ to the REST API"
	case p.upstream(api) == nil:
		return nil, "no " + string(api) + " upstream is configured: set --instance or --" + string(api) + "-upstream"
	}
	return &entry{api: api, upstream: p.upstream(api)}, ""
}

func apiOf(path string) classify.API {
	for _, prefix := range []string{"/rest/", "/bulk/", "/identity/"} {
		if strings.HasPrefix(path, prefix) {
			return classify.REST
		}
	}
	if strings.HasPrefix(path, "/soap/") {
		return classify.SOAP
	}
	return ""
}

func (p *Proxy) upstream(api classify.API) *url.URL {
	if api == classify.SOAP {
		return p.cfg.SOAP
	}
	return p.cfg.REST
}

// forwardEntry routes by the host that the client asked for: the instance's own goes to the configured upstream, another allowed
// one to itself, always over TLS.
func (p *Proxy) forwardEntry(host, path string) (e *entry, refusal string) {
	host = strings.ToLower(host)
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, ""
	}
	api := apiOf(path)
	if api == "" {
		api = classify.REST
		if strings.HasSuffix(name, ".mktoapi.com") {
			api = classify.SOAP
		}
	}
	if up := p.upstream(api); up != nil && p.isOwn(api, name, port) {
		return &entry{api: api, upstream: up}, ""
	}
	if (port == "" || port == "443" || port == "80") && p.allowed(name) {
		return &entry{api: api, upstream: &url.URL{Scheme: "https", Host: name}}, ""
	}
	return nil, "this host is not allowed: --forward-hosts lists those that are"
}

// isOwn tells whether a host stands for the instance: its published name, or the configured upstream.
func (p *Proxy) isOwn(api classify.API, name, port string) bool {
	domain := ".mktorest.com"
	if api == classify.SOAP {
		domain = ".mktoapi.com"
	}
	if p.cfg.Instance != "" && name == strings.ToLower(p.cfg.Instance)+domain {
		return port == "" || port == "443" || port == "80"
	}
	up := p.upstream(api)
	return name == strings.ToLower(up.Hostname()) && (port == up.Port() || port == portOf(up) || port == "" && up.Port() == "")
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	}
	return "443"
}

// allowed matches a host name with --forward-hosts.
func (p *Proxy) allowed(name string) bool {
	for _, pattern := range p.cfg.ForwardHosts {
		pattern = strings.ToLower(strings.TrimSpace(pattern))
		if suffix, ok := strings.CutPrefix(pattern, "*"); ok {
			if strings.HasPrefix(suffix, ".") && strings.HasSuffix(name, suffix) && len(name) > len(suffix) {
				return true
			}
		} else if pattern != "" && name == pattern {
			return true
		}
	}
	return false
}

// discard is goproxy's logger: it formats lines that say less than ours.
type discard struct{}

func (discard) Printf(string, ...any) {}
