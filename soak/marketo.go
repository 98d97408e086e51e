package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"hash"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"

	"marketo-proxy/emulator"
)

// The users of the emulated instance. The proxy has the key of the first only.
const (
	user, key         = "soak_1_461839624B16E06BA2D663", "899756834129871744AAEE88DDCC77CDEE"
	stranger, unknown = "stranger_2_461839624B16E06BA2D6", "00112233445566778899AABBCCDDEEFF00"
	client, secret    = "soak-client", "soak-secret"
)

// callHeader names a call on both sides of the proxy.
const callHeader = "X-Soak-Call"

// marketo is the emulator over TLS. It notes what it sends, so that what an application gets can be compared.
type marketo struct {
	emulator *emulator.Emulator
	server   *httptest.Server
	roots    string // file

	mu   sync.Mutex
	sent map[string]*sent // by call
}

// sent is the answer to the last attempt of a call.
type sent struct {
	arrived chan struct{} // closed when the request is there
	hash    hash.Hash
	size    int64
}

func newMarketo(dir string) (*marketo, error) {
	options := emulator.Options{
		Users:   map[string]string{user: key, stranger: unknown},
		Clients: map[string]string{client: secret},
		// So many that the traffic runs into each limit now and then, and most calls pass.
		Limits:     emulator.Limits{Window: 500, Concurrent: 6},
		RESTLimits: emulator.Limits{Window: 400, Concurrent: 5},
	}
	for _, text := range []string{
		"getLeadActivity=20011:0.1", "describeMObject=20015+chunked:0.1", "soap=slow=120ms:0.03", "rest=slow=120ms:0.03",
		"getLeadActivity=drip=1ms:0.1", "getLeadsByFilterUsingGET=606:0.05", "syncLeadUsingPOST=reset:0.05", "syncLead=cut:0.03",
	} {
		rule, err := emulator.ParseRule(text)
		if err != nil {
			return nil, err
		}
		options.Rules = append(options.Rules, rule)
	}
	e, err := emulator.New(options)
	if err != nil {
		return nil, err
	}
	m := &marketo{emulator: e, sent: map[string]*sent{}, roots: filepath.Join(dir, "roots.pem")}
	m.server = httptest.NewTLSServer(m)
	roots := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.server.Certificate().Raw})
	if err := os.WriteFile(m.roots, roots, 0o600); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func (m *marketo) close() {
	m.emulator.Close()
	m.server.CloseClientConnections()
	m.server.Close()
}

// expect returns where the answer to a call will be noted.
func (m *marketo) expect(call string) *sent {
	s := &sent{arrived: make(chan struct{}), hash: sha256.New()}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent[call] = s
	return s
}

// forget returns the size and the hash of what was sent, once the application has all of it.
func (m *marketo) forget(call string) (size int64, sum string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sent[call]
	delete(m.sent, call)
	return s.size, fmt.Sprintf("%x", s.hash.Sum(nil))
}

// ServeHTTP implements http.Handler.
func (m *marketo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	s := m.sent[r.Header.Get(callHeader)]
	if s != nil {
		s.hash.Reset() // a second attempt has a second answer
		s.size = 0
		select {
		case <-s.arrived:
		default:
			close(s.arrived)
		}
	}
	m.mu.Unlock()
	if s == nil {
		m.emulator.ServeHTTP(w, r)
		return
	}
	m.emulator.ServeHTTP(&noting{ResponseWriter: w, m: m, sent: s}, r)
}

// noting is a ResponseWriter that notes the body.
type noting struct {
	http.ResponseWriter
	m    *marketo
	sent *sent
}

func (n *noting) Write(p []byte) (int, error) {
	n.m.mu.Lock()
	n.sent.hash.Write(p)
	n.sent.size += int64(len(p))
	n.m.mu.Unlock()
	return n.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (n *noting) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// Hijack implements http.Hijacker, which the emulator needs for a reset.
func (n *noting) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(n.ResponseWriter).Hijack()
}
