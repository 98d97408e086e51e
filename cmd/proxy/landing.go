package main

import (
	"fmt"
	"html"
	"net/http"
)

// landingPage is what a browser gets at the root of the metrics port: what this is, and what else is here.
const landingPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>marketo-proxy</title>
<h1>marketo-proxy</h1>
<p>Version %s</p>
<ul>
<li><a href="/metrics">/metrics</a> for Prometheus</li>
<li><a href="/livez">/livez</a>, <a href="/readyz">/readyz</a>, <a href="/startupz">/startupz</a>: ok, or status 503</li>
</ul>
</html>
`

// landing serves the page, which loads nothing and runs nothing.
func landing(version string) http.HandlerFunc {
	page := fmt.Sprintf(landingPage, html.EscapeString(version))
	return func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		fmt.Fprint(w, page)
	}
}
