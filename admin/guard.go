package admin

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
)

var (
	errNoPage    = errors.New("there is no such page")
	errClosed    = errors.New("the proxy is stopping")
	errHost      = errors.New("only loopback host names are served: use http://127.0.0.1 or localhost")
	errToken     = errors.New("a bearer token is needed: it stands in the file of --admin-token-file")
	errElsewhere = errors.New("requests that another site makes are not served")
)

const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// guard lets in whoever calls this machine by a loopback name, so that no web page can reach it through a name of its own (DNS
// rebinding), refuses what other sites' pages ask for, and asks for the token.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case !loopbackName(r.Host):
			s.fail(w, r, http.StatusForbidden, errHost)
		case !fromHere(r):
			s.fail(w, r, http.StatusForbidden, errElsewhere)
		case s.free(r.URL.Path) || s.known(r):
			next.ServeHTTP(w, r)
		case isAPI(r):
			h.Set("WWW-Authenticate", `Bearer realm="marketo-proxy"`)
			s.fail(w, r, http.StatusUnauthorized, errToken)
		default:
			s.askToken(w, r)
		}
	})
}

func loopbackName(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	if ip := net.ParseIP(name); ip != nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(name, "localhost")
}

// fromHere tells that a request was not made by another site's page; another port of this host is another site too. What is left to
// those is to link to the page. Requests without the header come from no browser, or from one so old that it hardly runs the page.
// https://www.w3.org/TR/fetch-metadata/
func fromHere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true // whatever Origin says: with this Referrer-Policy browsers send "null"
	case "":
		origin := r.Header.Get("Origin")
		return origin == "" || origin == "http://"+r.Host || origin == "https://"+r.Host
	}
	return !isAPI(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

func isAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }

// free tells that a path needs no token.
func (s *Server) free(path string) bool {
	return s.options.Token == "" || path == "/login" || strings.HasPrefix(path, "/assets/")
}

// known tells whether a request has the token, or the cookie of a session.
func (s *Server) known(r *http.Request) bool {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return equal(token, s.options.Token)
	}
	cookie, err := r.Cookie(sessionCookie)
	return err == nil && s.sessions.valid(cookie.Value)
}

// fail answers with an error: in JSON to a script, and as a page to a person.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, status int, err error) {
	if isAPI(r) && !strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
		return
	}
	s.show(w, r, status, "error.html", "Error", errorPage{Status: status, Title: http.StatusText(status), Message: err.Error()})
}
