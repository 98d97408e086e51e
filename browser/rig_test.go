//go:build linux

// Package browser tests the page in a real browser: Debian's chromium, before the program as it is built. It is a module of its own, so
// that the product does not depend on what drives a browser.
package browser

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"marketo-proxy/built"
	"marketo-proxy/emulator"
	"marketo-proxy/sign"
)

const (
	user = "browser1_461839624B16E06BA2D663"
	key  = "899756834129871744AAEE88DDCC77CDEEDEC1AAAD66"
	// patience is how long anything may take before a test gives up: generous, since the machine may be busy.
	patience = 40 * time.Second
)

var program string // the built binary; set once, before the tests

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "marketo-proxy-browser-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "marketo-proxy")
	build := exec.Command("go", "build", "-o", program, "./cmd/proxy")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// rig is a running proxy before an emulated Marketo.
type rig struct {
	t           *testing.T
	door, admin string // addresses
	captures    string // directory
	stop        func()
	hostile     string // the body of an answer that was asked for with hostileHeader
}

const hostileHeader = "X-Browser-Hostile"

func newRig(t *testing.T, flags ...string) *rig {
	t.Helper()
	r := &rig{t: t, captures: filepath.Join(t.TempDir(), "captures")}
	marketo, err := emulator.New(emulator.Options{Users: map[string]string{user: key}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(marketo.Close)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get(hostileHeader) == "" {
			marketo.ServeHTTP(w, req)
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		w.Header().Set("Content-Type", "text/xml")
		w.Header().Set("X-Hostile", r.hostile)
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, r.hostile)
	}))
	t.Cleanup(upstream.Close)
	keys := t.TempDir()
	if err := os.WriteFile(filepath.Join(keys, user), []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"serve", "--listen=127.0.0.1:0", "--metrics-listen=", "--admin-listen=127.0.0.1:0", "--capture-dir=" + r.captures,
		"--credentials-dir=" + keys, "--soap-upstream=" + upstream.URL, "--rest-upstream=" + upstream.URL}, flags...)
	cmd := exec.Command(program, args...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "TZ=UTC"}
	var log built.Text
	cmd.Stdout, cmd.Stderr = &log, &log
	ended, err := built.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	r.stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("the proxy does not end")
			_ = cmd.Process.Kill()
		}
	}
	t.Cleanup(func() {
		select {
		case <-ended:
		default:
			r.stop()
		}
		if code := cmd.ProcessState.ExitCode(); code != 0 || t.Failed() {
			t.Logf("exit %d, %s", code, log.String())
		}
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if at := built.Listeners(log.String()); at != nil {
			r.door, r.admin = at["listen"], at["admin-listen"]
			return r
		}
		if time.Now().After(deadline) {
			t.Fatalf("the proxy does not serve: %s", log.String())
		}
	}
}

// call makes a call that fails as the emulator is asked to; age is of its signature.
func (r *rig) call(operation, fail string, age time.Duration, header ...string) {
	r.t.Helper()
	timestamp := sign.Timestamp(time.Now().Add(-age))
	params := `<leadKey><keyType>EMAIL</keyType><keyValue>ada@example.com</keyValue></leadKey>`
	if operation == "SyncMultipleLeads" {
		params = `<leadRecordList>` + strings.Repeat(`<leadRecord><Email>batch@example.com</Email></leadRecord>`, 4) + `</leadRecordList><dedupEnabled>true</dedupEnabled>`
	}
	body := `<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" ` +
		`xmlns:ns1="http://www.marketo.com/mktows/"><SOAP-ENV:Header><ns1:AuthenticationHeader><mktowsUserId>` + user +
		`</mktowsUserId><requestSignature>` + sign.Signature(key, timestamp, user) + `</requestSignature><requestTimestamp>` + timestamp +
		`</requestTimestamp></ns1:AuthenticationHeader></SOAP-ENV:Header><SOAP-ENV:Body><ns1:params` + operation + `>` + params +
		`</ns1:params` + operation + `></SOAP-ENV:Body></SOAP-ENV:Envelope>`
	r.send(http.MethodPost, "/soap/mktows/3_1", "text/xml; charset=UTF-8", body, append(header, emulator.FailHeader, fail)...)
}

// rest makes a REST call that fails, since its token is none.
func (r *rig) rest(path string) {
	r.t.Helper()
	r.send(http.MethodGet, path, "", "", "Authorization", "Bearer nothing")
}

func (r *rig) send(method, path, contentType, body string, header ...string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+r.door+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body) // it may be cut off on purpose
	answer.Body.Close()
}

func (r *rig) url(path string) string { return "http://" + r.admin + path }
