package upstream_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"marketo-proxy/upstream"
)

// tape is a connection that keeps what is written and plays a fixed answer.
type tape struct {
	written bytes.Buffer
	answer  io.Reader
}

func (c *tape) Read(p []byte) (int, error)       { return c.answer.Read(p) }
func (c *tape) Write(p []byte) (int, error)      { return c.written.Write(p) }
func (c *tape) Close() error                     { return nil }
func (c *tape) LocalAddr() net.Addr              { return nil }
func (c *tape) RemoteAddr() net.Addr             { return nil }
func (c *tape) SetDeadline(time.Time) error      { return nil }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }

// play makes a call over a tape.
func play(req *http.Request, answer string) (result, string) {
	c := &tape{answer: strings.NewReader(answer)}
	up := &upstream.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return c, nil }}
	res := call(up, req)
	return res, c.written.String()
}

func TestRequestHead(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		head   string // after the first line
	}{
		{"plain", func(*http.Request) {}, "Host: a.test:81\r\n\r\n"},
		{"another Host", func(r *http.Request) { r.Host = "b.test" }, "Host: b.test\r\n\r\n"},
		{"fields as they are, in order", func(r *http.Request) {
			r.Header = http.Header{"x-lower": {"1"}, "SOAPAction": {`"getLead"`}, "X-Two": {"a", "b"}, "X-Empty": {""}, "User-Agent": {"me"}}
		}, "Host: a.test:81\r\nSOAPAction: \"getLead\"\r\nUser-Agent: me\r\nX-Empty: \r\nX-Two: a\r\nX-Two: b\r\nx-lower: 1\r\n\r\n"},
		{"no User-Agent", func(r *http.Request) { r.Header = http.Header{"User-Agent": {""}} }, "Host: a.test:81\r\n\r\n"},
		{"framing fields are not taken over", func(r *http.Request) {
			r.Header = http.Header{"Content-Length": {"9"}, "content-length": {"8"}, "Transfer-Encoding": {"chunked"}, "TRANSFER-ENCODING": {"x"}, "Host": {"evil"}, "hOST": {"evil"}, "Trailer": {"X"}}
		}, "Host: a.test:81\r\n\r\n"},
		{"POST without a body", func(r *http.Request) { r.Method = "POST" }, "Host: a.test:81\r\nContent-Length: 0\r\n\r\n"},
		{"NoBody", func(r *http.Request) { r.Method, r.Body = "PUT", http.NoBody }, "Host: a.test:81\r\nContent-Length: 0\r\n\r\n"},
		{"a body", func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("abc")), 3 }, "Host: a.test:81\r\nContent-Length: 3\r\n\r\nabc"},
		{"an unknown length", func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("abc")), 0 },
			"Host: a.test:81\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
		{"chunked on request, with trailers", func(r *http.Request) {
			r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(strings.NewReader("abc")), 3, []string{"chunked"}
			r.Trailer = http.Header{"X-B": {"2"}, "X-A": nil}
		}, "Host: a.test:81\r\nTransfer-Encoding: chunked\r\nTrailer: X-A,X-B\r\n\r\n3\r\nabc\r\n0\r\nX-B: 2\r\n\r\n"},
		{"close", func(r *http.Request) { r.Close = true }, "Host: a.test:81\r\nConnection: close\r\n\r\n"},
		{"close, said already", func(r *http.Request) { r.Close = true; r.Header = http.Header{"Connection": {"close"}} }, "Host: a.test:81\r\nConnection: close\r\n\r\n"},

		{"a line end in a value", func(r *http.Request) { r.Header = http.Header{"X": {"a\r\nEvil: 1"}} }, ""},
		{"LF in a value", func(r *http.Request) { r.Header = http.Header{"X": {"a\nb"}} }, ""},
		{"NUL in a value", func(r *http.Request) { r.Header = http.Header{"X": {"a\x00b"}} }, ""},
		{"a colon in a name", func(r *http.Request) { r.Header = http.Header{"X: y\r\nZ": {"a"}} }, ""},
		{"an empty name", func(r *http.Request) { r.Header = http.Header{"": {"a"}} }, ""},
		{"a name with a blank", func(r *http.Request) { r.Header = http.Header{"Content-Length ": {"5"}} }, ""},
		{"a method with a blank", func(r *http.Request) { r.Method = "GET /evil" }, ""},
		{"CONNECT", func(r *http.Request) { r.Method = "CONNECT" }, ""},
		{"a host with a line end", func(r *http.Request) { r.Host = "a\r\nEvil: 1" }, ""},
		{"a host with a blank", func(r *http.Request) { r.Host = "a b" }, ""},
		{"no host", func(r *http.Request) { r.URL.Host = "" }, ""},
		{"another scheme", func(r *http.Request) { r.URL.Scheme = "ftp" }, ""},
		{"no URL", func(r *http.Request) { r.URL = nil }, ""},
		{"a query with a blank", func(r *http.Request) { r.URL.RawQuery = "a b" }, ""},
		{"a query with a line end", func(r *http.Request) { r.URL.RawQuery = "a\r\nEvil: 1" }, ""},
		{"an opaque URL with a line end", func(r *http.Request) { r.URL.Opaque = "/x\r\n" }, ""},
		{"a length without a body", func(r *http.Request) { r.ContentLength = 5 }, ""},
		{"a trailer that frames", func(r *http.Request) {
			r.Body, r.ContentLength, r.Trailer = io.NopCloser(strings.NewReader("abc")), -1, http.Header{"content-length": nil}
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := &http.Request{Method: "GET", URL: &url.URL{Scheme: "http", Host: "a.test:81", Path: "/a b", RawQuery: "q=%20"}}
			c.change(req)
			var body *closing
			if req.Body != nil && req.Body != http.NoBody {
				body = &closing{Reader: req.Body}
				req.Body = body
			}
			res, wire := play(req, hello)
			if c.head == "" {
				if res.err == nil || wire != "" {
					t.Errorf("%v, and this was sent: %q", res.err, wire)
				}
			} else if _, head, _ := strings.Cut(wire, "\r\n"); res.err != nil || head != c.head || !strings.HasPrefix(wire, req.Method+" /a%20b?q=%20 HTTP/1.1\r\n") {
				t.Errorf("%v, and this was sent: %q", res.err, wire)
			}
			if body != nil {
				eventually(t, "the body is closed", func() bool { return body.n.Load() == 1 })
			}
		})
	}
}

