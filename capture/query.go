package capture

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"marketo-proxy/classify"
)

// Query chooses captures. Its zero value chooses all of them; every field that is set must hold. Words are compared without
// regard to case, users exactly.
type Query struct {
	Since, Until time.Time // when the call began: not before Since, before Until
	Codes        []string  // any of these
	Class        string
	Operation    string
	API          string
	Outcome      string
	User         string
	Limit        int // at most so many; 0: no limit
}

var (
	knownAPIs     = []string{string(classify.SOAP), string(classify.REST)}
	knownOutcomes = []string{
		string(classify.Fault), string(classify.Partial), string(classify.HTTP), string(classify.Malformed),
		string(classify.Transport), string(classify.Client), string(classify.Recovered),
	}
	knownClasses = []string{
		string(classify.ClassRenew), string(classify.ClassThrottled), string(classify.ClassQuota), string(classify.ClassMarketo),
		string(classify.ClassAccess), string(classify.ClassCaller), string(classify.ClassAnswer), string(classify.ClassUnknown),
	}
)

// Outcomes are the words that a Query can have.
func Outcomes() []string { return slices.Clone(knownOutcomes) }

// Classes are the words that a Query can have.
func Classes() []string { return slices.Clone(knownClasses) }

// Check reports what can't be meant: a word that no capture ever has, or a time window without an inside.
func (q Query) Check() error {
	var problems []error
	for _, word := range []struct {
		field, is string
		known     []string
	}{{"api", q.API, knownAPIs}, {"outcome", q.Outcome, knownOutcomes}, {"class", q.Class, knownClasses}} {
		if word.is != "" && !slices.ContainsFunc(word.known, func(k string) bool { return strings.EqualFold(k, word.is) }) {
			problems = append(problems, fmt.Errorf("%s: %q is none of %s", word.field, word.is, strings.Join(word.known, ", ")))
		}
	}
	for _, code := range q.Codes {
		if code == "" || strings.Trim(code, "0123456789") != "" {
			problems = append(problems, fmt.Errorf("code: %q is not a code: give numbers like 20103", code))
		}
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		problems = append(problems, fmt.Errorf("since: %s is not before until: %s", q.Since.Format(time.RFC3339), q.Until.Format(time.RFC3339)))
	}
	if q.Limit < 0 {
		problems = append(problems, fmt.Errorf("limit: %d is less than nothing: give 0 for all", q.Limit))
	}
	return errors.Join(problems...)
}

// Matches tells whether the head of a capture is what the query asks for; it does not count up to Limit.
func (q Query) Matches(c *Capture) bool {
	word := func(want, is string) bool { return want == "" || strings.EqualFold(want, is) }
	return (q.Since.IsZero() || !c.Time.Before(q.Since)) &&
		(q.Until.IsZero() || c.Time.Before(q.Until)) &&
		(len(q.Codes) == 0 || slices.Contains(q.Codes, c.Code)) &&
		word(q.Class, string(c.Class)) &&
		word(q.Operation, c.Operation) &&
		word(q.API, string(c.API)) &&
		word(q.Outcome, string(c.Outcome)) &&
		(q.User == "" || q.User == c.User)
}

var errTime = errors.New("give a time ago like 90m, 2h or 7d, or a time like 2026-11-24T15:04:05Z")

// localLayouts are times without a zone, as people paste them from a table.
var localLayouts = []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly}

// ParseTime reads a point in time: a duration before now, in the units of time.ParseDuration and d (24 h) and w, or an RFC 3339
// time. A date, or a time without a zone, is in the zone of now.
func ParseTime(s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	for _, layout := range localLayouts {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	ago, ok := parseAgo(s)
	if !ok {
		return time.Time{}, fmt.Errorf("%q is not a time: %w", s, errTime)
	}
	return now.Add(-ago), nil
}

// maxAgo is some hundred years, far from what a time.Duration can hold.
const maxAgo = 36_500 * 24 * time.Hour

func parseAgo(s string) (ago time.Duration, ok bool) {
	if s == "" || strings.ContainsAny(s, "+-") {
		return 0, false
	}
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		count, rest, found := strings.Cut(s, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(count, 10, 16)
		if err != nil || time.Duration(n) > maxAgo/unit.length {
			return 0, false
		}
		ago += time.Duration(n) * unit.length
		if s = rest; s == "" {
			return ago, ago <= maxAgo
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d > maxAgo {
		return 0, false
	}
	return ago + d, ago+d <= maxAgo
}
