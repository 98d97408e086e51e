//go:build linux

package faults

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// An answerFault is what Marketo does once a call has reached it, and what comes of it.
type answerFault struct {
	name    string
	does    script
	status  int    // what the application gets; 0: no answer
	cut     bool   // its answer ends early
	outcome string // of the call; empty: a success
	reason  string // part of why there is no whole answer, as captured
}

// after is a script that first reads the whole request.
func after(then func(x *exchange) bool) script {
	return func(x *exchange) bool { return x.payload() && then(x) }
}

// says sends something after the request and hangs up.
func says(s string) script {
	return after(func(x *exchange) bool { x.send(s); return false })
}

// breaks sends something and resets.
func breaks(s string) script {
	return after(func(x *exchange) bool {
		x.send(s)
		time.Sleep(100 * time.Millisecond) // a reset may overtake what was sent before it
		return x.reset()
	})
}

// stops sends something and then nothing.
func stops(s string) script {
	return after(func(x *exchange) bool { x.send(s); return x.silence() })
}

func drips(s string) script {
	return after(func(x *exchange) bool { return x.drip(s) && false })
}

const (
	// What hangs up says so, or another call might be on the same connection by then (see stale_test.go).
	okHead     = "HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=UTF-8\r\nConnection: close\r\n"
	chunkyHead = okHead + "Transfer-Encoding: chunked\r\n\r\n"
)

// half is the first half of an answer's body, behind its head.
func half(whole string) string {
	head, body, _ := strings.Cut(whole, "\r\n\r\n")
	return head + "\r\n\r\n" + body[:len(body)/2]
}

func chunks(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

// zipped is an answer in gzip; damage may change its body.
func zipped(body string, damage func([]byte) []byte) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, body)
	_ = z.Close()
	data := b.Bytes()
	if damage != nil {
		data = damage(data)
	}
	return fmt.Sprintf("%sContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", okHead, len(data), data)
}

