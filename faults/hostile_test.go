//go:build linux

package faults

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// A hostileRequest is what a client sends to confuse two parsers about where a request ends, or where it goes.
type hostileRequest struct {
	name    string
	bytes   string // {case} is the name of the case, {host} a host that is served
	answers string // statuses, in order; then "closed" if the connection must end
	reaches string // what Marketo gets, as "METHOD target body", | between; empty: nothing
}

// Parts of requests. Each names its case, so that Marketo's side can tell.
const (
	soapPost = "POST /soap/mktows/3_1 HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n"
	restGet  = "GET /rest/v1/leads.json HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n"
	smuggled = "GET /rest/smuggled HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n"

	gotPost = "POST /soap/mktows/3_1 "
	gotGet  = "GET /rest/v1/leads.json "
	gotMore = "GET /rest/smuggled "
)

func hostileRequests() []hostileRequest {
	many := func(n int, line string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, line, i)
		}
		return b.String()
	}
	return []hostileRequest{
		// Two lengths.
		{"CL.TE: chunked counts", soapPost + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "200 closed", gotPost + "ab"}, // as RFC 9112 section 6.1 wants
		{"CL.TE: with a whole request behind", soapPost + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "200 closed", gotPost},
		{"TE.CL", soapPost + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + chunks(smuggledBody) + "0\r\n\r\n", "200 closed", gotPost + smuggledBody},
		{"TE.TE: unknown coding after chunked", soapPost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", "501 closed", ""},
		{"TE.TE: chunked twice", soapPost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "501 closed", ""},
		{"TE: list", soapPost + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501 closed", ""},
		{"TE: xchunked", soapPost + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501 closed", ""},
		{"TE: identity", soapPost + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nab", "501 closed", ""},
		{"TE: quoted", soapPost + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "501 closed", ""},
		{"TE: vertical tab", soapPost + "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", "400 closed", ""},
		{"TE: form feed behind", soapPost + "Transfer-Encoding: chunked\x0c\r\n\r\n0\r\n\r\n", "400 closed", ""},
		{"TE: space before the colon", soapPost + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400 closed", ""},
		{"TE: tab before the colon", soapPost + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", "400 closed", ""},
		{"TE: on a line that goes on with another field", soapPost + "X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", "200", gotPost + "0\r\n\r\n"},
		{"TE: on a folded line", soapPost + "Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", "200 closed", gotPost},
		{"TE: hidden behind a bare CR", soapPost + "X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", "400 closed", ""},
		{"TE: behind a bare LF, which ends a line", soapPost + "X-A: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "200 200", gotPost + "|" + gotMore},
		{"TE: in HTTP/1.0", "POST /soap/mktows/3_1 HTTP/1.0\r\nX-Case: {case}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "200 closed", gotPost},
		{"TE: upper case", soapPost + "TRANSFER-ENCODING: CHUNKED\r\n\r\n2\r\nab\r\n0\r\n\r\n", "200", gotPost + "ab"},
		{"TE: empty", soapPost + "Transfer-Encoding:\r\nContent-Length: 2\r\n\r\nab", "501 closed", ""},
		{"TE: a comma behind", soapPost + "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", "501 closed", ""},
		{"TE: a parameter", soapPost + "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", "501 closed", ""},
		{"TE: spaces and tabs around", soapPost + "Transfer-Encoding: \t chunked \t\r\n\r\n2\r\nab\r\n0\r\n\r\n", "200", gotPost + "ab"},
		{"TE: on a GET, with a request behind", restGet + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "200 200", gotGet + "|" + gotMore},
		{"TE: in HTTP/1.0, with a length", "POST /soap/mktows/3_1 HTTP/1.0\r\nX-Case: {case}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n", "200 closed", gotPost + "0\r\n\r\n"},

		{"CL: twice the same", soapPost + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", "200", gotPost + "ab"},
		{"CL: twice, different", soapPost + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc", "400 closed", ""},
		{"CL: list of the same", soapPost + "Content-Length: 2, 2\r\n\r\nab", "400 closed", ""},
		{"CL: +5", soapPost + "Content-Length: +5\r\n\r\nabcde", "400 closed", ""},
		{"CL: -1", soapPost + "Content-Length: -1\r\n\r\n", "400 closed", ""},
		{"CL: 0x5", soapPost + "Content-Length: 0x5\r\n\r\nabcde", "400 closed", ""},
		{"CL: 5.0", soapPost + "Content-Length: 5.0\r\n\r\nabcde", "400 closed", ""},
		{"CL: 1 2", soapPost + "Content-Length: 1 2\r\n\r\nabcde", "400 closed", ""},
		{"CL: 1e1", soapPost + "Content-Length: 1e1\r\n\r\nabcde", "400 closed", ""},
		{"CL: empty", soapPost + "Content-Length:\r\n\r\n", "400 closed", ""},
		{"CL: overflows", soapPost + "Content-Length: 18446744073709551621\r\n\r\nabcde", "400 closed", ""},
		{"CL: leading zeros", soapPost + "Content-Length: 0005\r\n\r\nabcde", "200", gotPost + "abcde"},
		{"CL: spaces and tabs around", soapPost + "Content-Length: \t 2 \t\r\n\r\nab", "200", gotPost + "ab"},
		{"CL: twice the same, written otherwise", soapPost + "Content-Length: 2\r\nContent-Length: 02\r\n\r\nab", "400 closed", ""},
		{"CL: underscores", soapPost + "Content-Length: 1_0\r\n\r\n0123456789", "400 closed", ""},
		{"CL: digits of another script", soapPost + "Content-Length: \u0665\r\n\r\nabcde", "400 closed", ""},
		{"CL: in another case and written with an underscore", soapPost + "Content_Length: 5\r\ncontent-length: 2\r\n\r\nab", "200", gotPost + "ab"},
		{"CL: on HEAD", "HEAD /rest/v1/leads.json HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\nContent-Length: 2\r\n\r\nab", "200", "HEAD /rest/v1/leads.json ab"},
		{"CL: on a GET, with a request as body", restGet + "Content-Length: " + fmt.Sprint(len(smuggledBody)) + "\r\n\r\n" + smuggledBody, "200", gotGet + smuggledBody},
		{"no length on a POST, with a request behind", soapPost + "\r\n" + smuggled, "200 200", gotPost + "|" + gotMore},

		// Chunks.
		{"chunk extension", soapPost + "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nab\r\n0;c\r\n\r\n", "200", gotPost + "ab"},
		{"chunk extension of 20,000 bytes", soapPost + "Transfer-Encoding: chunked\r\n\r\n2;" + strings.Repeat("a", 20000) + "\r\nab\r\n0\r\n\r\n", "499 closed", ""},
		{"chunk extensions of 100 bytes on each of 1,000 chunks of a byte", soapPost + "Transfer-Encoding: chunked\r\n\r\n" + many(1000, "1;"+strings.Repeat("a", 98)+"%.0d\r\nx\r\n") + "0\r\n\r\n", "499 closed", ""},
		{"chunk extension with a quoted line end", soapPost + "Transfer-Encoding: chunked\r\n\r\n2;a=\"\r\n\"\r\nab\r\n0\r\n\r\n", "499 closed", ""},
		{"chunk extension with a bare CR", soapPost + "Transfer-Encoding: chunked\r\n\r\n2;a\rb\r\nab\r\n0\r\n\r\n", "499 closed", ""},
		{"chunk size in capitals, with leading zeros", soapPost + "Transfer-Encoding: chunked\r\n\r\n00A\r\n0123456789\r\n000\r\n\r\n", "200", gotPost + "0123456789"},
		{"chunk size with a space behind", soapPost + "Transfer-Encoding: chunked\r\n\r\n2 \r\nab\r\n0 \r\n\r\n", "200", gotPost + "ab"},
		{"chunk size of 0 and more digits, which is more than 16", soapPost + "Transfer-Encoding: chunked\r\n\r\n00000000000000002\r\nab\r\n0\r\n\r\n", "499 closed", ""},
		{"chunk size of another script", soapPost + "Transfer-Encoding: chunked\r\n\r\n\u0662\r\nab\r\n0\r\n\r\n", "499 closed", ""},
		{"chunk extension with a bare LF", soapPost + "Transfer-Encoding: chunked\r\n\r\n2;a\nab\r\n0\r\n\r\n", "499 closed", ""},
		{"chunk size 0x2", soapPost + "Transfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n", "499 closed", ""},
		{"chunk size +2", soapPost + "Transfer-Encoding: chunked\r\n\r\n+2\r\nab\r\n0\r\n\r\n", "499 closed", ""},
		{"chunk size -2", soapPost + "Transfer-Encoding: chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n", "499 closed", ""},
		{"chunk size with a space before", soapPost + "Transfer-Encoding: chunked\r\n\r\n 2\r\nab\r\n0\r\n\r\n", "499 closed", ""},
		{"chunk size empty", soapPost + "Transfer-Encoding: chunked\r\n\r\n\r\nab\r\n0\r\n\r\n", "499 closed", ""},
		{"chunk size of 17 digits", soapPost + "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\nab\r\n0\r\n\r\n", "499 closed", ""},
		{"chunk longer than its size", soapPost + "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", "499 closed", ""},
		{"chunk ended by a bare LF", soapPost + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\n0\r\n\r\n", "499 closed", ""},
		{"chunk ended by two other bytes", soapPost + "Transfer-Encoding: chunked\r\n\r\n2\r\nabXX0\r\n\r\n", "499 closed", ""},
		{"chunk size ended by a bare LF", soapPost + "Transfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n", "499 closed", ""},
		{"trailer that is a length", soapPost + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nContent-Length: 50\r\n\r\n" + smuggled, "200 200", gotPost + "ab|" + gotMore},
		{"trailer that is a coding", soapPost + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nTransfer-Encoding: x\r\n\r\n" + smuggled, "200 200", gotPost + "ab|" + gotMore},
		{"trailer that nobody announced", soapPost + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n", "200", gotPost + "ab"},
		{"trailer without a colon", soapPost + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nnothing\r\n\r\n", "499 closed", ""},
		{"trailer with a NUL", soapPost + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-A: a\x00b\r\n\r\n", "499 closed", ""},
		{"trailer with a bare LF", soapPost + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-A: b\n\r\n" + smuggled, "499 closed", ""},
		{"trailers of 100 KiB", soapPost + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-A: " + strings.Repeat("a", 100<<10) + "\r\n\r\n", "499 closed", ""},
		{"trailer that is another host", soapPost + "Trailer: Host\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nHost: evil.example\r\n\r\n", "400 closed", ""},
		{"trailer announced: Transfer-Encoding", soapPost + "Trailer: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 closed", ""},
		{"trailer announced: Content-Length", soapPost + "Trailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 closed", ""},
		{"trailer with a space before its colon", soapPost + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX : y\r\n\r\n", "499 closed", ""},

		// Lines and fields.
		{"bare LF everywhere", "GET /rest/v1/leads.json HTTP/1.1\nHost: {host}\nX-Case: {case}\n\n", "200", gotGet},
		{"CR LF before the request", "\r\n" + restGet + "\r\n", "400 closed", ""},
		{"line of two spaces", "GET  /rest/v1/leads.json HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"line with tabs", "GET\t/rest/v1/leads.json\tHTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"line with a space behind", "GET /rest/v1/leads.json HTTP/1.1 \r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"line with a space before", " GET /rest/v1/leads.json HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"line without a target", "GET HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"line without a method", "/rest/v1/leads.json HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"folded field", restGet + "X-Folded: a\r\n b\r\n\r\n", "200", gotGet},
		{"first field folded", "GET /rest/v1/leads.json HTTP/1.1\r\n X: y\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"NUL in a value", restGet + "X-A: a\x00b\r\n\r\n", "400 closed", ""},
		{"CR in a value", restGet + "X-A: a\rb\r\n\r\n", "400 closed", ""},
		{"DEL in a value", restGet + "X-A: a\x7fb\r\n\r\n", "400 closed", ""},
		{"bytes above 127 in a value", restGet + "X-A: \xe9\xff\r\n\r\n", "200", gotGet},
		{"empty name", restGet + ": x\r\n\r\n", "400 closed", ""},
		{"name with a space", restGet + "X A: x\r\n\r\n", "400 closed", ""},
		{"name with a bracket", restGet + "X[A]: x\r\n\r\n", "400 closed", ""},
		{"name above 127", restGet + "X\xe9: x\r\n\r\n", "400 closed", ""},
		{"line without a colon", restGet + "nothing\r\n\r\n", "400 closed", ""},
		{"head of 60 KiB", restGet + "X-A: " + strings.Repeat("a", 60<<10) + "\r\n\r\n", "200", gotGet},
		{"head of 100 KiB", restGet + "X-A: " + strings.Repeat("a", 100<<10) + "\r\n\r\n", "431 closed", ""},
		{"1,000 fields", restGet + many(1000, "X-%d: y\r\n") + "\r\n", "200", gotGet},
		{"20,000 fields", restGet + many(20000, "X-%d: y\r\n") + "\r\n", "431 closed", ""},
		{"path of 100 KiB", "GET /rest/" + strings.Repeat("a", 100<<10) + " HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "431 closed", ""},

		// Hosts and targets.
		{"two hosts", restGet + "Host: evil.example\r\n\r\n", "400 closed", ""},
		{"no host", "GET /rest/v1/leads.json HTTP/1.1\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"empty host", "GET /rest/v1/leads.json HTTP/1.1\r\nHost:\r\nX-Case: {case}\r\n\r\n", "200", gotGet},
		{"another host", "GET /rest/v1/leads.json HTTP/1.1\r\nHost: evil.example\r\nX-Case: {case}\r\n\r\n", "200", gotGet},
		{"host with a user", "GET /rest/v1/leads.json HTTP/1.1\r\nHost: {host}@evil.example\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"host with a path", "GET /rest/v1/leads.json HTTP/1.1\r\nHost: {host}/x\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"host with a space", "GET /rest/v1/leads.json HTTP/1.1\r\nHost: a b\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"host IPv6", "GET /rest/v1/leads.json HTTP/1.1\r\nHost: [::1]:80\r\nX-Case: {case}\r\n\r\n", "200", gotGet},
		{"host above 127", "GET /rest/v1/leads.json HTTP/1.1\r\nHost: \xc3\xa9.example\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"absolute form", "GET http://{host}/rest/v1/leads.json HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "200", gotGet},
		{"absolute form, another Host", "GET http://{host}/rest/v1/leads.json HTTP/1.1\r\nHost: evil.example\r\nX-Case: {case}\r\n\r\n", "200", gotGet},
		{"absolute form to a host not allowed", "GET http://evil.example/rest/v1/leads.json HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "403", ""},
		{"absolute form with a user", "GET http://{host}@evil.example/rest/x HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "403", ""},
		{"absolute form to the metadata service", "GET http://169.254.169.254/rest/x HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "403", ""},
		{"absolute form without a host", "GET http:///rest/x HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "403", ""},
		{"absolute form of another scheme", "GET file:///etc/passwd HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "403", ""},
		{"absolute form with a port", "GET http://{host}:22/rest/x HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "403", ""},
		{"absolute form in capitals", "GET HTTP://{host}/rest/v1/leads.json HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "200", gotGet},
		{"absolute form without a path", "GET http://{host} HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "200", "GET / "},
		{"absolute form with a query alone", "GET http://{host}?a=b HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "200", "GET /?a=b "},
		{"absolute form with a dot behind the host", "GET http://{host}./rest/x HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "403", ""},
		{"absolute form without a Host", "GET http://{host}/rest/x HTTP/1.1\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"absolute form to another host whose end is allowed", "GET http://evilmktorest.com/rest/x HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "403", ""},
		{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "404", ""},
		{"path of two slashes", "GET //evil.example/rest/x HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "404", ""},
		{"path that walks up", "GET /rest/../admin HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "200", "GET /rest/../admin "},
		{"path that walks up in disguise", "GET /rest/%2e%2e/admin HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "200", "GET /rest/%2e%2e/admin "},
		{"path with dot and semicolon", "GET /rest/./a;b=c//d HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "200", "GET /rest/./a;b=c//d "},
		{"path that walks in", "GET /x/../rest/y HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "404", ""},
		{"path with an encoded line end", "GET /rest/a%0d%0aX:%20y HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "200", "GET /rest/a%0d%0aX:%20y "},
		{"path with a broken escape", "GET /rest/%zz HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"path with a bare CR", "GET /rest/a\rb HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"path with a NUL", "GET /rest/a\x00b HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"path with a space", "GET /rest/a b HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"path relative", "GET rest/v1/leads.json HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"path empty, a query alone", "GET ?/rest/ HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"path above 127", "GET /rest/\xc3\xa9 HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "200", "GET /rest/%C3%A9 "},
		{"path with an encoded NUL and slash", "GET /rest/a%00%2Fb HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "200", "GET /rest/a%00%2Fb "},
		{"path of an API in disguise", "GET /%72est/x HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "200", "GET /%72est/x "},
		{"path of an API in capitals", "GET /REST/x HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "404", ""},
		{"asterisk form of another method", "GET * HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "404", ""},
		{"query with odd bytes", "GET /rest/a?b=\"<>&c=;d HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "200", "GET /rest/a?b=\"<>&c=;d "},
		{"fragment", "GET /rest/a#b HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "200", "GET /rest/a%23b "},
		{"method with odd bytes", "G@T /rest/a HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"method unknown", "BREW /rest/a HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "200", "BREW /rest/a "},
		{"method in lower case", "get /rest/a HTTP/1.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "200", "get /rest/a "},

		// Versions and protocols.
		{"HTTP/0.9", "GET /rest/x\r\n", "400 closed", ""},
		{"HTTP/1.2", "GET /rest/v1/leads.json HTTP/1.2\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "200", gotGet},
		{"HTTP/2.0 in a line", "GET /rest/x HTTP/2.0\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "505 closed", ""},
		{"HTTP/1.1 in lower case", "GET /rest/x http/1.1\r\nHost: {host}\r\n\r\n", "400 closed", ""},
		{"HTTP/1.10", "GET /rest/x HTTP/1.10\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"HTTP/01.1", "GET /rest/x HTTP/01.1\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "400 closed", ""},
		{"HTTP/3.0", "GET /rest/x HTTP/3.0\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "505 closed", ""},
		{"HTTP/0.9 with a version", "GET /rest/x HTTP/0.9\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n", "505 closed", ""},
		{"preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "505 closed", ""},
		{"TLS on the plain port", "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + strings.Repeat("\x11\x0a", 100), "400 closed", ""},
		{"upgrade to h2c", restGet + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n", "200", gotGet},
		{"upgrade to a websocket", restGet + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", "200", gotGet},
		{"HTTP/1.0 keeps no connection", "GET /rest/v1/leads.json HTTP/1.0\r\nHost: {host}\r\nX-Case: {case}\r\n\r\n" + smuggled, "200 closed", gotGet},

		// Fields of one connection.
		{"Connection names Content-Length", soapPost + "Connection: Content-Length\r\nContent-Length: 2\r\n\r\nab", "200", gotPost + "ab"},
		{"Connection names Transfer-Encoding", soapPost + "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "200", gotPost + "ab"},
		{"Connection names Host", soapPost + "Connection: Host\r\nContent-Length: 2\r\n\r\nab", "200", gotPost + "ab"},
		{"Connection names another field", restGet + "Connection: X-Hop, TE\r\nX-Hop: 1\r\nTE: trailers\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\n\r\n", "200", gotGet},
		{"Connection names X-Case's neighbour, in lower case and quoted", restGet + "connection: x-hop,,keep-alive,\r\nX-Hop: 1\r\n\r\n", "200", gotGet},
		{"Connection: close with a request behind", restGet + "Connection: close\r\n\r\n" + smuggled, "200 closed", gotGet},
		{"Expect that is unknown", restGet + "Expect: 200-ok\r\n\r\n", "417 closed", ""},

		// Tunnels.
		{"CONNECT without a port", "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n", "403 closed", ""},
		{"CONNECT to port 0", "CONNECT {host}:0 HTTP/1.1\r\nHost: {host}\r\n\r\n", "403 closed", ""},
		{"CONNECT to port 22", "CONNECT {host}:22 HTTP/1.1\r\nHost: {host}\r\n\r\n", "403 closed", ""},
		{"CONNECT to port 65979, which is 443", "CONNECT {host}:65979 HTTP/1.1\r\nHost: {host}\r\n\r\n", "403 closed", ""},
		{"CONNECT to a host not allowed", "CONNECT evil.example:443 HTTP/1.1\r\nHost: {host}\r\n\r\n", "403 closed", ""},
		{"CONNECT to a path", "CONNECT /rest/x HTTP/1.1\r\nHost: {host}\r\n\r\n", "403 closed", ""},
		{"CONNECT to a URL", "CONNECT http://{host}:443/ HTTP/1.1\r\nHost: {host}\r\n\r\n", "403 closed", ""},
		{"CONNECT with a user", "CONNECT {host}:443@evil.example:443 HTTP/1.1\r\nHost: {host}\r\n\r\n", "403 closed", ""},
		{"CONNECT refused, with a request behind", "CONNECT evil.example:443 HTTP/1.1\r\nHost: {host}\r\n\r\n" + smuggled, "403 closed", ""},
		{"CONNECT with a body, refused", "CONNECT evil.example:443 HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nabcde" + smuggled, "403 closed", ""},
		{"CONNECT, and plain HTTP inside", "CONNECT {host}:443 HTTP/1.1\r\nHost: {host}\r\n\r\n" + smuggled, "200 closed", ""},
	}
}

const smuggledBody = "GET /rest/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

// Each request gets the answer of the table, reaches Marketo as the table says or not at all, and never changes what the next request
// on its connection gets.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	m := newMarketo(t, false)
	srv := serve(t, programs.race, m, "--rest-upstream="+m.url)
	requests := hostileRequests()
	runCases(t, len(requests), func(i int) {
		c := requests[i]
		name := fmt.Sprintf("hostile-%d", i)
		fill := strings.NewReplacer("{case}", name, "{host}", instance+".mktorest.com")
		a, err := srv.plain().dial()
		if err != nil {
			t.Error(err)
			return
		}
		defer a.Close()
		if _, err := io.WriteString(a, fill.Replace(c.bytes)); err != nil && !strings.Contains(c.answers, "closed") {
			t.Errorf("%s: %v", c.name, err)
			return
		}
		method, _, _ := strings.Cut(c.bytes, " ")
		closed := false
		for _, want := range strings.Fields(c.answers) {
			if closed = want == "closed"; closed {
				if err := a.closed(25 * time.Second); err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
				continue
			}
			g := a.read(method)
			if g.String() != want {
				t.Errorf("%s: %s (%v), want %s: %.500s", c.name, g, g.err, want, g.body)
				return
			}
		}
		if !closed { // the next one on this connection
			probe := name + "-probe"
			fmt.Fprintf(a, "GET /rest/probe HTTP/1.1\r\nHost: x\r\nX-Case: %s\r\n\r\n", probe)
			if g := a.read("GET"); g.status != 200 || g.header.Get("X-Seen") != "GET /rest/probe "+probe || string(g.body) != restSuccess {
				t.Errorf("%s: the next request got %s (%v) of %q", c.name, g, g.err, g.header.Get("X-Seen"))
			}
			if n := len(m.seen(probe)); n != 1 {
				t.Errorf("%s: the next request reached Marketo %d times", c.name, n)
			}
		}
		var got []string
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, q := range m.requests {
			if q.get(caseHeader) == name && q.whole {
				got = append(got, q.String())
			}
		}
		if want := strings.Split(fill.Replace(c.reaches), "|"); c.reaches == "" && len(got) > 0 || c.reaches != "" && !slices.Equal(got, want) {
			t.Errorf("%s: Marketo got %q, want %q", c.name, got, c.reaches)
		}
	})
	for _, q := range m.seen("") {
		t.Errorf("Marketo got a request of no case: %q", q)
	}
	srv.clean()
}
