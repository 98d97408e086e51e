package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/pretty"
)

type capturesLs struct {
	captureFlags
	filterFlags
	Limit int    `help:"At most so many lines; 0: all." default:"50" placeholder:"N"`
	By    string `help:"Count per code, class, outcome, operation, user, api or hour in place of listing." placeholder:"FIELD"`
	JSON  bool   `name:"json" help:"One JSON object a line: each capture as it is on disk."`
	UTC   bool   `name:"utc" help:"Times in UTC in place of the local zone."`
}

// Run lists captures. What is damaged is reported on stderr and skipped; that, and finding nothing, is no failure.
func (c *capturesLs) Run(w *world) (err error) {
	now := w.clock(c.UTC)
	q, err := c.query(now)
	if err != nil {
		return err
	}
	if c.Limit < 0 {
		return usageError{fmt.Errorf("--limit: %d is less than nothing: give 0 for all", c.Limit)}
	}
	if c.By != "" && fieldOf(c.By, now.Location()) == nil {
		return usageError{fmt.Errorf("--by: %q is none of code, class, outcome, operation, user, api, hour", c.By)}
	}
	a, err := c.archive()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w.stdout)
	damaged := &damage{stderr: w.stderr}
	defer damaged.end()
	var found int
	if c.By != "" {
		found, err = c.count(w, a, q, now, out, damaged)
	} else {
		if q.Limit = c.Limit; c.Limit > 0 {
			q.Limit++ // to know whether there are more
		}
		found, err = c.list(w, a, q, now, out, damaged)
	}
	if err = errors.Join(err, out.Flush(), w.ctx.Err()); err == nil && found == 0 {
		c.nothing(w, c.CaptureDir)
	}
	return err
}

func (c *capturesLs) list(w *world, a *capture.Archive, q capture.Query, now time.Time, out io.Writer, damaged *damage) (found int, err error) {
	screen := w.screen()
	l := newLister(out, screen, now.Location(), c.JSON, tableAhead)
	for s, err := range a.Search(w.ctx, q) {
		if err == nil && c.Limit > 0 && found == c.Limit {
			if err = l.end(); err == nil && screen.terminal && !c.JSON {
				_, err = fmt.Fprintln(out, screen.paint(dim, fmt.Sprintf("the newest %d; --limit 0 shows all, --by code counts them", found)))
			}
			return found, err
		}
		if err == nil {
			err = l.add(s)
		}
		var lost *lostLine
		switch {
		case s == nil || errors.As(err, &lost):
			damaged.add(err)
		case err != nil:
			return found, err
		default:
			found++
		}
	}
	return found, l.end()
}

// lister prints captures as rows of a table, or as lines of JSON.
type lister struct {
	out   io.Writer
	json  bool
	zone  *time.Location
	table table
}

func newLister(out io.Writer, s screen, zone *time.Location, asJSON bool, ahead int) *lister {
	if asJSON && s.terminal {
		out = &harmlessWriter{w: out, json: true}
	}
	columns := []column{
		{title: zoneTitle("TIME", zone)}, {title: "ID"}, {title: "CODE", min: 5}, {title: "OUTCOME", spare: 5}, {title: "CLASS", spare: 4},
		{title: "OPERATION"}, {title: "API", spare: 2}, {title: "DURATION", right: true, spare: 3}, {title: "USER", spare: 1}, {title: "MESSAGE"},
	}
	if ahead == 0 { // what is to come must fit
		for i, longest := range []string{3: "recovered", 4: "throttled", 5: "getLeadByIdUsingGET", 6: "soap"} {
			columns[i].min = max(columns[i].min, len(longest))
		}
		columns[len(columns)-1].min = minLast
	}
	return &lister{out: out, json: asJSON, zone: zone, table: table{w: out, screen: s, ahead: ahead, columns: columns}}
}

// zoneTitle says in which zone a column of times is.
func zoneTitle(title string, zone *time.Location) string {
	name, _ := time.Now().In(zone).Zone()
	return title + " (" + name + ")"
}

