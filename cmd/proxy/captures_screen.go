package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
	"golang.org/x/text/width"

	"marketo-proxy/pretty"
)

// screen is what a command must know of the place that it writes to.
type screen struct {
	terminal bool
	columns  int // 0: as many as one likes
	color    bool
}

func (w *world) screen() screen {
	f, ok := w.stdout.(interface{ Fd() uintptr })
	if !ok {
		return screen{}
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return screen{}
	}
	// https://no-color.org: any value but an empty one.
	return screen{terminal: true, columns: int(size.Col), color: w.env["NO_COLOR"] == "" && w.env["TERM"] != "dumb"}
}

// The colours, as parameters of the escape sequence SGR (ECMA-48).
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	purple = "35"
	cyan   = "36"
)

func (s screen) paint(color, text string) string {
	if !s.color || color == "" || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// printable is s on one line, with everything escaped that could steer a terminal.
func printable(s string) string { return pretty.Line(s) }

// harmlessWriter passes text on, with everything escaped that could steer a terminal. Lines and tabs stay; a carriage return before a
// newline is dropped. As JSON, the escapes are JSON's, so the text means the same.
type harmlessWriter struct {
	w    io.Writer
	json bool
	rest []byte // the start of a character, or a carriage return
}

func (h *harmlessWriter) Write(p []byte) (int, error) {
	text := string(h.rest) + string(p)
	h.rest = h.rest[:0]
	var out strings.Builder
	out.Grow(len(text))
	for len(text) > 0 {
		if !utf8.FullRuneInString(text) || text == "\r" {
			h.rest = append(h.rest, text...)
			break
		}
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == '\r' && text[1] == '\n':
		case r == '\n' || r == '\t':
			out.WriteByte(text[0])
		case h.json && (!pretty.Harmless(r) || r == utf8.RuneError):
			out.WriteString(jsonEscape(r))
		default:
			out.WriteString(pretty.Rune(r, text[:n]))
		}
		text = text[n:]
	}
	if _, err := io.WriteString(h.w, out.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close writes what waited for more. It does not close the writer below.
func (h *harmlessWriter) Close() error {
	var out strings.Builder
	for _, b := range h.rest {
		if h.json {
			out.WriteString(jsonEscape(utf8.RuneError))
		} else {
			fmt.Fprintf(&out, `\x%02x`, b)
		}
	}
	h.rest = nil
	_, err := io.WriteString(h.w, out.String())
	return err
}

func jsonEscape(r rune) string {
	if r > 0xffff {
		r -= 0x10000
		return fmt.Sprintf(`\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// cells is how many columns of a terminal text takes (Unicode, UAX 11).
func cells(text string) (n int) {
	for _, r := range text {
		n += runeCells(r)
	}
	return n
}

func runeCells(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// cut shortens text to so many columns, with an ellipsis where something is missing.
func cut(text string, columns int) string {
	if cells(text) <= columns {
		return text
	}
	used := 0
	for i, r := range text {
		if used += runeCells(r); used > columns-1 {
			return text[:i] + "…"
		}
	}
	return text
}