// TestOneRequest: whatever a request has in its fields, what goes out is exactly one request, with those fields, or nothing.
func TestOneRequest(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-zA-Z-]{1,20}`), rapid.StringMatching(`[a-zA-Z:\r\n \t-]{0,20}`))
	rapid.Check(t, func(t *rapid.T) {
		req := &http.Request{
			Method: rapid.OneOf(rapid.SampledFrom([]string{"GET", "POST", "HEAD", "put"}), text).Draw(t, "method"),
			URL: &url.URL{Scheme: "http", Host: rapid.OneOf(rapid.Just("a.test"), text).Draw(t, "host"),
				Path: text.Draw(t, "path"), RawPath: text.Draw(t, "raw"), RawQuery: text.Draw(t, "query")},
			Host:   rapid.OneOf(rapid.Just(""), text).Draw(t, "Host"),
			Header: rapid.MapOf(text, rapid.SliceOfN(text, 1, 3)).Draw(t, "header"),
			Close:  rapid.Bool().Draw(t, "close"),
		}
		body := rapid.OneOf(rapid.Just(""), rapid.String()).Draw(t, "body")
		if body != "" {
			req.Body = io.NopCloser(strings.NewReader(body))
			req.ContentLength = rapid.SampledFrom([]int64{-1, 0, int64(len(body))}).Draw(t, "length")
			if rapid.Bool().Draw(t, "memory") {
				req.GetBody = func() (io.ReadCloser, error) { return nil, nil }
			}
		}
		delete(req.Header, "Expect") // nobody says 100 here
		res, wire := play(req, hello)
		if res.err != nil && wire == "" {
			return
		}
		br := bufio.NewReader(strings.NewReader(wire))
		got, err := http.ReadRequest(br)
		if err != nil {
			if strings.Contains(wire, "//") || strings.ContainsAny(req.URL.Path+req.URL.RawPath, "%:*") || req.URL.Path == "" || req.URL.Path[0] != '/' {
				return // a target that net/http does not take, but on one line
			}
			t.Fatalf("what was sent is not a request: %v: %q", err, wire)
		}
		b, err := io.ReadAll(got.Body)
		if err != nil || string(b) != body {
			t.Fatalf("the body is %q, %v, not %q: %q", b, err, body, wire)
		}
		if br.Buffered() != 0 {
			t.Fatalf("there is more than one request: %q", wire)
		}
		for name := range got.Header {
			found := name == "Connection" && req.Close || name == "Content-Length" // the latter is ours
			for k := range req.Header {
				found = found || strings.EqualFold(k, name)
			}
			if !found {
				t.Fatalf("a field %q came from nowhere: %q", name, wire)
			}
		}
	})
}