// idLength is how much of an id is shown. On a terminal the random half of it is left out: the beginning is enough for `show`, and
// leaves room for what matters.
func (s screen) idLength() int {
	if s.terminal {
		return len("019abcde-f012-7abc")
	}
	return len("019abcde-f012-7abc-8def-0123456789ab")
}

func (l *lister) add(s *capture.Stored) error {
	if l.json {
		return copyLine(l.out, s.Handle)
	}
	color := classColor(s.Class, s.Outcome)
	return l.table.add(
		cell{s.Time.In(l.zone).Format(time.DateTime), dim},
		cell{shorten(printable(s.ID), l.table.screen.idLength()), ""},
		cell{orDash(s.Code), color}, cell{orDash(string(s.Outcome)), color}, cell{orDash(string(s.Class)), color},
		cell{orDash(s.Operation), ""}, cell{orDash(string(s.API)), ""}, cell{pretty.Duration(s.DurationMS), ""},
		cell{orDash(s.User), ""}, cell{orDash(s.Message), ""},
	)
}

func (l *lister) end() error {
	if l.json {
		return nil
	}
	return l.table.flush()
}

func shorten(id string, length int) string {
	if len(id) > length {
		return id[:length]
	}
	return id
}

// orDash keeps columns countable where a field is empty.
func orDash(s string) string {
	if s = printable(s); strings.TrimSpace(s) == "" {
		return "-"
	}
	return s
}

var toneColors = map[pretty.Tone]string{
	pretty.Bad: red, pretty.Busy: purple, pretty.Warn: yellow, pretty.Good: green, pretty.Renew: cyan,
}

func classColor(class classify.Class, outcome classify.Outcome) string {
	return toneColors[pretty.ToneOf(class, outcome)]
}

// tally is how many captures have a value in common.
type tally struct {
	Value     string         `json:"-"`
	API       classify.API   `json:"api,omitempty"` // for codes, since both APIs number their own, and for users
	Operation string         `json:"operation,omitempty"`
	Class     classify.Class `json:"class,omitempty"`
	Count     int            `json:"count"`
	First     time.Time      `json:"first"`
	Last      time.Time      `json:"last"`
	Means     string         `json:"meaning,omitempty"`
	REST      string         `json:"rest,omitempty"` // what takes the place of an operation of SOAP
}

// key is what the captures of one tally have in common.
func (c *capturesLs) key(s *capture.Stored, value string) tally {
	key := tally{Value: value}
	switch c.By {
	case "code":
		key.API, key.Class = s.API, s.Class
		key.Means = classify.Explain(classify.Verdict{Outcome: s.Outcome, Code: s.Code, Message: s.Message}, s.API).Message
	case "user": // with what each calls: that is what has to be moved from SOAP to REST
		key.API, key.Operation = s.API, s.Operation
		if s.API == classify.SOAP {
			key.REST = classify.RESTCounterpart(s.Operation)
		}
	}
	return key
}

// fieldOf returns the field that captures are counted by, or nil. Hours are those of a zone.
func fieldOf(by string, zone *time.Location) func(*capture.Capture) string {
	switch by {
	case "code":
		return func(c *capture.Capture) string { return c.Code }
	case "class":
		return func(c *capture.Capture) string { return string(c.Class) }
	case "outcome":
		return func(c *capture.Capture) string { return string(c.Outcome) }
	case "operation":
		return func(c *capture.Capture) string { return c.Operation }
	case "user":
		return func(c *capture.Capture) string { return c.User }
	case "api":
		return func(c *capture.Capture) string { return string(c.API) }
	case "hour":
		return func(c *capture.Capture) string {
			t := c.Time.In(zone)
			// time.Date can't tell the two hours apart that have the same name when a clock is put back.
			into := time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second
			return t.Add(-into).Format(time.RFC3339)
		}
	}
	return nil
}

