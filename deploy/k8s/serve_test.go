package k8s

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	core "k8s.io/api/core/v1"

	"marketo-proxy/built"
)

// The program starts with exactly the variables that the manifests give it, and stops with exit code 0.
func TestServeTakesTheSettings(t *testing.T) {
	program := filepath.Join(t.TempDir(), "marketo-proxy")
	compile := exec.Command("go", "build", "-o", program, "./cmd/proxy")
	compile.Dir = "../.."
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	help, err := exec.Command(program, "serve", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	flags := strings.Join(strings.Fields(string(help)), " ")
	for _, dir := range []string{"sidecar", "gateway", "persistent", "testdata/component"} {
		objects := build(t, dir)
		c := proxyOf(&workloads(objects)[0].template.Spec)
		env := values(c)
		for _, m := range all[*core.ConfigMap](objects) {
			for name, value := range m.Data {
				env[name] = value
			}
		}
		root := t.TempDir()
		for _, m := range c.VolumeMounts {
			if err := os.MkdirAll(filepath.Join(root, m.MountPath), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		writePair(t, filepath.Join(root, "etc/marketo-proxy/tls"))
		// Anywhere but in the places of the pod, on ports that are free.
		cmd := exec.Command(program, "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0")
		if env["MARKETO_PROXY_TLS_LISTEN"] != "" {
			cmd.Args = append(cmd.Args, "--tls-listen=127.0.0.1:0")
		}
		cmd.Env = []string{"XDG_STATE_HOME=" + filepath.Join(root, "var/lib")}
		for name, value := range env {
			if !strings.Contains(flags, "$"+name+")") {
				t.Errorf("%s: serve knows no %s", dir, name)
			}
			if strings.HasPrefix(value, "/") {
				value = filepath.Join(root, value)
			}
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		var log built.Text
		cmd.Stderr = &log
		ended, err := built.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); built.Listeners(log.String()) == nil && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond)
		}
		if built.Listeners(log.String()) == nil {
			t.Errorf("%s: it does not serve", dir)
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: it does not stop", dir)
		}
		if cmd.ProcessState.ExitCode() != 0 {
			t.Errorf("%s: %v\n%s", dir, cmd.ProcessState, log.String())
		}
	}
}

// writePair writes a certificate and its key as a Secret of type kubernetes.io/tls has them.
func writePair(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err1 := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	private, err2 := x509.MarshalPKCS8PrivateKey(key)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: certificate}, "tls.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		var text bytes.Buffer
		if err := pem.Encode(&text, block); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
