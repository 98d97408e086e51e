package upstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"marketo-proxy/upstream"
)

// signed is a certificate with its key, and the certificates between it and the root.
type signed struct {
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	chain [][]byte
}

// sign makes an authority, or a certificate for names; by is nil for a root.
func (by *signed) sign(t *testing.T, name string, end time.Time, names ...string) *signed {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
		DNSNames: names, BasicConstraintsValid: true, IsCA: len(names) == 0, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	s := &signed{key: key}
	parent, parentKey := template, key
	if by != nil {
		parent, parentKey = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	if s.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	s.chain = [][]byte{der}
	if by != nil {
		s.chain = append(s.chain, by.chain...)
	}
	return s
}

// TestTrust: both the system's roots and the RootCAs vouch for a host, and nothing else does. It runs itself, in a process whose
// system's roots are the test's.
func TestTrust(t *testing.T) {
	const variable = "UPSTREAM_TEST_ROOT"
	later, earlier := time.Now().Add(time.Hour), time.Now().Add(-time.Minute)
	if os.Getenv(variable) == "" {
		root := (*signed)(nil).sign(t, "the system's", later)
		key, err := x509.MarshalECPrivateKey(root.key)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "root.pem")
		content := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.cert.Raw}),
			pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key})...)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		again := exec.Command(os.Args[0], "-test.run=^TestTrust$", "-test.v")
		again.Env = append(os.Environ(), variable+"="+file, "SSL_CERT_FILE="+file, "SSL_CERT_DIR="+t.TempDir())
		if out, err := again.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}

	pair, err := tls.LoadX509KeyPair(os.Getenv(variable), os.Getenv(variable))
	if err != nil {
		t.Fatal(err)
	}
	system := &signed{cert: pair.Leaf, key: pair.PrivateKey.(*ecdsa.PrivateKey)}
	own, nobody := (*signed)(nil).sign(t, "our own", later), (*signed)(nil).sign(t, "nobody's", later)
	roots := x509.NewCertPool()
	roots.AddCert(own.cert)
	roots.AddCert((*signed)(nil).sign(t, "the system's", earlier).cert) // of the same name, but another

	name, unknown := x509.HostnameError{}, x509.UnknownAuthorityError{}
	isName := func(err error) bool { return errors.As(err, &name) }
	isUnknown := func(err error) bool { return errors.As(err, &unknown) }
	isExpired := func(err error) bool {
		var invalid x509.CertificateInvalidError
		return errors.As(err, &invalid) && invalid.Reason == x509.Expired
	}
	const host = "marketo.test"
	for _, c := range []struct {
		shown string
		cert  *signed
		fails func(error) bool // nil: it is trusted
	}{
		{"ours", own.sign(t, "leaf", later, host), nil},
		{"the system's", system.sign(t, "leaf", later, host), nil},
		{"one below ours", own.sign(t, "between", later).sign(t, "leaf", later, host), nil},
		{"one below the system's", system.sign(t, "between", later).sign(t, "leaf", later, host), nil},
		{"ours, of another host", own.sign(t, "leaf", later, "other.test"), isName},
		{"the system's, of another host", system.sign(t, "leaf", later, "other.test"), isName},
		{"ours, expired", own.sign(t, "leaf", earlier, host), isExpired},
		{"the system's, expired", system.sign(t, "leaf", earlier, host), isExpired},
		{"one below ours that expired", own.sign(t, "between", earlier).sign(t, "leaf", later, host), isExpired},
		{"one below the system's that expired", system.sign(t, "between", earlier).sign(t, "leaf", later, host), isExpired},
		{"one below ours that is no authority", own.sign(t, "between", later, "between.test").sign(t, "leaf", later, host), func(err error) bool { return err != nil }},
		{"nobody's", nobody.sign(t, "leaf", later, host), isUnknown},
	} {
		t.Run(c.shown, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				if c.fails != nil {
					t.Error("a request came")
				}
			}))
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: c.cert.chain, PrivateKey: c.cert.key}}}
			s.StartTLS()
			defer s.Close()
			further := 0
			up := &upstream.Transport{TLSConfig: &tls.Config{
				RootCAs: roots, ServerName: host,
				VerifyConnection: func(tls.ConnectionState) error { further++; return nil },
			}}
			defer up.CloseIdleConnections()
			req, _ := http.NewRequest("GET", s.URL, nil)
			err := call(up, req).err
			if c.fails == nil && (err != nil || further != 1) {
				t.Fatalf("%v, the caller's own check ran %d times", err, further)
			}
			var verification *tls.CertificateVerificationError
			if c.fails != nil && (!c.fails(err) || !errors.As(err, &verification) || further != 0) {
				t.Fatalf("%v, the caller's own check ran %d times", err, further)
			}
			// A plain client of crypto/tls, which has all roots in one pool, comes to the same.
			both := roots.Clone()
			both.AddCert(system.cert)
			plain := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: both, ServerName: host}, DisableKeepAlives: true}}
			resp, err := plain.Get(s.URL)
			if err == nil {
				resp.Body.Close()
			}
			if (err == nil) != (c.fails == nil) || c.fails != nil && !c.fails(err) {
				t.Errorf("crypto/tls: %v", err)
			}
		})
	}
}
