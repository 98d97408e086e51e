//go:build linux

package faults

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// caseHeader names a case, on both sides and in its capture.
const caseHeader = "X-Case"

// marketo is a server that reads strictly, notes what it read, and breaks where a script says so.
type marketo struct {
	t      *testing.T
	url    string
	host   string
	caFile string // for --upstream-ca

	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	tls      *tls.Config // for the next connections; nil: none
	scripts  map[string]script
	accept   func(net.Conn) // what to do with the next connections in place of HTTP
	requests []*received
	conns    map[net.Conn]bool // open ones: whether they wait for another request
	opened   int
}

// script does with a request what the case is about. The connection serves another request if it returns true.
type script func(x *exchange) bool

// exchange is a request whose head was read.
type exchange struct {
	*received
	m   *marketo
	raw *net.TCPConn
	net.Conn
	in *bufio.Reader
}

func newMarketo(t *testing.T, secure bool) *marketo {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &marketo{t: t, listener: l, host: l.Addr().String(), url: "http://" + l.Addr().String(), scripts: map[string]script{}, conns: map[net.Conn]bool{}}
	if secure {
		m.url = "https://" + m.host
		a := newAuthority(t)
		m.caFile = a.file
		m.tls = a.serving(t, time.Now().Add(time.Hour), "127.0.0.1")
	}
	m.wg.Go(m.run)
	t.Cleanup(m.close)
	return m
}

func (m *marketo) run() {
	for {
		c, err := m.listener.Accept()
		if err != nil {
			return
		}
		m.mu.Lock()
		m.conns[c] = false
		m.opened++
		number, config, accept := m.opened, m.tls, m.accept
		m.mu.Unlock()
		m.wg.Go(func() {
			defer m.forget(c)
			switch {
			case accept != nil:
				accept(c)
			case config != nil:
				m.serve(c, tls.Server(c, config), number)
			default:
				m.serve(c, c, number)
			}
		})
	}
}

func (m *marketo) forget(c net.Conn) {
	m.mu.Lock()
	delete(m.conns, c)
	m.mu.Unlock()
	c.Close()
}

func (m *marketo) serve(raw, c net.Conn, number int) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		m.waits(raw, true)
		_, err := in.Peek(1)
		m.waits(raw, false)
		if err != nil {
			return
		}
		q, err := readHead(in, m.host)
		if err != nil {
			m.complain(err)
			return
		}
		q.conn = number
		m.mu.Lock()
		m.requests = append(m.requests, q)
		s := m.scripts[q.get(caseHeader)]
		m.mu.Unlock()
		if s == nil {
			s = succeed
		}
		if !s(&exchange{q, m, raw.(*net.TCPConn), c, in}) {
			return
		}
	}
}

func (m *marketo) waits(c net.Conn, idle bool) {
	m.mu.Lock()
	m.conns[c] = idle
	m.mu.Unlock()
}

// complain fails the test if the proxy sent what it must not. That it hangs up is allowed.
func (m *marketo) complain(err error) {
	var bad *malformed
	if errors.As(err, &bad) {
		m.t.Errorf("Marketo got a malformed request: %s", bad.what)
	}
}

// set lets a script serve the requests of a case.
func (m *marketo) set(name string, s script) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scripts[name] = s
}

func (m *marketo) setAccept(f func(net.Conn)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.accept = f
}

func (m *marketo) setTLS(c *tls.Config) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tls = c
}

// seen are the requests of a case.
func (m *marketo) seen(name string) (of []*received) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, q := range m.requests {
		if q.get(caseHeader) == name {
			of = append(of, q)
		}
	}
	return of
}

// idle counts the connections that wait for another request.
func (m *marketo) idle() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, waits := range m.conns {
		if waits {
			n++
		}
	}
	return n
}

// hangUp ends the connections that wait for another request.
func (m *marketo) hangUp() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c, waits := range m.conns {
		if waits {
			c.Close()
		}
	}
}

func (m *marketo) close() {
	m.listener.Close()
	m.mu.Lock()
	for c := range m.conns {
		c.Close()
	}
	m.mu.Unlock()
	m.wg.Wait()
}

// payload reads the body of the request to its end.
func (x *exchange) payload() bool {
	err := readBody(x.in, x.received)
	x.m.mu.Lock()
	x.whole = err == nil
	x.m.mu.Unlock()
	if err != nil {
		x.m.complain(err)
		return false
	}
	return true
}

func (x *exchange) send(s string) bool {
	_, err := io.WriteString(x, s)
	return err == nil
}

// reset ends the connection with a RST.
func (x *exchange) reset() bool {
	_ = x.raw.SetLinger(0)
	x.raw.Close()
	return false
}

// silence waits until the proxy hangs up.
func (x *exchange) silence() bool {
	_, _ = io.Copy(io.Discard, x.in)
	return false
}

// drip sends byte by byte.
func (x *exchange) drip(s string) bool {
	for i := range len(s) {
		if !x.send(s[i : i+1]) {
			return false
		}
		time.Sleep(2 * time.Millisecond)
	}
	return true
}

const (
	soapSuccess = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/"><SOAP-ENV:Body>` +
		`<ns1:successGetLead><result><count>1</count></result></ns1:successGetLead></SOAP-ENV:Body></SOAP-ENV:Envelope>`
	restSuccess = `{"requestId":"1#2","success":true,"result":[]}`
)

func soapFault(code string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body><SOAP-ENV:Fault><faultcode>SOAP-ENV:Client</faultcode>` +
		`<faultstring>` + code + ` - x</faultstring><detail><ns1:serviceException xmlns:ns1="http://www.marketo.com/mktows/"><name>mktServiceException</name>` +
		`<message>x (` + code + `)</message><code>` + code + `</code></ns1:serviceException></detail></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

// answer is a whole answer with a length.
func answer(status, body string, fields ...string) string {
	contentType := "text/xml; charset=UTF-8"
	if strings.HasPrefix(body, "{") {
		contentType = "application/json"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n", status, contentType, len(body))
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	return b.String() + "\r\n" + body
}

// succeed answers with what the request was, so that a client can tell whose answer it got.
func succeed(x *exchange) bool {
	if !x.payload() {
		return false
	}
	body := soapSuccess
	if !strings.HasPrefix(x.target, "/soap/") {
		body = restSuccess
	}
	if x.method == "HEAD" {
		head, _, _ := strings.Cut(answer("200 OK", body, "X-Seen: "+x.method+" "+x.target+" "+x.get(caseHeader)), "\r\n\r\n")
		return x.send(head + "\r\n\r\n")
	}
	return x.send(answer("200 OK", body, "X-Seen: "+x.method+" "+x.target+" "+x.get(caseHeader)))
}

// authority issues certificates for servers of the tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "faults"}, NotBefore: time.Now().Add(-time.Hour * 48), NotAfter: time.Now().Add(time.Hour * 48),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{cert, key, filepath.Join(t.TempDir(), "ca.pem")}
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// serving is a server's side with a certificate for a name or address.
func (a *authority) serving(t *testing.T, until time.Time, name string) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, SessionTicketsDisabled: true}
}
