package admin

import (
	"regexp"
	"strings"

	"marketo-proxy/redact"
)

// part is a piece of a text: of one look.
type part struct {
	Text   string
	Masked bool
	Soft   bool // markup, beside which values stand out
}

// marked splits text where a secret was masked before it was written.
func marked(text string) []part { return appendMarked(nil, text, false) }

func appendMarked(parts []part, text string, soft bool) []part {
	for {
		before, after, found := strings.Cut(text, redact.Marker)
		if before != "" {
			parts = append(parts, part{Text: before, Soft: soft})
		}
		if !found {
			return parts
		}
		parts = append(parts, part{Text: redact.Marker, Masked: true})
		text = after
	}
}

// jsonKey is a key as pretty.Body writes it: at the start of a line.
var jsonKey = regexp.MustCompile(`(?m)^ *"(?:[^"\\\n]|\\.)*": `)

// bodyParts splits a body that was made pretty, and tells the tags of XML and the keys of JSON from the values. It only colours: it is
// right about what is well-formed, and loses nothing of what is not.
func bodyParts(body string) []part {
	switch trimmed := strings.TrimLeft(body, " \r\n\t\ufeff"); {
	case strings.HasPrefix(trimmed, "<"):
		return xmlParts(body)
	case strings.HasPrefix(trimmed, "{"), strings.HasPrefix(trimmed, "["):
		return jsonParts(body)
	}
	return marked(body)
}

func xmlParts(body string) (parts []part) {
	for body != "" {
		end := strings.IndexByte(body, '<')
		if end < 0 {
			end = len(body)
		}
		if end > 0 && strings.TrimSpace(body[:end]) != "" {
			parts = appendMarked(parts, body[:end], false)
			body, end = body[end:], 0
		}
		for end < len(body) { // tags with nothing but white space between, all in one
			tag := strings.IndexByte(body[end:], '>')
			if tag < 0 {
				end = len(body)
				break
			}
			end += tag + 1
			next := strings.IndexByte(body[end:], '<')
			if next < 0 || strings.TrimSpace(body[end:end+next]) != "" {
				break
			}
			end += next
		}
		parts = appendMarked(parts, body[:end], true)
		body = body[end:]
	}
	return parts
}

func jsonParts(body string) (parts []part) {
	at := 0
	for _, key := range jsonKey.FindAllStringIndex(body, -1) {
		parts = appendMarked(parts, body[at:key[0]], false)
		parts = appendMarked(parts, body[key[0]:key[1]], true)
		at = key[1]
	}
	return appendMarked(parts, body[at:], false)
}
