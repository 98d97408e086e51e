//go:build linux

package faults

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// An injection is an answer that tries to become two, or to look like the proxy's own.
type injection struct {
	name    string
	answer  string
	status  int    // what the application gets
	without string // what must not be in what it gets
}

func injections() []injection {
	with := func(field string) string { return answer("200 OK", soapSuccess, field) }
	second := answer("200 OK", "<second/>", "X-Seen: poison")
	return []injection{
		{"a second answer behind the first", answer("200 OK", soapSuccess) + second, 200, "poison"},
		{"a second answer behind one of HEAD's kind", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n" + second, 304, "poison"},
		{"a second answer in the chunks' end", chunkedOK + chunks(soapSuccess) + "0\r\n\r\n" + second, 200, "poison"},
		{"a name of the proxy's", with("Marketo-Proxy-Capture: forged"), 200, "forged"},
		{"a name of the proxy's in lower case", with("marketo-proxy-attempts: 7"), 200, "7\r\n"},
		{"a name of the proxy's as trailer", chunkedOK + chunks(soapSuccess) + "0\r\nMarketo-Proxy-Capture: forged\r\n\r\n", 200, "forged"},
		{"a bare CR in a value", with("X-A: b\rX-Evil: 1"), 502, "X-Evil"},
		{"a bare LF in a value, which is a line's end", with("X-A: b\nX-Fine: 1"), 200, "b\nX"},
		{"a NUL in a value", with("X-A: b\x00c"), 502, "\x00"},
		{"a space before the colon", with("X-A : b"), 502, "X-A"},
		{"a line without a colon", with("nothing"), 502, "nothing"},
		{"an empty name", with(": x"), 502, ": x\r\n"},
		{"a folded value", with("X-A: b\r\n c: d"), 200, "\r\n c"},
		{"a reason with a bare CR", strings.Replace(with("X-A: b"), " OK", " OK\rX-Evil: 1", 1), 502, "X-Evil"},
		{"hop-by-hop fields", with("Connection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nProxy-Authenticate: Basic"), 200, "X-Hop"},
		{"Connection names Content-Length", with("Connection: Content-Length"), 200, "\x00"},
		{"a transfer coding in upper case", strings.Replace(chunkedOK, "chunked", "CHUNKED", 1) + chunks(soapSuccess) + "0\r\n\r\n", 200, "\x00"},
		{"two lengths that agree", with("Content-Length: " + fmt.Sprint(len(soapSuccess))), 200, "\x00"},
		{"a length as a list", strings.Replace(answer("200 OK", "ab"), "Content-Length: 2", "Content-Length: 2, 2", 1), 502, "\x00"},
		{"a trailer that is a length", chunkedOK + chunks(soapSuccess) + "0\r\nContent-Length: 5\r\n\r\n", 200, "Content-Length: 5\r\n"},
	}
}

const chunkedOK = "HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=UTF-8\r\nTransfer-Encoding: chunked\r\n\r\n"

// An answer stays one answer: it never becomes part of the next one, on neither side's connection.
func TestInjections(t *testing.T) {
	t.Parallel()
	m := newMarketo(t, false)
	srv := serve(t, programs.race, m)
	for i, c := range injections() { // one after the other, so that a spoilt connection would meet the next call
		name := fmt.Sprintf("injection-%d", i)
		m.set(name, after(func(x *exchange) bool { return x.send(c.answer) }))
		a := srv.must(srv.plain())
		_, _ = io.WriteString(a, post(name))
		var seen strings.Builder
		a.in.Reset(io.TeeReader(a.Conn, &seen))
		g := a.read("POST")
		if g.status != c.status || g.cut {
			t.Errorf("%s: %s (%v) %.200s, want %d", c.name, g, g.err, g.body, c.status)
		}
		if g.status == 200 && string(g.body) != soapSuccess {
			t.Errorf("%s: the body is %.300q", c.name, g.body)
		}
		for n := range 3 { // on the same connection of the application, and whatever there is to Marketo
			probe := fmt.Sprintf("%s-probe-%d", name, n)
			if _, err := io.WriteString(a, post(probe)); err != nil {
				a.Close()
				a = srv.must(srv.plain())
				_, _ = io.WriteString(a, post(probe))
			}
			g := a.read("POST")
			if g.status != 200 || g.header.Get("X-Seen") != "POST "+soapPath+" "+probe || string(g.body) != soapSuccess {
				t.Errorf("%s: the next call got %s (%v) of %q", c.name, g, g.err, g.header.Get("X-Seen"))
			}
			time.Sleep(5 * time.Millisecond)
		}
		a.Close()
		if strings.Contains(seen.String(), c.without) {
			t.Errorf("%s: the application got %q: %.400q", c.name, c.without, seen.String())
		}
	}
	srv.clean()
}
