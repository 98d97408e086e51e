package main

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// Every link of the landing page leads somewhere, and its headers forbid all that a page could do.
func TestLandingPage(t *testing.T) {
	p := &process{}
	p.ready.Store(true)
	metrics := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	get := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		p.observe(metrics).ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w
	}
	page := get(http.MethodGet, "/")
	if page.Code != http.StatusOK || !strings.Contains(page.Body.String(), "Version "+build().Version) {
		t.Errorf("%d %s", page.Code, page.Body)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
	} {
		if got := page.Header().Get(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if csp := page.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") {
		t.Errorf("Content-Security-Policy: %s", csp)
	}
	links := regexp.MustCompile(`href="([^"]+)"`).FindAllStringSubmatch(page.Body.String(), -1)
	if len(links) != 4 {
		t.Errorf("%d links", len(links))
	}
	for _, link := range links {
		if w := get(http.MethodGet, link[1]); w.Code != http.StatusOK {
			t.Errorf("%s is %d", link[1], w.Code)
		}
	}
	if w := get(http.MethodGet, "/else"); w.Code != http.StatusNotFound {
		t.Errorf("another path is %d", w.Code)
	}
	if w := get(http.MethodPost, "/"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST is %d", w.Code)
	}
	escaped := httptest.NewRecorder()
	landing("<script>")(escaped, nil)
	if strings.Contains(escaped.Body.String(), "<script>") {
		t.Error("the version is not escaped")
	}
}
