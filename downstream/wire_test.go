package downstream_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"marketo-proxy/downstream"
	"marketo-proxy/http1"
)

// script is a connection whose client sends pieces and then ends its side; what it gets is kept.
type script struct {
	mu     sync.Mutex
	pieces [][]byte
	out    bytes.Buffer
	once   sync.Once
	closed chan struct{}
}

// newScript cuts what a client sends in places that depend on seed; 0: nowhere.
func newScript(raw []byte, seed uint64) *script {
	s := &script{closed: make(chan struct{})}
	random := rand.New(rand.NewPCG(seed, 0))
	for len(raw) > 0 {
		n := len(raw)
		if seed != 0 {
			n = min(n, 1+random.IntN(1+random.IntN(100)))
		}
		s.pieces = append(s.pieces, raw[:n])
		raw = raw[n:]
	}
	return s
}

func (s *script) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

func (s *script) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (*script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*script) SetDeadline(time.Time) error      { return nil }
func (*script) SetReadDeadline(time.Time) error  { return nil }
func (*script) SetWriteDeadline(time.Time) error { return nil }

// oneListener accepts the connections that it is given, and then waits until it is closed.
type oneListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func listenFor(conns ...net.Conn) *oneListener {
	l := &oneListener{make(chan net.Conn, len(conns)), sync.Once{}, make(chan struct{})}
	for _, c := range conns {
		l.conns <- c
	}
	return l
}

func (l *oneListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	default:
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (*oneListener) Addr() net.Addr { return &net.TCPAddr{} }

// How a handler treats bodies.
const (
	readAll = iota
	readNothing
	readSome
	readModes
)

// recorder is a handler that notes what it gets.
type recorder struct {
	mode    int
	seen    []string
	methods []string
}

func (h *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var s strings.Builder
	if r.Header.Get("Pragma") == "no-cache" {
		r.Header.Del("Cache-Control") // which net/http makes of it
	}
	fmt.Fprintf(&s, "%s %s %s host %q url %q length %d %q ", r.Method, r.RequestURI, r.Proto, r.Host, r.URL, r.ContentLength, r.TransferEncoding)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		values := slices.Clone(r.Header[name])
		for i := range values {
			values[i] = strings.Trim(values[i], " \t")
		}
		fmt.Fprintf(&s, "%s: %q ", name, values)
	}
	h.methods = append(h.methods, r.Method)
	switch h.mode {
	case readAll:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			s.WriteString("cut")
		} else {
			fmt.Fprintf(&s, "%d %x", len(body), sha256.Sum256(body))
		}
		for _, name := range slices.Sorted(maps.Keys(r.Trailer)) {
			if err == nil && !http1.FramingField(name) { // which we leave out
				fmt.Fprintf(&s, " trailer %s: %q", name, r.Trailer[name])
			}
		}
	case readSome:
		p := make([]byte, 3)
		n, _ := io.ReadFull(r.Body, p)
		fmt.Fprintf(&s, "%q", p[:n])
	}
	h.seen = append(h.seen, s.String())
	w.Header()["Content-Length"] = []string{"2"}
	_, _ = w.Write([]byte("ok"))
}

// result is what became of a connection.
type result struct {
	seen     []string
	statuses []int
	rest     string // what is no answer
}

type server interface {
	Serve(net.Listener) error
	Close() error
}

// play lets a server serve what a client sends. Time is not real: net/http sleeps.
func play(t *testing.T, s func(http.Handler) server, raw []byte, seed uint64, mode int) (r result) {
	h := &recorder{mode: mode}
	var c *script
	synctest.Test(t, func(*testing.T) {
		c = newScript(raw, seed)
		srv := s(h)
		go func() { _ = srv.Serve(listenFor(c)) }()
		<-c.closed
		srv.Close()
	})
	r.seen = h.seen
	in := bufio.NewReader(&c.out)
	for i := 0; ; {
		method := http.MethodGet
		if i < len(h.methods) {
			method = h.methods[i]
		}
		if _, err := in.Peek(1); err != nil {
			return r
		}
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			rest, _ := io.ReadAll(in)
			r.rest = fmt.Sprintf("%v: %q", err, rest)
			return r
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			r.rest = err.Error()
			return r
		}
		if r.statuses = append(r.statuses, resp.StatusCode); resp.StatusCode >= 200 {
			i++
		}
	}
}

func ours(h http.Handler) server { return &downstream.Server{Handler: h, Log: zap.NewNop()} }

func theirs(h http.Handler) server {
	return &http.Server{Handler: h, MaxHeaderBytes: 64 << 10, DisableGeneralOptionsHandler: true, ErrorLog: log.New(io.Discard, "", 0)}
}

// excuses are the differences that are meant: what is sent has to contain all of the words for ours to end its connection where
// net/http goes on.
var excuses = []struct {
	name  string
	words []string
}{
	{"a body with a length and chunks ends its connection", []string{"transfer-encoding", "content-length"}},
	{"a coding in HTTP/1.0 ends its connection", []string{"transfer-encoding", "http/1.0"}},
	{"the preface of HTTP/2 is refused", []string{"pri * http/2.0"}},
	{"a trailer that may not be one is not announced", []string{"transfer-encoding", "trailer"}},
	{"trailers are read strictly", []string{"transfer-encoding", "chunked", "0"}},
	{"an expectation is one word", []string{"expect", "100-continue"}},
}

// emptyFold is where we go on and net/http may not: it takes the blank for a part of the value, and then finds no host or no coding.
var emptyFold = regexp.MustCompile(`\n[ \t]+\r?\n`)

func excused(raw []byte) bool {
	text := strings.ToLower(string(raw))
	for _, e := range excuses {
		if !slices.ContainsFunc(e.words, func(w string) bool { return !strings.Contains(text, w) }) {
			return true
		}
	}
	return false
}

// compare tells how what we make of raw differs from what net/http makes of it. Nothing is a request here that is none there, or the
// body of another one.
func compare(t *testing.T, raw []byte, seed uint64, mode int) {
	we, they := play(t, ours, raw, seed, mode), play(t, theirs, raw, 0, mode)
	if we.rest != "" {
		t.Errorf("what we answer is no HTTP: %s", we.rest)
	}
	excuse := excused(raw)
	if n := len(they.seen); emptyFold.Match(raw) && len(we.seen) > n {
		excuse, we.seen = true, we.seen[:n]
	}
	if n := len(we.seen); excuse && n > 0 && n <= len(they.seen) { // a body that only we refuse
		if head, cut := strings.CutSuffix(we.seen[n-1], "cut"); cut && strings.HasPrefix(they.seen[n-1], head) {
			they.seen[n-1] = we.seen[n-1]
		}
	}
	stricter := len(we.seen) < len(they.seen)
	if stricter && !excuse || len(we.seen) > len(they.seen) || !slices.Equal(we.seen, they.seen[:len(we.seen)]) {
		t.Errorf("%q in mode %d:\n  we\t%s %d\nnet/http\t%s %d", raw, mode, strings.Join(we.seen, "\n\t"), we.statuses, strings.Join(they.seen, "\n\t"), they.statuses)
		return
	}
	if !excuse && !slices.Equal(answers(we), answers(they)) {
		t.Errorf("%q in mode %d: we answer %d, net/http %d", raw, mode, we.statuses, they.statuses)
	}
}

// answers takes all refusals for one, and leaves out that of the last bytes: one of the two may have waited for more of them.
func answers(r result) []int {
	statuses := slices.Clone(r.statuses)
	if n := len(statuses); n > len(r.seen) && statuses[n-1] >= 400 {
		return statuses[:n-1]
	}
	return statuses
}
