//go:build linux

package faults

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// door is a way in, for connections made by hand.
type door struct {
	name string
	dial func() (app, error)
}

// app is an application's connection.
type app struct {
	net.Conn              // what to speak HTTP on
	raw      *net.TCPConn // below TLS
	in       *bufio.Reader
}

// plain is the reverse proxy.
func (s *server) plain() door {
	return door{"reverse", func() (app, error) {
		c, err := net.Dial("tcp", s.at["listen"])
		if err != nil {
			return app{}, err
		}
		return s.app(c, c), nil
	}}
}

// secure is the listener over TLS.
func (s *server) secure() door {
	return door{"tls", func() (app, error) {
		c, err := net.Dial("tcp", s.at["tls-listen"])
		if err != nil {
			return app{}, err
		}
		inner := tls.Client(c, &tls.Config{ServerName: "127.0.0.1", RootCAs: s.roots()})
		return s.app(c, inner), inner.Handshake()
	}}
}

// tunnelled is a tunnel to the instance's SOAP host.
func (s *server) tunnelled() door { return s.tunnelTo(instance+".mktoapi.com", "443") }

// tunnelTo is a tunnel to another host that is allowed.
func (s *server) tunnelTo(host, port string) door {
	return door{"intercepted", func() (app, error) {
		c, err := net.Dial("tcp", s.at["listen"])
		if err != nil {
			return app{}, err
		}
		fmt.Fprintf(c, "CONNECT %[1]s:%[2]s HTTP/1.1\r\nHost: %[1]s:%[2]s\r\n\r\n", host, port)
		resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: http.MethodConnect})
		if err != nil || resp.StatusCode != http.StatusOK {
			return app{}, fmt.Errorf("CONNECT: %v %w", resp, err)
		}
		inner := tls.Client(c, &tls.Config{ServerName: host, RootCAs: s.roots()})
		return s.app(c, inner), inner.Handshake()
	}}
}

func (s *server) app(raw, c net.Conn) app {
	_ = raw.SetDeadline(time.Now().Add(patience))
	return app{c, raw.(*net.TCPConn), bufio.NewReaderSize(c, 64<<10)}
}

// roots is the proxy's own authority.
func (s *server) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	if pem, err := os.ReadFile(filepath.Join(s.home, ".local/state/marketo-proxy/ca.pem")); err == nil {
		pool.AppendCertsFromPEM(pem)
	}
	return pool
}

// must is the connection, or the end of the test.
func (s *server) must(d door) app {
	s.t.Helper()
	a, err := d.dial()
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// reset ends the connection with a RST.
func (a app) reset() {
	_ = a.raw.SetLinger(0)
	a.raw.Close()
}

// got is what an application sees of an answer. Status 0: nothing that is an answer.
type got struct {
	status  int
	header  http.Header
	trailer http.Header
	body    []byte
	cut     bool // the answer ended early
	err     error
}

// String is short: the status, and whether the answer ended early.
func (g got) String() string { return outcomeText(g.status, g.cut) }

func outcomeText(status int, cut bool) string {
	switch {
	case status == 0:
		return "hung up"
	case cut:
		return fmt.Sprintf("%d, cut", status)
	}
	return fmt.Sprint(status)
}

// read reads one answer to a request of the given method.
func (a app) read(method string) got {
	for {
		resp, err := http.ReadResponse(a.in, &http.Request{Method: method})
		if err != nil {
			return got{err: err}
		}
		if resp.StatusCode == http.StatusContinue {
			continue
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return got{resp.StatusCode, resp.Header, resp.Trailer, body, err != nil, err}
	}
}

// call makes one call on a connection of its own.
func (d door) call(request string) got {
	a, err := d.dial()
	if err != nil {
		return got{err: err}
	}
	defer a.Close()
	if _, err := io.WriteString(a, request); err != nil {
		return got{err: err}
	}
	method, _, _ := strings.Cut(request, " ")
	return a.read(method)
}

// closed waits for the proxy's end of the connection; anything but the end is returned.
func (a app) closed(within time.Duration) error {
	_ = a.raw.SetDeadline(time.Now().Add(within))
	rest, err := io.ReadAll(a.in)
	if len(rest) > 0 {
		return fmt.Errorf("more came: %.200q", rest)
	}
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return fmt.Errorf("not closed within %s", within)
	}
	return nil // an end or a reset
}

const soapPath = "/soap/mktows/3_1"

// envelope is a getLead, signed that long ago.
func envelope(age time.Duration) string {
	timestamp := time.Now().Add(-age).Format("2006-01-02T15:04:05-07:00")
	h := hmac.New(sha1.New, []byte(key))
	h.Write([]byte(timestamp + user))
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/"><SOAP-ENV:Header>` +
		`<ns1:AuthenticationHeader><mktowsUserId>` + user + `</mktowsUserId><requestSignature>` + hex.EncodeToString(h.Sum(nil)) + `</requestSignature>` +
		`<requestTimestamp>` + timestamp + `</requestTimestamp></ns1:AuthenticationHeader></SOAP-ENV:Header><SOAP-ENV:Body><ns1:paramsGetLead><leadKey>` +
		`<keyType>EMAIL</keyType><keyValue>a@example.com</keyValue></leadKey></ns1:paramsGetLead></SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

// head is a POST up to its body.
func head(name string, fields ...string) string {
	return "POST " + soapPath + " HTTP/1.1\r\nHost: " + instance + ".mktoapi.com\r\nContent-Type: text/xml; charset=UTF-8\r\n" + caseHeader + ": " + name + "\r\n" +
		strings.Join(append(fields, ""), "\r\n") + "\r\n"
}

// post is a whole SOAP call.
func post(name string, fields ...string) string {
	body := envelope(0)
	return head(name, append([]string{fmt.Sprintf("Content-Length: %d", len(body))}, fields...)...) + body
}

// large is an envelope with padding up to a size.
func large(size int) []byte {
	e := []byte(envelope(0))
	end := bytes.Index(e, []byte("</leadKey>"))
	padding := bytes.Repeat([]byte("<x>padding</x>"), max(0, size-len(e))/14+1)
	return append(append(append([]byte{}, e[:end]...), padding...), e[end:]...)
}

// chunked frames a body.
func chunked(body []byte) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(len(body), 16<<10)
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String()
}
