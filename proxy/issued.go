package proxy

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// maxIssued bounds the tokens that are remembered. Marketo gives a client the same token for an hour, so this is a day of 170
	// clients.
	maxIssued = 4096

	// tokenGrace is how long after its end, or its last use, an application may come with an expired token and be healed.
	tokenGrace = 24 * time.Hour
)

// issued remembers which client an access token was issued to through this process: the proof that whoever brings the token once
// had the client's secret. It holds hashes under a key of its own, no token. It may be used concurrently.
type issued struct {
	key [sha256.Size]byte

	mu     sync.Mutex
	tokens map[tokenHash]issue
}

type tokenHash [sha256.Size]byte

// issue is a token's owner, and when it may be forgotten.
type issue struct {
	client  string
	forget  time.Time
	refused bool // Marketo said that it expired
}

func newIssued() *issued {
	i := &issued{tokens: map[tokenHash]issue{}}
	_, _ = rand.Read(i.key[:]) // never fails
	return i
}

func (i *issued) hash(token string) (h tokenHash) {
	mac := hmac.New(sha256.New, i.key[:])
	mac.Write([]byte(token))
	mac.Sum(h[:0])
	return h
}

// add notes that client was given token, with life left.
func (i *issued) add(token, client string, life time.Duration, now time.Time) {
	h := i.hash(token)
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, known := i.tokens[h]; !known && len(i.tokens) >= maxIssued {
		i.makeRoom(now)
	}
	i.tokens[h] = issue{client: client, forget: now.Add(max(life, 0) + tokenGrace)}
}

// makeRoom forgets what is over, or else the token that would be over first.
func (i *issued) makeRoom(now time.Time) {
	maps.DeleteFunc(i.tokens, func(_ tokenHash, is issue) bool { return is.forget.Before(now) })
	if len(i.tokens) < maxIssued {
		return
	}
	first := slices.MinFunc(slices.Collect(maps.Keys(i.tokens)), func(a, b tokenHash) int {
		return i.tokens[a].forget.Compare(i.tokens[b].forget)
	})
	delete(i.tokens, first)
}

// owner is the client that token was issued to, and whether Marketo has refused it since.
func (i *issued) owner(token string, now time.Time) (client string, refused, ok bool) {
	if token == "" || i.empty() {
		return "", false, false
	}
	h := i.hash(token)
	i.mu.Lock()
	defer i.mu.Unlock()
	is, ok := i.tokens[h]
	if !ok || is.forget.Before(now) {
		return "", false, false
	}
	if late := now.Add(tokenGrace); is.refused && is.forget.Before(late) {
		is.forget = late // still in use
		i.tokens[h] = is
	}
	return is.client, is.refused, true
}

// refuse notes that Marketo took token for expired.
func (i *issued) refuse(token string) {
	h := i.hash(token)
	i.mu.Lock()
	defer i.mu.Unlock()
	if is, ok := i.tokens[h]; ok {
		is.refused = true
		i.tokens[h] = is
	}
}

func (i *issued) empty() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.tokens) == 0
}
