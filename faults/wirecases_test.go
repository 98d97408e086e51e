//go:build linux

package faults

import (
	"fmt"
	"strings"
	"time"
)

// Pieces of conversations.
const (
	get1    = "GET /rest/v1/leads.json HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n"
	get0    = "GET /rest/v1/leads.json HTTP/1.0\r\nX-Case: {case}\r\n"
	post1   = "POST /soap/mktows/3_1 HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n"
	post0   = "POST /soap/mktows/3_1 HTTP/1.0\r\nX-Case: {case}\r\n"
	nowhere = "POST /nowhere HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n"
	expects = "Expect: 100-continue\r\n"
	inParts = "Transfer-Encoding: chunked\r\n"
)

func wireCases() []wireCase {
	one := func(name, says string) wireCase { return wireCase{name: name, says: []step{say(says)}} }
	answered := func(name, says, answer string) wireCase {
		return wireCase{name, says1(answer), []step{say(says)}, ""}
	}
	plainOnly := func(c wireCase) wireCase { c.only = "reverse"; return c }
	waiting := after(func(x *exchange) bool { return x.silence() })
	later := after(func(x *exchange) bool {
		time.Sleep(300 * time.Millisecond)
		return x.send(answer("200 OK", restSuccess))
	})
	chunkedJSON := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(restSuccess)
	bare := func(status string, fields ...string) string {
		return "HTTP/1.1 " + status + "\r\n" + strings.Join(append(fields, "\r\n"), "\r\n")
	}
	unread := strings.Repeat("x", 1<<20)
	return []wireCase{
		// What calls look like when all is well.
		one("GET", get1+"\r\n"),
		one("GET with a body", get1+"Content-Length: 2\r\n\r\nab"),
		one("POST with a length", post1+"Content-Length: 2\r\n\r\nab"),
		one("POST without a body", post1+"\r\n"),
		one("POST of length 0", post1+"Content-Length: 0\r\n\r\n"),
		one("POST in chunks", post1+inParts+"\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"),
		one("POST in chunks with trailers", post1+inParts+"Trailer: X-Sum\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n"),
		one("PUT, DELETE, PATCH and OPTIONS in one write", strings.Replace(get1, "GET", "PUT", 1)+"Content-Length: 1\r\n\r\na"+strings.Replace(get1, "GET", "DELETE", 1)+"\r\n"+
			strings.Replace(get1, "GET", "PATCH", 1)+"Content-Length: 1\r\n\r\na"+strings.Replace(get1, "GET", "OPTIONS", 1)+"\r\n"),
		one("HEAD", strings.Replace(get1, "GET", "HEAD", 1)+"\r\n"),
		one("HEAD, then GET in one write", strings.Replace(get1, "GET", "HEAD", 1)+"\r\n"+get1+"\r\n"),
		plainOnly(one("HEAD of what is nowhere", "HEAD /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")),
		plainOnly(one("OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")),
		plainOnly(one("OPTIONS * with a body", "OPTIONS * HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab")),
		one("Connection: close", get1+"Connection: close\r\n\r\n"),
		one("Connection: Close among others, on two lines", get1+"Connection: X-A\r\nConnection: keep-alive , CLOSE\r\n\r\n"),
		one("Connection: keep-alive", get1+"Connection: keep-alive\r\n\r\n"),
		one("Upgrade", get1+"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
		one("CR LF behind a POST", post1+"Content-Length: 2\r\n\r\nab\r\n"),
		one("two CR LF behind a POST", post1+"Content-Length: 2\r\n\r\nab\r\n\r\n"+get1+"\r\n"),
		one("CR LF behind a GET", get1+"\r\n\r\n"),

		// Answers of each shape.
		answered("204", get1+"\r\n", bare("204 No Content", "X-A: b")),
		answered("304 with a length", get1+"\r\n", bare("304 Not Modified", "Content-Length: 5", "ETag: \"x\"")),
		answered("205", post1+"Content-Length: 0\r\n\r\n", bare("205 Reset Content", "Content-Length: 0")),
		answered("200 of length 0", get1+"\r\n", bare("200 OK", "Content-Length: 0")),
		answered("another reason", get1+"\r\n", strings.Replace(answer("200 OK", restSuccess), "OK", "Very Well, Thanks", 1)),
		answered("no reason", get1+"\r\n", strings.Replace(answer("200 OK", restSuccess), " OK", "", 1)),
		answered("status 299", get1+"\r\n", answer("299 x", restSuccess)),
		answered("status 599", get1+"\r\n", answer("599 x", restSuccess)),
		answered("a Date, Server and Cookies of Marketo", get1+"\r\n", answer("200 OK", restSuccess, "Set-Cookie: b=1", "Server: nginx", "Date: Mon, 01 Jan 2001 00:00:00 GMT", "set-cookie: a=2")),
		answered("no Content-Type", get1+"\r\n", bare("200 OK", "Content-Length: 2")+"{}"),
		answered("an empty field, spaces around a value, names in odd case", get1+"\r\n", answer("200 OK", restSuccess, "x-EMPTY:", "x-sPaces: \t a  b \t")),
		answered("fields of one connection", get1+"\r\n", answer("200 OK", restSuccess, "Connection: X-Hop, keep-alive", "X-Hop: 1", "Keep-Alive: timeout=5", "Upgrade: h2c", "Trailer: X")),
		answered("chunks", get1+"\r\n", chunkedJSON+"0\r\n\r\n"),
		answered("chunks and trailers", get1+"\r\n", strings.Replace(chunkedJSON, "\r\n", "\r\nTrailer: X-Sum\r\n", 1)+"0\r\nX-Sum: 1\r\n\r\n"),
		answered("chunks, asked for with HEAD", strings.Replace(get1, "GET", "HEAD", 1)+"\r\n", bare("200 OK", "Transfer-Encoding: chunked")),
		answered("a length, asked for with HEAD", strings.Replace(get1, "GET", "HEAD", 1)+"\r\n", bare("200 OK", "Content-Length: 12345")),
		{"ended by closing", says(okHead + "\r\n" + restSuccess), []step{say(get1 + "\r\n")}, ""},
		{"100 and 103 before the answer", says1("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer("200 OK", restSuccess)), []step{say(get1 + "\r\n")}, ""},
		answered("a fault", post1+"Content-Length: 2\r\n\r\nab", answer("500 Internal Server Error", soapFault("20011"))),
		answered("a fault in chunks", post1+"Content-Length: 2\r\n\r\nab", "HTTP/1.1 500 x\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"+chunks(soapFault("20011"))+"0\r\n\r\n"),
		answered("a fault, asked for with HEAD", strings.Replace(get1, "GET", "HEAD", 1)+"\r\n", bare("500 x", "Content-Length: 9")),
		answered("a partial failure", post1+"Content-Length: 2\r\n\r\nab", answer("200 OK", `{"requestId":"1","success":true,"result":[{"status":"skipped"}]}`)),

		// HTTP/1.0.
		one("HTTP/1.0: GET", get0+"\r\n"),
		one("HTTP/1.0: GET that keeps the connection", get0+"Connection: keep-alive\r\n\r\n"),
		one("HTTP/1.0: POST that keeps the connection", post0+"Connection: Keep-Alive\r\nContent-Length: 2\r\n\r\nab"),
		one("HTTP/1.0: POST without a length", post0+"\r\nab"),
		one("HTTP/1.0: HEAD", strings.Replace(get0, "GET", "HEAD", 1)+"\r\n"),
		one("HTTP/1.0: Expect", post0+expects+"Content-Length: 2\r\n\r\nab"),
		one("HTTP/1.0: with a Host", get0+"Host: {host}\r\n\r\n"),
		answered("HTTP/1.0: chunks", get0+"\r\n", chunkedJSON+"0\r\n\r\n"),
		answered("HTTP/1.0: chunks, where the connection should be kept", get0+"Connection: keep-alive\r\n\r\n", chunkedJSON+"0\r\n\r\n"),
		answered("HTTP/1.0: 204, where the connection should be kept", get0+"Connection: keep-alive\r\n\r\n", bare("204 No Content")),
		answered("HTTP/1.0: a fault", post0+"Content-Length: 2\r\n\r\nab", answer("500 x", soapFault("20011"))),
		{"HTTP/1.0: cut chunks", says(chunkedJSON), []step{say(get0 + "\r\n")}, ""},

		// Expect: 100-continue.
		{"Expect: gets 100, sends", nil, []step{say(post1 + expects + "Content-Length: 2\r\n\r\n"), hears("100"), pause, say("ab")}, ""},
		{"Expect: gets 100, sends chunks", nil, []step{say(post1 + expects + inParts + "\r\n"), hears("100"), pause, say("2\r\nab\r\n0\r\n\r\n")}, ""},
		one("Expect: sends at once", post1+expects+"Content-Length: 2\r\n\r\nab"),
		one("Expect: no body", post1+expects+"Content-Length: 0\r\n\r\n"),
		one("Expect: in capitals", post1+"Expect: 100-CONTINUE\r\nContent-Length: 2\r\n\r\nab"),
		one("Expect: twice", post1+expects+expects+"Content-Length: 2\r\n\r\nab"),
		one("Expect: something else", post1+"Expect: x\r\nContent-Length: 2\r\n\r\nab"),
		{"Expect: gets 100 and stays, then two more calls", nil, []step{say(post1 + expects + "Content-Length: 2\r\n\r\n"), hears("100"), say("ab"), reached(1),
			say(get1 + "\r\n" + post1 + expects + "Content-Length: 1\r\n\r\na")}, ""},
		{"Expect: Marketo answers early", func(x *exchange) bool { x.send(answer("401 Unauthorized", "no", "Connection: close")); return false }, []step{
			say(post1 + expects + "Content-Length: 100000\r\n\r\n")}, ""},
		plainOnly(one("Expect: nowhere", nowhere+expects+"Content-Length: 2\r\n\r\n")),
		plainOnly(one("Expect: nowhere, sends at once", nowhere+expects+"Content-Length: 2\r\n\r\nab")),
		{"Expect: half-closes in place of sending", nil, []step{say(post1 + expects + "Content-Length: 2\r\n\r\n"), hears("100"), halfCloses}, ""},

		// Early answers, bodies that nobody reads.
		plainOnly(one("refused, with a short body", nowhere+"Content-Length: 2\r\n\r\nab")),
		plainOnly(one("refused, with a short body in chunks", nowhere+inParts+"\r\n2\r\nab\r\n0\r\nX: y\r\n\r\n")),
		plainOnly(one("refused, with a body of 200,000 bytes", nowhere+"Content-Length: 200000\r\n\r\n"+unread[:200000])),
		plainOnly(one("refused, with a body of a megabyte", nowhere+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(unread))+unread)),
		plainOnly(one("refused, with a broken body", nowhere+inParts+"\r\nzz\r\n")),
		plainOnly(wireCase{"refused, and the body comes later", nil, []step{say(nowhere + "Content-Length: 4\r\n\r\nab"), pause, say("cd")}, ""}),
		plainOnly(one("refused, absolute form", "POST http://evil.example/rest/x HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\nab")),
		{"answered early, and the rest never comes", partly(1000, func(x *exchange) bool {
			x.send(answer("413 Payload Too Large", "too large", "Connection: close"))
			_ = x.raw.CloseWrite()
			return x.silence()
		}), []step{say(post1 + "Content-Length: 1048576\r\n\r\n" + unread[:200000])}, ""},

		// No answer, and cut ones.
		{"Marketo hangs up", says(""), []step{say(post1 + "Content-Length: 2\r\n\r\nab")}, ""},
		{"Marketo hangs up on REST", after(func(x *exchange) bool { return false }), []step{say(strings.Replace(get1, "GET", "POST", 1) + "Content-Length: 2\r\n\r\n{}")}, ""},
		{"Marketo speaks no HTTP, asked with HEAD", says("nonsense\r\n\r\n"), []step{say(strings.Replace(get1, "GET", "HEAD", 1) + "\r\n")}, ""},
		{"Marketo speaks no HTTP, on HTTP/1.0", says("nonsense\r\n\r\n"), []step{say(post0 + "Connection: keep-alive\r\nContent-Length: 2\r\n\r\nab")}, ""},
		{"cut, with a length", says(half(answer("200 OK", soapSuccess, "Connection: close"))), []step{say(post1 + "Content-Length: 2\r\n\r\nab")}, ""},
		{"cut, in chunks", says(chunkedJSON), []step{say(get1 + "\r\n")}, ""},
		{"cut, with a call behind in one write", says(chunkedJSON), []step{say(get1 + "\r\n" + get1 + "\r\n")}, ""},
		{"cut fault", says(half(answer("500 x", soapFault("20011"), "Connection: close"))), []step{say(post1 + "Content-Length: 2\r\n\r\nab")}, ""},

		// Calls behind calls.
		{"the next call comes while one waits", later, []step{say(get1 + "\r\n"), reached(1), say(get1 + "\r\n")}, ""},
		{"half of the next call comes while one waits", later, []step{say(get1 + "\r\n"), reached(1), say(get1[:30]), pause, say(get1[30:] + "\r\n")}, ""},
		{"a byte of the next call comes while one waits", later, []step{say(get1 + "\r\n"), reached(1), say("G"), hears(restSuccess), say(get1[1:] + "\r\n")}, ""},
		one("GET, POST, broken, GET in one write", get1+"\r\n"+post1+"Content-Length: 2\r\n\r\nab"+"BROKEN\r\n\r\n"+get1+"\r\n"),
		one("GET, then Connection: close, then GET in one write", get1+"\r\n"+get1+"Connection: close\r\n\r\n"+get1+"\r\n"),
		plainOnly(one("GET, nowhere, GET in one write", get1+"\r\n"+nowhere+"Content-Length: 2\r\n\r\nab"+get1+"\r\n")),

		// Clients that end what they say.
		{"half-closes at once", nil, []step{halfCloses}, ""},
		{"half-closes after a call", nil, []step{say(get1 + "\r\n"), hears(restSuccess), halfCloses}, ""},
		{"half-closes within the request line", nil, []step{say("GET /re"), pause, halfCloses}, ""},
		{"half-closes within the head", nil, []step{say(post1), pause, halfCloses}, ""},
		{"half-closes within a short body", nil, []step{say(post1 + "Content-Length: 4\r\n\r\nab"), pause, halfCloses}, ""},
		{"half-closes within a chunk", nil, []step{say(post1 + inParts + "\r\n4\r\nab"), pause, halfCloses}, ""},
		{"half-closes before the last chunk", nil, []step{say(post1 + inParts + "\r\n2\r\nab\r\n"), pause, halfCloses}, ""},
		{"half-closes within the trailers", nil, []step{say(post1 + inParts + "\r\n2\r\nab\r\n0\r\nX: y\r\n"), pause, halfCloses}, ""},
		{"half-closes while a call waits", waiting, []step{say(get1 + "\r\n"), reached(1), halfCloses}, ""},
		{"half-closes within a second head", nil, []step{say(get1 + "\r\n" + get1), hears(restSuccess), halfCloses}, ""},

		// What is no request.
		one("an empty line", "\r\n"+get1+"\r\n"),
		one("nonsense", "nonsense\r\n\r\n"),
		one("a bad version", "GET /rest/x HTTP/1.x\r\nHost: x\r\n\r\n"),
		one("HTTP/2.0", "GET /rest/x HTTP/2.0\r\nHost: x\r\n\r\n"),
		one("no Host", "GET /rest/x HTTP/1.1\r\n\r\n"),
		one("a bad Host", "GET /rest/x HTTP/1.1\r\nHost: a b\r\n\r\n"),
		one("a bad field", "GET /rest/x HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n"),
		one("a bad value", "GET /rest/x HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n"),
		one("a bad length", post1+"Content-Length: x\r\n\r\nab"),
		one("a bad chunk", post1+inParts+"\r\nzz\r\nab\r\n0\r\n\r\n"),
		one("a coding nobody knows", post1+"Transfer-Encoding: gzip\r\n\r\nab"),
		one("a head of 100 KiB", get1+"X: "+strings.Repeat("x", 100<<10)+"\r\n\r\n"),
		one("a line of 100 KiB", "GET /rest/"+strings.Repeat("x", 100<<10)),
		one("a body behind a head that is refused", "POST /rest/x HTTP/1.1\r\nContent-Length: 100000\r\n\r\n"+unread[:100000]),
		{"plain HTTP on the listener over TLS", nil, []step{say(get1 + "\r\n")}, "plain on tls-listen"},

		// Tunnels.
		plainOnly(wireCase{"CONNECT", nil, []step{say("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n"), hears("\r\n\r\n"), halfCloses}, ""}),
		plainOnly(wireCase{"CONNECT in HTTP/1.0", nil, []step{say("CONNECT {host}:443 HTTP/1.0\r\n\r\n"), hears("\r\n\r\n"), halfCloses}, ""}),
		plainOnly(wireCase{"CONNECT, kept alive", nil, []step{
			say("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\nProxy-Connection: keep-alive\r\nConnection: keep-alive\r\n\r\n"), hears("\r\n\r\n"), halfCloses}, ""}),
		plainOnly(wireCase{"CONNECT behind a call", nil, []step{say(get1 + "\r\n"), hears(restSuccess),
			say("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n"), hears("established\r\n\r\n"), halfCloses}, ""}),
		plainOnly(wireCase{"CONNECT, then what is no TLS", nil, []step{say("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n"), hears("\r\n\r\n"), say("nonsense\r\n\r\n")}, ""}),
		plainOnly(one("CONNECT refused", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n")),
		{"CONNECT in a tunnel", nil, []step{say("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n")}, "intercepted"},
	}
}

// says1 answers, and keeps the connection.
func says1(s string) script { return after(func(x *exchange) bool { return x.send(s) }) }
