package proxy

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// fromPage says by what a request seems to be one of a web page in a browser, or "". A page can call any port of its reader's machine.
// That is of no use to it where a caller needs credentials of its own, but it must not get to those that --sign=always lends.
func (p *Proxy) fromPage(r *http.Request, e *entry) string {
	for _, name := range [...]string{"Origin", "Sec-Fetch-Site"} { // a page can't leave them out, and applications don't send them
		if value := r.Header.Get(name); value != "" && value != "none" {
			return "the header " + name
		}
	}
	// A page whose own name was made to stand for this machine (DNS rebinding) gives away nothing but that name.
	_, host, _ := strings.Cut(e.self, "://")
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	if cameByLoopback(r) && isPublicName(name) && !p.forwards(host, r.URL.Path) && !p.forwards(name, r.URL.Path) {
		return fmt.Sprintf("the Host %q, which is no name of this machine", host)
	}
	return ""
}

func cameByLoopback(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.IP.IsLoopback()
}

// isPublicName tells a name with a dot, which anybody may own, from others and from addresses.
func isPublicName(name string) bool {
	_, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err != nil && strings.Contains(name, ".")
}

func (p *Proxy) forwards(host, path string) bool {
	e, _ := p.forwardEntry(host, path)
	return e != nil
}
