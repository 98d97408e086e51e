// Package ca is the certificate authority of one proxy: made at its first start, it signs the certificates that clients with
// fixed https addresses are shown.
package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	caLife   = 10 * 365 * 24 * time.Hour
	leafLife = 7 * 24 * time.Hour // renewed at half of it
	maxNames = 1000               // leaves kept; over that the cache starts anew
)

// Authority signs leaf certificates. Its methods may be called concurrently.
type Authority struct {
	certPEM []byte
	cert    *x509.Certificate
	pair    tls.Certificate

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

// LoadOrCreate reads the authority, or makes it when neither file exists: an ECDSA P-256 key (mode 0600) and a certificate
// that can sign end-entity certificates only. Of two processes that start at once, both end up with the same one.
func LoadOrCreate(certFile, keyFile string) (*Authority, error) {
	a, err := Load(certFile, keyFile)
	if !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	if _, err := os.Stat(certFile); err == nil {
		return nil, fmt.Errorf("ca: %s exists but its key %s does not: restore the key, or remove the certificate to make a new authority", certFile, keyFile)
	}
	if _, err := os.Stat(keyFile); err == nil {
		// The key is written first: a start that died in between, or one that is at work right now.
		time.Sleep(200 * time.Millisecond)
		if a, err := Load(certFile, keyFile); err == nil {
			return a, nil
		}
		return nil, fmt.Errorf("ca: %s exists but its certificate %s does not: remove the key to make a new authority", keyFile, certFile)
	}
	if err := create(certFile, keyFile); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("ca: %w", err)
	}
	return LoadOrCreate(certFile, keyFile)
}

// Load reads an authority from PEM files. The error is fs.ErrNotExist when a file is missing.
func Load(certFile, keyFile string) (*Authority, error) {
	certPEM, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	keyPEM, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("ca: %s and %s: %w", certFile, keyFile, err)
	}
	if !pair.Leaf.IsCA {
		return nil, fmt.Errorf("ca: %s is not the certificate of an authority (basicConstraints CA:TRUE is missing)", certFile)
	}
	if now := time.Now(); now.After(pair.Leaf.NotAfter) {
		return nil, fmt.Errorf("ca: %s expired on %s: remove it and its key to make a new authority", certFile, pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	return &Authority{certPEM: certPEM, cert: pair.Leaf, pair: pair, leaves: map[string]*tls.Certificate{}}, nil
}

// CertificatePEM is the public certificate, for clients to trust.
func (a *Authority) CertificatePEM() []byte { return a.certPEM }

func create(certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := serialNumber()
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: strings.TrimSpace("marketo-proxy interception CA " + host)},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writeNew(keyFile, "PRIVATE KEY", keyDER, 0o600); err != nil {
		return err
	}
	return writeNew(certFile, "CERTIFICATE", der, 0o644)
}

// writeNew makes the file appear whole or not at all, and never over another.
func writeNew(name, kind string, der []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".ca-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	err = errors.Join(tmp.Chmod(mode), pem.Encode(tmp, &pem.Block{Type: kind, Bytes: der}), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return os.Link(tmp.Name(), name)
}

func serialNumber() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

// Certificate returns a certificate for a host name or IP address, signed by the authority; it is kept and renewed.
func (a *Authority) Certificate(host string) (*tls.Certificate, error) {
	host = strings.ToLower(host)
	a.mu.Lock()
	defer a.mu.Unlock() // also keeps a crowd of connections from signing the same name many times
	if leaf := a.leaves[host]; leaf != nil && time.Until(leaf.Leaf.NotAfter) > leafLife/2 {
		return leaf, nil
	}
	leaf, err := a.sign(host)
	if err != nil {
		return nil, fmt.Errorf("ca: certificate for %q: %w", host, err)
	}
	if len(a.leaves) >= maxNames {
		clear(a.leaves)
	}
	a.leaves[host] = leaf
	return leaf, nil
}

func (a *Authority) sign(host string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "marketo-proxy"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(leafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.pair.PrivateKey)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}
