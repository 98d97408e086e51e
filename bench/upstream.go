package main

import (
	"bufio"
	"bytes"
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
	"net/http/httputil"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// serveUpstream answers over TLS with what writeContent left in dir, until standard input ends. It reads HTTP by hand and
// answers in one write, so that it is never what a proxy waits for. It prints its address.
func serveUpstream(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.answer"))
	if err != nil {
		return err
	}
	answers := map[string][]byte{}
	for _, file := range files {
		if answers[strings.TrimSuffix(filepath.Base(file), ".answer")], err = os.ReadFile(file); err != nil {
			return err
		}
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, certFile), filepath.Join(dir, keyFile))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, DynamicRecordSizingDisabled: true}
	fmt.Println(listener.Addr())
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = answerAll(tls.Server(conn, config), answers) // whoever hangs up has had enough
			}()
		}
	}()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// answerAll serves one connection until it ends.
func answerAll(conn io.ReadWriter, answers map[string][]byte) error {
	in := bufio.NewReaderSize(conn, 64<<10)
	for {
		name, body, err := readHead(in)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			return err
		}
		answer, ok := answers[name]
		if !ok {
			answer = []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
		}
		if _, err := conn.Write(answer); err != nil {
			return err
		}
	}
}

// readHead returns which answer a request wants, and the body that must be read first.
func readHead(in *bufio.Reader) (name string, body io.Reader, err error) {
	body = strings.NewReader("")
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return "", nil, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			return name, body, nil
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(field, []byte(caseHeader)):
			name = string(value)
		case bytes.EqualFold(field, []byte("Content-Length")):
			n, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				return "", nil, err
			}
			body = io.LimitReader(in, n)
		case bytes.EqualFold(field, []byte("Transfer-Encoding")):
			body = chunks(in)
		}
	}
}

// chunks reads a chunked body with its trailer.
func chunks(in *bufio.Reader) io.Reader {
	return io.MultiReader(httputil.NewChunkedReader(in), &blankLine{in})
}

// blankLine reads up to a blank line, and gives nothing. httputil's reader leaves the trailer to its caller.
type blankLine struct{ in *bufio.Reader }

func (b *blankLine) Read([]byte) (int, error) {
	for {
		line, err := b.in.ReadSlice('\n')
		if err != nil {
			return 0, errors.Join(io.ErrUnexpectedEOF, err)
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			return 0, io.EOF
		}
	}
}

const (
	certFile = "upstream.pem"
	keyFile  = "upstream.key"
	hostName = "localhost"
)

// writeCertificate makes the upstream's certificate, its own authority.
func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: hostName}, DNSNames: []string{hostName},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, certFile), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600),
		os.WriteFile(filepath.Join(dir, keyFile), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}
