package jsonscan

// want is what the grammar allows next.
type want uint8

const (
	wantValue want = iota
	wantValueOrEnd
	wantKey
	wantKeyOrEnd
	wantColon
	wantCommaOrEnd
	wantNothing
)

var unexpected = [...]string{
	wantValue:      "a value is missing",
	wantValueOrEnd: "a value or ] is missing",
	wantKey:        "a member name is missing",
	wantKeyOrEnd:   "a member name or } is missing",
	wantColon:      "a colon is missing",
	wantCommaOrEnd: "a comma or the end of the object or array is missing",
	wantNothing:    "something follows the value",
}

// grammar checks the order of tokens. After an error it goes on as well as it can, because names must still be told from
// values.
type grammar struct {
	err   *SyntaxError
	want  want
	named bool // in an object and before the colon: a string is a name
	depth int
	low   uint64   // which of the outer 64 levels are arrays
	high  []uint64 // the same for the levels from 64 to MaxDepth
}

// fail records the first offence. The content of a string is looked through before its place is judged, so an earlier one
// may come late.
func (g *grammar) fail(off int64, reason string) {
	if g.err == nil || off < g.err.Offset {
		g.err = &SyntaxError{Offset: off, Reason: reason}
	}
}

func (g *grammar) finish(off int64) {
	if g.want != wantNothing && g.err == nil {
		g.fail(off, "the input ends early: "+unexpected[g.want])
	}
}

// inObject tells what the innermost open level is.
func (g *grammar) inObject() bool {
	switch level := g.depth - 1; {
	case level < 0:
		return false
	case level < 64:
		return g.low>>level&1 == 0
	case level < MaxDepth:
		return g.high[level/64-1]>>(level%64)&1 == 0
	}
	return true // unknown; a name mistaken for a value would be the worse error
}

func (g *grammar) open(off int64, array bool) {
	g.begin(off)
	level := g.depth
	g.depth++
	g.named = !array
	g.want = wantKeyOrEnd
	bit := uint64(0)
	if array {
		g.want = wantValueOrEnd
		bit = 1
	}
	switch {
	case level < 64:
		g.low = g.low&^(1<<level) | bit<<level
	case level < MaxDepth:
		word := level/64 - 1
		if word == len(g.high) {
			g.high = append(g.high, 0)
		}
		g.high[word] = g.high[word]&^(1<<(level%64)) | bit<<(level%64)
	default:
		g.fail(off, "nested too deeply")
	}
}

func (g *grammar) close(off int64, array bool) {
	switch {
	case g.depth == 0:
		g.fail(off, unexpected[g.want])
		return
	case g.inObject() == array:
		g.fail(off, "the end of an object closes an array, or the other way round")
	case g.want == wantCommaOrEnd, g.want == wantKeyOrEnd, g.want == wantValueOrEnd:
	default:
		g.fail(off, unexpected[g.want])
	}
	g.depth--
	g.named = false
	g.end()
}

func (g *grammar) colon(off int64) {
	if g.want != wantColon {
		g.fail(off, unexpected[g.want])
	}
	g.want = wantValue
	g.named = false
}

func (g *grammar) comma(off int64) {
	if g.want != wantCommaOrEnd {
		g.fail(off, unexpected[g.want])
	}
	g.want = wantValue
	if g.named = g.inObject(); g.named {
		g.want = wantKey
	}
}

// stringKind is the kind of a string that begins here.
func (g *grammar) stringKind() Kind {
	if g.named {
		return Key
	}
	return String
}

func (g *grammar) str(off int64, kind Kind) {
	if kind == String {
		g.value(off)
		return
	}
	if g.want != wantKey && g.want != wantKeyOrEnd {
		g.fail(off, unexpected[g.want])
	}
	g.want = wantColon
}

// value is a value that is neither object nor array.
func (g *grammar) value(off int64) {
	g.begin(off)
	g.end()
}

func (g *grammar) begin(off int64) {
	if g.want != wantValue && g.want != wantValueOrEnd {
		g.fail(off, unexpected[g.want])
	}
}

// end is the end of a value.
func (g *grammar) end() {
	g.want = wantCommaOrEnd
	if g.depth == 0 {
		g.want = wantNothing
	}
}

// numberState is a state of RFC 8259's grammar of numbers.
type numberState uint8

const (
	numberStart numberState = iota
	numberMinus
	numberZero // complete
	numberInt  // complete
	numberPoint
	numberFrac // complete
	numberE
	numberSign
	numberExp // complete
	numberBad
)

func (n numberState) complete() bool {
	return n == numberZero || n == numberInt || n == numberFrac || n == numberExp
}

func (n numberState) read(b []byte) numberState {
	for _, c := range b {
		n = n.next(c)
	}
	return n
}

func (n numberState) next(c byte) numberState {
	digit := '0' <= c && c <= '9'
	switch {
	case n == numberStart && c == '-':
		return numberMinus
	case n <= numberMinus && c == '0':
		return numberZero
	case n <= numberMinus && digit, n == numberInt && digit:
		return numberInt
	case c == '.' && (n == numberZero || n == numberInt):
		return numberPoint
	case digit && (n == numberPoint || n == numberFrac):
		return numberFrac
	case (c == 'e' || c == 'E') && (n == numberZero || n == numberInt || n == numberFrac):
		return numberE
	case (c == '+' || c == '-') && n == numberE:
		return numberSign
	case digit && (n == numberE || n == numberSign || n == numberExp):
		return numberExp
	}
	return numberBad
}
