package emulator

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Elements that several operations share. Every value is read as text, so that a bad one can be answered with its own code.

type leadKey struct {
	Type  string `xml:"keyType"`
	Value string `xml:"keyValue"`
}

type leadRecord struct {
	ID          string      `xml:"Id"`
	Email       string      `xml:"Email"`
	ForeignID   string      `xml:"ForeignSysPersonId"`
	ForeignType string      `xml:"ForeignSysType"`
	Attributes  []attribute `xml:"leadAttributeList>attribute"`
}

type leadSelector struct {
	Type     string   `xml:"type,attr"` // xsi:type
	KeyType  string   `xml:"keyType"`
	Keys     []string `xml:"keyValues>stringItem"`
	ListName string   `xml:"staticListName"`
	ListID   string   `xml:"staticListId"`
	Latest   string   `xml:"latestUpdatedAt"`
	Oldest   string   `xml:"oldestUpdatedAt"`
}

var leadKeyTypes = []string{"IDNUM", "COOKIE", "EMAIL", "LEADOWNEREMAIL", "SFDCACCOUNTID", "SFDCCONTACTID", "SFDCLEADID",
	"SFDCLEADOWNERID", "SFDCOPPTYID"}

// sampleOwner owns the leads of Example Ltd; any other owner is unknown.
const sampleOwner = "owner@example.com"

// required says what is wrong with a parameter that must be there.
func required(name string, value *string) error {
	switch {
	case value == nil:
		return &fault{code: "20017", message: "Parameter " + name + " is missing"}
	case strings.TrimSpace(*value) == "":
		return &fault{code: "20109", message: "Parameter " + name + " is empty"}
	}
	return nil
}

// badParameter is a 20110 as it was seen: the text says little, the message more.
func badParameter(format string, args ...any) error {
	return &fault{code: "20110", text: "Input error", message: fmt.Sprintf(format, args...)}
}

// enumerated checks a parameter that allows a few values.
func enumerated(name, value string, allowed ...string) error {
	if !slices.Contains(allowed, value) {
		return badParameter("%s %q is none of %s", name, value, strings.Join(allowed, ", "))
	}
	return nil
}

// batch reads a batchSize of 1 to 1000.
func batch(text string, otherwise int) (int, error) {
	if strings.TrimSpace(text) == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 1 || n > 1000 {
		return 0, &fault{code: "20114", message: fmt.Sprintf("batchSize %q is not a number from 1 to 1000", text)}
	}
	return n, nil
}

// dateTime reads an xs:dateTime; empty is the zero time.
func dateTime(name, text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, nil
	}
	t, ok := parseTimestamp(text)
	if !ok {
		return t, badParameter("%s %q is not a date and time", name, text)
	}
	return t, nil
}

func isTrue(text string) bool {
	text = strings.TrimSpace(text)
	return text == "true" || text == "1"
}

// leadsByKey finds the leads that a key names, which may be none.
func (c *call) leadsByKey(key leadKey) ([]*lead, error) {
	kind, value := strings.TrimSpace(key.Type), strings.TrimSpace(key.Value)
	if kind == "" || value == "" {
		return nil, &fault{code: "20101"}
	}
	if !slices.Contains(leadKeyTypes, kind) {
		return nil, &fault{code: "20102", message: "Lead key type " + kind + " is not valid"}
	}
	store := c.emulator.store
	var match func(*lead) bool
	switch kind {
	case "IDNUM":
		id, err := strconv.Atoi(value)
		if err != nil {
			return nil, badParameter("IDNUM %q is not a number", value)
		}
		if l := store.lead(id); l != nil {
			return []*lead{l}, nil
		}
		return nil, nil
	case "EMAIL":
		return store.byEmailAddress(value), nil
	case "COOKIE":
		match = func(l *lead) bool { return l.attributes["MarketoCookie"] == value }
	case "LEADOWNEREMAIL", "SFDCLEADOWNERID":
		if value != sampleOwner {
			return nil, &fault{code: "20108", message: "Lead owner " + value + " does not exist"}
		}
		match = func(l *lead) bool { return l.attributes["Company"] == "Example Ltd" }
	default:
		match = func(l *lead) bool { return l.foreignSy == "SFDC" && l.foreignID == value }
	}
	found, _ := store.leadsWhere(0, 1000, match)
	return found, nil
}

