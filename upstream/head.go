package upstream

import (
	"net/http"
	"strconv"
	"strings"

	"marketo-proxy/http1"
)

// parseHead reads the status line and the fields of a head that ends with an empty line. Where a real server may be sloppy it is as
// tolerant as net/http: lines may end in a bare LF, and a field may be folded.
func parseHead(head []byte, resp *http.Response) error {
	text := string(head) // one allocation, of which all values are parts
	line, rest := http1.CutLine(text)
	if err := parseStatus(line, resp); err != nil {
		return err
	}
	header, err := http1.ParseFields(rest)
	resp.Header = header
	return err
}

func parseStatus(line string, resp *http.Response) error {
	proto, status, _ := strings.Cut(line, " ")
	if len(proto) != len("HTTP/1.1") || !strings.HasPrefix(proto, "HTTP/1.") || !digit(proto[7]) {
		return http1.Malformed("it does not begin with HTTP/1")
	}
	status = strings.TrimLeft(status, " ")
	code, _, _ := strings.Cut(status, " ")
	if len(code) != 3 || !digit(code[0]) || !digit(code[1]) || !digit(code[2]) || code[0] == '0' {
		return http1.Malformed("its status is not a number of three digits")
	}
	if !http1.ValidValue(status) {
		return http1.Malformed("its status line has a control character")
	}
	if resp.Proto = proto; proto == "HTTP/1.1" {
		resp.Proto = "HTTP/1.1"
	}
	resp.ProtoMajor, resp.ProtoMinor = 1, int(proto[7]-'0')
	resp.Status = status
	resp.StatusCode, _ = strconv.Atoi(code) // it has digits only
	return nil
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
		} else if len(codings) != 1 || !http1.EqualToken(codings[0], "chunked") {
			return 0, 0, false, http1.Malformed("its transfer coding is not just chunked")
		} else {
			chunked = true
			resp.TransferEncoding = chunkedCoding
		}
	}
	announced := int64(-1)
	if hasLength {
		if announced, err = http1.ContentLength(lengths); err != nil {
			return 0, 0, false, err
		}
		resp.Header["Content-Length"] = lengths[:1]
		if hasCoding {
			reusable = false // a sign of smuggling
		}
	}
	if chunked {
		if resp.Trailer, err = http1.AnnouncedTrailer(resp.Header); err != nil {
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
	if http1.HasToken(connection, "close") {
		return true
	}
	return resp.ProtoMinor == 0 && !http1.HasToken(connection, "keep-alive")
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
