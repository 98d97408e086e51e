//go:build linux

package e2e

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"marketo-proxy/emulator"
)

// spy is Marketo's side: a server that notes what it got and what it sent.
type spy struct {
	*httptest.Server

	mu     sync.Mutex
	calls  map[string][]*exchange // by callHeader, one for each attempt
	open   int                    // connections
	opened int
}

// exchange is one request and its answer on Marketo's side.
type exchange struct {
	header   http.Header
	uri      string
	request  body
	status   int
	response body
}

// body keeps the beginning of a body, and the size and hash of all of it.
type body struct {
	mu   sync.Mutex
	kept []byte
	size int64
	hash hash.Hash
}

const spyKeeps = 1 << 20

func (b *body) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hash == nil {
		b.hash = sha256.New()
	}
	b.hash.Write(p)
	b.kept = append(b.kept, p[:min(len(p), spyKeeps-len(b.kept))]...)
	b.size += int64(len(p))
	return len(p), nil
}

func (b *body) sum() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hash == nil {
		return hexSum(nil)
	}
	return hex.EncodeToString(b.hash.Sum(nil))
}

func hexSum(p []byte) string {
	s := sha256.Sum256(p)
	return hex.EncodeToString(s[:])
}

// newSpy serves a handler.
func newSpy(t *testing.T, h http.Handler) *spy {
	t.Helper()
	s := &spy{calls: map[string][]*exchange{}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{header: r.Header.Clone(), uri: r.RequestURI, status: http.StatusOK}
		s.mu.Lock()
		name := r.Header.Get(callHeader)
		s.calls[name] = append(s.calls[name], x)
		s.mu.Unlock()
		r.Body = &teeBody{r.Body, &x.request}
		h.ServeHTTP(&teeWriter{w, x}, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch state {
		case http.StateNew:
			s.open++
			s.opened++
		case http.StateClosed, http.StateHijacked:
			s.open--
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// newEmulator is a spy on an emulated Marketo without limits.
func newEmulator(t *testing.T, change ...func(*emulator.Options)) *spy {
	t.Helper()
	o := emulator.Options{Users: map[string]string{user: key}, Clients: map[string]string{user: key}}
	for _, c := range change {
		c(&o)
	}
	e, err := emulator.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := newSpy(t, e)
	t.Cleanup(e.Close)
	return s
}

// attempts are what the spy saw of a call.
func (s *spy) attempts(call string) []*exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*exchange(nil), s.calls[call]...)
}

// connections tells how many are open, and how many there ever were.
func (s *spy) connections() (open, opened int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open, s.opened
}

type teeBody struct {
	io.ReadCloser
	to io.Writer
}

func (b *teeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	_, _ = b.to.Write(p[:n])
	return n, err
}

type teeWriter struct {
	http.ResponseWriter
	x *exchange
}

func (w *teeWriter) WriteHeader(status int) {
	w.x.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *teeWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	_, _ = w.x.response.Write(p[:n])
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *teeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *teeWriter) Flush() { w.ResponseWriter.(http.Flusher).Flush() }

func (w *teeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.ResponseWriter.(http.Hijacker).Hijack()
}

// replies is an upstream that answers every call the same.
func replies(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// nobody is an address where nobody listens: the port of a service that is long dead.
const nobody = "127.0.0.1:1"

// short is a pause for what has no event to wait for.
const short = 20 * time.Millisecond
