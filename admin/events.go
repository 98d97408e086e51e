package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"marketo-proxy/capture"
)

const (
	maxStreams     = 32
	streamQueue    = 64 // events that a reader may be late
	heartbeat      = 15 * time.Second
	eventPatience  = 10 * time.Second
	reconnectAfter = 3 * time.Second
)

// event tells that a capture was added, or that the index has changed otherwise.
type event struct {
	name    string
	capture *capture.Capture // nil: none
}

// stream is a reader of events. The channel is closed when it was too slow, or when the index ends.
type stream struct {
	events chan event
}

// subscribe returns nil if there are too many.
func (x *index) subscribe() *stream {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.streams) >= maxStreams {
		return nil
	}
	s := &stream{make(chan event, streamQueue)}
	x.streams[s] = true
	return s
}

func (x *index) unsubscribe(s *stream) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.end(s)
}

// end may be called again. The caller holds mu.
func (x *index) end(s *stream) {
	if x.streams[s] {
		delete(x.streams, s)
		close(s.events)
	}
}

// publish never blocks: a reader that is too late is dropped, and comes again by itself. The caller holds mu.
func (x *index) publish(e event) {
	for s := range x.streams {
		select {
		case s.events <- e:
		default:
			x.end(s)
		}
	}
}

// watched tells whether anyone reads events.
func (x *index) watched() bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.streams) > 0
}

// events sends server-sent events: "capture" with the head of each capture that is added and that the filter of the URL chooses, and
// "index" when a list may have changed otherwise.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r.URL.Query(), s.now())
	if err != nil {
		s.fail(w, r, http.StatusBadRequest, err)
		return
	}
	q.Since, q.Until = time.Time{}, time.Time{} // what comes is now
	x, err := s.index()
	if err != nil {
		s.fail(w, r, http.StatusInternalServerError, err)
		return
	}
	in := x.subscribe()
	if in == nil {
		w.Header().Set("Retry-After", "60")
		s.fail(w, r, http.StatusServiceUnavailable, fmt.Errorf("there are %d streams of events already: close some pages", maxStreams))
		return
	}
	defer x.unsubscribe(in)
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	control := http.NewResponseController(w)
	send := func(format string, args ...any) bool {
		_ = control.SetWriteDeadline(time.Now().Add(eventPatience))
		_, err := fmt.Fprintf(w, format, args...)
		return err == nil && control.Flush() == nil
	}
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for ok := send("retry: %d\n\n", reconnectAfter.Milliseconds()); ok; {
		select {
		case <-r.Context().Done():
			return
		case <-s.closing:
			return
		case <-ticker.C:
			ok = send(":\n\n")
		case e, open := <-in.events:
			if !open {
				return
			}
			ok = s.send(send, e, &q)
		}
	}
}

func (s *Server) send(send func(string, ...any) bool, e event, q *capture.Query) bool {
	switch {
	case e.capture == nil:
		return send("event: %s\ndata: {}\n\n", e.name)
	case !q.Matches(e.capture):
		return true
	}
	head, err := json.Marshal(e.capture)
	return err != nil || send("event: %s\nid: %s\ndata: %s\n\n", e.name, e.capture.ID, head)
}
