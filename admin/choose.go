package admin

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

// buckets is how many points a sparkline has.
const buckets = 48

// choice is what a list shows of the index.
type choice struct {
	rows         []entry // the newest first
	newer, older bool    // whether there is more on either side
	total        int
	groups       []*group // of all that q chooses whatever its codes, the most frequent first
	from, to     time.Time
	reading      bool // the past is not all in yet
	indexed      int
	damaged      int
	cut          bool // there is more on disk than in the index
}

// group is the captures of one code, or of one outcome where there is none.
type group struct {
	api     classify.API
	code    string
	outcome classify.Outcome
	class   classify.Class
	message string // of the newest
	count   int
	last    int64 // ns
	over    [buckets]int
}

// groupKey tells groups apart.
type groupKey struct {
	api     classify.API
	code    string
	outcome classify.Outcome // empty where there is a code
}

// verdict is what a query says about all captures of a kind.
type verdict struct {
	grouped, chosen bool // regardless of codes, and with them
	group           *group
}

// choose looks at every entry once: some nanoseconds each.
func (x *index) choose(q capture.Query, at cursor) choice {
	x.mu.RLock()
	defer x.mu.RUnlock()
	entries := x.window(q.Since, q.Until)
	c := choice{to: x.now(), indexed: len(x.entries), damaged: x.damaged, cut: x.cut, reading: !closed(x.past)}
	if !q.Until.IsZero() && q.Until.Before(c.to) {
		c.to = q.Until
	}
	limit := q.Limit
	q.Since, q.Until = time.Time{}, time.Time{}
	verdicts := map[*kind]*verdict{}
	groups := map[groupKey]*group{}
	pick := picker{at: x.position(at), limit: limit}
	var first int64
	for i := range entries {
		e := &entries[i]
		v, ok := verdicts[e.kind]
		if !ok {
			v = judge(&q, e.kind, groups)
			verdicts[e.kind] = v
		}
		if v.grouped {
			if first == 0 {
				first = e.began
			}
			v.group.add(e, first, c.to.UnixNano())
		}
		if v.chosen {
			c.total++
			pick.add(e)
		}
	}
	c.rows, c.newer, c.older = pick.rows()
	c.from = time.Unix(0, first)
	for _, g := range groups {
		if g.count > 0 {
			c.groups = append(c.groups, g)
		}
	}
	slices.SortFunc(c.groups, func(a, b *group) int {
		return cmp.Or(b.count-a.count, cmp.Compare(b.last, a.last), cmp.Compare(a.code, b.code), cmp.Compare(a.outcome, b.outcome))
	})
	return c
}

// window is the entries of calls that began from since on and before until. The caller holds mu.
func (x *index) window(since, until time.Time) []entry {
	entries := x.entries
	begins := func(e entry, t int64) int { return cmp.Compare(e.began, t) }
	if !until.IsZero() {
		i, _ := slices.BinarySearchFunc(entries, until.UnixNano(), begins)
		entries = entries[:i]
	}
	if !since.IsZero() {
		i, _ := slices.BinarySearchFunc(entries, since.UnixNano(), begins)
		entries = entries[i:]
	}
	return entries
}

func judge(q *capture.Query, k *kind, groups map[groupKey]*group) *verdict {
	c := capture.Capture{API: k.api, Code: k.code, Class: k.class, Outcome: k.outcome, Operation: k.operation, User: k.user}
	free := *q
	free.Codes = nil
	v := &verdict{grouped: free.Matches(&c), chosen: q.Matches(&c)}
	if v.grouped {
		key := groupKey{k.api, k.code, ""}
		if k.code == "" {
			key.outcome = k.outcome
		}
		if v.group = groups[key]; v.group == nil {
			v.group = &group{api: k.api, code: k.code, outcome: k.outcome, class: k.class}
			groups[key] = v.group
		}
	}
	return v
}

func (g *group) add(e *entry, from, to int64) {
	g.count++
	g.last = e.began
	g.class, g.outcome, g.message = e.kind.class, e.kind.outcome, e.message
	// 1 ns more, so that the last of them is in the last bucket.
	g.over[min(max((e.began-from)*buckets/max(to-from+1, 1), 0), buckets-1)]++
}

// cursor is a place in a list: before (older than) or after (newer than) a capture.
type cursor struct {
	before, after string // an id, or empty
}

// position is a cursor as an entry. The caller holds mu.
type position struct {
	before, after *entry
}

func (x *index) position(at cursor) position {
	return position{before: x.find(at.before), after: x.find(at.after)}
}

// find returns the entry of an id, or for one that is not there an entry of its time; nil for no id.
func (x *index) find(id string) *entry {
	u, err := uuid.Parse(id)
	if err != nil {
		return nil
	}
	for i := range x.entries {
		if x.entries[i].id == u {
			e := x.entries[i]
			return &e
		}
	}
	sec, nsec := u.Time().UnixTime()
	return &entry{id: u, began: time.Unix(sec, nsec).UnixNano()}
}

// picker keeps a page of what it is given, the oldest first.
type picker struct {
	at          position
	limit       int
	page        []entry // a ring once it is full
	next        int
	newer, less bool // there is more that is newer, or older, than the page
}

func (p *picker) add(e *entry) {
	switch {
	case p.at.after != nil && compare(*e, *p.at.after) <= 0:
		p.less = true
	case p.at.after != nil && len(p.page) == p.limit:
		p.newer = true
	case p.at.before != nil && compare(*e, *p.at.before) >= 0:
		p.newer = true
	case len(p.page) < p.limit:
		p.page = append(p.page, *e)
	default:
		p.page[p.next] = *e
		p.next = (p.next + 1) % p.limit
		p.less = true
	}
}

func (p *picker) rows() (rows []entry, newer, older bool) {
	rows = append(slices.Clone(p.page[p.next:]), p.page[:p.next]...)
	slices.Reverse(rows)
	return rows, p.newer, p.less
}

// beyond reads from the disk what a list shows of captures that are older than the index, at most limit.
func (x *index) beyond(ctx context.Context, q capture.Query, at cursor, limit int) (rows []entry, more bool) {
	x.mu.RLock()
	floor := x.now()
	if len(x.entries) > 0 {
		floor = time.Unix(0, x.entries[0].began)
	}
	before := x.find(at.before)
	x.mu.RUnlock()
	if before != nil {
		if s, err := x.archive.Find(at.before); err == nil {
			before.began = s.Time.UnixNano()
		}
		if t := time.Unix(0, before.began+1); t.Before(floor) {
			floor = t
		}
	}
	if q.Until.IsZero() || floor.Before(q.Until) {
		q.Until = floor
	}
	if !q.Since.IsZero() && !q.Since.Before(q.Until) {
		return nil, false
	}
	q.Limit = limit + 2 // the one at the cursor, and one to know whether there is more
	for s, err := range x.archive.Search(ctx, q) {
		if err != nil {
			continue
		}
		x.mu.Lock()
		e, ok := x.entry(&s.Capture)
		x.mu.Unlock()
		if !ok || before != nil && compare(e, *before) >= 0 {
			continue
		}
		if len(rows) == limit {
			return rows, true
		}
		rows = append(rows, e)
	}
	return rows, false
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
