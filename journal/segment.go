package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// copyChunk is how much of a batch is gathered for one write; a longer line is written from where it is.
const copyChunk = 256 << 10

// segment is one file of the journal. The writer owns the open one; the fields of a closed one are guarded by Journal.mu.
type segment struct {
	stem       string
	file       string // its present name
	compressed bool
	lines      int64     // -1: not counted yet, it was left by an earlier process
	bytes      int64     // on disk, as far as they count towards the size
	end        int64     // of a plain one: where its acknowledged lines end
	newest     time.Time // when its last line was appended
	dropped    atomic.Bool

	f      *os.File // of the open one
	opened time.Time
}

// createSegment makes the next segment, durable in its directory.
func (j *Journal) createSegment() (*segment, error) {
	now := j.now()
	s := &segment{stem: newStem(now, j.last), opened: now, newest: now}
	s.file = s.stem + plainSuffix
	path := filepath.Join(j.dir, s.file)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := syncDir(j.dir); err != nil {
		f.Close()
		os.Remove(path)
		return nil, fmt.Errorf("journal: %w", err)
	}
	s.f, j.last = f, s.stem
	return s, nil
}

// there tells whether the open segment can still be found under its name.
func (s *segment) there(dir string) bool {
	found, err := os.Stat(filepath.Join(dir, s.file))
	if err != nil {
		return !gone(err)
	}
	held, err := s.f.Stat()
	return err == nil && os.SameFile(held, found)
}

// gone tells whether an error says that a path leads nowhere.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) }

// write puts a batch behind the last good line, without making it durable or good. It uses and returns buf.
func (s *segment) write(batch []*pending, buf []byte) ([]byte, error) {
	off := s.end
	buf = buf[:0]
	flush := func() error {
		n, err := s.f.WriteAt(buf, off)
		off += int64(n)
		buf = buf[:0]
		return err
	}
	for _, p := range batch {
		if len(buf)+len(p.Line) > copyChunk || p.Source != nil {
			if err := flush(); err != nil {
				return buf, err
			}
		}
		var err error
		switch {
		case p.Source != nil:
			err = s.writeSource(p, off)
			off += p.size
		case len(p.Line) > copyChunk:
			var n int
			n, err = s.f.WriteAt(p.Line, off)
			off += int64(n)
		default:
			buf = append(buf, p.Line...)
		}
		if err != nil {
			return buf, err
		}
	}
	return buf, flush()
}

// writeSource copies a line from its source and looks at its ends; what is between is the word of the caller.
func (s *segment) writeSource(p *pending, off int64) error {
	if _, err := s.f.Seek(off, io.SeekStart); err != nil {
		return err
	}
	w := &lineWriter{file: s.f, left: p.size}
	if _, err := p.Source.WriteTo(w); err != nil {
		return err
	}
	if w.left != 0 || p.size < 3 {
		return ErrNotALine
	}
	var ends [3]byte
	if _, err := s.f.ReadAt(ends[:1], off); err != nil {
		return err
	}
	if _, err := s.f.ReadAt(ends[1:], off+p.size-2); err != nil {
		return err
	}
	if string(ends[:]) != "{}\n" {
		return ErrNotALine
	}
	return nil
}

// lineWriter lets left bytes pass to a file, by copy_file_range where the reader is a file too.
type lineWriter struct {
	file *os.File
	left int64
}

func (w *lineWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > w.left {
		return 0, ErrNotALine
	}
	n, err := w.file.Write(p)
	w.left -= int64(n)
	return n, err
}

func (w *lineWriter) ReadFrom(r io.Reader) (int64, error) {
	limited, ok := r.(*io.LimitedReader) // the only wrapping that os.File sees through
	if !ok || limited.N > w.left {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	n, err := w.file.ReadFrom(limited)
	w.left -= n
	return n, err
}

// isLine tells whether b is an object's braces and a newline; the JSON between is the word of the caller.
func isLine(b []byte) bool {
	n := len(b)
	return n >= 3 && b[0] == '{' && b[n-2] == '}' && indexNewline(b) == n-1
}
