package emulator

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// charsetWriter encodes what is written to it. Close writes what is left, and leaves w open.
func charsetWriter(charset string, w io.Writer) io.WriteCloser {
	if charset == "UTF-16" {
		return transform.NewWriter(w, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder())
	}
	return transform.NewWriter(w, encoding.HTMLEscapeUnsupported(charmap.ISO8859_1.NewEncoder()))
}

// charsetReader decodes by the name in an XML declaration.
func charsetReader(name string, r io.Reader) (io.Reader, error) {
	switch strings.ToUpper(name) {
	case "UTF-8", "US-ASCII":
		return r, nil
	case "ISO-8859-1", "LATIN1":
		return charmap.ISO8859_1.NewDecoder().Reader(r), nil
	case "ISO-8859-15":
		return charmap.ISO8859_15.NewDecoder().Reader(r), nil
	case "WINDOWS-1252":
		return charmap.Windows1252.NewDecoder().Reader(r), nil
	}
	return nil, fmt.Errorf("encoding %q is not supported", name)
}

// utf16Reader decodes UTF-16, known by its byte order mark or by "<" as the first character, and drops the mark of UTF-8. It
// tells whether it decoded, since then the name in the XML declaration is no longer true.
func utf16Reader(r io.Reader) (decoded io.Reader, was16 bool) {
	buffered := bufio.NewReader(r)
	head, _ := buffered.Peek(3)
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{'<', 0}):
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Reader(buffered), true
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}), bytes.HasPrefix(head, []byte{0, '<'}):
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder().Reader(buffered), true
	case bytes.HasPrefix(head, []byte{0xef, 0xbb, 0xbf}):
		buffered.Discard(3) // peeked
	}
	return buffered, false
}
