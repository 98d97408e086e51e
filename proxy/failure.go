package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"marketo-proxy/classify"
	"marketo-proxy/upstream"
)

// Causes with which a call's context is cancelled.
var (
	errUpstreamTimeout = errors.New("upstream timeout")
	errBusy            = errors.New("too many calls in flight")
	errUpload          = errors.New("the request body of the application ended early")
)

// failure is why there is no whole answer.
type failure struct {
	outcome classify.Outcome
	status  int    // for the application
	reason  string // short and fixed, without addresses: it goes to the application, logs and captures
}

// explain maps the error of an attempt. ctx is the call's; gone tells whether the application has hung up.
func explain(ctx context.Context, err error, gone bool) failure {
	cause := context.Cause(ctx)
	var (
		dns      *net.DNSError
		verify   *tls.CertificateVerificationError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		record   tls.RecordHeaderError
		alert    tls.AlertError
		op       *net.OpError
		timeout  interface{ Timeout() bool }
	)
	switch {
	case errors.Is(err, errBusy):
		return failure{classify.Transport, http.StatusServiceUnavailable, "too many calls are in flight, this one was not sent"}
	case errors.Is(cause, errUpstreamTimeout):
		return failure{classify.Transport, http.StatusGatewayTimeout, "timeout: Marketo did not answer in time"}
	case errors.Is(err, errUpload), gone:
		return failure{classify.Client, 499, "the application hung up before the answer was complete"}
	case errors.As(err, &dns):
		if dns.IsNotFound {
			return failure{classify.Transport, http.StatusBadGateway, "dns: the host name of Marketo does not exist"}
		}
		return failure{classify.Transport, http.StatusBadGateway, "dns: the host name of Marketo can not be resolved"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return failure{classify.Transport, http.StatusBadGateway, "refused: the connection to Marketo was refused"}
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return failure{classify.Transport, http.StatusBadGateway, "files: the proxy has too many open files"}
	case errors.As(err, &hostname):
		return failure{classify.Transport, http.StatusBadGateway, "tls: the certificate shown is for another host name"}
	case errors.As(err, &unknown):
		return failure{classify.Transport, http.StatusBadGateway, "tls: the certificate shown is signed by an unknown authority"}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return failure{classify.Transport, http.StatusBadGateway, "tls: the certificate shown is expired or not yet valid"}
	case errors.As(err, &verify), errors.As(err, &invalid):
		return failure{classify.Transport, http.StatusBadGateway, "tls: the certificate shown is not valid"}
	case errors.As(err, &record), errors.As(err, &alert), errors.As(err, &op) && op.Op == "remote error",
		err != nil && strings.Contains(err.Error(), "tls: "):
		return failure{classify.Transport, http.StatusBadGateway, "tls: the handshake with Marketo failed"}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return failure{classify.Transport, http.StatusGatewayTimeout, "timeout: Marketo could not be reached in time"}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return failure{classify.Transport, http.StatusBadGateway, "reset: Marketo reset the connection"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return failure{classify.Transport, http.StatusBadGateway, "cut off: the connection ended before the answer was complete"}
	case errors.Is(err, upstream.ErrMalformed):
		return failure{classify.Transport, http.StatusBadGateway, "protocol: what came back is not HTTP"}
	}
	return failure{classify.Transport, http.StatusBadGateway, "no answer came from Marketo"}
}
