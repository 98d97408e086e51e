// Package admin serves the captures of a directory over HTTP, to the person at this machine and to scripts.
package admin

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/har"
)

// Options say what is served, and to whom.
type Options struct {
	Dir     string // the captures
	Token   string // bearer token that is asked for; empty: none
	Version string
	Now     func() time.Time // nil: time.Now
}

// defaultLimit is how many captures a list has that asks for no other number.
const defaultLimit = 50

// Handler returns the API. It reads only; nothing changes by any request. It may be called concurrently.
func Handler(o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &api{o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/captures", a.list)
	mux.HandleFunc("GET /api/captures/{id}", a.one)
	mux.HandleFunc("GET /api/captures/{id}/har", a.har)
	mux.HandleFunc("GET /api/codes", a.codes)
	return a.guard(mux)
}

type api struct{ Options }

// guard lets in whoever calls this machine by a loopback name, so that no web page can reach the API through a name of its
// own (DNS rebinding), and asks for the token.
func (a *api) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if !loopbackName(r.Host) {
			fail(w, http.StatusForbidden, "only loopback host names are served: use http://127.0.0.1 or localhost")
			return
		}
		token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if a.Token != "" && (!bearer || subtle.ConstantTimeCompare([]byte(token), []byte(a.Token)) != 1) {
			h.Set("WWW-Authenticate", `Bearer realm="marketo-proxy"`)
			fail(w, http.StatusUnauthorized, "a bearer token is needed: it stands in the file of --admin-token-file")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func loopbackName(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	if ip := net.ParseIP(name); ip != nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(name, "localhost")
}

// list answers with one JSON object: the heads of the captures, newest first, and what could not be read.
func (a *api) list(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r.URL.Query(), a.Now())
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	archive, err := capture.OpenArchive(a.Dir)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
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

// one answers with the whole capture, as it stands in the journal.
func (a *api) one(w http.ResponseWriter, r *http.Request) {
	stored, ok := a.find(w, r)
	if !ok {
		return
	}
	line, err := stored.Open()
	if err != nil {
		fail(w, http.StatusNotFound, err.Error())
		return
	}
	defer line.Close()
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.Copy(w, line) // an error here is the reader's
}

func (a *api) har(w http.ResponseWriter, r *http.Request) {
	stored, ok := a.find(w, r)
	if !ok {
		return
	}
	detail, err := stored.Detail()
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="`+stored.ID+`.har"`)
	out := har.NewWriter(w, har.Creator{Name: "marketo-proxy", Version: a.Version})
	if err := errors.Join(out.Add(&detail.Capture, detail.Body), out.Close()); err != nil {
		panic(http.ErrAbortHandler) // half a file must not look whole
	}
}

func (a *api) find(w http.ResponseWriter, r *http.Request) (*capture.Stored, bool) {
	archive, err := capture.OpenArchive(a.Dir)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return nil, false
	}
	stored, err := archive.Find(r.PathValue("id"))
	if err != nil {
		fail(w, http.StatusNotFound, err.Error())
		return nil, false
	}
	return stored, true
}

func (a *api) codes(w http.ResponseWriter, _ *http.Request) {
	reply(w, append(classify.Codes(classify.SOAP), classify.Codes(classify.REST)...))
}

// parseQuery reads the filters of a URL, with the names of the command line.
func parseQuery(v url.Values, now time.Time) (capture.Query, error) {
	q := capture.Query{Limit: defaultLimit}
	var problems []error
	instant := func(name string) (t time.Time) {
		if s := v.Get(name); s != "" {
			var err error
			if t, err = capture.ParseTime(s, now); err != nil {
				problems = append(problems, err)
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
	q.Class, q.Operation, q.User = v.Get("class"), v.Get("operation"), v.Get("user")
	q.API, q.Outcome = v.Get("api"), v.Get("outcome")
	if s := v.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 1000 {
			problems = append(problems, errors.New("limit: give a number from 1 to 1000"))
		}
		q.Limit = n
	}
	return q, errors.Join(append(problems, q.Check())...)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // an error here is the reader's
}

func fail(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text})
}
