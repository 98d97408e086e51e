// Package admin serves the captures of a directory over HTTP, to the person at this machine and to scripts: a page, and an API.
//
// The page lists from an index in memory: 56 bytes for each capture, and the beginning of its message, where that is not like many
// others. It is made at the first visit and dropped when nobody has looked for ten minutes, so a process whose page nobody opens pays
// nothing. It is read in the background, the newest first, for some 8 µs of a processor each: 100,000 captures are in after a second, take 7
// to 12 MiB, and the first page waits for less than that. Then one follower, shared by all pages, asks the journal every 200 ms whether it
// has appended something, and only then looks at the disk. A view looks at each entry once, 1.5 ms for 100,000. The index has the newest
// 200,000; what is older is searched for on disk.
package admin

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"marketo-proxy/capture"
)

// Options say what is served, and to whom.
type Options struct {
	Dir         string // the captures
	CommandDir  string // what --capture-dir must be in commands that the page shows; empty: they find the directory by themselves
	ReplayFlags string // what the command for a replay needs besides, as a shell reads it
	Token       string // that is asked for; empty: none
	Version     string
	Now         func() time.Time // nil: time.Now
	Ticket      Ticketer         // nil: no tickets
	SOAPCallers func() []SOAPCaller
	Appended    func() int64 // as in capture.Archive; nil: the captures are of another process
}

// Ticketer writes the zip of a ticket for the captures with these ids, or for those that q chooses if there are no ids. It is made
// before its first byte is written: what fails until then is told to whoever asked for it, and only one is made at a time.
type Ticketer func(ctx context.Context, w io.Writer, q capture.Query, ids []string) error

// SOAPCaller is a user who still calls an operation of SOAP, and what REST has in its place.
type SOAPCaller struct {
	User, Operation, REST string
	Calls                 int64
	Last                  time.Time
}

// idleAfter is how long the index is kept after the last look at it.
const idleAfter = 10 * time.Minute

// Server is the page and the API. Nothing changes by a GET; the only other requests are those that log in and out.
// It may be used concurrently.
type Server struct {
	options  Options
	handler  http.Handler
	assets   map[string]asset
	pages    func() pages
	sessions sessions
	tickets  chan struct{} // has one place: a ticket takes memory
	closing  chan struct{}

	mu      sync.Mutex
	current *index // nil: nobody looks
	idle    *time.Timer
	closed  bool
}

// New returns a server that must be closed.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{options: o, assets: newAssets(), tickets: make(chan struct{}, 1), closing: make(chan struct{})}
	s.pages = sync.OnceValue(s.parsePages) // at the first visit: templates take memory
	s.sessions.now = o.Now
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.list)
	mux.HandleFunc("GET /captures/{id}", s.detail)
	mux.HandleFunc("GET /codes", s.codesPage)
	mux.HandleFunc("GET /login", s.loginPage)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("POST /logout", s.logout)
	mux.HandleFunc("GET /assets/{name}", s.asset)
	mux.HandleFunc("GET /api/captures", s.apiList)
	mux.HandleFunc("GET /api/captures/{id}", s.apiOne)
	mux.HandleFunc("GET /api/captures/{id}/har", s.apiHAR)
	mux.HandleFunc("GET /api/captures/{id}/{attempt}/{side}", s.apiBody)
	mux.HandleFunc("GET /api/codes", s.apiCodes)
	mux.HandleFunc("GET /api/events", s.events)
	mux.HandleFunc("GET /api/ticket", s.apiTicket)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { s.fail(w, r, http.StatusNotFound, errNoPage) })
	s.handler = s.guard(mux)
	return s
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close ends the streams of events and what runs in the background.
func (s *Server) Close() {
	s.mu.Lock()
	x := s.current
	s.current = nil
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	if s.idle != nil {
		s.idle.Stop()
	}
	s.mu.Unlock()
	if x != nil {
		x.close()
	}
}

// now is in UTC, as all times of the page are: of Marketo's logs, and of a colleague elsewhere.
func (s *Server) now() time.Time { return s.options.Now().UTC() }

// index returns the one that all share, and begins it if there is none.
func (s *Server) index() (*index, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if s.current == nil {
		archive, err := capture.OpenArchive(s.options.Dir)
		if err != nil {
			return nil, err
		}
		archive.Appended = s.options.Appended
		s.current = newIndex(archive, s.now, maxEntries)
		s.idle = time.AfterFunc(idleAfter, s.rest)
	}
	s.idle.Reset(idleAfter)
	return s.current, nil
}

// rest drops the index, unless someone looks on.
func (s *Server) rest() {
	s.mu.Lock()
	x := s.current
	if x == nil || s.closed {
		s.mu.Unlock()
		return
	}
	if x.watched() {
		s.idle.Reset(idleAfter)
		s.mu.Unlock()
		return
	}
	s.current = nil
	s.mu.Unlock()
	x.close()
}
