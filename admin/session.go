package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	sessionCookie = "marketo-proxy-session"
	sessionLength = 12 * time.Hour
	maxSessions   = 64
	maxTries      = 5 // wrong tokens in triesWindow
	triesWindow   = time.Minute
	maxLogin      = 4 << 10 // bytes of the form
)

var (
	errWrongToken = errors.New("that is not the token")
	errTries      = errors.New("too many wrong tokens: wait a minute")
)

// sessions are the browsers that have shown the token. They end with the process. The zero value is not ready: now is needed.
type sessions struct {
	now func() time.Time

	mu    sync.Mutex
	ends  map[[sha256.Size]byte]time.Time // by the hash of the cookie: a look-up then tells nothing by the time it takes
	wrong []time.Time                     // of the last minute
}

func (s *sessions) begin() (cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ends == nil {
		s.ends = map[[sha256.Size]byte]time.Time{}
	}
	var oldest [sha256.Size]byte
	for key, end := range s.ends {
		if end.Before(s.now()) {
			delete(s.ends, key)
		} else if o, ok := s.ends[oldest]; !ok || end.Before(o) {
			oldest = key
		}
	}
	if len(s.ends) >= maxSessions {
		delete(s.ends, oldest)
	}
	cookie = rand.Text()
	s.ends[sha256.Sum256([]byte(cookie))] = s.now().Add(sessionLength)
	return cookie
}

func (s *sessions) valid(cookie string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	end, ok := s.ends[sha256.Sum256([]byte(cookie))]
	return ok && s.now().Before(end)
}

func (s *sessions) end(cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ends, sha256.Sum256([]byte(cookie)))
}

// try counts a wrong token. Once there were too many, even the right one is not looked at for a while, so that guessing is slow.
func (s *sessions) try(right func() bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.wrong) > 0 && s.now().Sub(s.wrong[0]) >= triesWindow {
		s.wrong = s.wrong[1:]
	}
	switch {
	case len(s.wrong) >= maxTries:
		return errTries
	case right():
		return nil
	}
	s.wrong = append(s.wrong, s.now())
	return errWrongToken
}

// equal takes the same time whatever a has in common with b, and whatever their lengths.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

type loginForm struct {
	Next    string
	Problem string
}

func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusOK, "login.html", "Log in", loginForm{Next: here(r.URL.Query().Get("next"))})
}

// askToken answers a person who has not logged in. Who comes by a link from elsewhere has not sent the cookie along, since it is
// SameSite=Strict, and asks once more from here.
func (s *Server) askToken(w http.ResponseWriter, r *http.Request) {
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		s.show(w, r, http.StatusOK, "again.html", "marketo-proxy", here(r.URL.RequestURI()))
		return
	}
	s.show(w, r, http.StatusUnauthorized, "login.html", "Log in", loginForm{Next: here(r.URL.RequestURI())})
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	if s.options.Token == "" {
		s.fail(w, r, http.StatusNotFound, errNoPage)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxLogin)
	if err := r.ParseForm(); err != nil {
		s.fail(w, r, http.StatusBadRequest, err)
		return
	}
	next := here(r.PostForm.Get("next"))
	err := s.sessions.try(func() bool { return equal(strings.TrimSpace(r.PostForm.Get("token")), s.options.Token) })
	switch {
	case errors.Is(err, errTries):
		w.Header().Set("Retry-After", "60")
		s.show(w, r, http.StatusTooManyRequests, "login.html", "Log in", loginForm{next, err.Error()})
		return
	case err != nil:
		s.show(w, r, http.StatusUnauthorized, "login.html", "Log in", loginForm{next, err.Error()})
		return
	}
	s.setCookie(w, s.sessions.begin(), int(sessionLength.Seconds()))
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		s.sessions.end(cookie.Value)
	}
	s.setCookie(w, "", -1)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

func (s *Server) setCookie(w http.ResponseWriter, value string, age int) {
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// here is an address of this page to go on to: never another site's.
func here(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") ||
		strings.Contains(address, `\`) || u.Path == "/login" || u.Path == "/logout" || strings.HasPrefix(u.Path, "/api/") {
		return "/"
	}
	return u.RequestURI()
}
