// Package emulator is a stand-in for a Marketo instance, SOAP and REST: it checks signatures and tokens, keeps leads in
// memory, and fails on demand. It serves demos, drills and tests.
//
// Where Adobe documents a behaviour, it is followed; where nobody does (the life of a signature, a timestamp in the
// future, an empty access token), the choice is a plausible one and said so where it is made.
package emulator

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options say how an Emulator behaves. The zero value knows no user and no client, has no limits and never fails by itself.
type Options struct {
	Users   map[string]string // SOAP: mktowsUserId to encryption key
	Clients map[string]string // REST: client_id to client secret

	MaxAge    time.Duration // how old, or how far in the future, a requestTimestamp may be; 0 is 5 minutes
	AnyAge    bool          // no requestTimestamp is too old
	ClockSkew time.Duration // how far the emulator's clock is ahead of Now, in the Date header too

	Limits     Limits // of SOAP calls
	RESTLimits Limits // of REST calls

	Rules []Rule // failures on demand

	TokenTTL   time.Duration // life of an access token; 0 is one hour
	QueryToken bool          // accept access_token in the query, as Marketo did until 31 August 2026
	JobTime    time.Duration // how long an import or export takes

	PublicURL string // http(s) base URL for soap:address in the WSDL; empty is https and the Host of the request
	NoGzip    bool   // never compress, whatever Accept-Encoding says

	Now  func() time.Time // nil is time.Now
	Rand *rand.Rand       // decides whether a rule with a probability fires; nil is seeded by chance
}

// Emulator is an http.Handler, safe for concurrent use.
type Emulator struct {
	options Options
	store   *store
	soapUse *limiter
	restUse *limiter
	tokens  *tokens
	jobs    *jobs
	soapOps map[string]soapHandler
	closed  chan struct{}
	closing sync.Once

	mu       sync.Mutex // guards what follows
	rules    []*activeRule
	rand     *rand.Rand
	counts   map[Count]int
	requests uint64
}

// Count names one kind of answered call. Outcome is "ok", "partial", a code, or the name of the effect that ended the
// call: "cut", "reset", "hang", "html502", "http503", "empty", "malformed", "badgzip"; "client" if the client hung up first.
type Count struct {
	API       string // "soap" or "rest"
	Operation string // "other" if it is not known
	Outcome   string
}

// New makes an emulator with a few sample leads, lists, campaigns and objects. The error says which option is wrong.
func New(options Options) (*Emulator, error) {
	if options.MaxAge < 0 || options.TokenTTL < 0 || options.JobTime < 0 {
		return nil, fmt.Errorf("emulator: a duration is negative: give 0 for the default, or a positive one")
	}
	if options.PublicURL != "" {
		u, err := url.Parse(options.PublicURL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("emulator: public URL %q: give an http or https URL with a host", options.PublicURL)
		}
		options.PublicURL = strings.TrimRight(options.PublicURL, "/")
	}
	if options.MaxAge == 0 {
		options.MaxAge = 5 * time.Minute
	}
	if options.TokenTTL == 0 {
		options.TokenTTL = time.Hour
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	options.Users, options.Clients = maps.Clone(options.Users), maps.Clone(options.Clients)
	e := &Emulator{
		options: options,
		soapUse: newLimiter(options.Limits),
		restUse: newLimiter(options.RESTLimits),
		tokens:  newTokens(options.TokenTTL),
		jobs:    newJobs(options.JobTime),
		soapOps: soapOperations(),
		closed:  make(chan struct{}),
		rand:    options.Rand,
		counts:  map[Count]int{},
	}
	if e.rand == nil {
		e.rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	e.store = newStore(e.now())
	if err := e.SetRules(options.Rules); err != nil {
		return nil, err
	}
	return e, nil
}

// SetRules replaces all rules; their counts start anew.
func (e *Emulator) SetRules(rules []Rule) error {
	active := make([]*activeRule, len(rules))
	for i, rule := range rules {
		if len(rule.Effects) == 0 {
			return fmt.Errorf("emulator: rule %d is empty: make it with ParseRule", i+1)
		}
		active[i] = &activeRule{Rule: rule}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rules = active
	return nil
}

// Counts are the calls answered so far. GET of a WSDL is not a call.
func (e *Emulator) Counts() map[Count]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.counts)
}

// Close ends calls that hang or wait, so that a server can shut down. Later calls don't wait.
func (e *Emulator) Close() { e.closing.Do(func() { close(e.closed) }) }

// now is the time by the emulator's own clock.
func (e *Emulator) now() time.Time { return e.options.Now().Add(e.options.ClockSkew) }

// ServeHTTP answers one call. It panics with http.ErrAbortHandler to cut an answer off.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{emulator: e, w: w, r: r, now: e.now(), operation: "other"}
	w.Header().Set("Date", c.now.UTC().Format(http.TimeFormat))
	path := r.URL.Path
	switch {
	case strings.HasPrefix(path, "/soap/"):
		c.api = "soap"
		c.serveSOAP()
	case path == "/identity/oauth/token", strings.HasPrefix(path, "/rest/"), strings.HasPrefix(path, "/bulk/"):
		c.api = "rest"
		c.serveREST()
	default:
		http.Error(w, "emulator: SOAP is at /soap/mktows/3_1, REST at /rest/, /bulk/ and /identity/", http.StatusNotFound)
	}
}

// call is one call while it is answered.
type call struct {
	emulator  *Emulator
	w         http.ResponseWriter
	r         *http.Request
	now       time.Time
	api       string
	operation string
	effects   effects
	records   int // of a write, seen so far
	failed    int // of these
}

// count adds the call to Counts under its outcome.
func (c *call) count(outcome string) {
	c.emulator.mu.Lock()
	defer c.emulator.mu.Unlock()
	c.emulator.counts[Count{c.api, c.operation, outcome}]++
}

// failNext tells whether the effect "partial" wants the next record of a write to fail: every other one, from the first.
func (c *call) failNext() bool {
	c.records++
	return c.effects.partial != "" && c.records%2 == 1
}

// wait sleeps, and tells whether it could do so to the end.
func (c *call) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.emulator.closed:
		return true
	case <-c.r.Context().Done():
		return false
	}
}

// requestID looks like Marketo's: two hexadecimal numbers.
func (c *call) requestID() string {
	c.emulator.mu.Lock()
	defer c.emulator.mu.Unlock()
	c.emulator.requests++
	return strconv.FormatUint(0x1000+c.emulator.requests%0xf000, 16) + "#" + strconv.FormatInt(c.now.UnixMilli(), 16)
}
