package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/har"
)

// defaultLimit is how many captures a list has that asks for no other number, maxLimit how many it can ask for.
const (
	defaultLimit = 50
	maxLimit     = 1000
)

// apiList answers with one JSON object: the heads of the captures, newest first, and what could not be read.
func (s *Server) apiList(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r.URL.Query(), s.now())
	if err != nil {
		s.fail(w, r, http.StatusBadRequest, err)
		return
	}
	archive, err := capture.OpenArchive(s.options.Dir)
	if err != nil {
		s.fail(w, r, http.StatusInternalServerError, err)
		return
	}
	answer := struct {
		Captures []json.RawMessage `json:"captures"`
		Damage   []string          `json:"damage,omitempty"`
	}{Captures: []json.RawMessage{}}
	for stored, err := range archive.Search(r.Context(), q) {
		if err != nil {
			answer.Damage = append(answer.Damage, err.Error())
			continue
		}
		head, err := json.Marshal(stored.Capture)
		if err != nil {
			answer.Damage = append(answer.Damage, err.Error())
			continue
		}
		answer.Captures = append(answer.Captures, head)
	}
	reply(w, answer)
}

// apiOne answers with the whole capture, as it stands in the journal.
func (s *Server) apiOne(w http.ResponseWriter, r *http.Request) {
	stored, ok := s.find(w, r)
	if !ok {
		return
	}
	line, err := stored.Open()
	if err != nil {
		s.fail(w, r, http.StatusNotFound, err)
		return
	}
	defer line.Close()
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.Copy(w, line) // an error here is the reader's
}

