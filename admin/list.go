package admin

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/pretty"
)

// patience is how long the first view waits for the index.
const patience = 800 * time.Millisecond

// maxGroups is how many codes a page counts; a filter finds the rest.
const maxGroups = 24

type listPage struct {
	Problem    string
	Filter     filter
	Filtered   bool
	Groups     []groupView
	MoreGroups int
	Rows       []rowView
	Total      string
	Shown      string
	Newest     string // addresses; empty: there is none
	Newer      string
	Older      string
	Live       string // of the events
	Reading    bool
	Indexed    string
	Damaged    string
	Beyond     bool
	Ticket     string
	TicketOf   string
	Callers    []SOAPCaller
	Ranges     []link
}

// filter is the form as it was filled.
type filter struct {
	Since, Until, Code, Class, Operation, API, Outcome, User string
	Classes, Outcomes                                        []string
}

type link struct {
	Text, Address string
	Current       bool
}

type groupView struct {
	Code, Name, Class string
	Tone              pretty.Tone
	Count             string
	Last              time.Time
	LastText          string
	Line              string // the path of its sparkline
	Describe          string // of it, in words
	Address           string
	Chosen            bool
}

type rowView struct {
	ID                                  string
	Began                               time.Time
	Code, Outcome, Class                string
	Tone                                pretty.Tone
	API, Operation, User, Message, Took string
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	page := listPage{Filter: newFilter(values)}
	page.Filtered = page.Filter.set()
	q, problem := parseQuery(values, s.now())
	x, err := s.index()
	if err != nil {
		s.fail(w, r, http.StatusInternalServerError, err)
		return
	}
	status := http.StatusOK
	if problem != nil {
		status, page.Problem = http.StatusBadRequest, strings.ReplaceAll(problem.Error(), "\n", "; ")
		s.show(w, r, status, "list.html", "Captures", page)
		return
	}
	at := cursor{before: values.Get("before"), after: values.Get("after")}
	x.await(r)
	c := x.choose(q, at)
	if c.cut && !c.reading && at.after == "" && !c.older && len(c.rows) < q.Limit {
		more, older := x.beyond(r.Context(), q, at, q.Limit-len(c.rows))
		c.rows, c.older, page.Beyond = append(c.rows, more...), older, true
	} else if c.cut && !c.older && at.after == "" {
		c.older = true // there may be
	}
	page.fill(values, c, s.now())
	page.Ranges = ranges(values)
	if s.options.Ticket != nil {
		page.ticket(values)
	}
	if s.options.SOAPCallers != nil {
		page.Callers = slices.Clone(s.options.SOAPCallers())
		for i := range page.Callers {
			c := &page.Callers[i]
			c.User, c.Operation = pretty.Line(c.User), pretty.Line(c.Operation) // from requests
		}
		slices.SortFunc(page.Callers, func(a, b SOAPCaller) int { return cmp.Or(cmp.Compare(b.Calls, a.Calls), b.Last.Compare(a.Last)) })
	}
	s.show(w, r, status, "list.html", "Captures", page)
}

// await gives the index a moment to be whole.
func (x *index) await(r *http.Request) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-x.past:
	case <-timer.C:
	case <-r.Context().Done():
	}
}

func newFilter(v url.Values) filter {
	return filter{
		Since: v.Get("since"), Until: v.Get("until"), Code: v.Get("code"), Class: v.Get("class"), Operation: v.Get("operation"),
		API: v.Get("api"), Outcome: v.Get("outcome"), User: v.Get("user"),
		Classes: capture.Classes(), Outcomes: capture.Outcomes(),
	}
}

func (f *filter) set() bool {
	return f.Since+f.Until+f.Code+f.Class+f.Operation+f.API+f.Outcome+f.User != ""
}

// address is a list with some values of the filter changed, name by name; an empty one is left out. It begins with the newest.
func address(v url.Values, changed ...string) string {
	next := url.Values{}
	for _, name := range []string{"since", "until", "code", "class", "operation", "api", "outcome", "user", "limit"} {
		if value := v.Get(name); value != "" {
			next.Set(name, value)
		}
	}
	for i := 0; i+1 < len(changed); i += 2 {
		next.Del(changed[i])
		if changed[i+1] != "" {
			next.Set(changed[i], changed[i+1])
		}
	}
	if len(next) == 0 {
		return "/"
	}
	return "/?" + next.Encode()
}

func ranges(v url.Values) []link {
	var all []link
	for _, r := range [][2]string{{"Hour", "1h"}, {"Day", "24h"}, {"Week", "7d"}, {"All", ""}} {
		all = append(all, link{r[0], address(v, "since", r[1], "until", ""), v.Get("since") == r[1] && v.Get("until") == ""})
	}
	return all
}

