//go:build linux

package faults

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A shutdownCase is what a connection is doing when the proxy is told to end.
type shutdownCase struct {
	name   string
	before []step
	after  []step // once the proxy was told
	hears  string // each answer's status, and "bye" for a Connection: close; "…" stands for "this or nothing"
	calls  int    // how many reach Marketo
}

func shutdownCases() []shutdownCase {
	const slow = "X-Wait: yes\r\n"
	body := strings.Repeat("x", 100<<10)
	long := fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body))
	return []shutdownCase{
		{"never said anything", []step{pause}, nil, "", 0},
		{"idle after a call", []step{say(get1 + "\r\n"), hears(restSuccess)}, nil, "200", 1},
		{"idle after a call, and calls again", []step{say(get1 + "\r\n"), hears(restSuccess)}, []step{say(get1 + "\r\n")}, "200", 1},
		{"half a head", []step{say(get1)}, []step{say("\r\n")}, "…200 bye", -1},
		{"half a second head", []step{say(get1 + "\r\n" + get1), hears(restSuccess)}, nil, "200", 1},
		{"half a body, before Marketo was called", []step{say(post1 + "Content-Length: 4\r\n\r\nab"), pause}, []step{say("cd")}, "200 bye", 1},
		{"half a body, on its way to Marketo", []step{say(post1 + long + body[:90<<10]), pause}, []step{say(body[90<<10:])}, "200 bye", 1},
		{"half a body in chunks", []step{say(post1 + inParts + "\r\n2\r\nab\r\n"), pause}, []step{say("0\r\n\r\n")}, "200 bye", 1},
		{"waits for a 100 and gets it", []step{say(post1 + expects + "Content-Length: 2\r\n\r\n"), hears("100")}, []step{say("ab")}, "100 200 bye", 1},
		{"waits for an answer", []step{say(get1 + slow + "\r\n"), reached(1)}, nil, "200 bye", 1},
		{"waits for an answer, with a call behind", []step{say(get1 + slow + "\r\n" + get1 + "\r\n"), reached(1)}, nil, "200 bye", 1},
		{"half an answer", []step{say(get1 + "X-Half: yes\r\n\r\n"), hears("success")}, nil, "200", 1},
	}
}

// When the proxy is told to end, what it has begun with comes to its end and says that the connection does, and what waits is closed:
// with each connection in another state, all at once, at each door. No call that reached Marketo is without its answer.
func TestShutdown(t *testing.T) {
	t.Parallel()
	m := newMarketo(t, false)
	srv := serve(t, programs.race, m)
	told := make(chan struct{})
	known := restSuccess[:strings.Index(restSuccess, `"result"`)] // no fault any more, so it goes out
	script := after(func(x *exchange) bool {
		if x.get("X-Wait") != "" {
			<-told
			time.Sleep(300 * time.Millisecond)
		}
		if x.get("X-Half") != "" {
			_ = x.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(known))
			<-told
			time.Sleep(300 * time.Millisecond)
			return x.send(chunks(restSuccess[len(known):]) + "0\r\n\r\n")
		}
		return x.send(answer("200 OK", restSuccess))
	})
	var all []*wire
	cases := shutdownCases()
	for _, d := range []door{srv.plain(), srv.secure(), srv.tunnelTo("127.0.0.1", strings.TrimPrefix(m.host, "127.0.0.1:"))} {
		for i, c := range cases {
			w := &wire{app: srv.must(d), t: t, m: m, name: fmt.Sprintf("end-%s-%d", d.name, i), ended: make(chan struct{})}
			defer w.Close()
			m.set(w.name, script)
			go w.listen()
			for _, s := range c.before {
				s(w)
			}
			all = append(all, w)
		}
	}
	unshaken := &wire{app: srv.must(door{"", func() (app, error) { return srv.raw("tls-listen") }}), t: t, m: m, ended: make(chan struct{})}
	untunnelled := &wire{app: srv.must(srv.plain()), t: t, m: m, ended: make(chan struct{})}
	for _, w := range []*wire{unshaken, untunnelled} {
		defer w.Close()
		go w.listen()
	}
	say("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n")(untunnelled)
	hears("established")(untunnelled)

	began := time.Now()
	_ = srv.cmd.Process.Signal(syscall.SIGTERM)
	srv.eventually("it stops listening", func() (bool, string) {
		a, err := srv.plain().dial()
		if err == nil {
			a.Close()
		}
		return err != nil, "it accepts"
	})
	close(told)
	for i, w := range all {
		for _, s := range cases[i%len(cases)].after {
			s(w)
		}
	}
	for i, w := range all {
		c := cases[i%len(cases)]
		w.wait(patience/2, func() bool { return false })
		if w.open() {
			t.Errorf("%s (%s): still open", c.name, w.name)
		}
		got := w.statuses()
		rest, either := strings.CutPrefix(c.hears, "…")
		if got != rest && (!either || got != "") {
			t.Errorf("%s (%s): it heard %q, want %q:\n%s", c.name, w.name, got, c.hears, w.transcript())
		}
		if n := len(m.seen(w.name)); n != c.calls && c.calls >= 0 || n > strings.Count(got, "200") {
			t.Errorf("%s (%s): Marketo got %d calls; it heard %q", c.name, w.name, n, got)
		}
	}
	for _, w := range []*wire{unshaken, untunnelled} {
		if w.wait(patience/2, func() bool { return false }); w.open() {
			t.Error("a connection that waits for TLS is still open")
		}
	}
	<-srv.ended
	if took := time.Since(began); took > 15*time.Second { // a connection that said nothing yet has five seconds
		t.Errorf("it took %s", took)
	}
}

// statuses are those of the whole answers that came, and "bye" where one says that it is the last.
func (w *wire) statuses() string {
	var all []string
	w.mu.Lock()
	defer w.mu.Unlock()
	heard := w.heard.String()
	for _, part := range begins.FindAllStringIndex(heard, -1) {
		all = append(all, heard[part[1]-3:part[1]])
		head, _, _ := strings.Cut(heard[part[0]:], "\r\n\r\n")
		if strings.Contains(head, "Connection: close") {
			all = append(all, "bye")
		}
	}
	if n := strings.Count(heard, "200 OK"); n != strings.Count(heard, restSuccess)+strings.Count(heard, "[]}\r\n0\r\n\r\n") {
		all = append(all, "cut")
	}
	return strings.Join(all, " ")
}
