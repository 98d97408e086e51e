package main

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serveOnce answers the calls of one connection with these bytes, one after the other, and hangs up after the last.
func serveOnce(t *testing.T, answers ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		buffer := make([]byte, 1024)
		for _, answer := range answers {
			if _, err := conn.Read(buffer); err != nil {
				return
			}
			if _, err := io.WriteString(conn, answer); err != nil {
				return
			}
		}
	}()
	return l.Addr().String()
}

// Whatever is wrong with an answer, the client says so.
func TestClientSeesBrokenAnswers(t *testing.T) {
	body := "whole answer"
	want := message{Status: 200, Size: int64(len(body)), Sum: crc32.Checksum([]byte(body), castagnoli)}
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(body))
	for _, c := range []struct{ name, answer, wrong string }{
		{"whole", head + body, ""},
		{"in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nwhole \r\n6\r\nanswer\r\n0\r\n\r\n", ""},
		{"cut", head + body[:5], "body after 5 bytes"},
		{"cut in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nwhole \r\n", "body after 6 bytes"},
		{"without the last line", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nwhole \r\n6\r\nanswer\r\n0\r\n", "body after 12 bytes"},
		{"another byte", head + strings.ToUpper(body), "sum"},
		{"another status", strings.Replace(head, "200", "502", 1) + body, "status 502"},
		{"shorter", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole", "5 bytes"},
		{"no length", "HTTP/1.1 200 OK\r\n\r\n" + body, "without a length"},
		{"no HTTP", "whole answer\r\n", "status line"},
		{"nothing", "", "head"},
	} {
		cl := &client{address: serveOnce(t, c.answer)}
		_, _, err := cl.call([]byte("GET / HTTP/1.1\r\n\r\n"), want)
		cl.close()
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v, want %q", c.name, err, c.wrong)
		}
	}
}

// A connection serves many calls, and what is left of one answer would spoil the next.
func TestClientKeepsConnection(t *testing.T) {
	body := "answer"
	want := message{Status: 200, Size: int64(len(body)), Sum: crc32.Checksum([]byte(body), castagnoli)}
	answer := "HTTP/1.1 200 OK\r\ncontent-length:6\r\n\r\n" + body
	cl := &client{address: serveOnce(t, answer, answer, answer)}
	defer cl.close()
	for i := range 3 {
		if _, _, err := cl.call([]byte("x"), want); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	if _, _, err := cl.call([]byte("x"), want); err == nil {
		t.Error("a closed connection answered")
	}
}

// The upstream reads a request to its end, whatever its framing, before it answers.
func TestUpstreamReadsRequests(t *testing.T) {
	in := strings.NewReader("POST / HTTP/1.1\r\nX-Bench-Case: a\r\nContent-Length: 5\r\n\r\n12345" +
		"POST / HTTP/1.1\r\nx-bench-case: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n123\r\n0\r\nTrailer: x\r\n\r\n" +
		"GET / HTTP/1.1\r\nX-Bench-Case: none\r\n\r\n")
	var out bytes.Buffer
	err := answerAll(struct {
		io.Reader
		io.Writer
	}{in, &out}, map[string][]byte{"a": []byte("A"), "b": []byte("B")})
	if err != io.EOF || out.String() != "ABHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" {
		t.Errorf("%v, %q", err, out.String())
	}
}

// The two ends work together: a load against the upstream itself gets nothing wrong, and what it says adds up.
func TestLoad(t *testing.T) {
	b := &bench{dir: t.TempDir()}
	var err error
	if b.messages, err = writeContent(b.dir); err != nil {
		t.Fatal(err)
	}
	for name, about := range map[string]int64{caseSmall: 4 << 10, caseDownload: 10_000_000, caseFault: 500, caseUpload: 1 << 10} {
		if m := b.messages[name]; m.Size < about*8/10 || m.Size > about*14/10 {
			t.Errorf("%s has %d bytes", name, m.Size)
		}
	}
	for name, about := range map[string]int64{caseSmall: 2_000, caseUpload: 500_000} {
		if info, err := os.Stat(filepath.Join(b.dir, name+".request")); err != nil || info.Size() < about*9/10 || info.Size() > about*11/10 {
			t.Errorf("request %s: %v, %v", name, info, err)
		}
	}
	if err := writeCertificate(b.dir); err != nil {
		t.Fatal(err)
	}
	b.self = filepath.Join(b.dir, "bench")
	if err := build(context.Background(), b.self, "marketo-proxy/bench"); err != nil {
		t.Fatal(err)
	}
	stop, err := b.startUpstream(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	l := b.load(scenario{call: caseSmall, other: caseFault, every: 4, active: 3}, nil)
	l.Idle, l.Warm, l.Duration, l.PIDs = 5, 50*time.Millisecond, 200*time.Millisecond, []int{os.Getpid()}
	o, err := b.drive(context.Background(), l)
	if err != nil || o.Wrong > 0 || o.Calls == 0 || o.P50 <= 0 || o.P99 < o.P50 || o.First50 > o.P50 {
		t.Fatalf("%+v, %v", o, err)
	}
	if o.Faults < o.Calls/6 {
		t.Errorf("%d faults of at least %d calls, want a quarter", o.Faults, o.Calls)
	}
	l.Call.Sum++
	l.Idle = 0
	if o, err = b.drive(context.Background(), l); err != nil || o.Wrong == 0 || o.Reason == "" {
		t.Errorf("another answer than was wanted: %+v, %v", o, err)
	}
}

func TestRatios(t *testing.T) {
	round := func(p50, cpu time.Duration) outcome { return outcome{Calls: 1, P50: p50, CPU: cpu} }
	r := &report{calls: map[string]results{"64": {
		direct:       {round(1000, 0), round(2000, 0), round(1000, 0)},
		ours:         {round(3000, 4000), round(4000, 4000), round(9000, 90000)},
		reverseProxy: {round(5000, 8000), round(6000, 8000), round(5000, 8000)},
		nginx:        {round(2000, 2000), round(3000, 2000), round(500, 0)},
	}}}
	if own, ratio := r.over("64", cpuOf); own[ours] != 4 || ratio[reverseProxy] != 0.5 || ratio[nginx] != 2 {
		t.Errorf("CPU %v, %v", own, ratio)
	}
	if own, ratio := r.over("64", addedP50); own[ours] != 2 || ratio[reverseProxy] != 0.5 || ratio[nginx] != 2 {
		t.Errorf("added %v, %v", own, ratio)
	}
}

func TestFamilyAndMemory(t *testing.T) {
	pids, err := family(os.Getpid())
	if err != nil || pids[0] != os.Getpid() {
		t.Fatal(pids, err)
	}
	m, err := memoryOf(pids[:1])
	if err != nil || m.now <= 0 || m.peak < m.now {
		t.Errorf("%+v, %v", m, err)
	}
	before, err := cpuTime(pids[:1])
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 10*time.Second; {
		if after, err := cpuTime(pids[:1]); err != nil || after > before {
			return
		}
	}
	t.Error("ten seconds of work took no time")
}
