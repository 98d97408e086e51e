package redact

// stepValue takes the unit u, written as raw, while in a value, and returns how much of it is settled: nothing if u is
// what ends the value.
func (t *text) stepValue(u unit, raw []byte) int {
	switch {
	case t.mode == bracket:
		t.drop(raw)
		if t.nest(u); t.depth == 0 {
			t.endValue()
			t.leave()
		}
		return len(raw)
	case t.mode == quoted && t.closes(u):
		// Of the backslashes before the quote only as many as before the opening one belong to it.
		own := len(raw)
		if u.enc == asIs {
			own = 1 + min(u.slashes, t.open.slashes)
		}
		t.drop(raw[:len(raw)-own])
		t.endValue()
		t.state = afterQuoted
		t.out.write(raw[len(raw)-own:])
		return len(raw)
	case t.mode != element && !t.mask && t.keepScheme(u, raw):
		return len(raw)
	case t.mode == run && !t.mask && (u.c == '"' || u.c == '\'') && isPrefixLetters(t.head): // b'…' of Python
		t.out.write(t.head)
		t.out.write(raw)
		t.head = t.head[:0]
		t.mode, t.open = quoted, u
		return len(raw)
	case t.ends(u):
		t.endValue()
		t.leave()
		return 0
	}
	t.drop(raw)
	return len(raw)
}

// drop takes raw as part of the value.
func (t *text) drop(raw []byte) {
	if t.mask {
		return
	}
	if t.head = append(t.head, raw...); len(t.head) > maxHead {
		t.writeMask()
	}
}

func (t *text) writeMask() {
	t.out.mask(t.id)
	t.mask = true
	t.head = t.head[:0]
}

// endValue writes the marker if a value was dropped and it was not written yet.
func (t *text) endValue() {
	if len(t.head) > 0 {
		t.writeMask()
	}
}

// keepScheme passes on the scheme of an Authorization value, and the spaces after it.
func (t *text) keepScheme(u unit, raw []byte) bool {
	space := u.c == ' ' || u.c == '\t' || u.c == '+' && t.sep.enc == percent
	if !space || !t.kept && !isScheme(t.head) || t.kept && len(t.head) > 0 {
		return false
	}
	t.out.write(t.head)
	t.out.write(raw)
	t.head = t.head[:0]
	t.kept = true
	return true
}

// isScheme tells an authentication scheme (RFC 9110, section 11.1) from a value without one.
func isScheme(b []byte) bool {
	for _, s := range [...]string{"bearer", "basic", "digest", "negotiate", "ntlm", "oauth", "token"} {
		if len(b) == len(s) && equalFold(b, s) {
			return true
		}
	}
	return false
}

func isPrefixLetters(b []byte) bool {
	for _, c := range b {
		if !isLetter(c) {
			return false
		}
	}
	return len(b) == 1 || len(b) == 2
}

// nest counts brackets.
func (t *text) nest(u unit) {
	if !t.delimits(u) {
		return
	}
	switch u.c {
	case '[', '{':
		t.depth++
	case ']', '}':
		t.depth--
	}
}

// ends tells that u is no part of the value any more.
func (t *text) ends(u unit) bool {
	switch t.mode {
	case element:
		return u.c == '<' && t.matches(u)
	case line:
		return t.delimits(u) && (u.c < ' ' && u.c != '\t' || u.c == '<' || u.c == t.quote && t.quote != 0)
	case run:
		return t.delimits(u) && (u.c <= ' ' || runEnd[u.c])
	}
	return false
}

var runEnd = [256]bool{
	'"': true, '\'': true, '`': true, '<': true, '>': true, '&': true, ',': true, ';': true, ')': true, '}': true,
	']': true, '|': true, '#': true,
}

// delimits tells that u may end a value: a percent escape does only in a text that is escaped itself, else it is part of
// the value.
func (t *text) delimits(u unit) bool {
	return u.enc != percent || t.sep.enc == percent && u.level <= t.sep.level
}

// matches tells that u is written plainly, or like the unit that opened the value.
func (t *text) matches(u unit) bool {
	return u.enc == asIs || u.enc == t.open.enc && u.level <= t.open.level
}

// closes tells that u is the closing quote.
func (t *text) closes(u unit) bool {
	if u.c != t.open.c || !t.matches(u) {
		return false
	}
	n := t.open.slashes
	if u.enc != asIs || u.slashes < n {
		return true
	}
	if period := 2 * (n + 1); period&(period-1) == 0 {
		// JSON in JSON: n is 0, 1, 3, 7 …, and an escaped backslash has n+1 of them twice.
		return u.slashes%period == n
	}
	return u.slashes == n
}
