//go:build linux

package crash

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// captured is the part of a capture that the tests look at.
type captured struct {
	ID       string `json:"id"`
	Outcome  string `json:"outcome"`
	Complete bool   `json:"complete"`
	Attempts []struct {
		Request  message
		Response *message
	} `json:"attempts"`
}

type message struct {
	Headers []struct{ Name, Value string }
	Body    struct {
		Text      string
		Size      int
		SHA256    string
		Truncated bool
	}
}

// shelf is what a capture directory holds, read without the program's own code, so that the two check each other.
type shelf struct {
	captures  map[string]captured
	problems  []string // lines that are no captures, or are there twice
	torn      []string // files whose last line has no end
	strangers []string // files that are neither segments nor the lock
	plain     int      // segments by kind
	packed    int
	bytes     int64
}

// readShelf reads the directory of a proxy that may be running; a segment that is there both plain and compressed counts once, as
// the crash between naming the one and removing the other leaves it.
func readShelf(t *testing.T, dir string) *shelf {
	t.Helper()
	s := &shelf{captures: map[string]captured{}}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	packed := map[string]bool{}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".jsonl.gz") {
			packed[f.Name()[:strings.LastIndexByte(f.Name(), '-')]] = true
		}
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		if info, err := f.Info(); err == nil {
			s.bytes += info.Size()
		}
		var err error
		switch stem, isPlain := strings.CutSuffix(f.Name(), ".jsonl"); {
		case isPlain && packed[stem]:
		case isPlain:
			s.plain++
			err = s.readFile(path, func(f *os.File) (io.Reader, error) { return f, nil })
		case strings.HasSuffix(f.Name(), ".jsonl.gz"):
			s.packed++
			err = s.readFile(path, func(f *os.File) (io.Reader, error) { return gzip.NewReader(bufio.NewReader(f)) })
		case f.Name() != "lock":
			s.strangers = append(s.strangers, f.Name())
		}
		if err != nil {
			s.problems = append(s.problems, fmt.Sprintf("%s: %v", path, err))
		}
	}
	return s
}

func (s *shelf) readFile(path string, unpack func(*os.File) (io.Reader, error)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := unpack(f)
	if err != nil {
		return err
	}
	for lines := bufio.NewReaderSize(r, 1<<20); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if len(line) > 0 {
				s.torn = append(s.torn, path)
			}
			return nil
		}
		if err != nil {
			return err
		}
		var c captured
		switch err := json.Unmarshal(line, &c); {
		case err != nil || c.ID == "":
			s.problems = append(s.problems, fmt.Sprintf("%s: no capture: %v: %.200q", path, err, line))
			continue
		case bytes.Contains(line, []byte(signature)):
			s.problems = append(s.problems, c.ID+" has the signature")
		}
		if _, twice := s.captures[c.ID]; twice {
			s.problems = append(s.problems, fmt.Sprintf("%s: %s is there twice", path, c.ID))
		}
		s.captures[c.ID] = c
	}
}

// missing compares the shelf with what applications saw, and returns which of it is not there. What is there has to be whole, or,
// where cut says so, to say of itself that it is not.
func (s *shelf) missing(t *testing.T, want map[string]failure, cut func(failure) bool) (ids []string) {
	t.Helper()
	for id, f := range want {
		c, ok := s.captures[id]
		if !ok {
			ids = append(ids, id)
			continue
		}
		if wrong := c.differs(f, cut(f)); wrong != "" {
			t.Errorf("%s (%s): %s", id, f.kind, wrong)
		}
	}
	for _, p := range s.problems {
		t.Error(p)
	}
	return ids
}

// differs tells in what a capture is not what the application saw.
func (c *captured) differs(f failure, cut bool) string {
	if len(c.Attempts) != 1 {
		return fmt.Sprintf("%d attempts", len(c.Attempts))
	}
	req := c.Attempts[0].Request
	call := ""
	for _, h := range req.Headers {
		if strings.EqualFold(h.Name, callHeader) {
			call = h.Value
		}
	}
	switch {
	case call != f.call:
		return "it is of " + call + ", not of " + f.call
	case (sum{req.Body.Size, req.Body.SHA256}) != f.sent:
		return "the request has another sum"
	case sumOf(req.Body.Text) != f.masked:
		return "the text of the request differs"
	case f.kind == reset && (c.Outcome != "transport" || c.Attempts[0].Response != nil):
		return "outcome " + c.Outcome
	case f.kind == reset:
		return ""
	case cut && c.Outcome == "fault" && !c.Complete && c.Attempts[0].Response != nil:
		if body := c.Attempts[0].Response.Body; body.Size != f.received.size || !body.Truncated {
			return fmt.Sprintf("it is cut, with %d bytes, truncated %t", body.Size, body.Truncated)
		}
		return ""
	case c.Outcome != "fault" || !c.Complete || c.Attempts[0].Response == nil:
		return fmt.Sprintf("outcome %s, complete %t", c.Outcome, c.Complete)
	}
	body := c.Attempts[0].Response.Body
	switch {
	case (sum{body.Size, body.SHA256}) != f.received:
		return "the answer has another sum"
	case sumOf(body.Text) != f.received:
		return "the text of the answer differs"
	}
	return ""
}
