package pseudonym

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	ownPrefix = "p-"
	ownDomain = "@example.com" // RFC 2606: nobody has an address there
	ownLength = len(ownPrefix) + tagLength + len(ownDomain)

	maxLocal  = 256 // characters before the @ of an address; RFC 5321 allows 64
	maxDomain = 255
)

// email appends the pseudonym of an address.
func (m *Masker) email(dst, address []byte) []byte {
	m.digest(bytes.ToLower(bytes.TrimSpace(address)))
	m.counts[Email]++
	dst = append(dst, ownPrefix...)
	dst = append(dst, m.tag()...)
	return append(dst, ownDomain...)
}

// addEmail appends what an address, written like raw, becomes.
func (m *Masker) addEmail(dst, raw, address []byte) []byte {
	if isOwn(address) {
		return append(dst, raw...)
	}
	return m.email(dst, address)
}

// isOwn tells that an address is a pseudonym, or ends in one: what stands before it without a space was not part of an address.
func isOwn(address []byte) bool {
	if len(address) < ownLength {
		return false
	}
	b := address[len(address)-ownLength:]
	if !bytes.HasPrefix(b, []byte(ownPrefix)) || !bytes.HasSuffix(b, []byte(ownDomain)) {
		return false
	}
	for _, c := range b[len(ownPrefix) : len(ownPrefix)+tagLength] {
		if bytes.IndexByte([]byte(tagAlphabet), c) < 0 {
			return false
		}
	}
	return true
}

// FindEmail returns the first e-mail address in r that is no pseudonym of a Masker, escapes undone, and "" if there is none. It
// reads to the end or to the address, in bounded memory; its error is r's.
func FindEmail(r io.Reader) (string, error) {
	var hold []byte
	var a address
	buf := make([]byte, chunk)
	for {
		n, err := r.Read(buf)
		hold = append(hold, buf[:n]...)
		last := err != nil
		for {
			found := a.find(hold, last)
			if found && !isOwn(a.text) {
				return string(a.text), nil
			}
			if !found {
				break
			}
			hold = hold[a.end:]
		}
		hold = hold[a.start:]
		switch {
		case errors.Is(err, io.EOF):
			return "", nil
		case err != nil:
			return "", fmt.Errorf("pseudonym: look for addresses: %w", err)
		}
	}
}

// address is an e-mail address found in text of any structure.
type address struct {
	start, end int    // where it stands; start alone: before it there is none, whatever follows
	text       []byte // escapes undone
	ends       []int  // where each byte of the domain ends
}

// find looks for the first address in b; last tells that nothing follows b. An address is a run of characters that may be in one,
// an @, and a domain with a dot and a last label that does not begin with a digit. What begins earlier wins.
func (a *address) find(b []byte, last bool) bool {
	a.start, a.text = 0, a.text[:0]
	for i := 0; i < len(b); {
		if c := b[i]; (isLetter(c) || isDigit(c)) && len(a.text) < maxLocal { // most bytes
			a.text = append(a.text, b[i])
			i++
			continue
		}
		u, ok := readUnit(b[i:], last)
		if !ok {
			return false
		}
		switch word := u.isWord(); {
		case u.c[0] == '@' && len(a.text) > 0:
			found, more := a.domain(b, i+u.n, last)
			if found || more {
				return found
			}
			a.restart(i + u.n)
		case !word && (!localSign[u.c[0]] || len(a.text) == 0), len(a.text) >= maxLocal:
			a.restart(i + u.n)
		default:
			a.text = append(a.text, u.c[:u.size]...)
		}
		i += u.n
	}
	if last {
		a.start = len(b)
	}
	return false
}

func (a *address) restart(i int) { a.start, a.text = i, a.text[:0] }

// domain reads what follows the @, from b[i] on. more tells that b ends too early to know.
func (a *address) domain(b []byte, i int, last bool) (found, more bool) {
	if string(a.text) == marker { // https://user:REDACTED@host
		return false, false
	}
	a.text, a.ends = append(a.text, '@'), a.ends[:0]
	local := len(a.text)
	for len(a.ends) < maxDomain {
		if i == len(b) {
			if !last {
				return false, true
			}
			break
		}
		if c := b[i]; isLetter(c) || isDigit(c) { // most bytes
			i++
			a.text, a.ends = append(a.text, c), append(a.ends, i)
			continue
		}
		u, ok := readUnit(b[i:], last)
		if !ok {
			return false, true
		}
		if !u.isWord() && u.c[0] != '-' && u.c[0] != '.' {
			break
		}
		i += u.n
		for _, c := range u.c[:u.size] {
			a.text, a.ends = append(a.text, c), append(a.ends, i)
		}
	}
	n := domainLength(a.text[local:])
	if own := a.text[:min(len(a.text), local+len(ownDomain)-1)]; isOwn(own) { // whatever follows it
		n = len(own) - local
	}
	if n == 0 {
		return false, false
	}
	a.text, a.end = a.text[:local+n], a.ends[n-1]
	return true, false
}

// domainLength is the length of the longest domain that b starts with, 0 if there is none.
func domainLength(b []byte) (n int) {
	label := 0 // where it begins
	for i := 0; i <= len(b); i++ {
		if i < len(b) && b[i] != '.' {
			continue
		}
		if i == label {
			return n
		}
		last := len(bytes.TrimRight(b[label:i], "-")) // the end of a comment is no part of it
		if label > 0 && last >= 2 && !isDigit(b[label]) && b[label] != '-' {
			n = label + last
		}
		label = i + 1
	}
	return n
}

// localSign has the signs that may stand before the @, but not as the first character. The ampersand and the equals sign are
// allowed by RFC 5322, but separate parameters far more often than they are in an address; so does the slash paths.
var localSign = [256]bool{
	'.': true, '_': true, '+': true, '-': true, '\'': true, '!': true, '#': true, '$': true, '*': true, '^': true, '`': true,
	'{': true, '|': true, '}': true, '~': true, '%': true,
}

// filter is the last stage of all output: it replaces the addresses that are still there.
type filter struct {
	m    *Masker
	hold []byte // not yet searched, or what may be the start of an address
	out  []byte // ready
	a    address
}

// Write is write as an io.Writer has it.
func (f *filter) Write(p []byte) (int, error) {
	f.write(p)
	return len(p), nil
}

func (f *filter) write(p []byte) { f.hold = append(f.hold, p...) }

func (f *filter) writeString(p string) { f.hold = append(f.hold, p...) }

// flush searches what was written; last tells that nothing follows.
func (f *filter) flush(last bool) {
	b := f.hold
	for f.a.find(b, last) {
		f.out = append(f.out, b[:f.a.start]...)
		f.out = f.m.addEmail(f.out, b[f.a.start:f.a.end], f.a.text)
		b = b[f.a.end:]
	}
	f.out = append(f.out, b[:f.a.start]...)
	f.hold = f.hold[:copy(f.hold, b[f.a.start:])]
}

// Emails replaces the e-mail addresses in a short text, and nothing else.
func (m *Masker) Emails(s string) string {
	f := filter{m: m, hold: []byte(s)}
	f.flush(true)
	return string(f.out)
}
