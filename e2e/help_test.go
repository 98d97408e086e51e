//go:build linux

package e2e

import (
	"bytes"
	"compress/gzip"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// unzip returns the content of a body that may be gzip.
func unzip(b []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return b
	}
	content, err := io.ReadAll(z)
	if err != nil {
		return b
	}
	return content
}

// newTLSUpstream is one whose certificate nobody trusts.
func newTLSUpstream(t *testing.T) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

// newPlainUpstream serves a handler, without looking at what passes.
func newPlainUpstream(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// fault is Adobe's sample of one, with another code.
func fault(code, text string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body><SOAP-ENV:Fault><faultcode>SOAP-ENV:Client</faultcode><faultstring>` +
		code + ` - ` + text + `</faultstring><detail><ns1:serviceException xmlns:ns1="http://www.marketo.com/mktows/"><name>mktServiceException</name><message>` +
		text + ` (` + code + `)</message><code>` + code + `</code></ns1:serviceException></detail></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

// success is an answer to an operation.
func success(operation, result string) string {
	name := "ns1:success" + strings.ToUpper(operation[:1]) + operation[1:]
	return `<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/"><SOAP-ENV:Body><` +
		name + `><result>` + result + `</result></` + name + `></SOAP-ENV:Body></SOAP-ENV:Envelope>`
}
