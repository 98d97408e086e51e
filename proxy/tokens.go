package proxy

import (
	"context"
	"errors"
	"sync"
	"time"

	"marketo-proxy/identity"
)

const (
	// refreshPatience is how long a token may take to arrive.
	refreshPatience = 30 * time.Second

	// refreshPause is between two calls of the identity endpoint for one client, after one that did not help. Marketo gives the
	// same token as long as it lives, so a second after "0 seconds left" there is a new one.
	refreshPause = time.Second

	// tokenMargin is taken off a token's life, or a tenth if that is less: one that ends on its way is of no use.
	tokenMargin = 5 * time.Second

	// maxClients bounds the clients whose token is kept; each has a file in the credentials directory.
	maxClients = 1024
)

var errSameToken = errors.New("the identity service still gives the token that Marketo refuses")

// tokens has the present access token of each client whose secret is known. However many calls need a new one at once, one asks for
// it and all get it. It may be used concurrently.
type tokens struct {
	fetch func(ctx context.Context, client string) (identity.Token, error)
	now   func() time.Time
	pause time.Duration

	base   context.Context // ends fetches
	cancel context.CancelFunc

	mu      sync.Mutex
	clients map[string]*client
}

// client is what is known of one client.
type client struct {
	token   string
	ends    time.Time
	under   *refresh  // way; nil: none
	failed  error     // of the last refresh
	retryAt time.Time // after a failure
}

// refresh is one that several may wait for.
type refresh struct {
	done  chan struct{}
	token string
	err   error
}

func newTokens(now func() time.Time, fetch func(context.Context, string) (identity.Token, error)) *tokens {
	t := &tokens{fetch: fetch, now: now, pause: refreshPause, clients: map[string]*client{}}
	t.base, t.cancel = context.WithCancel(context.Background())
	return t
}

func (t *tokens) close() { t.cancel() }

// present is the client's token if one that should be valid is known and it is not refused, else "".
func (t *tokens) present(id, refused string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.valid(t.clients[id], refused)
}

func (t *tokens) valid(c *client, refused string) string {
	if c == nil || c.token == "" || c.token == refused || !t.now().Before(c.ends) {
		return ""
	}
	return c.token
}

// learn takes over a token that an application was given.
func (t *tokens) learn(id string, g identity.Token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set(t.client(id), g)
}

func (t *tokens) set(c *client, g identity.Token) {
	c.token, c.ends = g.Value, t.now().Add(g.Life-min(tokenMargin, g.Life/10))
	c.failed = nil
}

// drop forgets a token that Marketo refuses.
func (t *tokens) drop(id, refused string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.clients[id]; c != nil && c.token == refused {
		c.token = ""
	}
}

func (t *tokens) client(id string) *client {
	c := t.clients[id]
	if c == nil {
		for other, idle := range t.clients {
			if len(t.clients) < maxClients {
				break
			}
			if idle.under == nil {
				delete(t.clients, other)
			}
		}
		c = &client{}
		t.clients[id] = c
	}
	return c
}

// token returns a token of the client other than the refused one ("" for none). It waits for the identity endpoint as long as ctx lasts.
// After a failure it fails the same way for a second, so that a crowd of calls does not fall upon the endpoint.
func (t *tokens) token(ctx context.Context, id, refused string) (string, error) {
	t.mu.Lock()
	c := t.client(id)
	if token := t.valid(c, refused); token != "" {
		t.mu.Unlock()
		return token, nil
	}
	if c.under == nil && c.failed != nil && t.now().Before(c.retryAt) {
		defer t.mu.Unlock()
		return "", c.failed
	}
	r := c.under
	if r == nil {
		r = &refresh{done: make(chan struct{})}
		c.under = r
		go t.run(id, c, r, refused)
	}
	t.mu.Unlock()
	select {
	case <-r.done:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if r.err == nil && r.token == refused {
		return "", errSameToken
	}
	return r.token, r.err
}

// run asks for a token, once more if that did not help.
func (t *tokens) run(id string, c *client, r *refresh, refused string) {
	ctx, cancel := context.WithTimeout(t.base, refreshPatience)
	defer cancel()
	g, err := t.fetch(ctx, id)
	if err == nil && (g.Value == refused || g.Life <= 0) {
		select {
		case <-time.After(t.pause):
			if later, laterErr := t.fetch(ctx, id); laterErr == nil {
				g = later
			}
		case <-ctx.Done():
		}
	}
	if err == nil && g.Value == refused {
		err = errSameToken
	}
	t.mu.Lock()
	if c.under = nil; err == nil {
		t.set(c, g)
	} else {
		c.failed, c.retryAt = err, t.now().Add(t.pause)
	}
	t.mu.Unlock()
	r.token, r.err = g.Value, err
	close(r.done)
}
