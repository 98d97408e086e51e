package proxy

import (
	"io"
	"time"

	"marketo-proxy/capture"
)

// renewToken decides what to do about an expired access token: the body to send again with a new token, or why not. Only the client
// that a token was issued to through this proxy, for the secret that the proxy holds, gets a new one: the secret is lent to nobody.
func (c *call) renewToken(a *answer) (*payload, capture.Renewal) {
	b := c.bearer
	c.refused()
	if !c.own() || c.t.cfg.Keys == nil {
		return nil, capture.NoCredential
	}
	if b.client == "" {
		return nil, capture.BadSignature
	}
	secret, known := c.t.lookup(b.client)
	if !known {
		return nil, capture.NoCredential
	}
	if !c.shown(secret) {
		c.ex.RenewalError = "the token was issued for another secret than the one in the credentials directory"
		return nil, capture.BadSignature
	}
	body := a.attempt.Request.Body
	if !body.Whole() {
		return nil, capture.UnsupportedBody
	}
	token, err := c.token(b.up)
	if err != nil {
		c.ex.RenewalError = err.Error()
		return nil, capture.RenewalFailed
	}
	p, err := c.again(body)
	if err != nil {
		return nil, capture.UnsupportedBody
	}
	b.replace(token)
	c.record(p)
	return p, ""
}

// refused notes that the token which went up is of no more use.
func (c *call) refused() {
	if b := c.bearer; b != nil && b.client != "" {
		c.t.issued.refuse(b.up)
		c.t.tokens.drop(b.client, b.up)
	}
}

// token waits for a token of the bearer's client; that is Marketo's time.
func (c *call) token(refused string) (string, error) {
	began := time.Now()
	defer func() { c.upstreamTime += time.Since(began) }()
	return c.t.tokens.token(&c.ctx, c.bearer.client, refused)
}

// again is the body that was kept, as it was.
func (c *call) again(body *capture.Recording) (*payload, error) {
	p := &payload{length: body.Size(), recording: c.t.cfg.Recorder.New()}
	if p.length == 0 {
		return p, nil
	}
	kept := body.OpenForSending()
	if p.length > smallBody {
		p.stream = kept
		return p, nil
	}
	defer kept.Close() // it has nothing to fail with
	data, err := io.ReadAll(kept)
	p.replace(data)
	return p, err
}
