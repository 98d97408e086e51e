//go:build linux

package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

const attack = `"'><script>fetch("http://evil.example/")</script><img src="http://evil.example/x" onerror="alert(1)"><svg onload="alert(2)">` +
	`</pre></script><style>*{display:none}</style><a href="javascript:alert(3)">x</a><meta http-equiv="refresh" content="0;url=http://evil.example/">{{.}}`

// What stands in captures is text, whatever it is: nothing of it runs, nothing of it is fetched.
func TestHostile(t *testing.T) {
	r := newRig(t)
	b := newTab(t)
	fault := `<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body><SOAP-ENV:Fault><faultcode>SOAP-ENV:Client</faultcode>` +
		`<faultstring>20110 - ` + escape(attack) + `</faultstring><detail><ns1:serviceException xmlns:ns1="http://www.marketo.com/mktows/">` +
		`<name>x</name><message>` + escape(attack) + ` (20110)</message><code>20110</code></ns1:serviceException></detail></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>`
	for _, body := range []string{fault, attack, "<html>" + attack + "</html>", `{"success":false,"errors":[{"code":"611","message":` + quote(attack) + `}]}`} {
		r.hostile = strings.ReplaceAll(body, "\n", " ")
		r.call("GetLead", "", 0, hostileHeader, "yes")
	}
	r.hostile = `{"requestId":` + quote(attack) + `,"success":false,"errors":[{"code":"611","message":` + quote(attack) + `}]}`
	r.send("GET", "/rest/v1/lead/1.json?x=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "", "", hostileHeader, "yes", "User-Agent", attack)

	b.open(r.url("/"))
	b.until("all of them", `document.querySelectorAll("table.captures tbody tr").length === 5`)
	if text := b.text("table.captures"); !strings.Contains(text, "<script>") {
		t.Errorf("the attack is not to be read: %s", text)
	}
	b.picture("hostile-list")
	pages := eval[[]string](b, `[...document.querySelectorAll("table.captures tbody a")].map(a => a.href)`)
	for _, address := range pages {
		b.open(address)
		if text := b.text("main"); !strings.Contains(strings.ReplaceAll(text, `\"`, `"`), `onerror="alert(1)"`) {
			t.Errorf("the attack is not to be read: %s", text)
		}
		if n := eval[int](b, `document.querySelectorAll("main script, main img, main style, main meta, main [onerror], main [onload], main a[href^='javascript']").length`); n != 0 {
			t.Errorf("%s: %d elements of the attack", address, n)
		}
		raw := eval[[]string](b, `[...document.querySelectorAll(".links a")].map(a => a.href)`)
		for _, address := range raw {
			b.do(chromedp.Navigate(address))
			if kind := eval[string](b, `document.contentType`); kind != "text/plain" {
				t.Errorf("%s is shown as %s", address, kind)
			}
		}
	}
	b.clean("http://" + r.admin)
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }
