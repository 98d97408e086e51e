// Package identity fetches access tokens of Marketo's REST API, and reads the identity service's answers.
package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// Path is where the identity service is, below the base URL of the REST API.
const Path = "/identity/oauth/token"

const (
	maxAnswer = 64 << 10 // bytes; real ones have some hundred
	maxReason = 1 << 10
	maxToken  = 4 << 10

	longest = 24 * time.Hour // an hour is usual; more than a day is nothing to rely on
)

// Token is an access token.
type Token struct {
	Value string
	Life  time.Duration // what is left of its hour: Marketo gives the same token until it ends, so 0 happens
	User  string        // the API-only user that it stands for, from its scope
}

// Refusal is an answer of the identity service without a token.
type Refusal struct {
	Status int
	Reason string // in the service's own words, one line of at most 1 KiB, without the secret that was sent; empty: it gives none
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Reason == "" {
		return fmt.Sprintf("the identity service answers %d, without a token", r.Status)
	}
	return fmt.Sprintf("the identity service answers %d: %s", r.Status, r.Reason)
}

// Fetch asks the identity service below base, the REST API's base URL, for a token of a client, as Adobe documents it ("Authentication",
// 2026): by GET, with the secret in the query. It asks once, and blocks until ctx ends at most. An error is a *Refusal, or what
// transport said; neither holds the secret.
func Fetch(ctx context.Context, transport http.RoundTripper, base, client, secret string) (Token, error) {
	query := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(base, "/")+Path, http.NoBody)
	if err != nil {
		return Token{}, fmt.Errorf("identity: %w", err)
	}
	req.URL.RawQuery = query.Encode()
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "marketo-proxy")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return Token{}, err
	}
	defer resp.Body.Close()
	return read(resp.StatusCode, resp.Body, secret)
}

// Read takes the token out of an answer of the identity service, of which at most 64 KiB are read. An error is a *Refusal, or what
// body said.
func Read(status int, body io.Reader) (Token, error) { return read(status, body, "") }

func read(status int, body io.Reader, secret string) (Token, error) {
	content, err := io.ReadAll(io.LimitReader(body, maxAnswer))
	if err != nil {
		return Token{}, err
	}
	var answer struct {
		Token       string      `json:"access_token"`
		Seconds     json.Number `json:"expires_in"` // without one it is of use once
		Scope       string      `json:"scope"`
		Error       string      `json:"error"`
		Description string      `json:"error_description"`
	}
	err = json.Unmarshal(content, &answer)
	reason := strings.Trim(answer.Error+": "+answer.Description, ": ")
	if reason != "" || err != nil || status != http.StatusOK || !IsToken(answer.Token) {
		return Token{}, &Refusal{status, safe(reason, secret)}
	}
	seconds, _ := answer.Seconds.Float64()
	life := time.Duration(max(0, min(seconds, longest.Seconds())) * float64(time.Second))
	return Token{Value: answer.Token, Life: life, User: answer.Scope}, nil
}

// safe is a reason in one line without the secret, which the service may repeat.
func safe(reason, secret string) string {
	if secret != "" {
		reason = strings.NewReplacer(secret, "REDACTED", url.QueryEscape(secret), "REDACTED").Replace(reason)
	}
	printable := func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return ' '
		}
		return r
	}
	return strings.Map(printable, strings.ToValidUTF8(reason[:min(len(reason), maxReason)], ""))
}

// IsToken tells whether s can be an access token: it has to stand in a header.
func IsToken(s string) bool {
	return s != "" && len(s) <= maxToken && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}
