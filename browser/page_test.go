//go:build linux

package browser

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// traffic has a failure of each kind.
func (r *rig) traffic() {
	r.t.Helper()
	for _, fail := range []string{"20011", "20011", "20023", "20103", "html502", "reset", "cut"} {
		r.call("GetLead", fail, 0)
	}
	r.call("GetLead", "", time.Hour)
	r.call("SyncMultipleLeads", "partial", 0)
	r.rest("/rest/v1/leads.json?filterType=email&filterValues=ada@example.com")
}

func TestPage(t *testing.T) {
	r := newRig(t)
	b := newTab(t)
	b.open(r.url("/"))
	if text := b.text("main"); !strings.Contains(text, "No call has failed yet") {
		t.Errorf("an empty list: %s", text)
	}
	b.until("live", `document.getElementById("live").textContent === "Live"`)
	b.picture("empty")

	r.traffic()
	b.until("arrival", `document.querySelectorAll("table.captures tbody tr").length === 10`)
	if text := b.text("main"); !strings.Contains(text, "20011") || !strings.Contains(text, "10 captures") {
		t.Errorf("the list: %s", text)
	}

	t.Run("filter", func(t *testing.T) {
		b.do(chromedp.SendKeys(css(`[name=code]`), "20011"+kb.Enter))
		b.until("filter", `location.search.includes("code=20011") && document.querySelectorAll("table.captures tbody tr").length === 2`)
		b.picture("filtered")
		b.do(chromedp.Click(css(`a.group[aria-current]`)))
		b.until("no filter", `!location.search.includes("code=") && document.querySelectorAll("table.captures tbody tr").length === 10`)
		b.do(chromedp.SetValue(css(`[name=api]`), "rest"), chromedp.Submit(css(`form.filter`)))
		b.until("rest", `document.querySelectorAll("table.captures tbody tr").length === 1`)
		b.open(r.url("/?since=nonsense"))
		if text := b.text("[role=alert]"); !strings.Contains(text, `"nonsense" is not a time`) {
			t.Errorf("a bad filter: %s", text)
		}
		b.mu.Lock()
		b.problems = nil // status 400 is what was asked for
		b.mu.Unlock()
	})

	t.Run("keyboard", func(t *testing.T) {
		b.open(r.url("/"))
		b.do(chromedp.KeyEvent(kb.Tab))
		if on := eval[string](b, `document.activeElement.textContent`); on != "Skip to the content" {
			t.Errorf("the first stop is %q", on)
		}
		for range 60 {
			b.do(chromedp.KeyEvent(kb.Tab))
			if eval[bool](b, `document.activeElement.matches("table.captures a")`) {
				break
			}
			if !eval[bool](b, `getComputedStyle(document.activeElement).outlineStyle !== "none"`) {
				t.Errorf("the focus on %s is not seen", eval[string](b, `document.activeElement.outerHTML.slice(0, 200)`))
			}
		}
		focused := eval[string](b, `document.activeElement.getAttribute("href")`)
		r.call("GetLead", "20024", 0)
		b.until("arrival", `document.querySelector("table.captures tbody").textContent.includes("20024")`)
		if now := eval[string](b, `document.activeElement.getAttribute("href")`); now != focused {
			t.Errorf("the focus went from %s to %s as a capture came", focused, now)
		}
		b.do(chromedp.KeyEvent(kb.Enter))
		b.until("one capture", `location.pathname === "`+focused+`"`)
	})

	t.Run("capture", func(t *testing.T) {
		b.open(r.url("/?code=20016"))
		b.do(chromedp.Click(css(`table.captures tbody a`)), chromedp.WaitReady(css(`.attempts.several`)))
		text := b.text("main")
		for _, want := range []string{"20016", "Attempt 1 of 2", "Attempt 2 of 2", "marketo-proxy replay 01", "--capture-dir " + r.captures, "the call had expired; signed again and sent once more, it succeeded"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in %s", want, text)
			}
		}
		if n := eval[int](b, `[...document.querySelectorAll("pre mark")].filter(m => m.textContent === "REDACTED").length`); n < 2 {
			t.Errorf("%d masked values are marked", n)
		}
		if left, right := eval[float64](b, `document.querySelectorAll(".attempt")[0].getBoundingClientRect().top`), eval[float64](b, `document.querySelectorAll(".attempt")[1].getBoundingClientRect().top`); left != right {
			t.Errorf("the attempts are not side by side: %v, %v", left, right)
		}
		har := eval[string](b, `document.querySelector("a[href$='/har']").href`)
		answer, err := http.Get(har)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var archive struct{ Log struct{ Entries []any } }
		if err := json.NewDecoder(answer.Body).Decode(&archive); err != nil || len(archive.Log.Entries) != 2 {
			t.Errorf("the HAR has %d entries, %v", len(archive.Log.Entries), err)
		}
	})

	t.Run("looks", func(t *testing.T) {
		one := eval[string](b, "location.href")
		backs := map[string]bool{}
		for _, look := range []struct {
			name   string
			width  int64
			scheme string
		}{{"light", 1280, "light"}, {"dark", 1280, "dark"}, {"narrow", 360, "light"}, {"narrow-dark", 360, "dark"}} {
			b.look(look.width, look.scheme)
			for name, address := range map[string]string{"list": r.url("/"), "capture": one, "codes": r.url("/codes?q=2001")} {
				b.open(address)
				b.noSideways(look.name + " " + name)
				b.picture(look.name + "-" + name)
			}
			backs[eval[string](b, "getComputedStyle(document.body).backgroundColor")] = true
			b.contrast(look.name)
		}
		if len(backs) != 2 {
			t.Errorf("light and dark are %v", backs)
		}
		b.look(1280, "light")
		b.open(r.url("/?outcome=partial"))
		b.do(chromedp.Click(css(`table.captures tbody a`)), chromedp.WaitReady(css(`table.records`)))
		b.picture("light-partial")
	})

	t.Run("names", func(t *testing.T) {
		for _, path := range []string{"/", "/codes", "/nothing"} {
			b.open(r.url(path))
			if without := eval[string](b, unnamed); without != "" {
				t.Errorf("%s: without a name: %s", path, without)
			}
		}
		b.mu.Lock()
		b.problems = nil // status 404 is what was asked for
		b.mu.Unlock()
	})
	b.clean("http://" + r.admin)
}

