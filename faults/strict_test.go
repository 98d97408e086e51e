//go:build linux

package faults

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// received is a request as Marketo's side got it.
type received struct {
	method, target string
	fields         [][2]string // in the order of arrival, names as they came
	body           []byte
	trailers       [][2]string
	whole          bool // it was read to the end that its framing promises
	conn           int  // number of the connection
}

func (q *received) get(name string) string {
	for _, f := range q.fields {
		if strings.EqualFold(f[0], name) {
			return f[1]
		}
	}
	return ""
}

func (q *received) String() string { return q.method + " " + q.target + " " + string(q.body) }

// malformed is a request that a strict server refuses: the proxy must not send it, whatever it was sent.
type malformed struct{ what string }

func (e *malformed) Error() string { return e.what }

var (
	requestLine = regexp.MustCompile(`^([!#$%&'*+.^_|~0-9A-Za-z-]+) (/[!-~]*) HTTP/1\.1$`)
	fieldLine   = regexp.MustCompile("^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]?((?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?)$")
	hexSize     = regexp.MustCompile(`^[0-9a-fA-F]{1,8}$`)
	decimal     = regexp.MustCompile(`^[0-9]{1,18}$`)
)

// readLine reads up to CRLF; a bare LF or CR is malformed.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		if err == io.EOF && line != "" {
			err = io.ErrUnexpectedEOF
		}
		return "", err
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok || strings.ContainsRune(text, '\r') {
		return "", &malformed{fmt.Sprintf("a line ends without CRLF: %.200q", line)}
	}
	return text, nil
}

func readFields(r *bufio.Reader) (fields [][2]string, err error) {
	for {
		line, err := readLine(r)
		if err != nil || line == "" {
			return fields, err
		}
		m := fieldLine.FindStringSubmatch(line)
		if m == nil {
			return nil, &malformed{fmt.Sprintf("not a field: %.200q", line)}
		}
		fields = append(fields, [2]string{m[1], m[2]})
	}
}

// readHead reads a request up to its body. io.EOF: the connection ended where a request may end.
func readHead(r *bufio.Reader, host string) (*received, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	m := requestLine.FindStringSubmatch(line)
	if m == nil {
		return nil, &malformed{fmt.Sprintf("not a request line: %.200q", line)}
	}
	q := &received{method: m[1], target: m[2]}
	if q.fields, err = readFields(r); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	count := map[string]int{}
	for _, f := range q.fields {
		count[strings.ToLower(f[0])]++
	}
	switch coding := q.get("Transfer-Encoding"); {
	case count["host"] != 1 || q.get("Host") != host:
		return nil, &malformed{fmt.Sprintf("%d hosts, %q", count["host"], q.get("Host"))}
	case count["content-length"]+count["transfer-encoding"] > 1:
		return nil, &malformed{"more than one length"}
	case count["content-length"] == 1 && !decimal.MatchString(q.get("Content-Length")):
		return nil, &malformed{fmt.Sprintf("length %q", q.get("Content-Length"))}
	case count["transfer-encoding"] == 1 && coding != "chunked":
		return nil, &malformed{fmt.Sprintf("coding %q", coding)}
	}
	for _, name := range []string{"connection", "proxy-connection", "keep-alive", "te", "upgrade", "http2-settings", "proxy-authorization", "x-hop"} {
		if count[name] > 0 {
			return nil, &malformed{"hop-by-hop field " + name}
		}
	}
	return q, nil
}

// readBody reads the body of q, and notes as much of it as there is.
func readBody(r *bufio.Reader, q *received) error {
	if q.get("Transfer-Encoding") == "" {
		n, _ := strconv.ParseInt(q.get("Content-Length"), 10, 64) // it has digits, or is not there
		return readInto(r, q, n)
	}
	for {
		line, err := readLine(r)
		if err != nil {
			return err
		}
		if !hexSize.MatchString(line) {
			return &malformed{fmt.Sprintf("chunk size %.100q", line)}
		}
		size, _ := strconv.ParseInt(line, 16, 64)
		if size == 0 {
			q.trailers, err = readFields(r)
			return err
		}
		if err := readInto(r, q, size); err != nil {
			return err
		}
		if line, err = readLine(r); err != nil {
			return err
		}
		if line != "" {
			return &malformed{"a chunk is longer than its size"}
		}
	}
}

func readInto(r io.Reader, q *received, n int64) error {
	part, err := io.ReadAll(io.LimitReader(r, n))
	q.body = append(q.body, part...)
	if err == nil && int64(len(part)) < n {
		err = io.ErrUnexpectedEOF
	}
	return err
}
