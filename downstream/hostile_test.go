package downstream_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const (
	post = "POST /soap HTTP/1.1\r\nHost: x\r\n"
	get  = "GET /rest HTTP/1.1\r\nHost: x\r\n"
	next = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
)

// hostile is what clients send to make two parsers disagree. The statuses are ours.
var hostile = []struct {
	name, raw string
	statuses  []int
}{
	{"two", get + "\r\n" + next, []int{200, 200}},
	{"CL and TE", post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n" + next, []int{200}},
	{"CL and TE: a request behind", post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next, []int{200}},
	{"TE and CL", post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2a\r\n" + next + "0\r\n\r\n", []int{200}},
	{"TE twice", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next, []int{501}},
	{"TE: list", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + next, []int{501}},
	{"TE: unknown", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + next, []int{501}},
	{"TE: identity", post + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nab" + next, []int{501}},
	{"TE: with a Kelvin sign", post + "Transfer-Encoding: chun\u212aed\r\n\r\n0\r\n\r\n" + next, []int{501}},
	{"TE: vertical tab", post + "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + next, []int{400}},
	{"TE: form feed behind", post + "Transfer-Encoding: chunked\x0c\r\n\r\n0\r\n\r\n" + next, []int{400}},
	{"TE: space before the colon", post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + next, []int{400}},
	{"TE: goes on with another field", post + "X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + next, []int{200, 200}},
	{"TE: folded", post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + next, []int{200, 200}},
	{"TE: behind a bare CR", post + "X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + next, []int{400}},
	{"TE: behind a bare LF", post + "X-A: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next, []int{200, 200}},
	{"TE: in HTTP/1.0", "POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next, []int{200}},

	{"CL: twice the same", post + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab" + next, []int{200, 200}},
	{"CL: twice, different", post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc" + next, []int{400}},
	{"CL: list", post + "Content-Length: 2, 2\r\n\r\nab" + next, []int{400}},
	{"CL: +5", post + "Content-Length: +5\r\n\r\nabcde" + next, []int{400}},
	{"CL: -1", post + "Content-Length: -1\r\n\r\n" + next, []int{400}},
	{"CL: 0x5", post + "Content-Length: 0x5\r\n\r\nabcde" + next, []int{400}},
	{"CL: 1_0", post + "Content-Length: 1_0\r\n\r\nabcdeabcde" + next, []int{400}},
	{"CL: 1 2", post + "Content-Length: 1 2\r\n\r\nabcde" + next, []int{400}},
	{"CL: empty", post + "Content-Length:\r\n\r\n" + next, []int{400}},
	{"CL: overflows", post + "Content-Length: 18446744073709551621\r\n\r\nabcde" + next, []int{400}},
	{"CL: leading zeros", post + "Content-Length: 0005\r\n\r\nabcde" + next, []int{200, 200}},
	{"CL: on a GET", get + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(next)) + next, []int{200}},
	{"CL: more than comes", post + "Content-Length: 5\r\n\r\nabc", []int{200}},
	{"no length on a POST", post + "\r\n" + next, []int{200, 200}},

	{"chunks", post + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n03\r\ncde\r\n0\r\n\r\n" + next, []int{200, 200}},
	{"chunk: extensions", post + "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nab\r\n0;c\r\n\r\n" + next, []int{200, 200}},
	{"chunk: spaces behind the size", post + "Transfer-Encoding: chunked\r\n\r\n2 \t\r\nab\r\n0\r\n\r\n" + next, []int{200, 200}},
	{"chunk: spaces before the extension", post + "Transfer-Encoding: chunked\r\n\r\n2 ;a\r\nab\r\n0\r\n\r\n" + next, []int{200}},
	{"chunk: extension with a bare LF", post + "Transfer-Encoding: chunked\r\n\r\n2;a\nab\r\n0\r\n\r\n" + next, []int{200}},
	{"chunk: extension with a bare CR", post + "Transfer-Encoding: chunked\r\n\r\n2;a\rb\r\nab\r\n0\r\n\r\n" + next, []int{200}},
	{"chunk: 0x2", post + "Transfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n" + next, []int{200}},
	{"chunk: +2", post + "Transfer-Encoding: chunked\r\n\r\n+2\r\nab\r\n0\r\n\r\n" + next, []int{200}},
	{"chunk: space before", post + "Transfer-Encoding: chunked\r\n\r\n 2\r\nab\r\n0\r\n\r\n" + next, []int{200}},
	{"chunk: empty size", post + "Transfer-Encoding: chunked\r\n\r\n\r\nab\r\n0\r\n\r\n" + next, []int{200}},
	{"chunk: overflows", post + "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\nab\r\n0\r\n\r\n" + next, []int{200}},
	{"chunk: longer than its size", post + "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n" + next, []int{200}},
	{"chunk: ended by a bare LF", post + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\n0\r\n\r\n" + next, []int{200}},
	{"chunk: ended by other bytes", post + "Transfer-Encoding: chunked\r\n\r\n2\r\nabXX0\r\n\r\n" + next, []int{200}},
	{"chunk: size ended by a bare LF", post + "Transfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n" + next, []int{200}},
	{"chunk: the last ended by a bare LF", post + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\n\r\n" + next, []int{200}},
	{"chunk: many with a byte each", post + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("x", 100)+"\r\na\r\n", 300) + "0\r\n\r\n" + next, []int{200}},
	{"trailer", post + "Trailer: X-A\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-A: b\r\n\r\n" + next, []int{200, 200}},
	{"trailer: not announced", post + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-A: b\r\n\r\n" + next, []int{200, 200}},
	{"trailer: Host", post + "Trailer: Host\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: evil\r\n\r\n" + next, []int{400}},
	{"trailer: Transfer-Encoding announced", post + "Trailer: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next, []int{400}},
	{"trailer: space before the colon", post + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX : y\r\n\r\n" + next, []int{200}},
	{"trailer: a bare LF", post + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: y\n\r\n" + next, []int{200}},
	{"trailer: more bare LFs", post + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: y\n\n" + next, []int{200}},

	{"bare LF everywhere", "GET / HTTP/1.1\nHost: x\n\n" + next, []int{200, 200}},
	{"CRLF before a request", "\r\n" + next, []int{400}},
	{"CRLF behind a GET", get + "\r\n\r\n" + next, []int{200, 400}},
	{"CRLF behind a POST", post + "Content-Length: 2\r\n\r\nab\r\n" + next, []int{200, 200}},
	{"four line ends behind a POST", post + "Content-Length: 2\r\n\r\nab\r\n\n\r" + next, []int{200, 200}},
	{"five line ends behind a POST", post + "Content-Length: 2\r\n\r\nab\n\n\n\n\n" + next, []int{200, 400}},
	{"folded", get + "X-A: a\r\n b\r\n\tc\r\n\r\n" + next, []int{200, 200}},
	{"folded with an empty line", get + "X-A: a\r\n \r\n\r\n" + next, []int{200, 200}},
	{"first field folded", "GET / HTTP/1.1\r\n X: y\r\nHost: x\r\n\r\n" + next, []int{400}},
	{"NUL in a value", get + "X-A: a\x00b\r\n\r\n" + next, []int{400}},
	{"CR in a value", get + "X-A: a\rb\r\n\r\n" + next, []int{400}},
	{"two CRs end a line", get + "X-A: a\r\r\n\r\n" + next, []int{400}},
	{"two CRs end a head", get + "\r\r\n\r\n" + next, []int{400}},
	{"bytes above 127 in a value", get + "X-A: \xe9\xff\r\n\r\n" + next, []int{200, 200}},
	{"empty name", get + ": x\r\n\r\n" + next, []int{400}},
	{"name with a space", get + "X A: x\r\n\r\n" + next, []int{400}},
	{"name above 127", get + "X\xe9: x\r\n\r\n" + next, []int{400}},
	{"line without a colon", get + "nothing\r\n\r\n" + next, []int{400}},
	{"head of 60 KiB", get + "X-A: " + strings.Repeat("a", 60<<10) + "\r\n\r\n" + next, []int{200, 200}},
	{"head of 100 KiB", get + "X-A: " + strings.Repeat("a", 100<<10) + "\r\n\r\n" + next, []int{431}},
	{"path of 100 KiB", "GET /" + strings.Repeat("a", 100<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n" + next, []int{431}},

	{"two hosts", get + "Host: y\r\n\r\n" + next, []int{400}},
	{"no host", "GET / HTTP/1.1\r\n\r\n" + next, []int{400}},
	{"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n" + next, []int{200, 200}},
	{"no host in HTTP/1.0", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + next, []int{200, 200}},
	{"host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n" + next, []int{400}},
	{"absolute form", "GET http://y/a?b HTTP/1.1\r\nHost: x\r\n\r\n" + next, []int{200, 200}},
	{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n" + next, []int{200, 200}},
	{"authority form", "CONNECT y:443 HTTP/1.1\r\nHost: x\r\n\r\n" + next, []int{200, 200}},
	{"authority form of a GET", "GET y:443 HTTP/1.1\r\nHost: x\r\n\r\n" + next, []int{200, 200}},
	{"no slash", "GET a HTTP/1.1\r\nHost: x\r\n\r\n" + next, []int{400}},
	{"broken escape", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n" + next, []int{400}},
	{"bare CR in the path", "GET /a\rb HTTP/1.1\r\nHost: x\r\n\r\n" + next, []int{400}},
	{"space in the path", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n" + next, []int{400}},
	{"odd method", "G@T / HTTP/1.1\r\nHost: x\r\n\r\n" + next, []int{400}},
	{"no method", " / HTTP/1.1\r\nHost: x\r\n\r\n" + next, []int{400}},
	{"method unknown", "BREW / HTTP/1.1\r\nHost: x\r\n\r\n" + next, []int{200, 200}},

	{"HTTP/0.9", "GET /\r\n", []int{400}},
	{"HTTP/1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n" + next, []int{200, 200}},
	{"HTTP/2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n" + next, []int{505}},
	{"HTTP/1.10", "GET / HTTP/1.10\r\nHost: x\r\n\r\n" + next, []int{400}},
	{"http/1.1", "GET / http/1.1\r\nHost: x\r\n\r\n" + next, []int{400}},
	{"preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + next, []int{505}},
	{"upgrade", get + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + next, []int{200, 200}},
	{"HTTP/1.0 keeps nothing", "GET / HTTP/1.0\r\n\r\n" + next, []int{200}},
	{"close", get + "Connection: x, CLOSE\r\n\r\n" + next, []int{200}},
	{"close, with a long s", get + "Connection: clo\u017fe\r\n\r\n" + next, []int{200, 200}},
	{"Connection names Content-Length", post + "Connection: Content-Length\r\nContent-Length: 2\r\n\r\nab" + next, []int{200, 200}},
	{"pragma", get + "Pragma: no-cache\r\n\r\n" + next, []int{200, 200}},
	{"expects", post + "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\nab" + next, []int{100, 200, 200}},
	{"expects nothing that comes", post + "Expect: 100-continue\r\n\r\n" + next, []int{200, 200}},
	{"expects in HTTP/1.0", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab", []int{200}},
	{"expects something else", get + "Expect: 200-ok\r\n\r\n" + next, []int{417}},
}

// TestHostileRequests sends what makes parsers disagree, whole and in pieces: net/http sees the same requests, and the answers are
// those of the table.
func TestHostileRequests(t *testing.T) {
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			for seed := range uint64(3) {
				for mode := range readModes {
					compare(t, []byte(h.raw), seed, mode)
				}
				if got := play(t, ours, []byte(h.raw), seed, readAll); !slices.Equal(got.statuses, h.statuses) {
					t.Errorf("in pieces %d: got %d, want %d", seed, got.statuses, h.statuses)
				}
			}
		})
	}
}

// FuzzLikeNetHTTP holds what we make of any bytes to what net/http makes of them.
func FuzzLikeNetHTTP(f *testing.F) {
	for _, h := range hostile {
		if len(h.raw) < 10<<10 {
			f.Add([]byte(h.raw), uint64(0), uint8(0))
			f.Add([]byte(h.raw), uint64(1), uint8(1))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, seed uint64, mode uint8) {
		if len(raw) < 32<<10 { // near the bounds on heads, net/http depends on how its buffer happens to fill
			compare(t, raw, seed, int(mode)%readModes)
		}
	})
}
