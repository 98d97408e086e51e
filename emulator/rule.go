package emulator

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// The request headers by which a caller chooses what happens to its own call.
const (
	FailHeader = "Marketo-Emulator-Fail" // effects as in a rule, without the operation; a list with commas, or several headers
	SizeHeader = "Marketo-Emulator-Size" // short for the effect size: "1GiB"
)

// Rule makes calls fail, or otherwise behave as real answers sometimes do.
//
// Written as text it is
//
//	operation = effect [+ effect]… [: probability] [# times]
//
// where operation is the name of a SOAP operation, the operationId of a REST one, "soap", "rest" or "*"; the probability
// is between 0 and 1 (1 if left out), and the rule ends after it has fired the given number of times:
//
//	getLead=20011:0.1        one getLead in ten fails with code 20011
//	*=slow=3s                every call takes three seconds
//	syncLead=slow=2s+cut#1   the next syncLead is slow, and cut off
//
// The effects:
//
//	20011, 606      that code: a SOAP Fault, or an entry of errors[]; any number is allowed
//	partial[=WHAT]  every other record of a write fails, from the first; WHAT is the status (FAILED, SKIPPED, CANCELED) or
//	                the code of the REST reason (1004)
//	slow[=1s]       that long before the answer
//	drip[=50ms]     64 bytes of the answer at a time, that long between them
//	hang            no answer until the client gives up
//	reset           TCP reset instead of an answer
//	cut[=SIZE]      the connection ends after SIZE bytes of the answer, or in its middle; without Content-Length: +chunked
//	html502, …      an HTML page with that status
//	http503, …      a line of plain text with that status
//	empty           a 200 without a body
//	malformed       a whole HTTP answer with the first half of the document
//	badgzip         Content-Encoding: gzip in front of a body that is not gzip
//	gzip, identity  compressed, or not, whatever the client accepts
//	chunked         no Content-Length
//	size=SIZE       as many leads (rows, text) as make the answer exactly SIZE bytes before compression
//	latin1, utf16   the answer in that encoding
//	status=200      HTTP status of a fault
//	message=TEXT    its text, without + : # and commas; a faultstring keeps the code in front
//	nocode          SOAP fault with the code in <code> only, and an empty <cause/>
//	nodetail        SOAP fault without detail
//	soap12          SOAP 1.2 fault
//	server          faultcode SOAP-ENV:Server
//	oneline         no line breaks between the tags, and no XML declaration
//	number          REST: codes as numbers
//	expired         REST: the access token has expired, unless this is its first call: a new one heals
type Rule struct {
	Operation   string
	Effects     []Effect
	Probability float64 // 1: always
	Times       int     // 0: without end
}

// Effect is one thing that a Rule does; Value is empty if it has none.
type Effect struct{ Name, Value string }

// ParseRule reads a rule. The error is one line that says what is wrong and which forms are right.
func ParseRule(text string) (Rule, error) {
	operation, rest, ok := strings.Cut(text, "=")
	operation = strings.TrimSpace(operation)
	if !ok || operation == "" {
		return Rule{}, fmt.Errorf("emulator: rule %q: write it as operation=effect, e.g. getLead=20011:0.1", text)
	}
	if err := checkOperation(operation); err != nil {
		return Rule{}, fmt.Errorf("emulator: rule %q: %w", text, err)
	}
	rule, err := parseEffects(rest)
	if err != nil {
		return Rule{}, fmt.Errorf("emulator: rule %q: %w", text, err)
	}
	rule.Operation = operation
	return rule, nil
}

// String is the text from which ParseRule makes the same rule.
func (r Rule) String() string {
	var b strings.Builder
	b.WriteString(r.Operation + "=")
	for i, effect := range r.Effects {
		if i > 0 {
			b.WriteByte('+')
		}
		b.WriteString(effect.Name)
		if effect.Value != "" {
			b.WriteString("=" + effect.Value)
		}
	}
	if r.Probability != 1 {
		b.WriteString(":" + strconv.FormatFloat(r.Probability, 'g', -1, 64))
	}
	if r.Times > 0 {
		b.WriteString("#" + strconv.Itoa(r.Times))
	}
	return b.String()
}

func checkOperation(name string) error {
	if name == "*" || name == "soap" || name == "rest" {
		return nil
	}
	known := knownOperations()
	if slices.Contains(known, name) {
		return nil
	}
	for _, k := range known {
		if strings.EqualFold(k, name) {
			return fmt.Errorf("there is no operation %q; did you mean %q?", name, k)
		}
	}
	return fmt.Errorf("there is no operation %q; use a SOAP operation, a REST operationId, soap, rest or *", name)
}

// parseEffects reads what stands behind the operation.
func parseEffects(text string) (Rule, error) {
	rule := Rule{Probability: 1}
	text, times, ok := cutLast(text, "#")
	if ok {
		n, err := strconv.Atoi(strings.TrimSpace(times))
		if err != nil || n < 1 {
			return Rule{}, fmt.Errorf("%q after # is not a number of times, 1 or more", times)
		}
		rule.Times = n
	}
	text, probability, ok := cutLast(text, ":")
	if ok {
		p, err := strconv.ParseFloat(strings.TrimSpace(probability), 64)
		if err != nil || !(p >= 0 && p <= 1) {
			return Rule{}, fmt.Errorf("%q after : is not a probability between 0 and 1", probability)
		}
		rule.Probability = p
	}
	var scratch effects
	for part := range strings.SplitSeq(text, "+") {
		name, value, _ := strings.Cut(part, "=")
		effect := Effect{strings.TrimSpace(name), strings.TrimSpace(value)}
		if strings.ContainsAny(effect.Value, ":#") {
			return Rule{}, fmt.Errorf("effect %s: %q has more than one probability or count", effect.Name, effect.Value)
		}
		if err := scratch.add(effect); err != nil {
			return Rule{}, err
		}
		rule.Effects = append(rule.Effects, effect)
	}
	return rule, nil
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// activeRule is a rule in use.
type activeRule struct {
	Rule
	fired int
}

func (r *activeRule) matches(api, operation string) bool {
	return r.Operation == "*" || r.Operation == api || r.Operation == operation
}

// fires decides by chance and by count.
func (r *activeRule) fires(random *rand.Rand) bool {
	if r.Times > 0 && r.fired >= r.Times || r.Probability < 1 && random.Float64() >= r.Probability {
		return false
	}
	r.fired++
	return true
}

// choose collects the effects of the headers and of every rule that fires. A rule later in the list has the last word.
func (c *call) choose() error {
	e := c.emulator
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, rule := range e.rules {
		if rule.matches(c.api, c.operation) && rule.fires(e.rand) {
			if err := c.effects.addAll(rule.Effects); err != nil {
				return err
			}
		}
	}
	for _, header := range c.r.Header.Values(FailHeader) {
		for part := range strings.SplitSeq(header, ",") {
			rule, err := parseEffects(strings.TrimSpace(part))
			if err != nil {
				return fmt.Errorf("emulator: header %s: %w", FailHeader, err)
			}
			if (&activeRule{Rule: rule}).fires(e.rand) {
				if err := c.effects.addAll(rule.Effects); err != nil {
					return err
				}
			}
		}
	}
	if size := c.r.Header.Get(SizeHeader); size != "" {
		if err := c.effects.add(Effect{"size", size}); err != nil {
			return fmt.Errorf("emulator: header %s: %w", SizeHeader, err)
		}
	}
	return nil
}
