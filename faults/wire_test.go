//go:build linux

package faults

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A wireCase is a conversation, byte by byte: what a client says and when, and (in testdata/wire.txt) all that it hears.
type wireCase struct {
	name    string
	marketo script // nil: reads the request and succeeds
	says    []step
	only    string // the door it is about; empty: it is the same at all of them
}

// wire is a client's connection; what it hears is gathered by a goroutine of its own.
type wire struct {
	app
	t    *testing.T
	m    *marketo
	name string // of the case, at this door, for Marketo

	mu    sync.Mutex
	heard bytes.Buffer
	ended chan struct{} // closed with the proxy's end of the connection
}

// A step is one thing that a client does, or waits for.
type step func(w *wire)

// say sends something. {case} is the name of the case, {host} a host that is served.
func say(s string) step {
	return func(w *wire) {
		_, _ = io.WriteString(w, strings.NewReplacer("{case}", w.name, "{host}", instance+".mktorest.com").Replace(s))
	}
}

// hears waits until that has come, or the end.
func hears(s string) step {
	return func(w *wire) {
		w.wait(patience/2, func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return bytes.Contains(w.heard.Bytes(), []byte(s))
		})
	}
}

// reached waits until Marketo has so many requests of the case, and a moment.
func reached(n int) step {
	return func(w *wire) {
		for end := time.Now().Add(patience / 2); len(w.m.seen(w.name)) < n && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		pause(w)
	}
}

func pause(*wire) { time.Sleep(50 * time.Millisecond) }

// halfCloses ends what the client says.
func halfCloses(w *wire) {
	if c, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
}

// wait returns when what came is enough, or has ended, or it takes too long.
func (w *wire) wait(within time.Duration, enough func() bool) {
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(time.Millisecond) {
		select {
		case <-w.ended:
			return
		default:
		}
		if enough() {
			return
		}
	}
}

func (w *wire) listen() {
	defer close(w.ended)
	b := make([]byte, 32<<10)
	for {
		n, err := w.in.Read(b)
		w.mu.Lock()
		w.heard.Write(b[:n])
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// What differs from run to run, or from case to case.
var (
	now    = regexp.MustCompile(`Date: \w+, \d+ \w+ 20[2-9]\d [0-9:]+ GMT`)
	id     = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
	begins = regexp.MustCompile(`HTTP/1\.[01] \d{3}`)
)

// transcript is what came, as quoted lines.
func (w *wire) transcript() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return quoted(strings.ReplaceAll(w.heard.String(), w.name, "{case}"))
}

// quoted makes a line of each line and of each beginning of an answer.
func quoted(s string) string {
	s = id.ReplaceAllString(now.ReplaceAllString(s, "Date: {now}"), "{id}")
	var b strings.Builder
	from := 0
	for _, at := range append(begins.FindAllStringIndex(s, -1), []int{len(s)}) {
		for line := range strings.Lines(s[from:at[0]]) {
			fmt.Fprintf(&b, "< %q\n", line)
		}
		from = at[0]
	}
	return b.String()
}

const lastCall = "GET /rest/last HTTP/1.1\r\nHost: x\r\nX-Case: last\r\nConnection: close\r\n\r\n"

func lastAnswer() string {
	return quoted("HTTP/1.1 200 OK\r\nContent-Length: 46\r\nContent-Type: application/json\r\nX-Seen: GET /rest/last last\r\n" +
		"Connection: close\r\n\r\n" + restSuccess)
}

// converse has the conversation, and tells what the client heard. Where the connection stays, a last call ends it. What is recorded only
// tells how long to wait.
func (w *wire) converse(says []step, recorded string) string {
	go w.listen()
	for _, s := range says {
		s(w)
	}
	if recorded == "" {
		time.Sleep(time.Second)
	}
	w.wait(5*time.Second, func() bool {
		_, end, ok := strings.Cut(recorded, w.transcript()+"-- ")
		return recorded == "" || ok && !strings.HasPrefix(end, "closed")
	})
	const closed, stays = "-- closed", "-- serves the next call"
	if !w.open() {
		return w.transcript() + closed
	}
	if _, err := io.WriteString(w, lastCall); err != nil {
		return w.transcript() + closed
	}
	w.wait(28*time.Second, func() bool { return false })
	switch text := w.transcript(); {
	case w.open():
		return text + "-- stays open, and answers no more"
	case strings.HasSuffix(text, lastAnswer()):
		return strings.TrimSuffix(text, lastAnswer()) + stays
	default:
		return text + closed
	}
}

// open tells whether the proxy has not ended the connection.
func (w *wire) open() bool {
	select {
	case <-w.ended:
		return false
	default:
		return true
	}
}

const wireFile = "testdata/wire.txt"

// TestWire holds every byte that a client hears to testdata/wire.txt: on the plain listener, on the one over TLS, in a tunnel.
//
//	go test ./faults -run TestWire -args -update    # writes the file anew, from what the plain listener says
func TestWire(t *testing.T) {
	t.Parallel()
	recorded := map[string]string{}
	b, err := os.ReadFile(wireFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(string(b), "\n== ") {
		name, text, _ := strings.Cut(strings.TrimPrefix(part, "== "), "\n")
		recorded[name] = strings.TrimSpace(text)
	}
	m := newMarketo(t, false)
	srv := serve(t, programs.race, m, "--upstream-timeout=10s")
	cases := wireCases()
	var mu sync.Mutex
	said := map[string]string{}
	unshaken := door{"plain on tls-listen", func() (app, error) { return srv.raw("tls-listen") }}
	for _, d := range []door{srv.plain(), srv.secure(), srv.tunnelTo("127.0.0.1", strings.TrimPrefix(m.host, "127.0.0.1:")), unshaken} {
		runCases(t, len(cases), func(i int) {
			c := cases[i]
			if c.only != d.name && (c.only != "" || d.name == unshaken.name || *update && d.name != "reverse") {
				return
			}
			a, err := d.dial()
			if err != nil {
				t.Error(err)
				return
			}
			defer a.Close()
			w := &wire{app: a, t: t, m: m, name: fmt.Sprintf("wire-%s-%d", d.name, i), ended: make(chan struct{})}
			if c.marketo != nil {
				m.set(w.name, c.marketo)
			}
			wanted := recorded[c.name]
			if *update {
				wanted = ""
			}
			got := w.converse(c.says, wanted) + fmt.Sprintf("; Marketo got %d", len(m.seen(w.name)))
			mu.Lock()
			said[c.name] = got
			mu.Unlock()
			if got != wanted && !*update {
				t.Errorf("%s, at the door %q: it heard\n%s\nwant\n%s", c.name, d.name, got, wanted)
			}
		})
	}
	if *update {
		var all strings.Builder
		for _, c := range cases {
			fmt.Fprintf(&all, "== %s\n%s\n\n", c.name, said[c.name])
		}
		if err := os.WriteFile(wireFile, []byte(strings.TrimSpace(all.String())+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name := range recorded {
		if !*update && !slices.ContainsFunc(cases, func(c wireCase) bool { return c.name == name }) {
			t.Errorf("%s has %q, which is no case", wireFile, name)
		}
	}
	srv.clean()
}
