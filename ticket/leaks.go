package ticket

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"

	"marketo-proxy/jsonscan"
	"marketo-proxy/redact"
)

// findSecret masks a file once more, each part as it was masked when it was captured: where that changes something, a secret was left.
// It says which kind, and "" for none. open is called again if there is something to look at more closely; only then a part is in
// memory.
func findSecret(name string, open func() (io.ReadCloser, error), values []string) (string, error) {
	for _, closely := range []bool{false, true} {
		s := &search{redactor: redact.New(values...), closely: closely}
		err := s.file(name, open)
		switch {
		case !errors.Is(err, errSecret):
			return "", err
		case !closely:
		case s.redactor.Counts()[redact.KnownValue] > 0:
			return "a secret (one of the known keys)", nil
		}
	}
	return "a secret that is not REDACTED", nil
}

var errSecret = errors.New("ticket: a secret")

type search struct {
	redactor *redact.Redactor
	closely  bool
}

func (s *search) file(name string, open func() (io.ReadCloser, error)) error {
	r, err := open()
	if err != nil {
		return err
	}
	defer r.Close()
	switch path.Ext(name) {
	case ".http":
		return s.message(r)
	case ".har":
		return s.har(r)
	}
	return s.body(r)
}

// same tells whether masking took no secret out of a text. A place that holds REDACTED besides what a pseudonym or a cut made of the
// rest is none.
func (s *search) same(text, masked string) error {
	if text == masked || s.closely && !takesMore(text, masked) {
		return nil
	}
	return errSecret
}

// takesMore tells whether something without a marker in it became a marker, or vanished.
func takesMore(text, masked string) bool {
	for before := ""; ; {
		n := 0
		for n < min(len(text), len(masked)) && text[n] == masked[n] {
			n++
		}
		before, text, masked = text[:n], text[n:], masked[n:]
		if text == "" && masked == "" {
			return false
		}
		k := newMarker(before, masked)
		if k < 0 {
			return true
		}
		masked = masked[len(redact.Marker)-k:]
		taken := strings.Index(text, following(masked))
		if masked == "" {
			taken = len(text)
		}
		if taken < 0 || k < len(redact.Marker) && !strings.Contains(redact.Marker[:k]+text[:taken], redact.Marker) {
			return true
		}
		text = text[taken:]
	}
}

// newMarker returns how many bytes of the marker stand at the end of before, the others at the start of masked; -1: there is none. If
// it is all of them, the marker was there already, and has taken in what followed.
func newMarker(before, masked string) int {
	for k := range len(redact.Marker) + 1 {
		if strings.HasSuffix(before, redact.Marker[:k]) && strings.HasPrefix(masked, redact.Marker[k:]) {
			return k
		}
	}
	return -1
}

// following is enough of what follows a marker to find it again.
func following(masked string) string {
	if strings.HasPrefix(masked, redact.Marker) {
		return redact.Marker
	}
	rest, _, _ := strings.Cut(masked, redact.Marker)
	return rest[:min(len(rest), 64)]
}

func (s *search) text(v string) error { return s.same(v, s.redactor.Text(v)) }
func (s *search) url(v string) error  { return s.same(v, s.redactor.URL(v)) }

func (s *search) field(name, value string) error {
	if err := s.text(name); err != nil { // of a forged capture
		return err
	}
	return s.same(value, s.redactor.Header(http.Header{name: {value}})[name][0])
}

func (s *search) body(r io.Reader) error {
	if s.closely {
		text, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		var masked bytes.Buffer
		if err := s.redactor.Body(&masked, bytes.NewReader(text)); err != nil {
			return err
		}
		return s.same(string(text), masked.String())
	}
	c := &comparer{}
	if err := s.redactor.Body(c, io.TeeReader(r, &c.want)); err != nil {
		return err
	}
	if c.want.Len() > 0 {
		return errSecret
	}
	return nil
}

// comparer fails when something else is written to it than want has.
type comparer struct{ want bytes.Buffer }