func (p *listPage) fill(v url.Values, c choice, now time.Time) {
	for i, g := range c.groups {
		if i == maxGroups {
			p.MoreGroups = len(c.groups) - i
			break
		}
		p.Groups = append(p.Groups, newGroupView(v, g, c.from, c.to, now))
	}
	for i := range c.rows {
		p.Rows = append(p.Rows, newRowView(&c.rows[i]))
	}
	p.Total, p.Shown = plural(c.total, "capture"), plural(len(c.rows), "capture")
	if c.cut {
		p.Total = "more than " + p.Total
	}
	if c.newer && len(c.rows) > 0 {
		p.Newest, p.Newer = address(v), address(v, "after", c.rows[0].id.String())
	}
	if c.older && len(c.rows) > 0 {
		p.Older = address(v, "before", c.rows[len(c.rows)-1].id.String())
	}
	if v.Get("before")+v.Get("after") != "" && len(c.rows) == 0 {
		p.Newest = address(v)
	}
	p.Live = strings.Replace(address(v, "since", "", "until", "", "limit", ""), "/", "/api/events", 1)
	p.Reading, p.Indexed = c.reading, plural(c.indexed, "capture")
	if c.damaged > 0 {
		p.Damaged = plural(c.damaged, "line")
	}
}

// ticket offers one for what the list shows: without a time that is too much, so it is the last hour then.
func (p *listPage) ticket(v url.Values) {
	p.TicketOf = "of the last hour"
	if v.Get("since")+v.Get("until") != "" {
		p.TicketOf = "of this list"
	}
	p.Ticket = strings.Replace(address(v, "limit", ""), "/", "/api/ticket", 1)
}

func newGroupView(v url.Values, g *group, from, to, now time.Time) groupView {
	code := classify.Explain(classify.Verdict{Outcome: g.outcome, Code: g.code, Message: g.message}, g.api)
	view := groupView{
		Code: pretty.Line(g.code), Name: code.Message, Class: pretty.Line(string(g.class)), Tone: pretty.ToneOf(g.class, g.outcome),
		Count: number(g.count), Last: time.Unix(0, g.last), Line: sparkline(&g.over),
		Chosen: g.code != "" && slices.Contains(strings.Split(v.Get("code"), ","), g.code),
	}
	view.LastText = view.Last.UTC().Format("2 Jan 15:04")
	if now.Sub(view.Last) < 12*time.Hour {
		view.LastText = view.Last.UTC().Format("15:04:05")
	}
	highest := slices.Max(g.over[:])
	view.Describe = fmt.Sprintf("%s from %s to %s, at most %d in %s", plural(g.count, "capture"), from.UTC().Format(time.DateTime),
		to.UTC().Format(time.DateTime), highest, pretty.Duration(float64(to.Sub(from).Milliseconds())/buckets))
	switch {
	case g.code == "":
		view.Code = pretty.Line(string(g.outcome))
		view.Chosen = strings.EqualFold(v.Get("outcome"), string(g.outcome)) && v.Get("code") == ""
		view.Address = address(v, "outcome", string(g.outcome), "code", "")
		if view.Chosen {
			view.Address = address(v, "outcome", "")
		}
	case view.Chosen:
		view.Address = address(v, "code", "")
	default:
		view.Address = address(v, "code", g.code)
	}
	return view
}

// sparkline is a path of bars in a box of one unit a bucket and 16 units of height.
func sparkline(over *[buckets]int) string {
	highest := max(slices.Max(over[:]), 1)
	var path strings.Builder
	for i, n := range over {
		if n > 0 { // a single one is still seen
			fmt.Fprintf(&path, "M%d.5 16v-%.1f", i, max(float64(n)/float64(highest)*15, 1.5))
		}
	}
	return path.String()
}

func newRowView(e *entry) rowView {
	id := e.id.String()
	row := rowView{
		ID: id, Began: time.Unix(0, e.began), Code: pretty.Line(e.kind.code), Outcome: pretty.Line(string(e.kind.outcome)),
		Class: pretty.Line(string(e.kind.class)), Tone: pretty.ToneOf(e.kind.class, e.kind.outcome), API: pretty.Line(string(e.kind.api)),
		Operation: pretty.Line(e.kind.operation), User: pretty.Line(e.kind.user), Message: pretty.Line(e.message), Took: pretty.Duration(float64(e.ms)),
	}
	if row.Message == "" {
		code := classify.Explain(classify.Verdict{Outcome: e.kind.outcome, Code: e.kind.code}, e.kind.api)
		row.Message = code.Message
	}
	return row
}
