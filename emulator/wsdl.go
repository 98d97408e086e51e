package emulator

import (
	_ "embed"
	"encoding/xml"
	"io"
	"strings"
)

//go:embed mktows.wsdl
var wsdl string

// serveWSDL answers GET …?WSDL. The address in it is this instance's own, as in Marketo's: whoever stands between has to
// rewrite it.
func (c *call) serveWSDL() {
	base := c.emulator.options.PublicURL
	if base == "" {
		base = "https://" + c.r.Host
	}
	var location strings.Builder
	xml.EscapeText(&location, []byte(base+c.r.URL.Path)) // into memory
	c.w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	io.WriteString(c.w, strings.Replace(wsdl, "${location}", location.String(), 1))
}
