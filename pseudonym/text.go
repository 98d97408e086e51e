package pseudonym

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"marketo-proxy/classify"
)

// Text masks free text, such as the message of a fault: Marketo's own words, codes, dates and limits stay, and everything else
// is masked: what stands in quotes or brackets or behind an equals sign as a whole, the rest word by word.
func (m *Masker) Text(s string) string {
	return m.Emails(string(m.text(nil, []byte(s))))
}

// text appends what free text becomes.
func (m *Masker) text(dst, v []byte) []byte {
	t := textMasker{m: m, dst: dst}
	t.mask(v)
	return t.dst
}

type textMasker struct {
	m   *Masker
	dst []byte
	key []byte // the last word: it may say what a number is
}

func (t *textMasker) mask(v []byte) {
	var next address // from i on
	start, end := 0, 0
	for i := 0; i < len(v); {
		if i == 0 || i > start && start < end {
			start, end = len(v), len(v)
			if next.find(v[i:], true) {
				start, end = i+next.start, i+next.end
			}
		}
		if i == start && start < end {
			t.dst = t.m.addEmail(t.dst, v[i:end], next.text)
			t.key, i = t.key[:0], end
			continue
		}
		n := 0
		switch c := v[i]; {
		case c == '=' && i > 0 && v[i-1] != '=':
			n = t.assigned(v[i:])
		case c == '&':
			n = t.reference(v[i:])
		case isQuote(v[i:]) && (i == 0 || !isWordByte(v[i-1]) || v[i-1] >= utf8.RuneSelf):
			n = t.quoted(v[i:])
		case isWordByte(c), c == '+' && i+1 < len(v) && isDigit(v[i+1]), c == '(' && isGrouped(v[i:start]):
			n = t.word(v[i:start])
		}
		if n == 0 {
			_, n = utf8.DecodeRune(v[i:])
			t.dst = append(t.dst, v[i:i+n]...)
		}
		i += n
	}
}

// isQuote tells that v begins with what opens a quotation.
func isQuote(v []byte) bool {
	return bytes.IndexByte([]byte("\"'`["), v[0]) >= 0 || bytes.HasPrefix(v, []byte("“")) || bytes.HasPrefix(v, []byte("‘"))
}

// reference lets a reference to a sign of HTML stay.
func (t *textMasker) reference(v []byte) int {
	for _, r := range [...]string{"&nbsp;", "&copy;", "&mdash;", "&ndash;", "&hellip;", "&laquo;", "&raquo;", "&middot;"} {
		if bytes.HasPrefix(v, []byte(r)) {
			t.dst = append(t.dst, r...)
			return len(r)
		}
	}
	return 0
}

