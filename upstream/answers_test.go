package upstream_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"marketo-proxy/upstream"
)

// TestAnswers sends each answer and sees what comes of it, and whether the connection serves the next call.
func TestAnswers(t *testing.T) {
	const long = 300 << 10
	for _, c := range []struct {
		name, answer string
		closes       bool // the server closes after it
		method       string
		status       int
		body         string
		err          error // nil: none
		reused       bool
	}{
		{name: "sized", answer: hello, status: 200, body: "hello", reused: true},
		{name: "empty", answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", status: 200, reused: true},
		{name: "chunked", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=\"y\"\r\nllo\r\n0\r\n\r\n", status: 200, body: "hello", reused: true},
		{name: "chunked, spelt otherwise", answer: "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\nA\r\n0123456789\r\n00\r\n\r\n", status: 200, body: "0123456789", reused: true},
		{name: "until the end", answer: "HTTP/1.1 200 OK\r\n\r\nhello", closes: true, status: 200, body: "hello"},
		{name: "says close", answer: "HTTP/1.1 200 OK\r\nConnection: Foo, Close\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello"},
		{name: "1.0", answer: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello"},
		{name: "1.0 kept", answer: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello", reused: true},
		{name: "1.0 until the end", answer: "HTTP/1.0 200 OK\r\n\r\nhello", closes: true, status: 200, body: "hello"},
		{name: "1.0 chunked is not", answer: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", closes: true, status: 200, body: "0\r\n\r\n"},
		{name: "204", answer: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, reused: true},
		{name: "204 with a length", answer: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", status: 204},
		{name: "204 chunked", answer: "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", status: 204},
		{name: "304", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", status: 304, reused: true},
		{name: "HEAD", method: "HEAD", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", status: 200, reused: true},
		{name: "HEAD, chunked", method: "HEAD", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", status: 200, reused: true},
		{name: "HEAD with a body", method: "HEAD", answer: hello, status: 200},
		{name: "1xx before", answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + hello, status: 200, body: "hello", reused: true},
		{name: "bare LF", answer: "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", status: 200, body: "hello", reused: true},
		{name: "same length twice", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello", reused: true},
		{name: "status without a reason", answer: "HTTP/1.1 500\r\nContent-Length: 1\r\n\r\nx", status: 500, body: "x", reused: true},
		{name: "folded", answer: "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\tc\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello", reused: true},
		{name: "chunked and a length", answer: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", status: 200, body: "hello"},
		{name: "more than its length", answer: hello + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", status: 200, body: "hello"},
		{name: "more than its chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hello, status: 200},
		{name: "a long head", answer: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 200<<10) + "\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello", reused: true},
		{name: "many fields", answer: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 20000) + "Content-Length: 5\r\n\r\nhello", status: 200, body: "hello", reused: true},
		{name: "a large body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 307200\r\n\r\n" + strings.Repeat("x", long), status: 200, body: strings.Repeat("x", long), reused: true},
		{name: "a large chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4b000\r\n" + strings.Repeat("x", long) + "\r\n0\r\n\r\n", status: 200, body: strings.Repeat("x", long), reused: true},
		{name: "many small chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", 9000) + "0\r\n\r\n", status: 200, body: strings.Repeat("x", 9000), reused: true},

		{name: "nothing", closes: true, err: io.ErrUnexpectedEOF},
		{name: "cut in the head", answer: "HTTP/1.1 200 OK\r\nContent-Le", closes: true, err: io.ErrUnexpectedEOF},
		{name: "cut after 100", answer: "HTTP/1.1 100 Continue\r\n\r\n", closes: true, err: io.ErrUnexpectedEOF},
		{name: "cut in the body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", closes: true, status: 200, body: "hello", err: io.ErrUnexpectedEOF},
		{name: "cut in a chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello", closes: true, status: 200, body: "hello", err: io.ErrUnexpectedEOF},
		{name: "cut after a chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", closes: true, status: 200, body: "hello", err: io.ErrUnexpectedEOF},
		{name: "cut in the last chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", closes: true, status: 200, body: "hello", err: io.ErrUnexpectedEOF},
		{name: "not HTTP", answer: "SSH-2.0-OpenSSH_9.2\r\n\r\n", err: upstream.ErrMalformed},
		{name: "HTTP/2", answer: "HTTP/2.0 200 OK\r\n\r\n", err: upstream.ErrMalformed},
		{name: "an empty line first", answer: "\r\n" + hello, err: upstream.ErrMalformed},
		{name: "a status of two digits", answer: "HTTP/1.1 20 OK\r\n\r\n", err: upstream.ErrMalformed},
		{name: "a status with a sign", answer: "HTTP/1.1 +20 OK\r\n\r\n", err: upstream.ErrMalformed},
		{name: "a status below 100", answer: "HTTP/1.1 099 OK\r\n\r\n", err: upstream.ErrMalformed},
		{name: "101", answer: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", err: upstream.ErrMalformed},
		{name: "no colon", answer: "HTTP/1.1 200 OK\r\nContent-Length 5\r\n\r\nhello", err: upstream.ErrMalformed},
		{name: "no name", answer: "HTTP/1.1 200 OK\r\n: x\r\n\r\n", err: upstream.ErrMalformed},
		{name: "a blank before the colon", answer: "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello", err: upstream.ErrMalformed},
		{name: "folded at once", answer: "HTTP/1.1 200 OK\r\n Content-Length: 5\r\n\r\nhello", err: upstream.ErrMalformed},
		{name: "CR in a value", answer: "HTTP/1.1 200 OK\r\nX: a\rContent-Length: 5\r\n\r\nhello", err: upstream.ErrMalformed},
		{name: "NUL in a value", answer: "HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", err: upstream.ErrMalformed},
		{name: "two lengths", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", err: upstream.ErrMalformed},
		{name: "a list of lengths", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", err: upstream.ErrMalformed},
		{name: "a negative length", answer: "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", err: upstream.ErrMalformed},
		{name: "a signed length", answer: "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", err: upstream.ErrMalformed},
		{name: "an empty length", answer: "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello", err: upstream.ErrMalformed},
		{name: "a huge length", answer: "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\nhello", err: upstream.ErrMalformed},
		{name: "a bad length on HEAD", method: "HEAD", answer: "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", err: upstream.ErrMalformed},
		{name: "gzip, chunked", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", err: upstream.ErrMalformed},
		{name: "chunked twice", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", err: upstream.ErrMalformed},
		{name: "chunked, nearly", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", err: upstream.ErrMalformed},
		{name: "a chunk size of nothing", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello", status: 200, err: upstream.ErrMalformed},
		{name: "a chunk size with 0x", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", status: 200, err: upstream.ErrMalformed},
		{name: "a chunk size with a blank", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n", status: 200, err: upstream.ErrMalformed},
		{name: "a negative chunk size", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", status: 200, err: upstream.ErrMalformed},
		{name: "a huge chunk size", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello\r\n0\r\n\r\n", status: 200, err: upstream.ErrMalformed},
		{name: "a chunk line with a bare LF", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", status: 200, err: upstream.ErrMalformed},
		{name: "a chunk line with a CR", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;\rx\r\nhello\r\n0\r\n\r\n", status: 200, err: upstream.ErrMalformed},
		{name: "a chunk longer than its size", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n", status: 200, body: "hell", err: upstream.ErrMalformed},
		{name: "an endless chunk line", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;" + strings.Repeat("x", 5000) + "\r\n", status: 200, err: upstream.ErrMalformed},
		{name: "chunks of extensions", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("y", 3000)+"\r\nx\r\n", 100), status: 200, body: "xxxxx", err: upstream.ErrMalformed},
		{name: "a trailer that is not one", answer: "HTTP/1.1 200 OK\r\nTrailer: content-length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", err: upstream.ErrMalformed},
		{name: "a trailer with a bare LF", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n", status: 200, err: upstream.ErrMalformed},
		{name: "an endless line", answer: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", long), err: upstream.ErrMalformed},
		{name: "endless fields", answer: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", long/6+1), err: upstream.ErrMalformed},
		{name: "endless 1xx", answer: strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", long/27+1), err: upstream.ErrMalformed},
		{name: "an endless trailer", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", long/6+1), status: 200, err: upstream.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, func(p *peer, n int) {
				for call := 1; ; call++ {
					if req, _ := p.request(); req == nil {
						return
					}
					if n == 1 && call == 1 {
						p.say(c.answer)
						if c.closes {
							return
						}
					} else {
						p.say("HTTP/1.1 299 Next\r\nContent-Length: 4\r\n\r\nnext")
					}
				}
			})
			if c.method == "" {
				c.method = http.MethodPost
			}
			res := r.do(r.request(c.method, nil))
			if !errors.Is(res.err, c.err) {
				t.Fatalf("the error is %v, not %v", res.err, c.err)
			}
			if c.status == 0 {
				if res.resp != nil {
					t.Fatalf("there is an answer, %d", res.resp.StatusCode)
				}
			} else if res.resp.StatusCode != c.status || res.body != c.body {
				t.Fatalf("the answer is %d %.80q, not %d %.80q", res.resp.StatusCode, res.body, c.status, c.body)
			}
			want(t, r.post("again"), 299, "next")
			if reused := r.conns.Load() == 1; reused != c.reused {
				t.Errorf("the connection was used again: %t", reused)
			}
		})
	}
}

func TestHeadOfAnswer(t *testing.T) {
	r := newRig(t, always("HTTP/1.1 200 200\r\ncontent-TYPE:text/xml \r\nSet-Cookie: a\r\nSet-Cookie:  b\r\nPragma: no-cache\r\nX-Empty:\r\nX-Folded: a\r\n \r\n\t b\r\n"+
		"Connection: close\r\nX-Obs: \xe9\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, x-other\r\n\r\n1\r\nx\r\n0\r\nx-sum: 5\r\nX-More: y\r\nContent-Length: 7\r\n\r\n"))
	res := r.get()
	want(t, res, 200, "x")
	if res.resp.Status != "200 200" || res.resp.Proto != "HTTP/1.1" || !res.resp.Close || res.resp.ContentLength != -1 {
		t.Errorf("%q %q %t %d", res.resp.Status, res.resp.Proto, res.resp.Close, res.resp.ContentLength)
	}
	wantHeader(t, res.resp.Header, http.Header{
		"Content-Type": {"text/xml"}, "Set-Cookie": {"a", "b"}, "Pragma": {"no-cache"}, "X-Empty": {""}, "X-Folded": {"a  b"},
		"Connection": {"close"}, "X-Obs": {"\xe9"},
	})
	wantHeader(t, res.resp.Trailer, http.Header{"X-Sum": {"5"}, "X-Other": nil, "X-More": {"y"}})
}

func wantHeader(t *testing.T, got, want http.Header) {
	t.Helper()
	for name := range want {
		if strings.Join(got[name], "|") != strings.Join(want[name], "|") {
			t.Errorf("%s is %q, not %q", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("the fields are %q, not %q", got, want)
	}
}

func TestReset(t *testing.T) {
	r := newRig(t, func(p *peer, _ int) {
		p.request()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
		p.request() // until the client has read
		p.reset()
	})
	resp, err := r.up.RoundTrip(r.request(http.MethodPost, nil))
	if err != nil {
		t.Fatal(err)
	}
	var five [5]byte
	if _, err := io.ReadFull(resp.Body, five[:]); err != nil {
		t.Fatal(err)
	}
	r2 := newRig(t, func(p *peer, _ int) { p.request(); p.reset() })
	if res := r2.post("x"); !errors.Is(res.err, syscall.ECONNRESET) {
		t.Errorf("a reset is %v", res.err)
	}
	_ = resp.Body.Close()
	if _, err := resp.Body.Read(five[:]); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("reading a closed body gives %v", err)
	}
}

func TestBodyByByte(t *testing.T) {
	answer := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x\r\n world\r\n0\r\nX: y\r\n\r\n"
	r := newRig(t, func(p *peer, _ int) {
		for {
			if req, _ := p.request(); req == nil {
				return
			}
			for i := range len(answer) {
				p.say(answer[i : i+1])
			}
		}
	})
	for range 2 {
		res := r.get()
		want(t, res, 200, "hello world")
		if res.resp.Trailer.Get("X") != "y" {
			t.Errorf("the trailer is %v", res.resp.Trailer)
		}
	}
	if r.conns.Load() != 1 {
		t.Error("the connection was not used again")
	}
}
