// Package identity fetches access tokens of Marketo's REST API.
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
)

// Path is where the identity service is, below the base URL of the REST API.
const Path = "/identity/oauth/token"

const maxAnswer = 64 << 10

// Token is an access token.
type Token struct {
	Value string
	Life  time.Duration // what is left of its hour: Marketo gives the same token until it ends, so 0 happens
	User  string        // the API-only user that it stands for, from its scope
}

// Refusal is an answer of the identity service without a token.
type Refusal struct {
	Status int
	Reason string // in the service's own words, which may repeat what was sent; empty: it gives none
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Reason == "" {
		return fmt.Sprintf("the identity service answers %d, without a token", r.Status)
	}
	return fmt.Sprintf("the identity service answers %d: %q", r.Status, r.Reason)
}

// Fetch asks the identity service below base, the REST API's base URL, for a token of a client, as Adobe documents it ("Authentication",
// 2026): by GET, with the secret in the query. It asks once, and blocks until ctx ends at most. An error is a *Refusal, or what
// transport said; neither holds the secret unless the service repeats it.
func Fetch(ctx context.Context, transport http.RoundTripper, base, client, secret string) (Token, error) {
	query := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(base, "/")+Path, http.NoBody)
	if err != nil {
		return Token{}, fmt.Errorf("identity: %w", err)
	}
	req.URL.RawQuery = query.Encode()
	req.Header.Set("Accept", "application/json")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return Token{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return Token{}, err
	}
	var answer struct {
		Token       string  `json:"access_token"`
		Seconds     float64 `json:"expires_in"`
		Scope       string  `json:"scope"`
		Error       string  `json:"error"`
		Description string  `json:"error_description"`
	}
	err = json.Unmarshal(body, &answer)
	if reason := strings.Trim(answer.Error+": "+answer.Description, ": "); reason != "" || err != nil || resp.StatusCode != http.StatusOK || answer.Token == "" {
		return Token{}, &Refusal{resp.StatusCode, reason}
	}
	const longest = 24 * time.Hour // an hour is usual; more than a day is nothing to rely on
	life := time.Duration(max(0, min(answer.Seconds, longest.Seconds())) * float64(time.Second))
	return Token{Value: answer.Token, Life: life, User: answer.Scope}, nil
}