// unnamed finds what one can act on or go to and that has no accessible name, and ids that are there twice.
const unnamed = `(() => {
	const named = e => (e.getAttribute("aria-label") || e.textContent || (e.labels && [...e.labels].map(l => l.textContent).join("")) || "").trim();
	const bad = [...document.querySelectorAll("a, button, input:not([type=hidden]), select, svg[role=img], [role=region]")].filter(e =>
		!named(e) && !(e.labels && e.labels.length) && !e.getAttribute("aria-labelledby")).map(e => e.outerHTML.slice(0, 120));
	const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
	bad.push(...ids.filter((id, i) => ids.indexOf(id) !== i).map(id => "twice: " + id));
	if (document.querySelectorAll("main").length !== 1 || document.querySelectorAll("h1").length !== 1) bad.push("main or h1");
	return bad.join("\n");
})()`

// contrast holds the colours of texts against their backgrounds: 4.5 to 1 at least (WCAG 2.2, 1.4.3).
func (b *tab) contrast(what string) {
	b.t.Helper()
	for _, s := range strings.Split(eval[string](b, `(() => {
		const parse = c => c.match(/[\d.]+/g).map(Number);
		const lum = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
		const back = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
		const seen = {};
		for (const e of document.querySelectorAll("main *, header *")) {
			if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
			const x = lum(parse(getComputedStyle(e).color)), y = lum(back(e));
			const ratio = (Math.max(x, y) + .05) / (Math.min(x, y) + .05);
			if (ratio < 4.5) seen[e.tagName + "." + e.className] = ratio.toFixed(2);
		}
		return Object.entries(seen).join("\n");
	})()`), "\n") {
		if s != "" {
			b.t.Errorf("%s: too little contrast: %s", what, s)
		}
	}
}

// Without script all is there but what moves.
func TestWithoutScript(t *testing.T) {
	r := newRig(t)
	r.traffic()
	b := newTab(t)
	command(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.open(r.url("/?code=20011"))
	if text := b.text("main"); !strings.Contains(text, "2 captures") || b.text("#live") != "" {
		t.Errorf("the list: %s", text)
	}
	b.do(chromedp.Click(css(`table.captures tbody a`)), chromedp.WaitReady(css(`.attempt`)))
	if text := b.text("main"); !strings.Contains(text, "marketo-proxy replay") || strings.Contains(text, "Copy") {
		t.Errorf("the capture: %s", text)
	}
	b.clean("http://" + r.admin)
}
