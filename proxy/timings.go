package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"sync"
	"time"

	"marketo-proxy/capture"
)

func newDialer() *net.Dialer {
	// Keep-alive probes protect a call of minutes from NAT devices that forget idle connections.
	return &net.Dialer{Timeout: 10 * time.Second, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 20 * time.Second, Interval: 20 * time.Second}}
}

// timings collects the phases of one attempt. The upstream transport calls its hooks from several goroutines.
type timings struct {
	call *call
	at   time.Time

	mu                                        sync.Mutex
	getConn, gotConn, wrote, firstByte        time.Time
	dnsStart, dnsDone                         time.Time
	connectStart, connectDone, tlsAt, tlsDone time.Time
}

func (t *timings) context(ctx context.Context) context.Context {
	mark := func(at *time.Time) {
		t.mu.Lock()
		*at = time.Now()
		t.mu.Unlock()
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:              func(string) { mark(&t.getConn) },
		GotConn:              func(httptrace.GotConnInfo) { mark(&t.gotConn) },
		DNSStart:             func(httptrace.DNSStartInfo) { mark(&t.dnsStart) },
		DNSDone:              func(httptrace.DNSDoneInfo) { mark(&t.dnsDone) },
		ConnectStart:         func(string, string) { mark(&t.connectStart) },
		ConnectDone:          func(string, string, error) { mark(&t.connectDone) },
		TLSHandshakeStart:    func() { mark(&t.tlsAt) },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { mark(&t.tlsDone) },
		WroteRequest:         func(httptrace.WroteRequestInfo) { mark(&t.wrote); t.call.armTimeout() },
		GotFirstResponseByte: func() { mark(&t.firstByte) },
	})
}

// result is called when the head of the answer, or an error, is there. A phase that did not happen is -1, as in HAR.
func (t *timings) result() capture.Timings {
	t.mu.Lock()
	defer t.mu.Unlock()
	span := func(from, to time.Time) time.Duration {
		if from.IsZero() || to.IsZero() || to.Before(from) {
			return -1
		}
		return to.Sub(from)
	}
	dialed := t.gotConn // a new connection's own phases are not part of the waiting for one
	if !t.dnsStart.IsZero() {
		dialed = t.dnsStart
	} else if !t.connectStart.IsZero() {
		dialed = t.connectStart
	}
	return capture.Timings{
		Blocked: span(t.getConn, dialed),
		DNS:     span(t.dnsStart, t.dnsDone),
		Connect: span(t.connectStart, t.connectDone),
		TLS:     span(t.tlsAt, t.tlsDone),
		Send:    span(t.gotConn, t.wrote),
		Wait:    span(t.wrote, t.firstByte),
		Receive: -1,
	}
}
