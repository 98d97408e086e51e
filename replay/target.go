package replay

import (
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/redact"
)

// marketoDomains are those of Marketo's APIs; a credential goes to no other host unless it is named as the target.
var marketoDomains = [...]string{".mktoapi.com", ".mktorest.com", ".marketo.com"}

// roots begin the paths of Marketo's APIs, behind what a base URL may have before them.
var roots = [...]string{"/soap/", "/rest/", "/bulk/", "/identity/", "/userservice/"}

// aim finds out where to send. A capture is data that others may have written: its own host is taken only if it is Marketo's.
func (r *Request) aim(api classify.API, captured string) error {
	u, err := url.Parse(captured)
	if err != nil || u.Host == "" {
		return refuse("the capture's URL is damaged")
	}
	base, flag := r.options.SOAP, "--soap-upstream"
	if api == classify.REST {
		base, flag = r.options.REST, "--rest-upstream"
	}
	switch {
	case base != nil:
	case !isMarketo(u):
		return refuse("the call went to %s://%s, which is no host of Marketo's: if it is trusted, name it with %s", u.Scheme, u.Host, flag)
	default:
		base = &url.URL{Scheme: u.Scheme, Host: u.Host}
	}
	if base.Host != u.Host {
		r.Notes = append(r.Notes, "captured from a call to "+u.Host)
	}
	r.origin = base.Scheme + "://" + base.Host + strings.TrimRight(base.EscapedPath(), "/")
	query, err := r.takeQuery(u.RawQuery)
	if err != nil {
		return err
	}
	target := r.origin + fromRoot(u.EscapedPath())
	if query != "" || u.ForceQuery {
		target += "?" + query
	}
	if r.URL, err = url.Parse(target); err != nil || r.URL.Host != base.Host {
		return refuse("the capture's URL is damaged")
	}
	return nil
}

func isMarketo(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	return u.Scheme == "https" && (u.Port() == "" || u.Port() == "443") && u.User == nil &&
		slices.ContainsFunc(marketoDomains[:], func(domain string) bool { return strings.HasSuffix(host, domain) })
}

// fromRoot cuts off what stands before the root of an API, which is part of another base URL.
func fromRoot(path string) string {
	first := len(path)
	for _, root := range roots {
		if i := strings.Index(path, root); i >= 0 {
			first = min(first, i)
		}
	}
	if first == len(path) {
		first = 0
	}
	if path = path[first:]; !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return path
}

// takeQuery fills the gaps of a query.
func (r *Request) takeQuery(query string) (string, error) {
	filled, err := r.fill(query)
	if err == nil && r.bearer && query != filled {
		r.Notes = append(r.Notes, "the token goes into the header Authorization in place of the query")
	}
	return filled, err
}

// fill puts the client secret back into parameters, and takes a masked token out of them: a fresh one will go into the header.
func (r *Request) fill(parameters string) (string, error) {
	if !strings.Contains(parameters, redact.Marker) {
		return parameters, nil
	}
	var client string
	if values, err := url.ParseQuery(parameters); err == nil {
		client = values.Get("client_id")
	}
	var kept []string
	for parameter := range strings.SplitSeq(parameters, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		switch {
		case !strings.Contains(parameter, redact.Marker):
		case value != redact.Marker:
			return "", refuse("a secret in the parameter %q was masked, and can't be put back", name)
		case name == "access_token":
			r.bearer = true
			continue
		case name == "client_secret":
			secret, err := r.key(client, "client_id")
			if err != nil {
				return "", err
			}
			r.User = client
			parameter = name + "=" + url.QueryEscape(secret)
		default:
			return "", refuse("the parameter %q was masked, and can't be put back", name)
		}
		kept = append(kept, parameter)
	}
	return strings.Join(kept, "&"), nil
}

// takeHeader takes the fields that belong to the request, not to its connection.
func (r *Request) takeHeader(api classify.API, fields []capture.HeaderLine) error {
	r.Header = http.Header{}
	for _, f := range fields {
		name := textproto.CanonicalMIMEHeaderKey(f.Name)
		masked := strings.Contains(f.Value, redact.Marker)
		switch {
		case ofConnection(name):
		case !masked:
			r.Header[name] = append(r.Header[name], f.Value)
		case name == "Authorization" && api == classify.REST:
			if f.Value != "Bearer "+redact.Marker && !strings.EqualFold(f.Value, "bearer "+redact.Marker) {
				return refuse("the header Authorization was masked, and is no token that could be fetched")
			}
			r.bearer = true
		case name == "Cookie", name == "Authorization":
			r.Notes = append(r.Notes, "without the header "+name+", which was masked")
		default:
			return refuse("a secret in the header %q was masked, and can't be put back", name)
		}
	}
	if _, ok := r.Header["User-Agent"]; !ok {
		r.Header["User-Agent"] = []string{""} // or net/http would send its own
	}
	return nil
}

// ofConnection knows the fields that the sender of a message makes anew (RFC 9110, sections 7.6.1, 8.6 and 10.1.1).
func ofConnection(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect",
		"Proxy-Authorization", "Content-Length", "Host":
		return true
	}
	return false
}
