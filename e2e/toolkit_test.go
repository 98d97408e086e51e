//go:build linux

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"marketo-proxy/built"
)

// debianPython is the one that Debian's packages are for, whatever else is in the path.
const debianPython = "/usr/bin/python3"

// debianJAXWS names the other jars it needs in its manifest.
const debianJAXWS = "/usr/share/java/jaxws-rt.jar"

// needs are the things that a toolkit is made of: how to see that one is there, and what to do if it is not.
var needs = map[string]struct {
	see  []string
	mend string
}{
	"curl":         {[]string{"curl", "--version"}, "apt-get install curl"},
	"go":           {[]string{"go", "version"}, "install Go"},
	"java":         {[]string{"javac", "-version"}, "apt-get install default-jdk-headless"},
	"jax-ws":       {[]string{"test", "-e", debianJAXWS}, "apt-get install libjaxws-java"},
	"mono":         {[]string{"mcs", "--version"}, "apt-get install mono-mcs libmono-system-servicemodel4.0a-cil"},
	"node":         {[]string{"node", "--version"}, "apt-get install nodejs npm"},
	"node-soap":    {[]string{"node", "-e", "require('./testdata/node/node_modules/soap')"}, "npm ci --prefix e2e/testdata/node"},
	"node-marketo": {[]string{"node", "-e", "require('./testdata/node/node_modules/node-marketo-rest')"}, "npm ci --prefix e2e/testdata/node"},
	"php":          {[]string{"php", "-r", "new ReflectionClass('SoapClient');"}, "apt-get install php-cli php-soap"},
	"requests":     {[]string{debianPython, "-c", "import requests"}, "apt-get install python3-requests"},
	"ruby":         {[]string{"ruby", "-e", "require 'openssl'"}, "apt-get install ruby"},
	"suds":         {[]string{debianPython, "-c", "import suds"}, "apt-get install python3-suds"},
	"zeep":         {[]string{debianPython, "-c", "import zeep"}, "apt-get install python3-zeep"},
}

// need fails the test without what it needs.
func need(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		n, ok := needs[name]
		if !ok {
			t.Fatalf("nobody knows %s", name)
		}
		if out, err := exec.Command(n.see[0], n.see[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s is missing: %s\n%v: %s", name, n.mend, err, out)
		}
	}
}

// step is what a script tells of one call: a result, or the fault that its toolkit raised.
type step struct {
	Step   string            `json:"step"`
	Result map[string]string `json:"result"`
	Fault  *struct {
		Class  string `json:"class"`
		Code   string `json:"code"`
		Text   string `json:"text"`
		Detail string `json:"detail"` // code of the serviceException
	} `json:"fault"`
}

// toolkitRun is a script that calls an emulated Marketo through a door of the proxy.
type toolkitRun struct {
	door       string   // as of server.door; "own certificate" is tls with --tls-cert
	script     []string // the address, the user and the key follow
	path       string   // of the address
	fail       []string // rules of the emulator
	truststore bool     // the authority is in one, as Java wants it
}

// run runs the script, and returns the steps it told by name, with the server and the door that they went by.
func (r toolkitRun) run(t *testing.T) (map[string]step, *server, *door) {
	t.Helper()
	args := []string{"emulate", "--listen=127.0.0.1:0"}
	for _, rule := range r.fail {
		args = append(args, "--fail="+rule)
	}
	s := setup{upstream: emulated(t, start(t, program(built.Plain), nil, args...))}
	authority := filepath.Join(t.TempDir(), "authority.pem")
	if r.door == "own certificate" {
		cert, key := certificate(t, authority)
		s.args = []string{"--tls-cert=" + cert, "--tls-key=" + key}
		r.door = "tls"
	}
	srv := serve(t, s)
	if s.args == nil {
		if err := os.WriteFile(authority, []byte(command(t, []string{"HOME=" + srv.dir}, "ca").stdout), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := srv.door(r.door)
	cmd := exec.Command(r.script[0], append(r.script[1:], d.url(r.path), user, key)...)
	cmd.Env = append(environment(t, nil), r.told(t, srv, authority)...)
	out, err := cmd.Output()
	if err != nil {
		stderr := ""
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			stderr = string(exit.Stderr)
		}
		t.Fatalf("%v: %v\n%s%s", r.script, err, out, tail(stderr))
	}
	steps := map[string]step{}
	for line := range strings.Lines(string(out)) {
		var s step
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		steps[s.Step] = s
	}
	return steps, srv, d
}

// told are the variables from which toolkits learn of a proxy and of an authority, each from its own.
func (r toolkitRun) told(t *testing.T, srv *server, authority string) []string {
	t.Helper()
	env := []string{"E2E_CA=" + authority, "REQUESTS_CA_BUNDLE=" + authority, "SSL_CERT_FILE=" + authority, "CURL_CA_BUNDLE=" + authority,
		"NODE_EXTRA_CA_CERTS=" + authority}
	java := "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
	if r.truststore {
		store := filepath.Join(t.TempDir(), "trust.p12")
		out, err := exec.Command("keytool", "-importcert", "-noprompt", "-alias", "marketo-proxy", "-file", authority, "-keystore", store,
			"-storepass", "changeit").CombinedOutput()
		if err != nil {
			t.Fatalf("keytool: %v\n%s", err, out)
		}
		java += " -Djavax.net.ssl.trustStore=" + store + " -Djavax.net.ssl.trustStorePassword=changeit"
	}
	if r.door == "intercepted" {
		at := srv.at["listen"]
		host, port, _ := strings.Cut(at, ":")
		java += " -Dhttps.proxyHost=" + host + " -Dhttps.proxyPort=" + port
		env = append(env, "HTTPS_PROXY=http://"+at, "http_proxy=http://"+at) // Ruby reads no other than the second
	}
	return append(env, "JAVA_TOOL_OPTIONS="+java)
}

// certificate makes an authority and a certificate for 127.0.0.1 of it, as a company has its own.
func certificate(t *testing.T, authority string) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, der []byte, err error) string {
		if err == nil {
			err = os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	rootKey, leafKey := newKey(), newKey()
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Example Ltd"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, root, root, &rootKey.PublicKey, rootKey)
	write(authority, "CERTIFICATE", der, err)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "marketo-proxy"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err = x509.CreateCertificate(rand.Reader, leaf, root, &leafKey.PublicKey, rootKey)
	certFile = write(filepath.Join(dir, "tls.crt"), "CERTIFICATE", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(leafKey)
	keyFile = write(filepath.Join(dir, "tls.key"), "PRIVATE KEY", der, err)
	return certFile, keyFile
}