func (c *comparer) Write(p []byte) (int, error) {
	if !bytes.Equal(c.want.Next(len(p)), p) {
		return 0, errSecret
	}
	return len(p), nil
}

// message looks into an HTTP message.
func (s *search) message(r io.Reader) error {
	in := bufio.NewReader(r)
	for first := true; ; first = false {
		line, err := in.ReadString('\n')
		if err != nil {
			return err // a head has an end
		}
		line = strings.TrimSuffix(line, "\r\n")
		if line == "" {
			return s.body(in)
		}
		if first {
			err = s.startLine(line)
		} else {
			name, value, _ := strings.Cut(line, ": ")
			err = s.field(name, value)
		}
		if err != nil {
			return err
		}
	}
}

// startLine has a URL in the middle, if it is that of a request.
func (s *search) startLine(line string) error {
	_, target, _ := strings.Cut(line, " ")
	if i := strings.LastIndexByte(target, ' '); i >= 0 && !strings.HasPrefix(line, "HTTP/") {
		return s.url(target[:i])
	}
	return s.text(target)
}

// har looks into the strings of an archive: bodies are those that are called text.
func (s *search) har(r io.Reader) error {
	in := &stringsOf{r: r, buf: make([]byte, 32<<10)}
	name := ""
	for {
		key, err := in.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case key == "text":
			err = s.body(in)
		default:
			var value []byte
			if value, err = io.ReadAll(in); err != nil {
				return err
			}
			switch v := string(value); key {
			case "name":
				name = v
			case "value":
				if in.list == "queryString" {
					err = s.url("?" + url.QueryEscape(name) + "=" + url.QueryEscape(v))
				} else {
					err = s.field(name, v)
				}
			case "url", "redirectURL":
				err = s.url(v)
			default:
				err = s.text(v)
			}
		}
		if err != nil {
			return err
		}
	}
}

// stringsOf reads the values of JSON that are strings, one after the other.
type stringsOf struct {
	r       io.Reader
	buf     []byte
	scanner jsonscan.Scanner
	eof     bool
	key     []byte
	list    string // the last array's key
	piece   []byte
	more    bool // pieces follow
}

// next goes to the next string and returns its key. The error is io.EOF at the end.
func (s *stringsOf) next() (key string, err error) {
	for s.more { // what was not read
		if _, err := s.Read(make([]byte, 4<<10)); err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
	}
	for {
		t, err := s.token()
		if err != nil {
			return "", err
		}
		switch t.Kind {
		case jsonscan.ArrayStart:
			s.list = string(s.key)
		case jsonscan.Key:
			if !t.Cont {
				s.key = s.key[:0]
			}
			s.key = jsonscan.Unquote(s.key, t.Data)
		case jsonscan.String:
			s.piece, s.more = jsonscan.Unquote(s.piece[:0], t.Data), t.More
			return string(s.key), nil
		}
	}
}

// Read reads the string that next went to.
func (s *stringsOf) Read(p []byte) (int, error) {
	for len(s.piece) == 0 {
		if !s.more {
			return 0, io.EOF
		}
		t, err := s.token()
		if err != nil {
			return 0, err
		}
		s.piece, s.more = jsonscan.Unquote(s.piece[:0], t.Data), t.More
	}
	n := copy(p, s.piece)
	s.piece = s.piece[n:]
	return n, nil
}

func (s *stringsOf) token() (jsonscan.Token, error) {
	for {
		if t, ok := s.scanner.Next(); ok {
			return t, nil
		}
		if s.eof {
			return jsonscan.Token{}, errors.Join(s.scanner.Err(), io.EOF)
		}
		n, err := s.r.Read(s.buf)
		s.scanner.Feed(s.buf[:n])
		switch {
		case errors.Is(err, io.EOF):
			s.eof = true
			s.scanner.Finish()
		case err != nil:
			return jsonscan.Token{}, err
		}
	}
}
