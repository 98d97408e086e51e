package upstream

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// malformed makes an error that is an ErrMalformed. What the other side sent is not quoted: it may be anything, a secret too.
func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

var errHeadTooLong = malformed("its head is too long")

// parseHead reads the status line and the fields of a head that ends with an empty line. Where a real server may be sloppy it is as
// tolerant as net/http: lines may end in a bare LF, and a field may be folded.
func parseHead(head []byte, resp *http.Response) error {
	text := string(head) // one allocation, of which all values are parts
	line, rest := cutLine(text)
	if err := parseStatus(line, resp); err != nil {
		return err
	}
	header, err := parseFields(rest)
	resp.Header = header
	return err
}

func parseStatus(line string, resp *http.Response) error {
	proto, status, _ := strings.Cut(line, " ")
	if len(proto) != len("HTTP/1.1") || !strings.HasPrefix(proto, "HTTP/1.") || !digit(proto[7]) {
		return malformed("it does not begin with HTTP/1")
	}
	status = strings.TrimLeft(status, " ")
	code, _, _ := strings.Cut(status, " ")
	if len(code) != 3 || !digit(code[0]) || !digit(code[1]) || !digit(code[2]) || code[0] == '0' {
		return malformed("its status is not a number of three digits")
	}
	if !validValue(status) {
		return malformed("its status line has a control character")
	}
	if resp.Proto = proto; proto == "HTTP/1.1" {
		resp.Proto = "HTTP/1.1"
	}
	resp.ProtoMajor, resp.ProtoMinor = 1, int(proto[7]-'0')
	resp.Status = status
	resp.StatusCode, _ = strconv.Atoi(code) // it has digits only
	return nil
}

// parseFields reads the lines up to the empty one.
func parseFields(text string) (http.Header, error) {
	n := strings.Count(text, "\n") - 1 // of fields at most, the last line being empty
	header := make(http.Header, n)
	values := make([]string, n)
	for {
		var line string
		line, text = cutLine(text)
		if line == "" {
			return header, nil
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !validName(name) {
			return nil, malformed("a line of its head is not a field")
		}
		value = trim(value)
		if folded(text) {
			value, text = unfold(value, text)
		}
		if !validValue(value) {
			return nil, malformed("a field of its head has a control character")
		}
		if !canonical(name) {
			name = textproto.CanonicalMIMEHeaderKey(name)
		}
		if earlier := header[name]; earlier != nil {
			header[name] = append(earlier, value)
			continue
		}
		values[0] = value
		header[name] = values[:1:1]
		values = values[1:]
	}
}

// cutLine returns the first line of text without its end, and the rest.
func cutLine(text string) (line, rest string) {
	line, rest, _ = strings.Cut(text, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}

func folded(text string) bool { return text != "" && (text[0] == ' ' || text[0] == '\t') }

// unfold joins the lines that go on with a value, with one space each, as RFC 9112 section 5.2 asks of a proxy.
func unfold(value, text string) (whole, rest string) {
	var b strings.Builder // a value of many lines must not cost its square
	b.WriteString(value)
	for folded(text) {
		var line string
		line, text = cutLine(text)
		b.WriteByte(' ')
		b.WriteString(trim(line))
	}
	return trim(b.String()), text
}

// frame decides how the body of an answer ends, by RFC 9112 section 6.3. reusable is false if the connection ends with this answer,
// or if there is any doubt about where the answer ends.
func frame(resp *http.Response, isHead bool) (kind bodyKind, length int64, reusable bool, err error) {
	codings, hasCoding := resp.Header["Transfer-Encoding"]
	lengths, hasLength := resp.Header["Content-Length"]
	resp.Close = closes(resp)
	reusable = !resp.Close

	chunked := false
	if hasCoding {
		delete(resp.Header, "Transfer-Encoding")
		if resp.ProtoMinor == 0 {
			reusable = false // HTTP/1.0 does not know it
		} else if len(codings) != 1 || !strings.EqualFold(codings[0], "chunked") {
			return 0, 0, false, malformed("its transfer coding is not just chunked")
		} else {
			chunked = true
			resp.TransferEncoding = chunkedCoding
		}
	}
	announced := int64(-1)
	if hasLength {
		if announced, err = contentLength(lengths); err != nil {
			return 0, 0, false, err
		}
		resp.Header["Content-Length"] = lengths[:1]
		if hasCoding {
			reusable = false // a sign of smuggling
		}
	}
	if chunked {
		if resp.Trailer, err = announcedTrailer(resp.Header); err != nil {
			return 0, 0, false, err
		}
	}
	switch bodiless := resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified; {
	case isHead:
		resp.ContentLength = announced
		return noBody, 0, reusable, nil
	case bodiless:
		if resp.StatusCode == http.StatusNoContent && (chunked || announced > 0) {
			reusable = false // something may follow that should not
		}
		return noBody, 0, reusable, nil
	case chunked:
		delete(resp.Header, "Content-Length") // which does not say how long the body is
		resp.ContentLength = -1
		return chunkedBody, 0, reusable, nil
	case hasLength:
		resp.ContentLength = announced
		if announced == 0 {
			return noBody, 0, reusable, nil
		}
		return sizedBody, announced, reusable, nil
	}
	resp.ContentLength = -1
	resp.Close = true
	return endlessBody, 0, false, nil
}

var chunkedCoding = []string{"chunked"}

func closes(resp *http.Response) bool {
	connection := resp.Header["Connection"]
	if hasToken(connection, "close") {
		return true
	}
	return resp.ProtoMinor == 0 && !hasToken(connection, "keep-alive")
}

// contentLength reads the one value that all of lengths must have.
func contentLength(lengths []string) (int64, error) {
	for _, l := range lengths[1:] {
		if l != lengths[0] {
			return 0, malformed("its lengths contradict each other")
		}
	}
	n, err := strconv.ParseUint(lengths[0], 10, 63)
	if err != nil {
		return 0, malformed("its length is not a number")
	}
	return int64(n), nil
}

// announcedTrailer takes the names of the trailers out of the header.
func announcedTrailer(header http.Header) (http.Header, error) {
	lists, ok := header["Trailer"]
	if !ok {
		return nil, nil
	}
	delete(header, "Trailer")
	trailer := make(http.Header)
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if name = trim(name); name == "" {
				continue
			}
			if framingField(name) {
				return nil, malformed("it announces a trailer that may not be one")
			}
			trailer[http.CanonicalHeaderKey(name)] = nil
		}
	}
	if len(trailer) == 0 {
		return nil, nil
	}
	return trailer, nil
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// cut makes an end of the connection the error that says it came too early.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
