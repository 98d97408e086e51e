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
	tokens map[digest]issue
}

type digest [sha256.Size]byte

// issue is a token's owner, and when it may be forgotten.
type issue struct {
	client  string
	secret  digest // that the client showed for it
	forget  time.Time
	refused bool // Marketo said that it expired
}

func newIssued() *issued {
	i := &issued{tokens: map[digest]issue{}}
	_, _ = rand.Read(i.key[:]) // never fails
	return i
}

// hash is the same for the same token or secret, and says nothing about it outside of this process.
func (i *issued) hash(secret string) (h digest) {
	mac := hmac.New(sha256.New, i.key[:])
	mac.Write([]byte(secret))
	mac.Sum(h[:0])
	return h
}

// add notes that client was given token for its secret, with life left.
func (i *issued) add(token, client, secret string, life time.Duration, now time.Time) {
	h, shown := i.hash(token), i.hash(secret)
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, known := i.tokens[h]; !known && len(i.tokens) >= maxIssued {
		i.makeRoom(now)
	}
	i.tokens[h] = issue{client: client, secret: shown, forget: now.Add(max(life, 0) + tokenGrace)}
}

// makeRoom forgets what is over, or else the token that would be over first.
func (i *issued) makeRoom(now time.Time) {
	maps.DeleteFunc(i.tokens, func(_ digest, is issue) bool { return is.forget.Before(now) })
	if len(i.tokens) < maxIssued {
		return
	}
	first := slices.MinFunc(slices.Collect(maps.Keys(i.tokens)), func(a, b digest) int {
		return i.tokens[a].forget.Compare(i.tokens[b].forget)
	})
	delete(i.tokens, first)
}

// owner tells whom token was issued to, and whether Marketo has refused it since.
func (i *issued) owner(token string, now time.Time) (is issue, ok bool) {
	if token == "" || i.empty() {
		return issue{}, false
	}
	h := i.hash(token)
	i.mu.Lock()
	defer i.mu.Unlock()
	is, ok = i.tokens[h]
	if !ok || is.forget.Before(now) {
		return issue{}, false
	}
	if late := now.Add(tokenGrace); is.refused && is.forget.Before(late) {
		is.forget = late // still in use
		i.tokens[h] = is
	}
	return is, true
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
