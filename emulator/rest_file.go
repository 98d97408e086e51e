package emulator

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// bulkFile is a file as an answer.
type bulkFile struct {
	content     []byte
	contentType string
	filling     []byte // rows to fill up with, each with a gap for its number
}

// fileAnswer is a file, or the part that Range asks for.
func (c *call) fileAnswer(f *bulkFile) answer {
	total := max(int64(len(f.content)), c.effects.size)
	a := answer{status: http.StatusOK, contentType: f.contentType, outcome: "ok", file: true, length: total,
		head: http.Header{"Accept-Ranges": {"bytes"}}}
	from, to := int64(0), total
	if r := c.r.Header.Get("Range"); r != "" {
		var ok bool
		if from, to, ok = byteRange(r, total); !ok {
			a.status, a.length, a.outcome = http.StatusRequestedRangeNotSatisfiable, 0, "http416"
			a.head.Set("Content-Range", fmt.Sprintf("bytes */%d", total))
			return a
		}
		a.status, a.length = http.StatusPartialContent, to-from
		a.head.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, total))
	}
	c.effects.size = 0 // the length is settled here
	a.body = func(d *document) error {
		whole := &document{Writer: &section{d, from, to}, size: total}
		if _, err := whole.Write(f.content); err != nil {
			return err
		}
		filling := bytes.Split(f.filling, []byte(fillID))
		w := newBuffered(whole)
		for i := range max(0, total-int64(len(f.content))) / int64(max(1, len(f.filling))) {
			writeFilling(w, filling, int(i))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		return whole.pad()
	}
	return a
}

// byteRange reads a Range with one range; to is exclusive.
func byteRange(text string, total int64) (from, to int64, ok bool) {
	first, last, found := strings.Cut(strings.TrimPrefix(text, "bytes="), "-")
	from, err := strconv.ParseInt(first, 10, 64)
	if first == "" { // the last so many bytes
		n, err := strconv.ParseInt(last, 10, 64)
		return max(0, total-n), total, err == nil && n > 0
	}
	to = total
	if last != "" {
		var end int64
		if end, err = strconv.ParseInt(last, 10, 64); err == nil {
			to = min(total, end+1)
		}
	}
	return from, to, found && err == nil && from >= 0 && from < to
}

// section passes on the bytes from a place up to another.
type section struct {
	w        io.Writer
	from, to int64 // counted from the next byte
}

func (s *section) Write(p []byte) (int, error) {
	n := int64(len(p))
	part := p[min(n, s.from):max(min(n, s.to), min(n, s.from))]
	s.from, s.to = max(0, s.from-n), max(0, s.to-n)
	if len(part) > 0 {
		if _, err := s.w.Write(part); err != nil {
			return 0, err
		}
	}
	return int(n), nil
}
