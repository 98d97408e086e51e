package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/decode"
	"marketo-proxy/upstream"
)

const (
	identityPath = "/identity/oauth/token"

	// maxIdentity bounds what is read of a call of the identity endpoint; real ones have some hundred bytes.
	maxIdentity = 64 << 10

	maxClientID = 256 // bytes; real ones are UUIDs
)

// fetchToken asks the identity endpoint of the REST upstream for a token of a client. The error names neither secret nor address.
func (t *Transport) fetchToken(ctx context.Context, client string) (grant, error) {
	g, err := t.askIdentity(ctx, client)
	if err != nil {
		t.cfg.Log.Warn("no new access token", zap.String("client", client), zap.Error(err))
	}
	return g, err
}

func (t *Transport) askIdentity(ctx context.Context, client string) (grant, error) {
	secret, known := t.lookup(client)
	if !known {
		return grant{}, errors.New("identity: no secret is known for the client")
	}
	u := *t.cfg.REST
	u.Path = strings.TrimSuffix(u.Path, "/") + identityPath
	u.RawQuery = url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}}.Encode()
	resp, err := t.upstream.Do(ctx, &http.Request{
		Method: http.MethodGet, URL: &u, Host: u.Host, Body: http.NoBody,
		Header: http.Header{"Accept": {"application/json"}, "User-Agent": {"marketo-proxy"}},
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, &upstream.Trace{})
	if err != nil {
		return grant{}, errors.New("identity: " + explain(ctx, err, false).reason)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxIdentity))
	if err != nil {
		return grant{}, errors.New("identity: " + explain(ctx, err, false).reason)
	}
	reader := classify.NewResponseReader(classify.Answer{
		Call:   classify.Call{API: classify.REST, Operation: classify.RESTOperation(http.MethodGet, identityPath)},
		Method: http.MethodGet, Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type"),
	})
	_, _ = reader.Write(body)
	if v := reader.Verdict(); v.Outcome != classify.Success {
		return grant{}, fmt.Errorf("identity: HTTP %d: %s", resp.StatusCode, strings.ReplaceAll(v.Message, secret, "REDACTED"))
	}
	return readGrant(bytes.NewReader(body))
}

// readGrant reads the identity endpoint's answer.
func readGrant(r io.Reader) (grant, error) {
	var answer struct {
		Token   string      `json:"access_token"`
		Expires json.Number `json:"expires_in"` // seconds; 0 happens
	}
	if err := json.NewDecoder(io.LimitReader(r, maxIdentity)).Decode(&answer); err != nil {
		return grant{}, errors.New("identity: the answer is not what it should be")
	}
	if !isToken(answer.Token) {
		return grant{}, errors.New("identity: the answer has no token")
	}
	seconds, _ := answer.Expires.Float64() // without one it is of use once
	return grant{answer.Token, time.Duration(min(max(seconds, 0), 24*3600) * float64(time.Second))}, nil
}

// learnToken notes which client the identity endpoint gave a token to. Marketo has checked the secret in that call.
func (c *call) learnToken(a *answer) {
	if c.entry.api != classify.REST || !classify.IssuesToken(c.ex.Call.Operation) {
		return
	}
	client := c.askingClient(a.attempt.Request.Body)
	c.ex.Call.User = client
	if client == "" || !c.own() || !a.ended || a.err != nil || a.final.Outcome != classify.Success || a.resp.StatusCode != http.StatusOK {
		return
	}
	g, err := readGrant(decode.NewReader(a.rec.Open(), a.resp.Header.Get("Content-Encoding"), ""))
	if err != nil {
		return
	}
	c.t.issued.add(g.token, client, g.life, c.t.now())
	if _, known := c.t.lookup(client); known {
		c.t.tokens.learn(client, g)
	}
}

// askingClient is the client that a call of the identity endpoint speaks for, or "" where that is not beyond doubt: Marketo must
// not have checked the secret of one client and the proxy have read the name of another.
func (c *call) askingClient(body *capture.Recording) string {
	form, err := url.ParseQuery(c.in.URL.RawQuery)
	if err != nil || c.in.Header[authorization] != nil {
		return ""
	}
	if body.Size() > 0 {
		media, _, _ := mime.ParseMediaType(c.in.Header.Get("Content-Type"))
		content, readErr := io.ReadAll(io.LimitReader(body.Open(), maxIdentity))
		more, err := url.ParseQuery(string(content))
		if err != nil || readErr != nil || media != "application/x-www-form-urlencoded" || c.in.Header.Get("Content-Encoding") != "" ||
			int64(len(content)) != body.Size() {
			return ""
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
		return ""
	}
	if client := form.Get("client_id"); len(client) <= maxClientID {
		return client
	}
	return ""
}
