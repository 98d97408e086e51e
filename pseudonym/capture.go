package pseudonym

import (
	"bytes"
	"strings"

	"marketo-proxy/capture"
)

// Capture masks a capture in place, all but the contents of its bodies, for which there is Body: URLs, headers, messages, and the
// errors of records. What says which call it was and which process saw it stays, and so does the API user.
func (m *Masker) Capture(c *capture.Capture) {
	c.Message = m.Text(c.Message)
	c.User = m.Emails(c.User)
	c.RequestID = m.Emails(c.RequestID)
	for i := range c.Records {
		c.Records[i].Error = m.Text(c.Records[i].Error)
		c.Records[i].Status = m.Emails(c.Records[i].Status)
	}
	for i := range c.Attempts {
		a := &c.Attempts[i]
		a.Error = m.Emails(a.Error) // of our own making
		a.Request.URL = m.URL(a.Request.URL)
		m.headers(a.Request.Headers)
		if a.Response != nil {
			a.Response.StatusText = m.Text(a.Response.StatusText)
			m.headers(a.Response.Headers)
		}
	}
}

// URL masks the URL of a request: the values of all parameters that are not known to be Marketo's own, and names of people in
// front of the host. Host and path stay.
func (m *Masker) URL(s string) string {
	rest, fragment, hasFragment := strings.Cut(s, "#")
	path, query, hasQuery := strings.Cut(rest, "?")
	out := filter{m: m}
	out.write(m.userinfo([]byte(path)))
	if hasQuery {
		out.writeString("?")
		m.query(&out, query)
	}
	if hasFragment {
		out.writeString("#")
		m.query(&out, fragment)
	}
	out.flush(true)
	return string(out.out)
}

func (m *Masker) query(out *filter, s string) {
	f := newForm(m, out)
	f.write([]byte(s))
	f.end()
}

// userinfo masks what stands before the @ of //user:password@host.
func (m *Masker) userinfo(path []byte) []byte {
	start := bytes.Index(path, []byte("//"))
	if start < 0 {
		return path
	}
	start += len("//")
	end := len(path)
	if n := bytes.IndexByte(path[start:], '/'); n >= 0 {
		end = start + n
	}
	at := bytes.LastIndexByte(path[start:end], '@')
	if at < 0 {
		return path
	}
	masked := m.mask(bytes.Clone(path[:start]), path[start:start+at], Name)
	return append(masked, path[start+at:]...)
}

func (m *Masker) headers(list []capture.HeaderLine) {
	for i := range list {
		list[i].Value = m.header(list[i].Name, list[i].Value)
	}
}

// header masks the value of a header, unless the header is known to say nothing of a person.
func (m *Masker) header(name, value string) string {
	name = strings.ToLower(name)
	switch {
	case urlHeaders()[name]:
		return m.reference(value)
	case plainHeaders()[name]:
		return m.Emails(value)
	case name == "x-forwarded-for":
		parts := strings.Split(value, ",")
		for i, p := range parts {
			parts[i] = string(m.mask(nil, []byte(p), Header))
		}
		return strings.Join(parts, ",")
	}
	return m.Emails(string(m.mask(nil, []byte(value), Header)))
}

// reference masks a URL that may be anybody's: of those to Marketo host and path stay.
func (m *Masker) reference(s string) string {
	host := strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://")
	host, _, _ = strings.Cut(host, "/")
	host, _, _ = strings.Cut(host, "?")
	for _, domain := range [...]string{".mktoapi.com", ".mktorest.com", ".marketo.com"} {
		if strings.HasSuffix(host, domain) {
			return m.URL(s)
		}
	}
	return m.Emails(string(m.mask(nil, []byte(s), URL)))
}

var urlHeaders = setOf("location content-location referer origin")

// plainHeaders are those that HTTP, gateways and SOAP define and that hold nothing of a person.
var plainHeaders = setOf(`
	accept accept-charset accept-encoding accept-language accept-ranges age allow alt-svc authorization cache-control cf-
	cache-status cf-ray connection content-encoding content-language content-length content-md5 content-range content-
	security-policy content-type cookie date digest etag expect expires host if-match if-modified-since if-none-match if-
	range if-unmodified-since keep-alive last-modified marketo-emulator-fail marketo-proxy-attempts marketo-proxy-capture
	max-forwards mime-version pragma proxy-authenticate proxy-authorization range retry-after sec-fetch-mode server set-
	cookie soapaction strict-transport-security te traceparent trailer transfer-encoding upgrade user-agent vary via
	warning www-authenticate x-cache x-content-type-options x-correlation-id x-frame-options x-mkto-user-token x-powered-
	by x-request-id x-requested-with x-xss-protection`)
