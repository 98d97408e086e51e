package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"
)

// dial makes a new connection, TLS included.
func (t *Transport) dial(ctx context.Context, key hostKey, trace *Trace) (*conn, error) {
	u := url.URL{Host: key.host}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = "80"
		if key.secure {
			port = "443"
		}
	}
	addr := net.JoinHostPort(host, port)
	dialContext := t.DialContext
	if dialContext == nil {
		dialContext = new(net.Dialer).DialContext
	}
	var watch dialWatch
	nc, err := dialContext(watch.context(ctx), "tcp", addr)
	watch.report(trace)
	if err != nil {
		if ctx.Err() != nil {
			return nil, canceled(ctx)
		}
		return nil, fmt.Errorf("upstream: connect to %s: %w", addr, err)
	}
	w := newWire(nc)
	c := &conn{key: key, wire: w, stream: w, abort: func() { _ = w.Close() }}
	if !key.secure {
		return c, nil
	}
	trace.TLSStart = time.Now()
	err = t.secure(ctx, c, host)
	trace.TLSDone = time.Now()
	if err != nil {
		c.abort()
		if ctx.Err() != nil {
			return nil, canceled(ctx)
		}
		return nil, fmt.Errorf("upstream: TLS with %s: %w", addr, err)
	}
	return c, nil
}

// secure makes TLS over the new connection.
func (t *Transport) secure(ctx context.Context, c *conn, host string) error {
	config := t.TLSConfig.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	if config.RootCAs != nil && !config.InsecureSkipVerify {
		trustBoth(config)
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.NextProtos = []string{"http/1.1"}
	config.DynamicRecordSizingDisabled = true // or the first requests of a connection leave in several writes
	ctx, cancel := context.WithTimeout(ctx, or(t.TLSHandshakeTimeout, defaultTLSHandshakeTimeout))
	defer cancel()
	secured := tls.Client(c.wire, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return err
	}
	state := secured.ConnectionState()
	c.stream, c.tls = secured, &state
	return nil
}

// trustBoth makes config trust its RootCAs and the system's roots. It does so in two steps since reading the system's takes some 10 ms and
// 4 MiB, which nobody should pay who talks to hosts that the first vouch for. What counts as valid is what it is to crypto/tls.
func trustBoth(config *tls.Config) {
	roots, further := config.RootCAs, config.VerifyConnection
	config.InsecureSkipVerify = true // VerifyConnection is called all the same, before anything is sent
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if err := verify(config, state.PeerCertificates, roots); err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
		}
		if further != nil {
			return further(state)
		}
		return nil
	}
}

func verify(config *tls.Config, shown []*x509.Certificate, roots *x509.CertPool) error {
	options := x509.VerifyOptions{Roots: roots, DNSName: config.ServerName, Intermediates: x509.NewCertPool()}
	if config.Time != nil {
		options.CurrentTime = config.Time()
	}
	for _, intermediate := range shown[1:] {
		options.Intermediates.AddCert(intermediate)
	}
	_, err := shown[0].Verify(options)
	if err == nil {
		return nil
	}
	options.Roots = nil // the system's
	_, bySystem := shown[0].Verify(options)
	var unknown x509.UnknownAuthorityError
	var none x509.SystemRootsError
	if bySystem == nil || errors.As(err, &unknown) && !errors.As(bySystem, &none) {
		return bySystem // it knows at least as much
	}
	return err
}

// dialWatch learns the phases of dialing. A dialer that tries several addresses calls its hooks concurrently, perhaps after it returned.
type dialWatch struct {
	mu                                           sync.Mutex
	dnsStart, dnsDone, connectStart, connectDone time.Time
}

func (w *dialWatch) context(ctx context.Context) context.Context {
	first := func(at *time.Time) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if at.IsZero() {
			*at = time.Now()
		}
	}
	last := func(at *time.Time) {
		w.mu.Lock()
		defer w.mu.Unlock()
		*at = time.Now()
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:     func(httptrace.DNSStartInfo) { first(&w.dnsStart) },
		DNSDone:      func(httptrace.DNSDoneInfo) { last(&w.dnsDone) },
		ConnectStart: func(string, string) { first(&w.connectStart) },
		ConnectDone:  func(string, string, error) { last(&w.connectDone) },
	})
}

func (w *dialWatch) report(t *Trace) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t.DNSStart, t.DNSDone, t.ConnectStart, t.ConnectDone = w.dnsStart, w.dnsDone, w.connectStart, w.connectDone
}
