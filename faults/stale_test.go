//go:build linux

package faults

import (
	"fmt"
	"testing"
	"time"
)

// A staleFault is what has become of a pooled connection when the next call comes.
type staleFault struct {
	name   string
	second script // of the second request on a connection; nil: Marketo hung up in between
	idle   func(*marketo)
	method string
	want   string // what the application gets
	sent   int    // how often Marketo got the second request
}

func staleFaults() []staleFault {
	hangUp := func(x *exchange) bool { return false }
	rst := func(x *exchange) bool { return x.reset() }
	both := func(f script) script { return after(f) }
	return []staleFault{
		{"hung up while idle, then a POST", nil, (*marketo).hangUp, "POST", "200", 1},
		{"hung up while idle, then a GET", nil, (*marketo).hangUp, "GET", "200", 1},
		{"reset while idle, then a POST", nil, (*marketo).resetIdle, "POST", "200", 1},
		{"hangs up when the head of a POST comes", hangUp, nil, "POST", "502", 1},
		{"resets when the head of a POST comes", rst, nil, "POST", "502", 1},
		{"hangs up after a POST", both(hangUp), nil, "POST", "502", 1},
		{"resets after a POST", both(rst), nil, "POST", "502", 1},
		{"hangs up within the answer to a POST", both(func(x *exchange) bool { x.send("HTTP/1.1 200"); return false }), nil, "POST", "502", 1},
		{"hangs up after a GET: it is sent once more", both(hangUp), nil, "GET", "200", 2},
	}
}

// resetIdle ends the connections that wait for another request with a RST.
func (m *marketo) resetIdle() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c, waits := range m.conns {
		if waits {
			reset(c)
		}
	}
}

// A request that changes something is never sent twice on the proxy's own account: the connection that a call finds in the pool may
// have ended, or may end under it.
func TestStaleConnections(t *testing.T) {
	for _, c := range staleFaults() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newMarketo(t, false)
			srv := serve(t, programs.race, m)
			d := srv.plain()
			if g := d.call(post("first")); g.status != 200 {
				t.Fatal(g, g.err)
			}
			if c.idle != nil {
				c.idle(m)
				time.Sleep(100 * time.Millisecond)
			}
			m.set("second", func(x *exchange) bool {
				if c.second != nil && x.conn == m.seen("first")[0].conn {
					return c.second(x)
				}
				return succeed(x)
			})
			request := post("second")
			if c.method == "GET" {
				request = fmt.Sprintf("GET /rest/v1/leads.json HTTP/1.1\r\nHost: x\r\n%s: second\r\n\r\n", caseHeader)
			}
			if g := d.call(request); g.String() != c.want {
				t.Errorf("%s (%v), want %s", g, g.err, c.want)
			}
			if n := len(m.seen("second")); n != c.sent {
				t.Errorf("Marketo got it %d times, want %d", n, c.sent)
			}
			srv.clean()
		})
	}
}

// After a 20016, and only then, a POST is sent again: once.
func TestOnlyExpiredIsSentAgain(t *testing.T) {
	t.Parallel()
	m := newMarketo(t, false)
	srv := serve(t, programs.race, m)
	for _, c := range []struct {
		code string
		want int
	}{{"20016", 2}, {"20011", 1}, {"20014", 1}, {"20023", 1}} {
		m.set(c.code, after(func(x *exchange) bool { return x.send(answer("500 x", soapFault(c.code))) }))
		body := envelope(time.Hour)
		g := srv.plain().call(head(c.code, fmt.Sprintf("Content-Length: %d", len(body))) + body)
		if n := len(m.seen(c.code)); g.status != 500 || n != c.want {
			t.Errorf("%s: %s, Marketo got it %d times, want %d", c.code, g, n, c.want)
		}
	}
	// What goes wrong with the second attempt is not tried again either.
	m.set("cut", after(func(x *exchange) bool {
		if len(m.seen("cut")) == 1 {
			return x.send(answer("500 x", soapFault("20016")))
		}
		return false
	}))
	body := envelope(time.Hour)
	g := srv.plain().call(head("cut", fmt.Sprintf("Content-Length: %d", len(body))) + body)
	if n := len(m.seen("cut")); g.status != 502 || n != 2 || g.header.Get("Marketo-Proxy-Attempts") != "2" {
		t.Errorf("second attempt cut: %s %v, Marketo got it %d times", g, g.header, n)
	}
	srv.clean()
}
