// Package proxy is the data path: whatever door a call came in by, it passes one Transport, becomes one
// capture.Exchange, and everyone who wants to know gets the finished exchange.
package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/upstream"
)

// SignMode says when the proxy signs.
type SignMode string

// The modes of --sign.
const (
	SignExpired SignMode = "expired" // sign again, or fetch a new token, and resend after a 20016, 601 or 602
	SignAlways  SignMode = "always"  // sign each SOAP call before it is sent, and give a token to each REST call without one
	SignNever   SignMode = "never"
)

// Keys knows the encryption keys of users and the secrets of REST clients. It is called concurrently.
type Keys interface {
	Lookup(user string) (key string, ok bool)
}

// Keeper writes a failed exchange down. Save takes the exchange's recordings over and releases them; the channel gets one value
// once the capture is safe on disk, or lost. It is called concurrently and must not block.
type Keeper interface {
	Save(*capture.Exchange) <-chan error
}

// Observer learns of calls. It is called concurrently, must not block, and must not change or keep what it is given.
type Observer interface {
	Begun(api classify.API)
	Finished(*capture.Exchange)
	Saved(err error)              // a capture is on disk, or lost, or late (ErrLate) and then perhaps on disk after all
	ClockOffset(by time.Duration) // Marketo's clock minus ours, from an answer's Date
}

// Config is all that the data path needs. Upstreams, Keeper, Recorder, Observer and Log are required, the rest may be zero.
type Config struct {
	SOAP, REST   *url.URL // base addresses; nil: that API is not served
	Instance     string   // Munchkin id; empty: the upstream's host stands for it
	ForwardHosts []string // exact names, or *.suffix
	UpstreamCAs  *x509.CertPool
	Timeout      time.Duration // from the sent request to the end of the answer
	MaxInFlight  int           // 0: 1,024

	Sign SignMode
	Keys Keys // nil: none

	RESTClient string // whose token SignAlways gives to calls; empty: none
	MoveToken  bool   // access_token goes up in Authorization, in place of the query

	Recorder *capture.Recorder
	Keeper   Keeper
	Skip     map[string]bool // codes that are not captured
	Observer Observer
	Log      *zap.Logger
	Now      func() time.Time // nil: time.Now
}

// Transport is the only way to Marketo. It never returns an error: where there is no answer to pass on, it makes one.
type Transport struct {
	cfg      Config
	upstream Upstream
	now      func() time.Time
	blocks   blockPool
	timeouts timeouts
	issued   *issued
	tokens   *tokens
	inFlight atomic.Int64
	offset   atomic.Int64 // upstream clock minus ours, nanoseconds
	date     atomic.Pointer[date]
}

const (
	defaultMaxInFlight = 1024
	settlePatience     = 2 * time.Second // how long an answer waits for its capture
	maxClockError      = 30 * time.Second
)

// NewTransport returns a Transport with its own pool of upstream connections.
func NewTransport(cfg Config) *Transport {
	if cfg.MaxInFlight == 0 {
		cfg.MaxInFlight = defaultMaxInFlight
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	t := &Transport{cfg: cfg, upstream: newUpstream(cfg.UpstreamCAs), now: cfg.Now, issued: newIssued()}
	t.timeouts.after = cfg.Timeout
	t.tokens = newTokens(cfg.Now, t.fetchToken)
	return t
}

// Upstream makes one call; its promises are those of upstream.Transport.
type Upstream interface {
	Do(ctx context.Context, req *http.Request, trace *upstream.Trace) (*http.Response, error)
	CloseIdleConnections()
}

// newUpstream returns a pool that dials as one should for calls of minutes: keep-alive probes protect them from NAT devices that
// forget idle connections.
func newUpstream(roots *x509.CertPool) *upstream.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 20 * time.Second, Interval: 20 * time.Second}}
	return &upstream.Transport{DialContext: dialer.DialContext, TLSConfig: &tls.Config{RootCAs: roots}}
}

// Close ends idle upstream connections, and calls of the proxy's own.
func (t *Transport) Close() {
	t.tokens.close()
	t.upstream.CloseIdleConnections()
}

// InFlight is the number of calls that have begun and not ended.
func (t *Transport) InFlight() int64 { return t.inFlight.Load() }
