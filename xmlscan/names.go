package xmlscan

import (
	"bytes"
	"iter"
)

// nameStart has the bytes that a name can begin with; a < before any other byte is text.
var nameStart = bytesOf(func(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == ':' || c >= 0x80
})

// nameEnd has the bytes that end a name.
var nameEnd = bytesOf(func(c byte) bool { return isSpace(c) || c == '/' || c == '>' || c == '=' || c == '"' || c == '\'' })

func bytesOf(is func(byte) bool) (set [256]bool) {
	for i := range set {
		set[i] = is(byte(i))
	}
	return set
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func nameLen(b []byte) int {
	for i, c := range b {
		if nameEnd[c] {
			return i
		}
	}
	return len(b)
}

// Local returns the name after its first colon, or the whole name if it has none.
func (t Token) Local() []byte {
	return t.Name[bytes.IndexByte(t.Name, ':')+1:]
}

// Attr is an attribute of a start tag.
type Attr struct {
	Name       []byte // the qualified name as written
	Value      []byte // between the quotes, entities not decoded
	Start, End int    // Value is Raw[Start:End] of the tag's token; empty after the name if there is no value
}

// Local returns the name after its first colon, or the whole name if it has none.
func (a Attr) Local() []byte {
	return a.Name[bytes.IndexByte(a.Name, ':')+1:]
}

// Attrs goes through the attributes of a start tag that came whole; any other token has none. An attribute without quotes
// ends at the next white space.
func (t Token) Attrs() iter.Seq[Attr] {
	return func(yield func(Attr) bool) {
		if t.Kind != Start || len(t.Name) == 0 {
			return
		}
		raw, i := t.Raw[:len(t.Raw)-1], 1+len(t.Name) // without >
		if t.SelfClosing {
			raw = raw[:len(raw)-1]
		}
		for {
			for i < len(raw) && (isSpace(raw[i]) || raw[i] == '/') {
				i++
			}
			if i == len(raw) {
				return
			}
			var a Attr
			if a, i = attr(raw, i); !yield(a) {
				return
			}
		}
	}
}

// attr reads the attribute at raw[i:], which is no white space, and returns where it ends, which is past i.
func attr(raw []byte, i int) (a Attr, next int) {
	n := nameLen(raw[i:])
	a.Name = raw[i : i+n]
	i += n
	a.Start, a.End = i, i
	for i < len(raw) && isSpace(raw[i]) {
		i++
	}
	if i == len(raw) || raw[i] != '=' && n > 0 {
		return a, a.End
	}
	if raw[i] == '=' {
		i++
	}
	for i < len(raw) && isSpace(raw[i]) {
		i++
	}
	a.Start, next = i, len(raw)
	if i < len(raw) && (raw[i] == '"' || raw[i] == '\'') {
		a.Start = i + 1
		a.End = len(raw)
		if n := bytes.IndexByte(raw[a.Start:], raw[i]); n >= 0 {
			a.End = a.Start + n
			next = a.End + 1
		}
	} else {
		for i < len(raw) && !isSpace(raw[i]) {
			i++
		}
		a.End, next = i, i
	}
	a.Value = raw[a.Start:a.End]
	return a, next
}