func (s *Server) apiHAR(w http.ResponseWriter, r *http.Request) {
	detail, ok := s.findDetail(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	download(w, detail.ID+".har")
	out := har.NewWriter(w, har.Creator{Name: "marketo-proxy", Version: s.options.Version})
	if err := errors.Join(out.Add(&detail.Capture, detail.Body), out.Close()); err != nil {
		panic(http.ErrAbortHandler) // half a file must not look whole
	}
}

// apiBody answers with the content of a body, decoded and masked as it was captured, as a file of no type that a browser would run.
func (s *Server) apiBody(w http.ResponseWriter, r *http.Request) {
	attempt, err := strconv.Atoi(r.PathValue("attempt"))
	side, known := map[string]capture.Side{"request": capture.RequestSide, "response": capture.ResponseSide}[r.PathValue("side")]
	if err != nil || !known || attempt < 1 {
		s.fail(w, r, http.StatusNotFound, errNoPage)
		return
	}
	detail, ok := s.findDetail(w, r)
	if !ok {
		return
	}
	if attempt > len(detail.Attempts) || side == capture.ResponseSide && detail.Attempts[attempt-1].Response == nil {
		s.fail(w, r, http.StatusNotFound, fmt.Errorf("the capture has no %s of an attempt %d", r.PathValue("side"), attempt))
		return
	}
	line := &detail.Attempts[attempt-1].Request.Body
	if side == capture.ResponseSide {
		line = &detail.Attempts[attempt-1].Response.Body
	}
	body, err := detail.Body(attempt-1, side)
	if err != nil {
		s.fail(w, r, http.StatusNotFound, err)
		return
	}
	defer body.Close()
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if line.Base64 != nil {
		w.Header().Set("Content-Type", "application/octet-stream")
		download(w, fmt.Sprintf("%s-%d-%s.bin", detail.ID, attempt, r.PathValue("side")))
	}
	if _, err := io.Copy(w, body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// apiTicket streams a zip. One is made at a time; how long a browser then takes to fetch it, or lets it rest, is nobody else's wait.
func (s *Server) apiTicket(w http.ResponseWriter, r *http.Request) {
	if s.options.Ticket == nil {
		s.fail(w, r, http.StatusNotFound, errors.New("this program makes no tickets"))
		return
	}
	values := r.URL.Query()
	q, err := parseQuery(values, s.now())
	if err != nil {
		s.fail(w, r, http.StatusBadRequest, err)
		return
	}
	if !values.Has("limit") {
		q.Limit = 0 // the ticket chooses by itself
	}
	ids := values["id"]
	if len(ids) == 0 && q.Since.IsZero() && q.Until.IsZero() {
		q.Since = s.now().Add(-time.Hour)
	}
	select {
	case s.tickets <- struct{}{}:
	case <-r.Context().Done():
		return
	}
	made := sync.OnceFunc(func() { <-s.tickets })
	defer made()
	name := "ticket-" + s.now().Format("20060102-150405") + ".zip"
	if len(ids) == 1 {
		name = "ticket-" + ids[0] + ".zip"
	}
	out := &lateWriter{w: w, begin: func() {
		made()
		w.Header().Set("Content-Type", "application/zip")
		download(w, name)
	}}
	switch err := s.options.Ticket(r.Context(), out, q, ids); {
	case err != nil && out.begun:
		panic(http.ErrAbortHandler) // half a zip must not look whole
	case errors.Is(err, capture.ErrNotFound):
		s.fail(w, r, http.StatusNotFound, err)
	case err != nil:
		s.fail(w, r, http.StatusInternalServerError, err)
	}
}

// writePatience is how long a reader may let a download rest, which holds a file here.
const writePatience = time.Minute

// lateWriter begins an answer with its first byte, so that until then another one can be given.
type lateWriter struct {
	w     http.ResponseWriter
	begin func()
	begun bool
}

func (l *lateWriter) Write(p []byte) (int, error) {
	if !l.begun {
		l.begin()
		l.begun = true
	}
	_ = http.NewResponseController(l.w).SetWriteDeadline(time.Now().Add(writePatience)) // net/http sets it anew for the next request
	return l.w.Write(p)
}

// download makes an answer a file. Characters that a header or a file system would take amiss are left out of its name.
func download(w http.ResponseWriter, name string) {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return -1
	}, name)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
}

func (s *Server) find(w http.ResponseWriter, r *http.Request) (*capture.Stored, bool) {
	archive, err := capture.OpenArchive(s.options.Dir)
	if err != nil {
		s.fail(w, r, http.StatusInternalServerError, err)
		return nil, false
	}
	stored, err := archive.Find(r.PathValue("id"))
	if err != nil {
		s.fail(w, r, http.StatusNotFound, err)
		return nil, false
	}
	return stored, true
}

func (s *Server) findDetail(w http.ResponseWriter, r *http.Request) (*capture.Detail, bool) {
	stored, ok := s.find(w, r)
	if !ok {
		return nil, false
	}
	detail, err := stored.Detail()
	if err != nil {
		s.fail(w, r, http.StatusInternalServerError, err)
		return nil, false
	}
	return detail, true
}

func (s *Server) apiCodes(w http.ResponseWriter, _ *http.Request) {
	reply(w, append(classify.Codes(classify.SOAP), classify.Codes(classify.REST)...))
}

// parseQuery reads the filters of a URL, with the names of the command line. Times without a zone are in that of now.
func parseQuery(v url.Values, now time.Time) (capture.Query, error) {
	q := capture.Query{Limit: defaultLimit}
	var problems []error
	instant := func(name string) (t time.Time) {
		if s := v.Get(name); s != "" {
			var err error
			if t, err = capture.ParseTime(s, now); err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", name, err))
			}
		}
		return t
	}
	q.Since, q.Until = instant("since"), instant("until")
	for code := range strings.SplitSeq(v.Get("code"), ",") {
		if code = strings.TrimSpace(code); code != "" {
			q.Codes = append(q.Codes, code)
		}
	}
	q.Class, q.Operation, q.User = v.Get("class"), strings.TrimSpace(v.Get("operation")), strings.TrimSpace(v.Get("user"))
	q.API, q.Outcome = v.Get("api"), v.Get("outcome")
	if s := v.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxLimit {
			problems = append(problems, fmt.Errorf("limit: give a number from 1 to %d", maxLimit))
		}
		q.Limit = n
	}
	return q, errors.Join(append(problems, q.Check())...)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // an error here is the reader's
}
