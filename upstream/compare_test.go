package upstream_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptrace"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"marketo-proxy/upstream"
)

// cell is one kind of answer.
type cell struct {
	method, proto, status, connection, framing, body string
	cut                                              int // bytes that are missing at the end
}

func (c cell) wire() string {
	s := c.proto + " " + c.status + "\r\nX-Two: a\r\nx-two: b\r\nPragma: x\r\n" + c.connection + c.framing + "\r\n"
	if c.method != http.MethodHead {
		s += c.body
	}
	return s[:len(s)-c.cut]
}

func (c cell) bodiless() bool {
	return c.method == http.MethodHead || strings.HasPrefix(c.status, "204") || strings.HasPrefix(c.status, "304")
}

// closes tells whether the server must end the connection to end the answer.
func (c cell) closes() bool {
	return c.cut > 0 || !c.bodiless() && !strings.Contains(c.framing, "Content-Length") && (c.proto == "HTTP/1.0" || !strings.Contains(c.framing, "chunked"))
}

func cells() (all []cell) {
	framings := [][2]string{
		{"Content-Length: 11\r\n", "hello world"},
		{"Content-Length: 11\r\nContent-Length: 11\r\n", "hello world"},
		{"Content-Length: 0\r\n", ""},
		{"Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n"},
		{"Transfer-Encoding: CHUNKED\r\nTrailer: X-Sum, X-None\r\n", "5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n"},
		{"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"},
		{"Transfer-Encoding: gzip\r\n", "hello"},
		{"Transfer-Encoding: chunked\r\n", "5\r\nhello\r\nzz\r\n"},
		{"Transfer-Encoding: chunked\r\n", "5\r\nhello world\r\n0\r\n\r\n"},
		{"Content-Length: 5\r\nContent-Length: 6\r\n", "hello"},
		{"Content-Length: 5x\r\n", "hello"},
		{"Content-Length:  5 \r\nX-Folded: a\r\n\tb\r\n", "hello"},
		{"", "hello world"},
		{"No colon\r\n", "hello"},
	}
	for _, method := range []string{"POST", "HEAD"} {
		for _, proto := range []string{"HTTP/1.1", "HTTP/1.0"} {
			for _, status := range []string{"200 OK", "500 500", "204 No Content", "304 Not Modified"} {
				for _, connection := range []string{"", "Connection: close\r\n", "Connection: keep-alive\r\n", "Connection: x, CLOSE\r\n"} {
					for _, f := range framings {
						for _, cut := range []int{0, 3, len(f[1]) + 3} {
							c := cell{method, proto, status, connection, f[0], f[1], cut}
							if c.bodiless() {
								c.body = "" // what comes after is another test's matter
							}
							if cut > 0 && cut < len(f[1])+3 && (c.bodiless() || cut > len(f[1])) {
								continue
							}
							all = append(all, c)
						}
					}
				}
			}
		}
	}
	return all
}

// seen is what a caller gets of two calls.
type seen struct {
	Status      string
	Header      http.Header
	Length      int64
	Coding      []string
	Body        string
	Trailer     http.Header
	CallFailed  bool
	BodyFailed  bool
	Close       bool
	SecondReuse bool
}

// TestLikeNetHTTP makes each call through this package and through net/http.Transport: the caller must see the same.
func TestLikeNetHTTP(t *testing.T) {
	all := cells()
	r := newLocalRig(t, func(p *peer, _ int) {
		for {
			req, _ := p.request()
			if req == nil {
				return
			}
			var i int
			if _, err := fmt.Sscan(req.Header.Get("X-Cell"), &i); err != nil {
				p.say(hello)
				continue
			}
			p.say(all[i].wire())
			if all[i].closes() {
				return
			}
		}
	})
	std := &http.Transport{DisableCompression: true, DialContext: r.up.DialContext, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	defer std.CloseIdleConnections()
	log.SetOutput(io.Discard) // net/http's words about what comes after an answer
	defer log.SetOutput(os.Stderr)
	differences := 0
	for i, c := range all {
		var got [2]seen
		for j, transport := range []http.RoundTripper{r.up, std} {
			req := r.request(c.method, nil)
			req.Header.Set("X-Cell", fmt.Sprint(i))
			got[j] = look(transport, req, r.request("GET", nil))
			r.up.CloseIdleConnections()
			std.CloseIdleConnections()
		}
		ours, theirs := got[0], got[1]
		if strings.Contains(c.framing, "3\r\nTransfer-Encoding") || strings.HasPrefix(c.status, "204") && c.framing != "Content-Length: 0\r\n" ||
			c.proto == "HTTP/1.0" && strings.Contains(c.framing, "Transfer-Encoding") {
			if ours.SecondReuse && !theirs.SecondReuse {
				t.Errorf("%+v: the connection is used again", c)
			}
			ours.SecondReuse, theirs.SecondReuse = false, false // more careful than net/http: a documented difference
		}
		if !reflect.DeepEqual(ours, theirs) {
			if differences++; differences < 10 {
				t.Errorf("%+v\n upstream %+v\n net/http %+v", c, ours, theirs)
			}
		}
	}
	t.Logf("%d kinds of answers, %d differences", len(all), differences)
}

func look(transport http.RoundTripper, first, second *http.Request) (s seen) {
	resp, err := transport.RoundTrip(first)
	if err != nil {
		s.CallFailed = true
	} else {
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		s.Status, s.Length, s.Coding, s.Body, s.Trailer = resp.Status, resp.ContentLength, resp.TransferEncoding, string(b), resp.Trailer
		s.BodyFailed, s.Close = err != nil, resp.Close
		if s.Header = resp.Header; s.Header != nil {
			delete(s.Header, "Connection") // net/http takes it away if it says close
		}
	}
	if up, ok := transport.(*upstream.Transport); ok {
		s.SecondReuse = call(up, second).trace.Reused
		return s
	}
	second = second.WithContext(httptrace.WithClientTrace(second.Context(), &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { s.SecondReuse = i.Reused },
	}))
	if resp, err := transport.RoundTrip(second); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	return s
}

