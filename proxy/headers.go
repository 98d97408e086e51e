package proxy

import (
	"net/http"
	"net/textproto"
	"strings"
)

// Headers of our own, in canonical form.
const (
	headerCapture  = "Marketo-Proxy-Capture"
	headerAttempts = "Marketo-Proxy-Attempts"
	headerPrefix   = "Marketo-Proxy-"
)

// isHopByHop knows the fields that concern one connection only (RFC 9110 section 7.6.1), whether or not Connection names them.
func isHopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Transfer-Encoding", "Upgrade",
		"Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info":
		return true
	}
	return false
}

// passes tells that a field of a response is for the application: not of one connection, and none that only the proxy may set.
func passes(name string) bool { return !isHopByHop(name) && !strings.HasPrefix(name, headerPrefix) }

// stripHopByHop removes them in place, with those that Connection names.
func stripHopByHop(h http.Header) {
	for _, field := range h["Connection"] {
		for name := range strings.SplitSeq(field, ",") {
			if name = textproto.TrimString(name); name != "" {
				h.Del(name)
			}
		}
	}
	for name := range h {
		if isHopByHop(name) {
			delete(h, name)
		}
	}
}

// passableTrailer is a response's trailer without what must not pass; nil stays nil.
func passableTrailer(h http.Header) http.Header {
	var out http.Header
	for name, values := range h {
		if !passes(name) || name == "Content-Length" || name == "Trailer" {
			continue
		}
		if out == nil {
			out = make(http.Header, len(h))
		}
		out[name] = values
	}
	return out
}

// isPassable tells that a response's header may pass as it is.
func isPassable(h http.Header) bool {
	for name := range h {
		if !passes(name) {
			return false
		}
	}
	return true
}

// passable is a response's header without what must not pass; the original stays as it is, for the capture.
func passable(h http.Header) http.Header {
	out := make(http.Header, len(h)+2)
	for name, values := range h {
		if passes(name) {
			out[name] = values
		}
	}
	for _, field := range h["Connection"] {
		for name := range strings.SplitSeq(field, ",") {
			out.Del(textproto.TrimString(name))
		}
	}
	return out
}
