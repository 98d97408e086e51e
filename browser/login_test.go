//go:build linux

package browser

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestLogin(t *testing.T) {
	token := "a-token-for-the-browser"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, "--admin-token-file="+file)
	r.call("GetLead", "20011", 0)
	b := newTab(t)
	b.open(r.url("/?code=20011"))
	if text := b.text("main"); strings.Contains(text, "20011") || !strings.Contains(text, "Log in") {
		t.Errorf("without a token: %s", text)
	}
	b.picture("login")
	b.do(chromedp.SendKeys(css(`[name=token]`), "a-wrong-token-at-all"+kb.Enter), chromedp.WaitVisible(css(`[role=alert]`)))
	b.do(chromedp.SendKeys(css(`[name=token]`), token+kb.Enter))
	b.until("the list that was asked for", `location.search === "?code=20011" && document.querySelectorAll("table.captures tbody tr").length === 1`)
	if cookie := eval[string](b, "document.cookie"); cookie != "" {
		t.Errorf("scripts see the cookie %s", cookie)
	}
	b.until("live", `document.getElementById("live").textContent === "Live"`)

	// A link on another site's page leads to the page, though the cookie is not sent with it.
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<main><a id=to href="` + r.url("/?code=20011") + `">page</a><iframe src="` + r.url("/") + `"></iframe>` +
			`<img id=i src="` + r.url("/api/captures") + `" onerror="window.refused = true"></main>`))
	}))
	defer foreign.Close()
	b.open(strings.Replace(foreign.URL, "127.0.0.1", "localhost", 1))
	b.until("an image of the API", `window.refused === true`)
	b.do(chromedp.Click(css("#to")))
	b.until("by a link", `location.search === "?code=20011" && document.querySelectorAll("table.captures tbody tr").length === 1`)

	b.do(chromedp.Click(css(`form[action="/logout"] button`)))
	b.until("logged out", `location.pathname === "/login"`)
	b.open(r.url("/"))
	if text := b.text("main"); !strings.Contains(text, "Log in") {
		t.Errorf("after logging out: %s", text)
	}
}
