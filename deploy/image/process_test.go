//go:build linux

package image

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"marketo-proxy/sign"
)

const user = "bigcorp1_461839624B16E06BA2D663"

// secret is a directory as the kubelet makes it of a Secret: the files are links through ..data, which is swapped as a whole.
type secret struct {
	t        *testing.T
	dir      string
	versions int
}

// put is what the kubelet's AtomicWriter does (k8s.io/kubernetes, pkg/volume/util/atomic_writer.go).
func (s *secret) put(files map[string]string) {
	s.t.Helper()
	s.versions++
	name := fmt.Sprintf("..2026_11_24_15_00_%02d.1", s.versions)
	old, _ := os.Readlink(filepath.Join(s.dir, "..data"))
	steps := []error{os.Mkdir(filepath.Join(s.dir, name), 0o755)}
	for file, content := range files {
		steps = append(steps, os.WriteFile(filepath.Join(s.dir, name, file), []byte(content), 0o644))
	}
	steps = append(steps, os.Symlink(name, filepath.Join(s.dir, "..data_tmp")),
		os.Rename(filepath.Join(s.dir, "..data_tmp"), filepath.Join(s.dir, "..data")))
	for file := range files {
		if _, err := os.Lstat(filepath.Join(s.dir, file)); err != nil {
			steps = append(steps, os.Symlink(filepath.Join("..data", file), filepath.Join(s.dir, file)))
		}
	}
	if old != "" {
		steps = append(steps, os.RemoveAll(filepath.Join(s.dir, old)))
	}
	if err := errors.Join(steps...); err != nil {
		s.t.Fatal(err)
	}
}

// expired calls getLead with a signature of an hour ago, and tells how many attempts it took ("" is one) and which status came.
func expired(t *testing.T, at, key string) (attempts string, status int) {
	t.Helper()
	timestamp := sign.Timestamp(time.Now().Add(-time.Hour))
	body := `<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" ` +
		`xmlns:ns1="http://www.marketo.com/mktows/"><SOAP-ENV:Header><ns1:AuthenticationHeader><mktowsUserId>` + user +
		`</mktowsUserId><requestSignature>` + sign.Signature(key, timestamp, user) + `</requestSignature><requestTimestamp>` + timestamp +
		`</requestTimestamp></ns1:AuthenticationHeader></SOAP-ENV:Header><SOAP-ENV:Body><ns1:paramsGetLead><leadKey><keyType>EMAIL</keyType>` +
		`<keyValue>rufus@marketo.com</keyValue></leadKey></ns1:paramsGetLead></SOAP-ENV:Body></SOAP-ENV:Envelope>`
	resp, err := http.Post(at+"/soap/mktows/3_1", "text/xml", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.Header.Get("Marketo-Proxy-Attempts"), resp.StatusCode
}

// A Secret that is created and changed while the pod runs takes effect without a restart.
func testKeys(t *testing.T, p *pod) {
	const key, next = "first", "second"
	marketoKeys := secret{t: t, dir: p.volume("/etc/marketo")}
	marketoKeys.put(map[string]string{user: next})
	marketo := p.emulate("--credentials-dir=/etc/marketo")
	keys := secret{t: t, dir: p.volume("/etc/marketo-proxy/credentials")} // the volume of an optional Secret that is not there yet
	proxy, at, metrics := p.serve(marketo, "MARKETO_PROXY_CREDENTIALS_DIR=/etc/marketo-proxy/credentials")
	if attempts, _ := expired(t, at, next); attempts != "" {
		t.Errorf("without a key: %s attempts", attempts)
	}
	if got := metric(t, metrics, `marketo_proxy_renewals_total{api="soap",result="no_credential"}`); got != "1" {
		t.Errorf("no_credential: %s", got)
	}
	keys.put(map[string]string{user: key})
	proxy.eventually("the Secret is there", func() bool {
		expired(t, at, next) // signed with another key than the proxy has
		return metric(t, metrics, `marketo_proxy_renewals_total{api="soap",result="bad_signature"}`) != "0"
	})
	keys.put(map[string]string{user: next})
	proxy.eventually("the new key heals", func() bool {
		attempts, status := expired(t, at, next)
		return attempts == "2" && status == http.StatusOK
	})
	if strings.Contains(proxy.log.String(), key) || strings.Contains(proxy.log.String(), next) {
		t.Error("a key is in the log")
	}
}

// An application that goes on calling while the proxy stops sees each call either answered whole or not taken at all,
// and the failures among them are on disk.
func testTermination(t *testing.T, p *pod) {
	marketo := p.emulate("--fail=*=slow=200ms")
	proxy, at, _ := p.serve(marketo)
	var answered, refused atomic.Int64
	var stopping atomic.Bool
	stop := make(chan struct{})
	var wg sync.WaitGroup
	finish := sync.OnceFunc(func() { close(stop); wg.Wait() })
	defer finish()
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				before := stopping.Load()
				status, _, body, err := get(at + "/rest/v1/leads.json")
				switch {
				case err == nil && status == http.StatusOK && strings.HasSuffix(body, "}\n"):
					answered.Add(1)
				case stopping.Load() && errors.Is(err, syscall.ECONNREFUSED), before && errors.Is(err, syscall.ECONNRESET):
					refused.Add(1)
					time.Sleep(10 * time.Millisecond)
				default:
					t.Errorf("neither answered nor refused: %d %q %v", status, body, err)
					return
				}
			}
		})
	}
	proxy.eventually("calls", func() bool { return answered.Load() >= 16 })
	answeredBefore := answered.Load()
	stopping.Store(true)
	code := proxy.terminate()
	proxy.eventually("calls are refused", func() bool { return refused.Load() > 0 })
	finish()
	if code != 0 {
		t.Errorf("exit %d\n%s", code, proxy.log.String())
	}
	if answered.Load() == answeredBefore {
		t.Error("none of the calls in flight came to its end")
	}
	// Each of them was a failure: a call without a token.
	out, problem, _ := p.run(nil, program, "captures", "ls", "--json", "--limit=1000000")
	if captured := int64(strings.Count(out, "\n")); captured != answered.Load() {
		t.Errorf("%d calls were answered, %d are captured %s", answered.Load(), captured, problem)
	}
	if !strings.Contains(proxy.log.String(), `"msg":"stopped"`) {
		t.Errorf("it does not say that it stopped:\n%s", proxy.log.String())
	}
}

// The limit of the container becomes the collector's, by nine tenths; GOMEMLIMIT wins. The files are those that a container sees of
// its control group.
func testMemory(t *testing.T, root string, c config) {
	for _, v := range []struct{ place, file, limit, want string }{
		{"/sys/fs/cgroup", "memory.max", "134217728\n", "1.20795948e+08"},
		{"/sys/fs/cgroup", "memory.max", "max\n", "9.223372036854776e+18"},
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "268435456\n", "2.41591905e+08"},
	} {
		p := newPod(t, root, c)
		if err := os.WriteFile(filepath.Join(p.volume(v.place), v.file), []byte(v.limit), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, env := range [][]string{nil, {"GOMEMLIMIT=100MiB"}} {
			want := v.want
			if env != nil {
				want = "1.048576e+08"
			}
			proxy, _, metrics := p.serve(freePort(t), env...)
			if got := metric(t, metrics, "go_gc_gomemlimit_bytes"); got != want {
				t.Errorf("%s %q %v: %s, want %s", v.file, v.limit, env, got, want)
			}
			proxy.terminate()
		}
	}
}
