package journal

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Entry is one line of the journal, of which only the small fields are in memory.
type Entry struct {
	Head []byte // a JSON object of the fields before "attempts"; the caller's
	Size int64  // bytes of the whole line, without its newline
	at   place
}

// place is where a line is.
type place struct {
	dir    string
	name   name
	member member // of a compressed segment
	plain  span   // of the line, in the plain text of the segment
	recent *recent
}

// recent remembers the member that was unpacked last, since whoever reads one of its lines whole often reads the next one too.
// It may be used concurrently.
type recent struct {
	mu   sync.Mutex
	file string
	at   span
	text []byte
}

func (r *recent) put(file string, m member, text []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.file, r.at, r.text = file, m.plain, text
}

// get returns a line of that member, or nil.
func (r *recent) get(file string, line span) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != file || line.start < r.at.start || line.end > r.at.end {
		return nil
	}
	return r.text[line.start-r.at.start : line.end-r.at.start]
}

func (n name) path(dir string) string { return filepath.Join(dir, n.file) }

// ID is the field "id" of the line, or empty.
func (e Entry) ID() string {
	var head struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(e.Head, &head) // the head is valid JSON; an id that is no text is none
	return head.ID
}

// Open reads the whole line, without its newline, as a stream. The error is fs.ErrNotExist if the line was dropped meanwhile;
// damage comes as a *DamageError from Read.
func (e Entry) Open() (io.ReadCloser, error) {
	if text := e.at.recent.get(e.at.name.path(e.at.dir), e.at.plain); text != nil {
		return io.NopCloser(bytes.NewReader(text)), nil
	}
	f, n, err := openSegment(e.at.dir, e.at.name)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	r, err := e.open(f, n)
	if err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

func (e Entry) open(f *os.File, n name) (io.ReadCloser, error) {
	if !n.compressed {
		return &lineReader{Reader: io.NewSectionReader(f, e.at.plain.start, e.Size), file: f, left: e.Size}, nil
	}
	m := e.at.member
	if !e.at.name.compressed { // compressed since it was listed
		var err error
		if m, err = memberAt(f, e.at.plain.start); err != nil {
			return nil, fmt.Errorf("journal: %s: %w", n.path(e.at.dir), err)
		}
	}
	damaged := func(err error) error {
		return &DamageError{n.path(e.at.dir), m.file.start, err.Error()}
	}
	z, err := openMember(f, m)
	if err == nil {
		_, err = io.CopyN(io.Discard, z, e.at.plain.start-m.plain.start)
	}
	if err != nil {
		return nil, damaged(err)
	}
	rest := io.LimitReader(z, m.plain.end-e.at.plain.end+1)
	return &lineReader{Reader: io.LimitReader(z, e.Size), file: f, left: e.Size, rest: rest, damaged: damaged}, nil
}

// memberAt finds the member that holds a byte of the segment's plain text.
func memberAt(f *os.File, plain int64) (member, error) {
	info, err := f.Stat()
	if err != nil {
		return member{}, err
	}
	members, err := readMembers(f, info.Size(), func(int64, string) {})
	if err != nil {
		return member{}, err
	}
	for _, m := range members {
		if m.plain.start <= plain && plain < m.plain.end {
			return m, nil
		}
	}
	return member{}, io.ErrUnexpectedEOF
}

// openMember returns a member's plain text. Its checksum is verified at its end.
func openMember(r io.ReaderAt, m member) (io.Reader, error) {
	z, err := gzip.NewReader(bufio.NewReader(io.NewSectionReader(r, m.file.start, m.file.end-m.file.start)))
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return z, nil
}

// lineReader knows how much must come. In a compressed segment it reads what follows in the member too before it says EOF, since
// only there the checksum tells whether all was right.
type lineReader struct {
	io.Reader
	file    *os.File
	left    int64
	rest    io.Reader
	damaged func(error) error // nil: errors are the file's own
}

func (r *lineReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.left -= int64(n)
	if errors.Is(err, io.EOF) {
		switch {
		case r.left > 0:
			err = io.ErrUnexpectedEOF
		case r.rest != nil:
			if _, restErr := io.Copy(io.Discard, r.rest); restErr != nil {
				err = restErr
			}
		}
	}
	if err != nil && !errors.Is(err, io.EOF) && r.damaged != nil {
		err = r.damaged(err)
	}
	return n, err
}

func (r *lineReader) Close() error { return r.file.Close() }

// plainEntry reads the head of a line in a plain segment.
func plainEntry(f io.ReaderAt, l line, at place) (e Entry, reason string, err error) {
	size := l.end - l.start
	if l.torn {
		return e, "the last line is not whole", nil
	}
	if size == 0 {
		return e, "an empty line", nil
	}
	last := []byte{0}
	if int64(len(l.have)) == size {
		last[0] = l.have[size-1]
	} else if _, err := f.ReadAt(last, l.end-1); err != nil {
		return e, "", err
	}
	if last[0] != '}' {
		return e, "a line that is not whole", nil
	}
	head, reason, err := headOf(size, l.have, func(n int64) ([]byte, error) {
		b := make([]byte, n)
		got, err := f.ReadAt(b, l.start)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return b[:got], err
	})
	at.plain = l.span
	return Entry{Head: head, Size: size, at: at}, reason, err
}

// memberEntries reads the lines of a member, the oldest first, and tells of the first damage in it. Of a member that is one long
// line no more is unpacked than its head.
func memberEntries(f io.ReaderAt, m member, at place) (entries []Entry, damage error) {
	damaged := func(reason string) error { return &DamageError{at.name.path(at.dir), m.file.start, reason} }
	z, err := openMember(f, m)
	if err != nil {
		return nil, damaged(err.Error())
	}
	size := m.plain.end - m.plain.start
	if size > memberSize {
		e, reason, err := streamedEntry(z, size-1, at)
		if err != nil {
			reason = err.Error()
		}
		if reason != "" {
			return nil, damaged(reason)
		}
		return []Entry{e}, nil
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(z, text); err != nil {
		return nil, damaged(err.Error())
	}
	if n, err := io.Copy(io.Discard, io.LimitReader(z, 1)); n > 0 || err != nil { // the checksum stands at the end
		return nil, damaged(fmt.Sprintf("%d bytes too much, error %v", n, err))
	}
	at.recent.put(at.name.path(at.dir), m, text)
	r := bytes.NewReader(text)
	for start := int64(0); start < size; {
		l := line{span: span{start, size}, torn: true}
		if i := indexNewline(text[start:]); i >= 0 {
			l.end, l.torn = start+int64(i), false
		}
		l.have = text[l.start:l.end]
		e, reason, err := plainEntry(r, l, at)
		switch {
		case err != nil:
			return entries, damaged(err.Error())
		case reason != "" && damage == nil:
			damage = damaged(reason)
		case reason == "":
			e.at.plain = span{m.plain.start + l.start, m.plain.start + l.end}
			entries = append(entries, e)
		}
		start = l.end + 1
	}
	return entries, damage
}

// streamedEntry reads the head of a line that is a member of its own.
func streamedEntry(z io.Reader, size int64, at place) (Entry, string, error) {
	var have []byte
	head, reason, err := headOf(size, nil, func(n int64) ([]byte, error) {
		b := make([]byte, n)
		copy(b, have)
		got, err := io.ReadFull(z, b[len(have):])
		have = b[:len(have)+got]
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil // too few bytes say it
		}
		return have, err
	})
	at.plain = span{at.member.plain.start, at.member.plain.end - 1}
	return Entry{Head: head, Size: size, at: at}, reason, err
}

// uuidTime is the time in a UUIDv7: the first 48 bits are milliseconds since 1970.
func uuidTime(id string) (time.Time, bool) {
	b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(b) != 16 || b[6]>>4 != 7 {
		return time.Time{}, false
	}
	var ms int64
	for _, x := range b[:6] {
		ms = ms<<8 | int64(x)
	}
	return time.UnixMilli(ms), true
}