// isWordByte tells what words are made of; all that is not ASCII is.
func isWordByte(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' || c >= utf8.RuneSelf }

// assigned masks what follows an equals sign, up to a separator, and returns how much of v it took.
func (t *textMasker) assigned(v []byte) int {
	n := 1
	for n < len(v) && v[n] == ' ' {
		n++
	}
	t.dst = append(t.dst, v[:n]...)
	if n < len(v) && (v[n] == '"' || v[n] == '\'' || v[n] == '[') {
		return n // it is in quotes
	}
	end := n
	for end < len(v) && bytes.IndexByte([]byte(",;()[]{}<>\"'\r\n&"), v[end]) < 0 {
		end++
	}
	value := bytes.TrimRight(v[n:end], " .")
	t.keyed(value)
	t.key = t.key[:0]
	return n + len(value)
}

// keyed masks a value whose field may be the last word.
func (t *textMasker) keyed(value []byte) {
	f := lookup(t.key)
	switch f.form {
	case identifier, moment, number:
	case word:
		if !words()[string(bytes.ToLower(value))] {
			f.form = masked
		}
	default:
		f.form = masked
	}
	f.kind = Message
	out, same := t.m.value(t.dst, f, value)
	if t.dst = out; same {
		t.dst = append(t.dst, value...)
	}
}

// quoted masks what is in quotes or brackets, unless it is the name of a field; 0 if they are not closed.
func (t *textMasker) quoted(v []byte) int {
	r, n := utf8.DecodeRune(v)
	shut := string(r)
	switch r {
	case '[':
		shut = "]"
	case '“':
		shut = "”"
	case '‘': // Marketo closes it with either
		shut = "’'"
	}
	end := bytes.IndexAny(v[n:], shut)
	if end <= 0 || end > maxQuoted {
		return 0
	}
	_, size := utf8.DecodeRune(v[n+end:])
	closing := v[n+end : n+end+size]
	content := v[n : n+end]
	t.dst = append(t.dst, v[:n]...)
	switch {
	case isFieldName(content), isCode(content), len(content) <= 4 && all(content, isDigit),
		namesField()[string(bytes.ToLower(t.key))] && isIdent(content):
		t.dst = append(t.dst, content...)
	default:
		t.keyed(content)
	}
	t.dst = append(t.dst, closing...)
	t.key = t.key[:0]
	return n + end + size
}

// namesField has the words after which Marketo quotes the name of a field.
var namesField = setOf("field fields parameter attribute column")

func isIdent(v []byte) bool {
	return len(v) <= maxFieldName && isLetter(v[0]) && all(v, func(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' })
}

// maxQuoted is the length up to which the end of a quotation is looked for.
const maxQuoted = 1 << 10

// isFieldName tells the name of a field that Marketo itself knows.
func isFieldName(v []byte) bool {
	f := lookup(v)
	_, known := fields()[f.name]
	return known || standardFields()[f.name]
}

// word masks the word or number at the start of v and returns its length.
func (t *textMasker) word(v []byte) int {
	n := 0
	if n = timeLength(v); n > 0 {
		t.dst = append(t.dst, v[:n]...)
		return n
	}
	if layout, _ := bareDate(v[:min(len(v), len("YYYY-MM-DD"))], false); layout != "" {
		t.dst = t.m.shape(t.dst, v[:len(layout)], Message)
		return len(layout)
	}
	if s := schemeLength(v); s > 0 {
		for n < len(v) && !isSpace(v[n]) && bytes.IndexByte([]byte(`"'<>()`), v[n]) < 0 {
			n++
		}
		t.dst = t.m.shape(t.dst, v[:n], Message)
		return n
	}
	if n = addressLength(v); n > 0 {
		t.dst = t.m.mask(t.dst, v[:n], Message)
		return n
	}
	if n = groupLength(v); n > 0 && isPhone(v[:n]) {
		t.dst = t.m.mask(t.dst, v[:n], Phone)
		return n
	}
	n = 0
	for n < len(v) && (isWordByte(v[n]) || n > 0 && isWithin(v[n:])) {
		n++
	}
	if n == 0 { // the sign before a number
		return 0
	}
	word := v[:n]
	if t.isKnown(word) || isPhrase(v) {
		t.dst = append(t.dst, word...)
	} else if parts := bytes.IndexAny(word, "-.'"); parts > 0 && !isDigit(word[0]) { // known-unknown: each for itself
		return t.word(v[:parts:parts])
	} else {
		t.dst = t.m.mask(t.dst, word, Message)
	}
	t.key = append(t.key[:0], word[:min(len(word), maxFieldName)]...)
	return n
}

// isWithin tells that v begins with a sign that may stand within a word, and that the word goes on.
func isWithin(v []byte) bool {
	return v[0] == '#' || (v[0] == '\'' || v[0] == '-' || v[0] == '.') && len(v) > 1 && isWordByte(v[1])
}

// isKnown tells a word that may stay.
func (t *textMasker) isKnown(word []byte) bool {
	if isDigit(word[0]) {
		return isCode(word) || isLimit(word) || lookup(t.key).form == identifier && isIdentifier(word) || isRequestID(word)
	}
	if isRequestID(word) || bytes.Equal(word, []byte(marker)) || isConstant(word) {
		return true
	}
	lower := bytes.ToLower(word)
	return words()[string(lower)] || ambiguous()[string(word)] || isCamelCase(word) && isFieldName(word)
}

// isPhrase tells that v begins with words of which the first alone might be a name.
func isPhrase(v []byte) bool {
	for _, p := range phrases {
		if bytes.HasPrefix(v, []byte(p)) {
			return true
		}
	}
	return false
}

// isCode tells one of Marketo's codes, or a status of HTTP.
func isCode(v []byte) bool {
	if len(v) < 3 || len(v) > 5 || !all(v, isDigit) {
		return false
	}
	if len(v) == 3 {
		return true
	}
	for _, api := range []classify.API{classify.SOAP, classify.REST} {
		if _, ok := classify.Lookup(api, string(v)); ok {
			return true
		}
	}
	return false
}

// isLimit tells a number that says how many, of at most four digits or round, or a version.
func isLimit(v []byte) bool {
	if n := bytes.Count(v, []byte(".")); n == 1 || n == 2 {
		for part := range bytes.SplitSeq(v, []byte(".")) {
			if len(part) > 4 || !all(part, isDigit) {
				return false
			}
		}
		return true
	}
	return all(v, isDigit) && (len(v) <= 4 || len(v) <= 6 && bytes.HasSuffix(v, []byte("00")))
}

// isRequestID tells the likes of e42b#14272d07d78.
func isRequestID(v []byte) bool {
	return bytes.Count(v, []byte("#")) == 1 && isIdentifier(v) && len(v) >= 8
}

// isCamelCase tells a name like leadRecord, which is no word of a language.
func isCamelCase(word []byte) bool {
	return bytes.IndexByte(word, '_') > 0 ||
		bytes.IndexFunc(word[1:], unicode.IsUpper) >= 0 && bytes.IndexFunc(word, unicode.IsLower) >= 0
}

// timeLength is the length of the day with a time of day that v starts with, 0 if there is none.
func timeLength(v []byte) int {
	if len(v) < 16 || !matches(v, "YYYY-MM-DD") {
		return 0
	}
	n := 10
	for n < len(v) && n < 40 && (isDigit(v[n]) || bytes.IndexByte([]byte("TZ:.+- "), v[n]) >= 0) {
		n++
	}
	for ; n >= 16; n-- {
		if isTime(v[:n]) {
			return n
		}
	}
	return 0
}

// groupLength is the length of the number, perhaps in groups, that v starts with.
func groupLength(v []byte) (n int) {
	for i, c := range v {
		switch {
		case isDigit(c), c == ')' && i > 0:
			n = i + 1
		case c == '+' && i == 0:
		case c == '(' && (i == 0 || v[i-1] == ' '):
		case (c == ' ' || c == '-' || c == '.' || c == '/') && i > 0 && (isDigit(v[i-1]) || v[i-1] == ')'):
		default:
			return n
		}
	}
	return n
}

// isGrouped tells a number that begins in parentheses, as (555) 123-4567, and is no code.
func isGrouped(v []byte) bool {
	n := groupLength(v)
	return n > 0 && isPhone(v[:n]) && bytes.IndexByte(v[:n], ')') > 0
}

// addressLength is the length of the IP address that v starts with.
func addressLength(v []byte) int {
	n := 0
	for n < len(v) && n < 48 && (unhex(v[n]) >= 0 || v[n] == '.' || v[n] == ':') {
		n++
	}
	v = bytes.TrimRight(v[:n], ".:")
	if bytes.Count(v, []byte(".")) != 3 && bytes.Count(v, []byte(":")) < 2 {
		return 0
	}
	if !isIP(v) {
		return 0
	}
	return len(v)
}