func answerFaults() []answerFault {
	success := answer("200 OK", soapSuccess, "Connection: close")
	fault := answer("500 Internal Server Error", soapFault("20011"), "Connection: close")
	longer := strings.Repeat("<!-- padding of an answer that is longer than what is read ahead -->", 4000)
	long := strings.Replace(soapSuccess, "<count>", longer+"<count>", 1)
	return []answerFault{
		{"hangs up after the request head", func(x *exchange) bool { return false }, 502, false, "transport", "cut off"},
		{"resets after the request head", func(x *exchange) bool { return x.reset() }, 502, false, "transport", "reset"},
		{"hangs up after the request", says(""), 502, false, "transport", "cut off"},
		{"resets after the request", breaks(""), 502, false, "transport", "reset"},
		{"never answers", stops(""), 504, false, "transport", "timeout"},
		{"hangs up within the status line", says("HTTP/1.1 20"), 502, false, "transport", "cut off"},
		{"resets within the status line", breaks("HTTP/1.1 20"), 502, false, "transport", "reset"},
		{"hangs up within a header field", says("HTTP/1.1 200 OK\r\nContent-"), 502, false, "transport", "cut off"},
		{"resets within a header field", breaks("HTTP/1.1 200 OK\r\nContent-"), 502, false, "transport", "reset"},
		{"stops within the head", stops("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n"), 504, false, "transport", "timeout"},
		{"drips head and body", drips(success), 200, false, "", ""},
		{"drips a fault", drips(fault), 500, false, "fault", ""},

		{"with length: hangs up before the body", says(success[:strings.Index(success, "<?xml")]), 200, true, "transport", "cut off"},
		{"with length: hangs up in the body", says(half(success)), 200, true, "transport", "cut off"},
		{"with length: hangs up one byte before the end", says(success[:len(success)-1]), 200, true, "transport", "cut off"},
		{"with length: resets in the body", breaks(half(success)), 200, true, "transport", "reset"},
		{"with length: stops in the body", stops(half(success)), 200, true, "transport", "timeout"},
		{"with length: resets after the end", breaks(success), 200, false, "", ""},
		{"with length: hangs up in a fault", says(half(fault)), 500, true, "transport", "cut off"},
		{"with length: resets in a fault", breaks(half(fault)), 500, true, "transport", "reset"},
		{"with length: stops in a fault", stops(half(fault)), 500, true, "transport", "timeout"},
		{"with length: hangs up in a long body", says(half(answer("200 OK", long, "Connection: close"))), 200, true, "transport", "cut off"},
		{"with length: more follows than announced", says(success + "more than announced"), 200, false, "", ""},

		{"chunked: whole", says(chunkyHead + chunks(soapSuccess) + "0\r\n\r\n"), 200, false, "", ""},
		{"chunked: with extensions", says(chunkyHead + fmt.Sprintf("%x;a=\"b\";c\r\n%s\r\n0;end\r\n\r\n", len(soapSuccess), soapSuccess)), 200, false, "", ""},
		{"chunked: hangs up within a chunk's size", says(chunkyHead + chunks(soapSuccess[:100]) + "1"), 200, true, "transport", "cut off"},
		{"chunked: hangs up within a chunk", says(chunkyHead + chunks(soapSuccess)[:50]), 200, true, "transport", "cut off"},
		{"chunked: hangs up between chunks", says(chunkyHead + chunks(soapSuccess[:100])), 200, true, "transport", "cut off"},
		{"chunked: hangs up before the last chunk", says(chunkyHead + chunks(soapSuccess)), 200, true, "transport", "cut off"},
		{"chunked: hangs up after the last chunk, before the end", says(chunkyHead + chunks(soapSuccess) + "0\r\n"), 200, true, "transport", "cut off"},
		{"chunked: hangs up within the trailers", says(chunkyHead + chunks(soapSuccess) + "0\r\nX-Sum: 1"), 200, true, "transport", "cut off"},
		{"chunked: resets within the trailers", breaks(chunkyHead + chunks(soapSuccess) + "0\r\nX-Sum: 1\r\n"), 200, true, "transport", "reset"},
		{"chunked: stops within the trailers", stops(chunkyHead + chunks(soapSuccess) + "0\r\nX-Sum: 1\r\n"), 200, true, "transport", "timeout"},
		{"chunked: resets within a chunk", breaks(chunkyHead + chunks(soapSuccess)[:50]), 200, true, "transport", "reset"},
		{"chunked: stops between chunks", stops(chunkyHead + chunks(soapSuccess[:100])), 200, true, "transport", "timeout"},
		{"chunked: drips", drips(chunkyHead + chunks(soapSuccess[:50]) + chunks(soapSuccess[50:]) + "0\r\n\r\n"), 200, false, "", ""},
		{"chunked: drips, with trailers", drips(chunkyHead + chunks(soapSuccess) + "0\r\nX-Sum: 1\r\n\r\n"), 200, false, "", ""},
		{"chunked: hangs up in a fault", says("HTTP/1.1 500 x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(soapFault("20011"))), 500, true, "transport", "cut off"},
		{"chunked: size that is no number", says(chunkyHead + chunks(soapSuccess[:100]) + "zz\r\nabc\r\n0\r\n\r\n"), 200, true, "transport", ""},
		{"chunked: size that overflows", says(chunkyHead + chunks(soapSuccess[:100]) + "fffffffffffffffff\r\nabc\r\n0\r\n\r\n"), 200, true, "transport", ""},
		{"chunked: negative size", says(chunkyHead + chunks(soapSuccess[:100]) + "-5\r\nabc\r\n0\r\n\r\n"), 200, true, "transport", ""},
		{"chunked: chunk longer than its size", says(chunkyHead + "5\r\nabcdefgh\r\n0\r\n\r\n"), 200, true, "transport", ""},

		{"ended by closing: whole", says(okHead + "\r\n" + soapSuccess), 200, false, "", ""},
		{"ended by closing: half a document", says(okHead + "\r\n" + soapSuccess[:150]), 200, false, "malformed", ""},
		{"ended by closing: reset", breaks(okHead + "\r\n" + soapSuccess[:150]), 200, true, "transport", "reset"},
		{"ended by closing: stops", stops(okHead + "\r\n" + soapSuccess[:150]), 200, true, "transport", "timeout"},
		{"ended by closing: a fault", says("HTTP/1.0 500 x\r\nContent-Type: text/xml\r\n\r\n" + soapFault("20011")), 500, false, "fault", ""},

		{"gzip: whole", says(zipped(soapSuccess, nil)), 200, false, "", ""},
		{"gzip: hangs up in the body", says(half(zipped(soapSuccess, nil))), 200, true, "transport", "cut off"},
		{"gzip: whole by its length, but cut inside", says(zipped(soapSuccess, func(b []byte) []byte { return b[:len(b)/2] })), 200, false, "malformed", ""},
		{"gzip: wrong checksum", says(zipped(soapSuccess, func(b []byte) []byte { b[len(b)-6] ^= 1; return b })), 200, false, "malformed", ""},
		{"gzip: not gzip at all", says(strings.Replace(success, "\r\n\r\n", "\r\nContent-Encoding: gzip\r\n\r\n", 1)), 200, false, "malformed", ""},
		{"gzip: a fault", says(strings.Replace(zipped(soapFault("20011"), nil), "200 OK", "500 x", 1)), 500, false, "fault", ""},

		{"103 before the answer", says("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + success), 200, false, "", ""},
		{"100 that nobody asked for", says("HTTP/1.1 100 Continue\r\n\r\n" + success), 200, false, "", ""},
		{"1xx without end", after(endless("HTTP/1.1 102 Processing\r\n\r\n")), 502, false, "transport", ""},
		{"101 that nobody asked for", says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nanything"), 502, false, "transport", ""},
		{"HTTP/1.0", says("HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n" + soapSuccess), 200, false, "", ""},
		{"HTTP/0.9, a body alone", says(soapSuccess), 502, false, "transport", ""},
		{"HTTP/2 frames", says("\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\r\n\r\n"), 502, false, "transport", "protocol"},
		{"status that is no number", says("HTTP/1.1 abc OK\r\n\r\n"), 502, false, "transport", "protocol"},
		{"status of four digits", says("HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"), 502, false, "transport", "protocol"},
		{"head without end", after(endless("X-Filler: " + strings.Repeat("f", 1000) + "\r\n")), 502, false, "transport", "protocol"},
		{"header line without end", after(endless(strings.Repeat("f", 1000))), 502, false, "transport", "protocol"},
		{"two different lengths", says(okHead + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"), 502, false, "transport", "protocol"},
		{"negative length", says(okHead + "Content-Length: -1\r\n\r\nabcdef"), 502, false, "transport", "protocol"},
		{"length that is no number", says(okHead + "Content-Length: 5x\r\n\r\nabcdef"), 502, false, "transport", "protocol"},
		{"length that overflows", says(okHead + "Content-Length: 18446744073709551616\r\n\r\nabcdef"), 502, false, "transport", "protocol"},
		{"unknown transfer coding", says(okHead + "Transfer-Encoding: rot13\r\n\r\nabcdef"), 502, false, "transport", "protocol"},
		{"length and chunked: chunked counts", says(okHead + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(soapSuccess) + "0\r\n\r\n"), 200, false, "", ""},
		{"204 with a body", says("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nabcde"), 204, false, "", ""},
		{"200 with an empty body", says(okHead + "Content-Length: 0\r\n\r\n"), 200, false, "malformed", ""},
	}
}

// endless sends the beginning of a head and then the same piece until the proxy hangs up.
func endless(piece string) func(*exchange) bool {
	return func(x *exchange) bool {
		if !strings.HasPrefix(piece, "HTTP/") && !x.send("HTTP/1.1 200 OK\r\n") {
			return false
		}
		block := strings.Repeat(piece, max(1, 64<<10/len(piece)))
		for range 1 << 10 { // 64 MiB
			if !x.send(block) {
				return false
			}
		}
		x.m.t.Error("64 MiB of head were taken")
		return false
	}
}

// Each way for an answer to break, through a plain connection to a plain Marketo, and in a tunnel to one over TLS.
func TestAnswers(t *testing.T) {
	for _, over := range []string{"plain", "TLS"} {
		t.Run(over, func(t *testing.T) {
			t.Parallel()
			marketo := newMarketo(t, over == "TLS")
			srv := serve(t, programs.race, marketo, "--upstream-timeout=6s")
			d := srv.plain()
			if over == "TLS" {
				d = srv.tunnelled()
			}
			faults := answerFaults()
			runCases(t, len(faults), func(i int) {
				c := faults[i]
				marketo.set(c.name, c.does)
				g := d.call(post(c.name))
				if g.status != c.status || g.cut != c.cut {
					t.Errorf("%s: %s, want %s (%v)", c.name, g, outcomeText(c.status, c.cut), g.err)
				}
				if n := len(marketo.seen(c.name)); n != 1 {
					t.Errorf("%s: Marketo got %d requests", c.name, n)
				}
			})
			want := map[string]expected{}
			for _, c := range faults {
				want[c.name] = expected{c.outcome, c.reason}
			}
			srv.recorded(want)
			srv.clean()
		})
	}
}

// runCases runs them some at a time.
func runCases(t *testing.T, n int, run func(i int)) {
	t.Helper()
	var wg sync.WaitGroup
	free := make(chan struct{}, 16)
	for i := range n {
		free <- struct{}{}
		wg.Go(func() { defer func() { <-free }(); run(i) })
	}
	wg.Wait()
}

// expected is what is recorded of a call; without an outcome, nothing.
type expected struct{ outcome, reason string }

// recorded checks that each case's one call was counted and captured as expected, and no other.
func (s *server) recorded(want map[string]expected) {
	s.t.Helper()
	count := map[string]int{}
	for _, w := range want {
		if w.outcome != "" {
			count[w.outcome]++
		}
	}
	// That of an application which left comes after it.
	s.eventually("failures_total", func() (bool, string) {
		got := s.failures()
		return fmt.Sprint(got) == fmt.Sprint(count), fmt.Sprintf("%v, want %v\n%s", got, count, s.differences(want))
	})
	s.eventually("the captures", func() (bool, string) {
		d := s.differences(want)
		return d == "", d
	})
}

// differences tells what is captured otherwise than expected.
func (s *server) differences(want map[string]expected) string {
	s.t.Helper()
	var b strings.Builder
	all := s.captured()
	unnamed := all[""] // of calls that were never attempted: nothing of their requests is kept
	for name, w := range want {
		of := all[name]
		if w.outcome != "" && len(of) == 0 && len(unnamed) > 0 && unnamed[0].Outcome == w.outcome {
			of, unnamed = unnamed[:1], unnamed[1:]
		}
		switch {
		case w.outcome == "" && len(of) > 0:
			fmt.Fprintf(&b, "%s: captured as %s %s (%s)\n", name, of[0].Outcome, of[0].Code, of[0].Message)
		case w.outcome != "" && len(of) != 1:
			fmt.Fprintf(&b, "%s: %d captures, want one as %s\n", name, len(of), w.outcome)
		case w.outcome != "" && (of[0].Outcome != w.outcome || !strings.Contains(of[0].reason()+of[0].Message, w.reason)):
			fmt.Fprintf(&b, "%s: captured as %s (%s; %s), want %s (%s)\n", name, of[0].Outcome, of[0].reason(), of[0].Message, w.outcome, w.reason)
		}
	}
	return b.String()
}
