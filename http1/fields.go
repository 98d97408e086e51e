package http1

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// ErrMalformed is what a message that is not HTTP/1.1, or whose framing is contradictory, fails with.
var ErrMalformed = errors.New("malformed HTTP message")

// Malformed makes an error that is an ErrMalformed. What the other side sent is not quoted: it may be anything, a secret too.
func Malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

// ErrHeadTooLong is the error of a head beyond its bound.
var ErrHeadTooLong = Malformed("its head is too long")

// ParseFields reads the lines of a head, or of trailers, up to the empty one. Where a real sender may be sloppy it is as tolerant as
// net/http: lines may end in a bare LF, and a field may be folded.
func ParseFields(text string) (http.Header, error) {
	n := strings.Count(text, "\n") - 1 // of fields at most, the last line being empty
	header := make(http.Header, n)
	values := make([]string, n)
	for {
		var line string
		line, text = CutLine(text)
		if line == "" {
			return header, nil
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !ValidName(name) {
			return nil, Malformed("a line of its head is not a field")
		}
		value = Trim(value)
		if folded(text) {
			value, text = unfold(value, text)
		}
		if !ValidValue(value) {
			return nil, Malformed("a field of its head has a control character")
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

// CutLine returns the first line of text without its end, and the rest.
func CutLine(text string) (line, rest string) {
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
		line, text = CutLine(text)
		b.WriteByte(' ')
		b.WriteString(Trim(line))
	}
	return Trim(b.String()), text
}

// ContentLength reads the one value that all of lengths must have.
func ContentLength(lengths []string) (int64, error) {
	for _, l := range lengths[1:] {
		if l != lengths[0] {
			return 0, Malformed("its lengths contradict each other")
		}
	}
	n, err := strconv.ParseUint(lengths[0], 10, 63)
	if err != nil {
		return 0, Malformed("its length is not a number")
	}
	return int64(n), nil
}

// AnnouncedTrailer takes the names of the trailers out of the header.
func AnnouncedTrailer(header http.Header) (http.Header, error) {
	lists, ok := header["Trailer"]
	if !ok {
		return nil, nil
	}
	delete(header, "Trailer")
	trailer := make(http.Header)
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if name = Trim(name); name == "" {
				continue
			}
			if FramingField(name) {
				return nil, Malformed("it announces a trailer that may not be one")
			}
			trailer[http.CanonicalHeaderKey(name)] = nil
		}
	}
	if len(trailer) == 0 {
		return nil, nil
	}
	return trailer, nil
}