func (c *capturesLs) count(w *world, a *capture.Archive, q capture.Query, now time.Time, out io.Writer, damaged *damage) (found int, err error) {
	counts, field := map[tally]*tally{}, fieldOf(c.By, now.Location())
	for s, err := range a.Search(w.ctx, q) {
		if err != nil {
			damaged.add(err)
			continue
		}
		found++
		key := c.key(s, field(&s.Capture))
		t := counts[key]
		if t == nil {
			begun := key
			begun.First, begun.Last = s.Time, s.Time
			t, counts[key] = &begun, &begun
		}
		t.Count++
		if s.Time.Before(t.First) {
			t.First = s.Time
		}
		if s.Time.After(t.Last) {
			t.Last = s.Time
		}
	}
	var rows []*tally
	for _, t := range counts {
		rows = append(rows, t)
	}
	slices.SortFunc(rows, func(a, b *tally) int {
		if c.By == "hour" {
			return b.Last.Compare(a.Last)
		}
		return cmp.Or(cmp.Compare(b.Count, a.Count), b.Last.Compare(a.Last), cmp.Compare(a.Value, b.Value), cmp.Compare(a.API, b.API),
			cmp.Compare(a.Operation, b.Operation))
	})
	if c.Limit > 0 && len(rows) > c.Limit {
		rows = rows[:c.Limit]
	}
	s := w.screen()
	switch {
	case c.JSON && s.terminal:
		return found, c.countJSON(&harmlessWriter{w: out, json: true}, rows)
	case c.JSON:
		return found, c.countJSON(out, rows)
	}
	return found, c.countTable(out, s, now.Location(), rows)
}

func (c *capturesLs) countJSON(out io.Writer, rows []*tally) error {
	for _, t := range rows {
		line, err := json.Marshal(t)
		if err == nil {
			var value []byte
			if value, err = json.Marshal(t.Value); err == nil {
				_, err = fmt.Fprintf(out, "{%q:%s,%s\n", c.By, value, line[1:])
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *capturesLs) countTable(out io.Writer, s screen, zone *time.Location, rows []*tally) error {
	columns := []column{{title: strings.ToUpper(c.By)}}
	if c.By == "hour" {
		columns[0].title = zoneTitle("HOUR", zone)
	}
	switch c.By {
	case "code":
		columns = append(columns, column{title: "API"}, column{title: "CLASS"})
	case "user":
		columns = append(columns, column{title: "API", spare: 2}, column{title: "OPERATION"})
	}
	columns = append(columns, column{title: "COUNT", right: true}, column{title: zoneTitle("FIRST", zone), spare: 1}, column{title: zoneTitle("LAST", zone)})
	switch c.By {
	case "code":
		columns = append(columns, column{title: "MEANING"})
	case "user":
		columns = append(columns, column{title: "IN REST"})
	}
	t := table{w: out, screen: s, columns: columns, ahead: len(rows)}
	for _, r := range rows {
		value := r.Value
		if hour, err := time.Parse(time.RFC3339, value); err == nil && c.By == "hour" {
			value = hour.In(zone).Format("2006-01-02 15:04")
		}
		row := []cell{{orDash(value), classColor(r.Class, "")}}
		switch c.By {
		case "code":
			row = append(row, cell{orDash(string(r.API)), ""}, cell{orDash(string(r.Class)), classColor(r.Class, "")})
		case "user":
			row = append(row, cell{orDash(string(r.API)), ""}, cell{orDash(r.Operation), ""})
		}
		row = append(row, cell{fmt.Sprint(r.Count), bold},
			cell{r.First.In(zone).Format(time.DateTime), ""}, cell{r.Last.In(zone).Format(time.DateTime), ""})
		switch c.By {
		case "code":
			row = append(row, cell{orDash(r.Means), ""})
		case "user":
			row = append(row, cell{orDash(r.REST), ""})
		}
		if err := t.add(row...); err != nil {
			return err
		}
	}
	return t.flush()
}
