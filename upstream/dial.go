package upstream

import (
	"context"
	"crypto/tls"
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