// FuzzAnswer: an answer that this package takes, net/http takes too, and reads the same in it.
func FuzzAnswer(f *testing.F) {
	for i, c := range cells() {
		if i%37 == 0 {
			f.Add(c.wire(), c.method == http.MethodHead)
		}
	}
	f.Add("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\nX:\r\n a\n\n", false)
	f.Fuzz(func(t *testing.T, wire string, isHead bool) {
		req, _ := http.NewRequest(http.MethodGet, "http://a.test/", nil)
		if isHead {
			req.Method = http.MethodHead
		}
		res, _ := play(req, wire)
		if res.err != nil {
			return
		}
		br := bufio.NewReader(strings.NewReader(wire))
		var resp *http.Response
		for {
			var err error
			if resp, err = http.ReadResponse(br, req); err != nil {
				t.Fatalf("net/http refuses it: %v", err)
			}
			if resp.StatusCode >= 200 {
				break
			}
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || string(body) != res.body {
			t.Fatalf("the body is %q, in net/http it is %q, %v", res.body, body, err)
		}
		ours := res.resp
		if ours.Status != resp.Status || ours.ContentLength != resp.ContentLength || ours.Close != resp.Close {
			t.Fatalf("%q %d %t, in net/http %q %d %t", ours.Status, ours.ContentLength, ours.Close, resp.Status, resp.ContentLength, resp.Close)
		}
		for _, h := range []http.Header{ours.Header, resp.Header} {
			delete(h, "Connection")
			for _, values := range h {
				for i, v := range values {
					values[i] = strings.TrimRight(v, " ") // net/http leaves a blank where an empty line was folded
				}
			}
		}
		if resp.Header["Pragma"] != nil && ours.Header["Cache-Control"] == nil {
			delete(resp.Header, "Cache-Control")
		}
		if !reflect.DeepEqual(ours.Header, resp.Header) {
			t.Fatalf("the fields are %q, in net/http %q", ours.Header, resp.Header)
		}
	})
}

// FuzzConnection: whatever a server sends as its first answer, the second call gets the answer to the second call, or an error.
func FuzzConnection(f *testing.F) {
	for i, c := range cells() {
		if i%101 == 0 {
			f.Add(c.wire(), c.closes())
			f.Add(c.wire()+"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", c.closes())
		}
	}
	f.Fuzz(func(t *testing.T, wire string, closes bool) {
		r := newLocalRig(t, func(p *peer, n int) {
			for call := 1; ; call++ {
				if req, _ := p.request(); req == nil {
					return
				}
				if n > 1 || call > 1 {
					p.say("HTTP/1.1 299 Next\r\nContent-Length: 4\r\n\r\nnext")
					continue
				}
				p.say(wire)
				if closes {
					return
				}
				p.closeWrite()
			}
		})
		r.post("x")
		if res := r.post("y"); res.err == nil {
			want(t, res, 299, "next")
		} else if !errors.Is(res.err, io.ErrUnexpectedEOF) && !errors.Is(res.err, syscall.ECONNRESET) && !errors.Is(res.err, syscall.EPIPE) {
			t.Error(res.err) // only that the end of the connection came too late to be seen is an excuse
		}
	})
}
