package proxy

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"go.uber.org/zap"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/decode"
	"marketo-proxy/identity"
	"marketo-proxy/upstream"
)

const (
	maxTokenForm = 64 << 10 // bytes of a form that asks for a token; real ones have some hundred
	maxClientID  = 256      // bytes; real ones are UUIDs
)

// fetchToken asks the identity service of the REST upstream for a token of a client. The error names neither secret nor address.
func (t *Transport) fetchToken(ctx context.Context, client string) (identity.Token, error) {
	token, err := t.askIdentity(ctx, client)
	if err != nil {
		t.cfg.Log.Warn("no new access token", zap.String("client", client), zap.Error(err))
	}
	return token, err
}

func (t *Transport) askIdentity(ctx context.Context, client string) (identity.Token, error) {
	secret, known := t.lookup(client)
	if !known {
		return identity.Token{}, errors.New("no secret is known for the client")
	}
	token, err := identity.Fetch(ctx, roundTripper{t.upstream}, t.cfg.REST.String(), client, secret)
	if refused := (*identity.Refusal)(nil); err != nil && !errors.As(err, &refused) {
		err = errors.New("no answer of the identity service: " + explain(ctx, err, false).reason)
	}
	return token, err
}

// roundTripper lets calls of the proxy's own share the pool of connections.
type roundTripper struct{ upstream Upstream }

func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	return r.upstream.Do(req.Context(), req, new(upstream.Trace))
}

// learnToken notes which client the identity service gave a token to. Marketo has checked the secret in that call.
func (c *call) learnToken(a *answer) {
	if c.entry.api != classify.REST || !classify.IssuesToken(c.ex.Call.Operation) {
		return
	}
	client, secret := c.asking(a.attempt.Request.Body)
	c.ex.Call.User = client
	if client == "" || !c.own() || !a.ended || a.err != nil || a.final.Outcome != classify.Success {
		return
	}
	token, err := identity.Read(a.resp.StatusCode, decode.NewReader(a.rec.Open(), a.resp.Header.Get("Content-Encoding"), ""))
	if err != nil {
		return
	}
	c.t.issued.add(token.Value, client, secret, token.Life, c.t.now())
	if _, known := c.t.lookup(client); known {
		c.t.tokens.learn(client, token)
	}
}

// asking is the client that a call of the identity service speaks for and the secret that it shows, or "" where that is not beyond
// doubt: Marketo must not have checked the secret of one client and the proxy have read the name of another.
func (c *call) asking(body *capture.Recording) (client, secret string) {
	form, err := url.ParseQuery(c.in.URL.RawQuery)
	if err != nil || c.in.Header[authorization] != nil {
		return "", ""
	}
	if body.Size() > 0 {
		media, parameters, _ := mime.ParseMediaType(c.in.Header.Get("Content-Type"))
		content, readErr := io.ReadAll(io.LimitReader(body.Open(), maxTokenForm))
		more, err := url.ParseQuery(string(content))
		if err != nil || readErr != nil || media != "application/x-www-form-urlencoded" || c.in.Header.Get("Content-Encoding") != "" ||
			!readsAsASCII(parameters["charset"]) || int64(len(content)) != body.Size() {
			return "", ""
		}
		for name, values := range more {
			form[name] = append(form[name], values...)
		}
	}
	names := map[string]int{}
	for name, values := range form {
		names[strings.ToLower(name)] += len(values)
	}
	if names["client_id"] != 1 || names["client_secret"] != 1 || names["grant_type"] != 1 || form.Get("grant_type") != "client_credentials" {
		return "", ""
	}
	if client = form.Get("client_id"); len(client) > maxClientID {
		return "", ""
	}
	return client, form.Get("client_secret")
}

// readsAsASCII tells that a form in charset means to Marketo what it means here; one in EBCDIC has other names and values.
func readsAsASCII(charset string) bool {
	return charset == "" || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "iso-8859-1")
}
