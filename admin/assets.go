package admin

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"time"
)

//go:embed assets templates
var files embed.FS

// asset is a file that pages refer to by the hash of its content, so that a browser may keep it.
type asset struct {
	content []byte
	kind    string
	hash    string
}

func newAssets() map[string]asset {
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	all := map[string]asset{}
	names, _ := fs.Glob(files, "assets/*") // the pattern is good
	for _, name := range names {
		content, err := files.ReadFile(name)
		if err != nil {
			panic(err) // it is in the binary
		}
		sum := sha256.Sum256(content)
		all[path.Base(name)] = asset{content, kinds[path.Ext(name)], hex.EncodeToString(sum[:6])}
	}
	return all
}

func (s *Server) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := s.assets[r.PathValue("name")]
	if !ok {
		s.fail(w, r, http.StatusNotFound, errNoPage)
		return
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.content)))
	if r.URL.Query().Get("v") == a.hash {
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	_, _ = w.Write(a.content)
}

// pages are the templates by the name of their file.
type pages map[string]*template.Template

func (s *Server) parsePages() pages {
	functions := template.FuncMap{
		"asset":  func(name string) string { return "/assets/" + name + "?v=" + s.assets[name].hash },
		"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"time":   func(t time.Time) string { return t.UTC().Format(time.DateTime) },
		"number": number,
		"marked": marked,
		"body":   bodyParts,
	}
	all := pages{}
	for _, name := range []string{"list.html", "capture.html", "codes.html", "login.html", "again.html", "error.html"} {
		all[name] = template.Must(template.New("layout.html").Funcs(functions).ParseFS(files, "templates/layout.html", "templates/"+name))
	}
	return all
}

// layout is what each page has besides its own.
type layout struct {
	Title   string
	Version string
	Page    string // the name of its file, to mark where one is
	Locked  bool   // a token is asked for, so one can log out
	Data    any
}

// errorPage tells what went wrong.
type errorPage struct {
	Status         int
	Title, Message string
}

// show writes a page once it is whole.
func (s *Server) show(w http.ResponseWriter, r *http.Request, status int, name, title string, data any) {
	var out bytes.Buffer
	page := layout{Title: title, Version: s.options.Version, Page: name, Locked: s.options.Token != "" && s.known(r), Data: data}
	if err := s.pages()[name].Execute(&out, page); err != nil {
		http.Error(w, "the page could not be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(out.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // an error here is the reader's
}

// number puts thin spaces between groups of three digits.
func number(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}

// plural is a count with its word.
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%s %ss", number(n), word)
}
