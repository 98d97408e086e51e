package proxy

import (
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/upstream"
)

// unsent are the phases of an attempt of which none happened.
var unsent = capture.Timings{Blocked: -1, DNS: -1, Connect: -1, TLS: -1, Send: -1, Wait: -1, Receive: -1}

// timings are the phases of an attempt up to the head of its answer. A phase that did not happen is -1, as in HAR.
func timings(t *upstream.Trace) capture.Timings {
	span := func(from, to time.Time) time.Duration {
		if from.IsZero() || to.IsZero() || to.Before(from) {
			return -1
		}
		return to.Sub(from)
	}
	ready := t.GotConn // a new connection's own phases are not part of the waiting for one
	switch {
	case !t.DNSStart.IsZero():
		ready = t.DNSStart
	case !t.ConnectStart.IsZero():
		ready = t.ConnectStart
	}
	return capture.Timings{
		Blocked: span(t.GetConn, ready),
		DNS:     span(t.DNSStart, t.DNSDone),
		Connect: span(t.ConnectStart, t.ConnectDone),
		TLS:     span(t.TLSStart, t.TLSDone),
		Send:    span(t.GotConn, t.Sent),
		Wait:    span(t.Sent, t.FirstByte),
		Receive: -1,
	}
}
