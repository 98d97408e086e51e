package jsonscan

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Unquote appends to dst the meaning of raw, the Data of a key or string, and returns the result, which is valid UTF-8 if
// dst is. Escapes are decoded; an invalid one stays as it stands. A lone surrogate and each byte that is no UTF-8 become
// U+FFFD, as in encoding/json.
func Unquote(dst, raw []byte) []byte {
	for len(raw) > 0 {
		n := bytes.IndexByte(raw, '\\')
		if n < 0 {
			n = len(raw)
		}
		dst = appendValid(dst, raw[:n])
		if raw = raw[n:]; len(raw) == 0 {
			break
		}
		n, ok := escape(raw)
		switch {
		case n == 0 && len(raw) >= 6 && isHigh(hex4(raw[2:])): // cut between the halves of what may have been a pair
			n = 6
			dst = utf8.AppendRune(dst, utf8.RuneError)
		case n == 0:
			n = len(raw)
			dst = append(dst, raw...)
		case !ok:
			dst = append(dst, raw[:n]...)
		case n == 2:
			dst = append(dst, simple[raw[1]])
		case n == 6:
			dst = utf8.AppendRune(dst, hex4(raw[2:])) // a lone surrogate becomes U+FFFD
		default:
			dst = utf8.AppendRune(dst, utf16.DecodeRune(hex4(raw[2:]), hex4(raw[8:])))
		}
		raw = raw[n:]
	}
	return dst
}

func appendValid(dst, b []byte) []byte {
	if utf8.Valid(b) {
		return append(dst, b...)
	}
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		dst = utf8.AppendRune(dst, r)
		b = b[n:]
	}
	return dst
}

// simple has what the escapes of two characters mean.
var simple = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escape measures the escape at the start of b, or the pair of escapes if they make a surrogate pair. n is 0 if b ends
// too early to tell. An invalid escape ends before the byte that makes it so if that may have a meaning of its own.
func escape(b []byte) (n int, ok bool) {
	if len(b) < 2 {
		return 0, false
	}
	switch c := b[1]; {
	case simple[c] != 0:
		return 2, true
	case c < ' ' || c >= utf8.RuneSelf:
		return 1, false
	case c != 'u':
		return 2, false
	}
	n, ok = hexes(b, 2)
	if !ok || !isHigh(hex4(b[2:])) {
		return n, ok
	}
	for i, c := range []byte(`\u`) {
		if len(b) == 6+i {
			return 0, false
		}
		if b[6+i] != c {
			return 6, true
		}
	}
	n, ok = hexes(b, 8)
	if n == 0 {
		return 0, false
	}
	if !ok || !isLow(hex4(b[8:])) {
		return 6, true
	}
	return n, true
}

// hexes reads four hexadecimal digits at b[i:] and returns where they end, or where the first byte is that is none; 0 if
// b ends before.
func hexes(b []byte, i int) (n int, ok bool) {
	for n = i; n < i+4; n++ {
		if n == len(b) {
			return 0, false
		}
		if unhex(b[n]) < 0 {
			return n, false
		}
	}
	return n, true
}

func isHigh(r rune) bool { return 0xd800 <= r && r < 0xdc00 }
func isLow(r rune) bool  { return 0xdc00 <= r && r < 0xe000 }

// hex4 is the value of the four hexadecimal digits that b starts with, or negative.
func hex4(b []byte) rune {
	r := rune(0)
	for _, c := range b[:4] {
		r = r<<4 | unhex(c)
	}
	return r
}

func unhex(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}

// Escape writes p, UTF-8, as AppendEscaped appends it.
func Escape(w io.Writer, p []byte) error {
	for len(p) > 0 {
		n := unescaped(p)
		if n > 0 {
			if _, err := w.Write(p[:n]); err != nil {
				return err
			}
		}
		if n == len(p) {
			break
		}
		if _, err := io.WriteString(w, escapes[p[n]]); err != nil {
			return err
		}
		p = p[n+1:]
	}
	return nil
}

// AppendEscaped appends p, UTF-8, as it stands inside a JSON string. Pieces of a text may be appended one after the other, wherever
// they were cut. The delete character is escaped too: JSON would not ask for it, terminals do.
func AppendEscaped(dst, p []byte) []byte {
	for len(p) > 0 {
		n := unescaped(p)
		if dst = append(dst, p[:n]...); n == len(p) {
			break
		}
		dst = append(dst, escapes[p[n]]...)
		p = p[n+1:]
	}
	return dst
}

// unescaped returns how many bytes at the start of b stand for themselves: what plain finds, without the delete character.
func unescaped(b []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		q, e, d := w^ones*'"', w^ones*'\\', w^ones*0x7f
		if hit := ((q-ones)&^q | (e-ones)&^e | (d-ones)&^d | (w-ones*' ')&^w) & tops; hit != 0 {
			return n + bits.TrailingZeros64(hit)/8
		}
	}
	for n < len(b) && (b[n] >= utf8.RuneSelf || escapes[b[n]] == "") {
		n++
	}
	return n
}

// escapes has the ASCII characters that do not stand for themselves.
var escapes = func() (e [utf8.RuneSelf]string) {
	for c := range byte(' ') {
		e[c] = fmt.Sprintf(`\u%04x`, c)
	}
	e['"'], e['\\'], e['\n'], e['\r'], e['\t'], e[0x7f] = `\"`, `\\`, `\n`, `\r`, `\t`, `\u007f`
	return e
}()
