package ca

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func files(t *testing.T) (cert, key string) {
	dir := filepath.Join(t.TempDir(), "state")
	return filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key")
}

func TestMadeOnceAndKept(t *testing.T) {
	cert, key := files(t)
	if _, err := Load(cert, key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before it is made: %v", err)
	}
	first, err := LoadOrCreate(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	second, err := LoadOrCreate(cert, key)
	if err != nil || string(second.CertificatePEM()) != string(first.CertificatePEM()) {
		t.Errorf("the second time: %v, another one", err)
	}
	info, err := os.Stat(key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(cert), ".ca-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Processes that start at once end up with the same authority.
func TestMadeByMany(t *testing.T) {
	cert, key := files(t)
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			a, err := LoadOrCreate(cert, key)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			seen[string(a.CertificatePEM())]++
		})
	}
	wg.Wait()
	if len(seen) != 1 {
		t.Errorf("%d authorities", len(seen))
	}
}

func TestLeaves(t *testing.T) {
	cert, key := files(t)
	a, err := LoadOrCreate(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(a.CertificatePEM()) {
		t.Fatal("not PEM")
	}
	for _, host := range []string{"123-abc-456.mktoapi.com", "127.0.0.1", "::1", "localhost"} {
		leaf, err := a.Certificate(strings.ToUpper(host))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := leaf.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if err := leaf.Leaf.VerifyHostname("other.example"); err == nil {
			t.Errorf("%s: also valid for another host", host)
		}
		if again, _ := a.Certificate(host); again != leaf {
			t.Errorf("%s: signed twice", host)
		}
		if leaf.Leaf.IsCA || time.Until(leaf.Leaf.NotAfter) > 8*24*time.Hour {
			t.Errorf("%s: %+v", host, leaf.Leaf)
		}
	}
}

// The cache of leaves is bounded, whatever names clients ask for.
func TestLeavesAreBounded(t *testing.T) {
	cert, key := files(t)
	a, err := LoadOrCreate(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxNames {
		a.leaves[string(rune(i))] = &tls.Certificate{Leaf: &x509.Certificate{}} // signing each would only take time
	}
	if _, err := a.Certificate("one.more"); err != nil || len(a.leaves) > maxNames {
		t.Errorf("%v, %d leaves are kept", err, len(a.leaves))
	}
}

func TestBadFiles(t *testing.T) {
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := files(t)
	if _, err := LoadOrCreate(cert, key); err != nil {
		t.Fatal(err)
	}
	good, _ := os.ReadFile(cert)
	goodKey, _ := os.ReadFile(key)

	otherCert, otherKey := files(t)
	other, err := LoadOrCreate(otherCert, otherKey)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := other.Certificate("x")
	if err != nil {
		t.Fatal(err)
	}
	leafKey, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cert, key []byte
		want      string
	}{
		"no key":          {good, nil, "restore the key"},
		"no certificate":  {nil, goodKey, "remove the key"},
		"not PEM":         {[]byte("x"), goodKey, "PEM"},
		"another key":     {other.CertificatePEM(), goodKey, "private key"},
		"no authority":    {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Leaf.Raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: leafKey}), "CA:TRUE"},
		"an empty key":    {good, []byte{}, "PEM"},
		"swapped by hand": {goodKey, good, ""},
	} {
		cert, key := files(t)
		if c.cert != nil {
			write(cert, c.cert)
		}
		if c.key != nil {
			write(key, c.key)
		}
		if _, err := LoadOrCreate(cert, key); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
