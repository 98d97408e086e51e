package emulator

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// tokens are the access tokens in use, one for each client.
type tokens struct {
	ttl time.Duration

	mu      sync.Mutex
	made    int
	current map[string]token  // by client
	owners  map[string]string // client by text of a token, also of expired ones nobody has used since
	usage   map[string]int    // calls by client
}

type token struct {
	text    string
	expires time.Time
	used    bool // a call was made with it
}

func newTokens(ttl time.Duration) *tokens {
	return &tokens{ttl: ttl, current: map[string]token{}, owners: map[string]string{}, usage: map[string]int{}}
}

// issue returns the client's token: the one it has for as long as that lives, then a new one.
func (t *tokens) issue(client string, now time.Time) token {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old, ok := t.current[client]; ok {
		if now.Before(old.expires) {
			return old
		}
		if len(t.owners) > 1000 {
			clear(t.owners)
		}
	}
	t.made++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d/%d", client, t.made, now.UnixNano()))
	text := fmt.Sprintf("%x-%x-%x-%x-%x:int", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
	fresh := token{text: text, expires: now.Add(t.ttl)}
	t.current[client], t.owners[text] = fresh, client
	return fresh
}

// expire ends the life of a token with which a call was made before.
func (t *tokens) expire(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	client := t.owners[text]
	if current := t.current[client]; current.text == text && current.used {
		current.expires = time.Time{}
		t.current[client] = current
	}
}

// check returns the code for a token that is not valid. The first use of an expired token gives 602, later ones 601 (Marketo
// developer blog, 30 October 2015).
func (t *tokens) check(text string, now time.Time) (code string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	client, ok := t.owners[text]
	if !ok {
		return "601"
	}
	current := t.current[client]
	if current.text != text || !now.Before(current.expires) {
		delete(t.owners, text)
		return "602"
	}
	current.used = true
	t.current[client] = current
	t.usage[client]++
	return ""
}

// used are the calls by client.
func (t *tokens) used() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.usage)
}

// authorize checks the access token of a call.
func (c *call) authorize(q url.Values) error {
	scheme, text, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		text = ""
	}
	if text == "" && c.emulator.options.QueryToken {
		text = q.Get("access_token")
	}
	if text = strings.TrimSpace(text); text == "" {
		// What Marketo says today to a call without a token is not documented; 600 was the code for it.
		return &restError{code: "600", message: "Empty access token"}
	}
	if c.effects.expired {
		c.emulator.tokens.expire(text)
	}
	if code := c.emulator.tokens.check(text, c.now); code != "" {
		return &restError{code: code}
	}
	return nil
}

// identity issues tokens. Its failures are HTTP 401 or 400 with the members of OAuth.
func (c *call) identity(q url.Values) answer {
	if c.r.Method == http.MethodPost {
		if err := c.formBody(q); err != nil {
			return c.restFailure(err)
		}
	}
	client, secret := q.Get("client_id"), q.Get("client_secret")
	known, ok := c.emulator.options.Clients[client]
	switch code := c.effects.code; {
	case code == "400":
		return identityFailure(http.StatusBadRequest, "invalid_request", "Bad request")
	case code == "401":
		return identityFailure(http.StatusUnauthorized, "unauthorized", "Full authentication is required")
	case code != "":
		return c.restFailure(&restError{code: code})
	case q.Get("grant_type") != "client_credentials":
		return identityFailure(http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type: "+q.Get("grant_type"))
	case !ok:
		return identityFailure(http.StatusUnauthorized, "unauthorized", "No client with requested id: "+client)
	case subtle.ConstantTimeCompare([]byte(known), []byte(secret)) != 1:
		return identityFailure(http.StatusUnauthorized, "invalid_client", "Bad client credentials")
	}
	t := c.emulator.tokens.issue(client, c.now)
	return answer{status: http.StatusOK, contentType: "application/json", outcome: "ok", body: func(d *document) error {
		return writeJSON(d, struct {
			Token   string `json:"access_token"`
			Type    string `json:"token_type"`
			Expires int    `json:"expires_in"` // the rest of its life, rounded down: 3599 at first
			Scope   string `json:"scope"`
		}{t.text, "bearer", max(0, int((t.expires.Sub(c.now)-1)/time.Second)), "api-" + client + "@example.com"})
	}}
}

func identityFailure(status int, code, description string) answer {
	return answer{status: status, contentType: "application/json", outcome: fmt.Sprint(status), body: func(d *document) error {
		return writeJSON(d, struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}{code, description})
	}}
}