// notFound is the fault for a key that names no lead; its message carries the key, as Marketo's does.
func notFound(key leadKey) error {
	return &fault{code: "20103", text: "Lead not found", message: "No lead found with " + key.Type + " = " + key.Value}
}

// selection turns a selector into a test of a lead. Without any criterion it is the fault that was seen for that: code 10001,
// but the caller's mistake.
func (c *call) selection(s *leadSelector, lastUpdatedAt string) (func(*lead) bool, error) {
	if s == nil {
		since, err := dateTime("lastUpdatedAt", lastUpdatedAt)
		if err != nil {
			return nil, err
		}
		if since.IsZero() {
			return nil, &fault{code: "10001", text: "Parameter required", message: "No selection criteria found in request", cause: true}
		}
		return func(l *lead) bool { return l.updated.After(since) }, nil
	}
	_, kind, ok := strings.Cut(s.Type, ":")
	if !ok {
		kind = s.Type
	}
	switch {
	case kind == "LeadKeySelector" || kind == "" && s.KeyType != "":
		return c.keySelection(s)
	case kind == "StaticListSelector" || kind == "" && s.ListName+s.ListID != "":
		list, err := c.listOf(s.ListName, s.ListID)
		if err != nil {
			return nil, err
		}
		return func(l *lead) bool { return list.members[l.id] }, nil // runs with the store locked
	case kind == "LastUpdateAtSelector" || kind == "" && s.Oldest != "":
		return c.timeSelection(s)
	}
	return nil, badParameter("lead selector %q is not known", kind)
}

func (c *call) keySelection(s *leadSelector) (func(*lead) bool, error) {
	if len(s.Keys) == 0 {
		return nil, &fault{code: "20101"}
	}
	if len(s.Keys) > 100 {
		return nil, badParameter("more than 100 lead keys")
	}
	wanted := map[int]bool{}
	for _, value := range s.Keys {
		leads, err := c.leadsByKey(leadKey{s.KeyType, value})
		if err != nil {
			return nil, err
		}
		for _, l := range leads {
			wanted[l.id] = true
		}
	}
	return func(l *lead) bool { return wanted[l.id] }, nil
}

// timeSelection wants at most 30 days; without an end they run until now.
func (c *call) timeSelection(s *leadSelector) (func(*lead) bool, error) {
	if err := required("oldestUpdatedAt", &s.Oldest); err != nil {
		return nil, err
	}
	oldest, err := dateTime("oldestUpdatedAt", s.Oldest)
	if err != nil {
		return nil, err
	}
	latest, err := dateTime("latestUpdatedAt", s.Latest)
	if err != nil {
		return nil, err
	}
	if latest.IsZero() {
		latest = c.now
	}
	if latest.Sub(oldest) > 30*24*time.Hour {
		return nil, &fault{code: "20022"}
	}
	return func(l *lead) bool { return !l.updated.Before(oldest) && !l.updated.After(latest) }, nil
}

// listOf finds a static list by name or id.
func (c *call) listOf(name, id string) (*list, error) {
	found := c.emulator.store.findList(func(l *list) bool {
		return name != "" && (l.name == name || l.program+"."+l.name == name) || name == "" && strconv.Itoa(l.id) == id
	})
	if found == nil {
		return nil, &fault{code: "20111", message: "List " + name + id + " does not exist"}
	}
	return found, nil
}

// streamPosition is where a list of leads goes on: behind which lead, and how many are left. Marketo's own look like
// id:1089965:to:1392234668:tl:1392321068:os:2:rc:24, so these do too; the order and other names don't matter.
type streamPosition struct{ id, offset, remaining int }

func (p streamPosition) String() string {
	return fmt.Sprintf("id:%d:os:%d:rc:%d", p.id, p.offset, p.remaining)
}

// readStreamPosition is the zero position for an empty text.
func readStreamPosition(text string) (p streamPosition, err error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return p, nil
	}
	parts := strings.Split(text, ":")
	seen := 0
	for i := 0; i+1 < len(parts); i += 2 {
		n, err := strconv.Atoi(parts[i+1])
		if err != nil {
			return p, &fault{code: "20122"}
		}
		switch parts[i] {
		case "id":
			p.id = n
		case "os":
			p.offset = n
		case "rc":
			p.remaining = n
		default:
			continue
		}
		seen++
	}
	if seen != 3 || len(parts)%2 != 0 {
		return p, &fault{code: "20122"}
	}
	if p.remaining == 0 {
		return p, &fault{code: "20123"}
	}
	return p, nil
}
