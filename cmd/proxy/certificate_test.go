package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// writeCertificate puts a new pair in the place of the old one, as the kubelet does: through a link, at once.
func writeCertificate(t *testing.T, dir, version string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := new(big.Int).SetString(version, 10)
	template := &x509.Certificate{SerialNumber: serial, NotAfter: time.Now().Add(time.Hour)}
	cert, err1 := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	private, err2 := x509.MarshalPKCS8PrivateKey(key)
	made := filepath.Join(dir, "..v"+version)
	err = errors.Join(err1, err2, os.Mkdir(made, 0o700),
		os.WriteFile(filepath.Join(made, "tls.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600),
		os.WriteFile(filepath.Join(made, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
		os.Symlink("..v"+version, filepath.Join(dir, "..new")),
		os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")))
	if err != nil {
		t.Fatal(err)
	}
}

func TestCertificateIsReloaded(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "..data", "tls.crt"), filepath.Join(dir, "..data", "tls.key")
	if _, err := openCertificate(cert, key); err == nil {
		t.Error("opened without files")
	}
	writeCertificate(t, dir, "1")
	c, err := openCertificate(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	var reports []error
	look := func(after time.Duration, serial int64, wantReports int) {
		t.Helper()
		now = now.Add(after)
		reports = nil
		pair := c.current(now, func(err error) { reports = append(reports, err) })
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil || leaf.SerialNumber.Int64() != serial || len(reports) != wantReports {
			t.Errorf("serial %v, want %d; reports %v; %v", leaf.SerialNumber, serial, reports, err)
		}
	}
	look(0, 1, 0)
	writeCertificate(t, dir, "2")
	look(time.Millisecond, 1, 0) // not looked again so soon
	look(time.Second, 2, 1)
	look(time.Second, 2, 0)
	// One file of two is new: the pair does not fit, and the old one stays until it does.
	writeCertificate(t, dir, "3")
	whole, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(filepath.Join(dir, "..v2", "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, old, 0o600); err != nil {
		t.Fatal(err)
	}
	look(time.Second, 2, 1)
	if len(reports) == 1 && reports[0] == nil {
		t.Error("no error")
	}
	look(time.Second, 2, 0) // said once
	if err := os.WriteFile(key, append(whole, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	look(time.Second, 3, 1)
}
