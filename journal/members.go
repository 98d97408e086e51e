package journal

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// A closed segment is a gzip file of several members (RFC 1952, section 2.2), so that zcat reads it, and each of them can be
// read alone: a member is some whole lines of together at most memberSize bytes, or one longer line. The header of a member
// has an extra field with its compressed and its plain size, by which a reader goes from member to member.
const (
	memberSize   = 256 << 10
	memberHeader = 10 + 2 + 4 + 16
)

// memberMagic is how the header of each member begins, up to the time, and extraMagic how its extra field does.
const (
	memberMagic = "\x1f\x8b\x08\x04"
	extraMagic  = "\x14\x00MJ\x10\x00" // 20 bytes: the subfield MJ of 16 bytes
)

// span is a part of a file: bytes from start up to, not including, end.
type span struct{ start, end int64 }

type cutting struct {
	members []span
	lines   int64
	torn    int64 // bytes after the last newline
}

// cutMembers finds where the text's first size bytes can be cut into members.
func cutMembers(text io.ReaderAt, size int64) (cutting, error) {
	var c cutting
	var member, line int64 // where the present ones start
	buf := make([]byte, 64<<10)
	for off := int64(0); off < size; {
		b := buf[:min(int64(len(buf)), size-off)]
		if n, err := text.ReadAt(b, off); n < len(b) {
			return c, err
		}
		for rest := b; ; {
			i := indexNewline(rest)
			if i < 0 {
				break
			}
			rest = rest[i+1:]
			end := off + int64(len(b)-len(rest))
			if end-member > memberSize && line > member {
				c.members = append(c.members, span{member, line})
				member = line
			}
			if end-member > memberSize {
				c.members = append(c.members, span{member, end})
				member = end
			}
			line = end
			c.lines++
		}
		off += int64(len(b))
	}
	if line > member {
		c.members = append(c.members, span{member, line})
	}
	c.torn = size - line
	return c, nil
}

type writerWriterAt interface {
	io.Writer
	io.WriterAt
}

// writeMembers compresses a text. After each member it calls rest, which may be nil, with the time that it took.
func writeMembers(w writerWriterAt, text io.ReaderAt, members []span, rest func(worked time.Duration)) error {
	count := &countingWriter{w: bufio.NewWriterSize(w, 64<<10)}
	// Best speed: nearly the same size in a third of the time, and it is the traffic's processor that is used.
	z, err := gzip.NewWriterLevel(count, gzip.BestSpeed)
	if err != nil {
		return err
	}
	for _, m := range members {
		start, begin := count.n, time.Now()
		z.Reset(count)
		z.Extra = append([]byte(extraMagic[2:]), make([]byte, 16)...)
		if _, err := io.Copy(z, io.NewSectionReader(text, m.start, m.end-m.start)); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		if err := count.w.Flush(); err != nil {
			return err
		}
		sizes := binary.LittleEndian.AppendUint64(nil, uint64(count.n-start))
		sizes = binary.LittleEndian.AppendUint64(sizes, uint64(m.end-m.start))
		if _, err := w.WriteAt(sizes, start+memberHeader-16); err != nil {
			return err
		}
		if rest != nil {
			rest(time.Since(begin))
		}
	}
	return nil
}

type countingWriter struct {
	w *bufio.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// member is where a member lies in its file, and in the plain text of the segment.
type member struct {
	file  span
	plain span
}

// readMembers goes through the headers of a compressed segment. Where one is damaged it looks for the next one; damage is told
// of each such place.
func readMembers(r io.ReaderAt, size int64, damage func(offset int64, reason string)) ([]member, error) {
	var members []member
	var plain int64
	for off := int64(0); off < size; {
		m, reason, err := readMember(r, off, size)
		if err != nil {
			return members, err
		}
		if reason != "" {
			damage(off, reason)
			if off, err = findMember(r, off+1, size); err != nil {
				return members, err
			}
			continue
		}
		m.plain.start += plain
		m.plain.end += plain
		members = append(members, m)
		off, plain = m.file.end, m.plain.end
	}
	return members, nil
}

func readMember(r io.ReaderAt, off, size int64) (m member, reason string, err error) {
	var h [memberHeader]byte
	if size-off < memberHeader {
		return m, "the file ends within the head of a part", nil
	}
	if _, err := r.ReadAt(h[:], off); err != nil && !errors.Is(err, io.EOF) {
		return m, "", err
	}
	if string(h[:4]) != memberMagic || string(h[10:16]) != extraMagic {
		return m, "no part of a segment starts here", nil
	}
	packed, plain := binary.LittleEndian.Uint64(h[16:]), binary.LittleEndian.Uint64(h[24:])
	switch {
	case packed <= memberHeader || packed > uint64(size-off):
		return m, "the file ends within a part", nil
	case plain == 0 || plain > 1032*packed: // deflate packs no denser
		return m, fmt.Sprintf("a part can't hold %d bytes", plain), nil
	}
	m.file = span{off, off + int64(packed)}
	m.plain.end = int64(plain)
	return m, "", nil
}

// findMember returns the offset of the next header at or after off, or size.
func findMember(r io.ReaderAt, off, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for off < size {
		b := buf[:min(int64(len(buf)), size-off)]
		if n, err := r.ReadAt(b, off); n < len(b) {
			return size, err
		}
		if i := indexHeader(b); i >= 0 {
			return off + int64(i), nil
		}
		if int64(len(b)) == size-off {
			return size, nil
		}
		off += int64(len(b)) - (memberHeader - 1)
	}
	return size, nil
}
