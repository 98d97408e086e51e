package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/identity"
)

const (
	authorization = "Authorization"
	tokenParam    = "access_token"
)

// bearer is the access token of a REST call: as the application sent it, and as it goes up. A nil one is of a call without.
type bearer struct {
	up      string // the token that goes up; "" for none, or what is no bearer token
	client  string // that it was issued to; "" if the proxy does not know
	secret  digest // for which it was issued
	carried bool   // something that Marketo may refuse goes up
	param   bool   // the application wrote an access_token into the query
	move    bool   // which does not go up
	inQuery bool   // which goes up
	set     bool   // up is to be written, since it is not where or what the application sent
}

// readBearer finds the token of a call to /rest or /bulk: in Authorization or, as Marketo took it until 31 August 2026, in the query.
// Where both are, the header counts, and the parameter that Marketo no longer knows is left out.
func readBearer(r *http.Request, move bool) *bearer {
	if !strings.HasPrefix(r.URL.Path, "/rest/") && !strings.HasPrefix(r.URL.Path, "/bulk/") {
		return nil
	}
	b := &bearer{}
	fields, inHeader := r.Header[authorization]
	if inHeader {
		b.carried = true
		if scheme, token, _ := strings.Cut(fields[0], " "); len(fields) == 1 && strings.EqualFold(scheme, "Bearer") {
			b.up = strings.TrimSpace(token)
		}
	}
	raw, found := queryToken(r.URL.RawQuery)
	if !found {
		return b
	}
	b.param = true
	token, err := url.QueryUnescape(raw)
	if err != nil || !identity.IsToken(token) {
		return b // Marketo says what is wrong with it
	}
	b.move = move
	if !inHeader {
		b.carried, b.up, b.set, b.inQuery = true, token, move, !move
	}
	return b
}

// queryToken is the value of the first access_token, as it was written.
func queryToken(query string) (value string, found bool) {
	if !strings.Contains(query, tokenParam) { // nearly always
		return "", false
	}
	for parameter := range strings.SplitSeq(query, "&") {
		if value, found = strings.CutPrefix(parameter, tokenParam+"="); found {
			return value, true
		}
	}
	return "", false
}

// withToken is the query with another value for every access_token, or without it; all else stays as it was written.
func withToken(query, token string) string {
	parameters := strings.Split(query, "&")
	is := func(p string) bool { return strings.HasPrefix(p, tokenParam+"=") }
	if token == "" {
		return strings.Join(slices.DeleteFunc(parameters, is), "&")
	}
	for i, p := range parameters {
		if is(p) {
			parameters[i] = tokenParam + "=" + url.QueryEscape(token)
		}
	}
	return strings.Join(parameters, "&")
}

// inHeader tells that put changes the header.
func (b *bearer) inHeader() bool { return b != nil && b.set && !b.inQuery }

// put writes the token into a request for Marketo.
func (b *bearer) put(u *url.URL, h http.Header) {
	if b == nil {
		return
	}
	if b.move {
		u.RawQuery = withToken(u.RawQuery, "")
	}
	switch {
	case b.set && b.inQuery:
		u.RawQuery = withToken(u.RawQuery, b.up)
	case b.inHeader():
		h[authorization] = []string{"Bearer " + b.up}
	}
}

// replace makes another token go up.
func (b *bearer) replace(token string) { b.up, b.set, b.carried = token, true, true }

// authorize decides which token a REST call goes up with. One that Marketo has refused before makes way for the client's present one, and
// a call without any gets one if every call is to be signed.
func (c *call) authorize() {
	b := readBearer(c.in, c.t.cfg.MoveToken)
	if b == nil {
		return
	}
	c.bearer, c.ex.QueryToken = b, b.param
	t := c.t
	if !c.own() {
		return
	}
	if !b.carried && t.cfg.Sign == SignAlways && t.cfg.RESTClient != "" {
		c.addToken()
		return
	}
	is, ok := t.issued.owner(b.up, t.now())
	if !ok {
		return
	}
	b.client, b.secret = is.client, is.secret
	if is.refused && c.mayRenew() {
		if present := t.tokens.present(b.client, b.up); present != "" {
			b.replace(present)
		}
	}
}

// addToken gives a call that has no token one of the configured client. If none can be had it goes as it is: Marketo says what it lacks.
func (c *call) addToken() {
	b, t := c.bearer, c.t
	b.client = t.cfg.RESTClient
	secret, known := t.lookup(b.client)
	if !known {
		c.ex.Renewal = capture.NoCredential
		return
	}
	b.secret = t.issued.hash(secret)
	token, err := c.token("")
	if err != nil {
		c.ex.Renewal, c.ex.RenewalError = capture.RenewalFailed, err.Error()
		return
	}
	b.replace(token)
}

// own tells whether the call goes to the REST upstream that was configured. No other is ever sent a client's secret.
func (c *call) own() bool {
	return c.entry.api == classify.REST && c.entry.upstream == c.t.cfg.REST
}

// mayRenew tells whether the call may be sent again with another token, so that its body has to be kept.
func (c *call) mayRenew() bool {
	if c.bearer == nil || c.bearer.client == "" || c.t.cfg.Sign == SignNever {
		return false
	}
	secret, known := c.t.lookup(c.bearer.client)
	return known && c.shown(secret)
}

// shown tells whether the token was issued for that very secret. Who knew one that was changed since gets no more tokens by it.
func (c *call) shown(secret string) bool { return c.t.issued.hash(secret) == c.bearer.secret }
