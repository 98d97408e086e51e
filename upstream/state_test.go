package upstream_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"marketo-proxy/upstream"
)

// deed is what the server does with a call, and how the client makes it.
type deed struct {
	Method  string
	Upload  string // memory, sized, chunked, stuck
	Size    int
	Framing string // sized, chunked, endless
	End     string // keep, close, cut, extra, drop, early, reset, later
	Leave   string // all, part, cancel
}

// mischief is a server that does to each call as its deed says.
type mischief struct {
	mu       sync.Mutex
	deeds    map[string]deed
	received map[string]int
	handled  map[string]int
}

func (m *mischief) plan(id string, d deed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deeds[id] = d
}

// counts tells how often a call came, and how often all was done to it.
func (m *mischief) counts(id string) (received, handled int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.received[id], m.handled[id]
}

func (m *mischief) serve(p *peer, _ int) {
	for {
		req, err := http.ReadRequest(p.br)
		if err != nil || !m.handle(p, req) {
			return
		}
	}
}

const evil = "HTTP/1.1 200 OK\r\nX-Id: evil\r\nContent-Length: 4\r\n\r\nevil"

// handle tells whether the connection goes on.
func (m *mischief) handle(p *peer, req *http.Request) bool {
	id := req.Header.Get("X-Id")
	m.mu.Lock()
	d := m.deeds[id]
	m.received[id]++
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.handled[id]++
		m.mu.Unlock()
	}()
	if d.End != "early" {
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return false
		}
	}
	head, body := "HTTP/1.1 200 OK\r\nX-Id: "+id+"\r\n", d.body(id)
	switch d.Framing {
	case "sized":
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	case "chunked":
		head += "Transfer-Encoding: chunked\r\n"
		body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	}
	answer := head + "\r\n"
	if req.Method != http.MethodHead {
		answer += body
	}
	switch d.End {
	case "drop":
		return false
	case "reset":
		p.reset()
		return false
	case "cut":
		answer = answer[:len(answer)-3]
	case "extra":
		answer += evil
	}
	p.say(answer)
	switch d.End {
	case "later":
		time.Sleep(time.Millisecond)
		p.say(evil)
	case "early":
		if d.Framing == "endless" {
			return false // its end is waited for by who sends the rest of the request
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return false
		}
	}
	return d.End != "close" && d.End != "cut" && d.Framing != "endless"
}

func (d deed) body(id string) string { return strings.Repeat("<"+id+">", d.Size%400+1) }

// TestSequences makes random calls to a server that misbehaves at random. No call may get what belongs to another, and no POST may
// reach the server twice.
func TestSequences(t *testing.T) {
	m := &mischief{deeds: map[string]deed{}, received: map[string]int{}, handled: map[string]int{}}
	r := newRig(t, m.serve)
	number := 0
	pick := func(t *rapid.T, name string, from ...string) string { return rapid.SampledFrom(from).Draw(t, name) }
	rapid.Check(t, func(t *rapid.T) {
		var wg sync.WaitGroup
		steps := rapid.IntRange(1, 8).Draw(t, "steps")
		parallel := rapid.Bool().Draw(t, "parallel")
		for range steps {
			d := deed{
				Method:  pick(t, "method", "POST", "POST", "GET", "HEAD", "DELETE"),
				Upload:  pick(t, "upload", "memory", "memory", "sized", "chunked", "stuck"),
				Size:    rapid.SampledFrom([]int{0, 1, 100, 5000, 20000, 70000, 200000}).Draw(t, "size"),
				Framing: pick(t, "framing", "sized", "sized", "chunked", "endless"),
				End:     pick(t, "end", "keep", "keep", "keep", "close", "cut", "extra", "drop", "early", "reset", "later"),
				Leave:   pick(t, "leave", "all", "all", "all", "part", "cancel"),
			}
			if parallel && d.End == "later" {
				d.End = "extra" // what comes after the next request went out can't be told from its answer
			}
			if d.Upload == "stuck" {
				d.End = "early"
			}
			number++
			id := fmt.Sprint(number)
			m.plan(id, d)
			step := func() {
				if problem := r.act(m, id, d); problem != "" {
					t.Errorf("%s %+v: %s", id, d, problem)
				}
				if n, _ := m.counts(id); n > 1 && d.Method != "GET" && d.Method != "HEAD" || n > 2 {
					t.Errorf("%s %+v reached the server %d times", id, d, n)
				}
			}
			if parallel {
				wg.Go(step)
			} else {
				step()
				for d.End == "later" { // or it is no wonder if the next call takes it for its answer
					if n, done := m.counts(id); n == done {
						break
					}
					time.Sleep(100 * time.Microsecond)
				}
			}
		}
		wg.Wait()
	})
}

// act makes a call and returns what is wrong about its result.
func (r *rig) act(m *mischief, id string, d deed) string {
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	stuck := make(chan bool)
	defer close(stuck)
	var req *http.Request
	content := strings.Repeat("x", d.Size)
	hasBody := d.Method == "POST" || d.Upload == "stuck"
	switch {
	case !hasBody:
		req = r.request(d.Method, nil)
	case d.Upload == "memory":
		req = r.request(d.Method, strings.NewReader(content))
	case d.Upload == "sized":
		req = r.upload(streamed{strings.NewReader(content)}, int64(d.Size))
	case d.Upload == "chunked":
		req = r.upload(streamed{strings.NewReader(content)}, -1)
	default:
		req = r.upload(streamed{io.MultiReader(strings.NewReader(content), readerFunc(func([]byte) (int, error) { <-stuck; return 0, io.EOF }))}, -1)
	}
	req.Method = d.Method
	req.Header.Set("X-Id", id)
	if d.Leave == "cancel" {
		time.AfterFunc(time.Duration(d.Size%7)*50*time.Microsecond, cancel)
	}
	var trace upstream.Trace
	resp, err := r.up.Do(ctx, req, &trace)
	fair := d.Leave != "cancel" && d.End != "drop" && d.End != "reset" && d.End != "cut" && d.End != "early"
	if err != nil {
		if n, _ := m.counts(id); fair && !(trace.Reused && n == 0) { // the server may have closed while the request was on its way
			return err.Error()
		}
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	if got := resp.Header.Get("X-Id"); got != id {
		return "the answer is that of " + got
	}
	expected := d.body(id)
	if d.Framing == "endless" && d.End == "extra" || d.Framing == "endless" && d.End == "later" {
		expected += evil
	}
	if d.Leave == "part" {
		some := make([]byte, 3)
		n, _ := io.ReadFull(resp.Body, some)
		if d.Method != "HEAD" && !strings.HasPrefix(expected, string(some[:n])) {
			return fmt.Sprintf("the body begins with %q", some[:n])
		}
		return ""
	}
	b, err := io.ReadAll(resp.Body)
	switch {
	case err != nil && fair:
		return err.Error()
	case err == nil && d.Method == "HEAD" && len(b) > 0, d.Method != "HEAD" && !strings.HasPrefix(expected, string(b)):
		return fmt.Sprintf("the body is %.80q", b)
	case err == nil && d.Method != "HEAD" && string(b) != expected && (d.Framing != "endless" || fair):
		return fmt.Sprintf("the body is cut after %d bytes, without an error", len(b))
	}
	return ""
}
