package ticket

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

// selection is what was found, the most useful kind of failure for support first.
type selection struct {
	groups  []*group
	newest  time.Time
	damaged []error // lines of the journal that can't be read, the first of them
	damage  int     // all of them
}

// maxDamage is how many unreadable lines are named.
const maxDamage = 20

// group is all that was found of one kind of failure.
type group struct {
	kind        kind
	explained   classify.Code // the newest one's
	count       int
	first, last time.Time // when the calls began
	longest     float64   // ms
	hours       map[int64]int
	operations  tally
	users       tally
	instances   tally
	messages    tally
	renewals    tally
	refusals    tally  // why no new access token could be had, of some of the failed renewals
	versions    tally  // of the proxies that captured them
	calls       []span // throttled ones
	sample      sample

	facts // of the exchanges that go into the ticket
}

// kind is what makes failures one of a kind. A healed call is another kind than one that failed with the same code.
type kind struct {
	api     classify.API
	code    string
	outcome classify.Outcome // without a code, or Recovered
}

func kindOf(c *capture.Capture) kind {
	k := kind{api: c.API, code: c.Code}
	if c.Code == "" || c.Outcome == classify.Recovered {
		k.outcome = c.Outcome
	}
	return k
}

// span is a call's time, in ns since 1970.
type span struct{ start, end int64 }

// candidate is a capture that may go into the ticket.
type candidate struct {
	id     string
	time   time.Time
	handle capture.Handle
}

// choose finds what the options ask for, reading heads only. Memory grows with the number of kinds, not with that of captures, but for
// the 16 bytes of each throttled call.
func choose(ctx context.Context, o *Options) (*selection, error) {
	found := &selection{}
	groups := map[kind]*group{}
	perCode := o.PerCode
	take := func(s *capture.Stored) {
		k := kindOf(&s.Capture)
		g := groups[k]
		if g == nil {
			g = newGroup(k, &s.Capture, perCode)
			groups[k] = g
		}
		g.add(s)
		if s.Time.After(found.newest) {
			found.newest = s.Time
		}
	}
	if len(o.IDs) > 0 {
		perCode = len(o.IDs)
		named, err := find(o.Archive, o.IDs)
		if err != nil {
			return nil, err
		}
		for _, s := range named {
			take(s)
		}
	} else {
		for s, err := range o.Archive.Search(ctx, o.Query) {
			if err != nil {
				found.damaged, found.damage = appendUpTo(found.damaged, err, maxDamage), found.damage+1
				continue
			}
			take(s)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("ticket: %w", err)
	}
	if len(groups) == 0 {
		return nil, nothing(ctx, o)
	}
	found.groups = slices.SortedFunc(maps.Values(groups), func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(b.count, a.count), cmp.Compare(a.kind.api, b.kind.api),
			cmp.Compare(a.kind.code, b.kind.code), cmp.Compare(a.kind.outcome, b.kind.outcome))
	})
	return found, nil
}

// find returns captures by their ids, the newest first, each once.
func find(a *capture.Archive, ids []string) ([]*capture.Stored, error) {
	var all []*capture.Stored
	for _, id := range ids {
		s, err := a.Find(id)
		if err != nil {
			return nil, fmt.Errorf("ticket: %w", err)
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *capture.Stored) int { return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.ID, a.ID)) })
	return slices.CompactFunc(all, func(a, b *capture.Stored) bool { return a.ID == b.ID }), nil
}

// nothing looks for what is there in place of what was asked for.
func nothing(ctx context.Context, o *Options) error {
	e := &NothingError{Query: o.Query}
	newest := func(q capture.Query) time.Time {
		q.Limit = 1
		for s, err := range o.Archive.Search(ctx, q) {
			if err == nil {
				return s.Time
			}
		}
		return time.Time{}
	}
	anytime := o.Query
	anytime.Since, anytime.Until = time.Time{}, time.Time{}
	if e.Nearest = newest(anytime); e.Nearest.IsZero() {
		e.Newest = newest(capture.Query{})
	} else {
		e.Newest = e.Nearest
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("ticket: %w", err)
	}
	return e
}

func newGroup(k kind, newest *capture.Capture, perCode int) *group {
	verdict := classify.Verdict{Outcome: newest.Outcome, Code: k.code, Message: newest.Message}
	return &group{
		kind: k, explained: classify.Explain(verdict, k.api), hours: map[int64]int{}, sample: sample{most: perCode},
		first: newest.Time, last: newest.Time,
	}
}

func (g *group) add(s *capture.Stored) {
	g.count++
	if s.Time.Before(g.first) {
		g.first = s.Time
	}
	if s.Time.After(g.last) {
		g.last = s.Time
	}
	g.longest = max(g.longest, s.DurationMS)
	g.hours[s.Time.Unix()/3600]++
	g.operations.add(s.Operation)
	g.users.add(s.User)
	g.instances.add(s.Instance)
	g.messages.add(s.Message)
	g.versions.add(s.Proxy.Version)
	if s.Renewal != "" {
		g.renewals.add(string(s.Renewal))
	}
	if s.RenewalError != "" {
		g.refusals.add(s.RenewalError)
	}
	if g.explained.Class == classify.ClassThrottled {
		start := s.Time.UnixNano()
		g.calls = append(g.calls, span{start, start + int64(s.DurationMS*float64(time.Millisecond))})
	}
	g.sample.add(candidate{s.ID, s.Time, s.Handle})
}

// sample keeps some of the candidates that come, the first, the last and evenly between, without knowing how many will come: when it is
// full it drops every second one, and takes only half as many from then on.
type sample struct {
	most   int
	kept   []candidate
	stride int
	seen   int
	last   candidate
}

func (s *sample) add(c candidate) {
	if s.stride == 0 {
		s.stride = 1
	}
	if s.seen%s.stride == 0 {
		if len(s.kept) > 2*s.most {
			half := s.kept[:0]
			for i := 0; i < len(s.kept); i += 2 {
				half = append(half, s.kept[i])
			}
			s.kept, s.stride = half, 2*s.stride
		}
		if s.seen%s.stride == 0 {
			s.kept = append(s.kept, c)
		}
	}
	s.last = c
	s.seen++
}

// chosen returns at most so many as there may be, in the order in which they came.
func (s *sample) chosen() []candidate {
	all := slices.Clone(s.kept)
	if len(all) == 0 || all[len(all)-1].id != s.last.id {
		all = append(all, s.last)
	}
	if len(all) <= s.most {
		return all
	}
	out := make([]candidate, 0, s.most)
	for i := range s.most {
		at := 0
		if s.most > 1 {
			at = (i*(len(all)-1) + (s.most-1)/2) / (s.most - 1)
		}
		out = append(out, all[at])
	}
	return out
}

// tally counts words; of many different ones it counts only how many calls had others.
type tally struct {
	counts map[string]int
	others int
}

const maxTally = 200

func (t *tally) add(word string) { t.count(word, 1) }

func (t *tally) count(word string, n int) {
	if t.counts == nil {
		t.counts = map[string]int{}
	}
	if _, known := t.counts[word]; !known && len(t.counts) >= maxTally {
		t.others += n
		return
	}
	t.counts[word] += n
}

// sum is how many were counted.
func (t *tally) sum() int {
	n := t.others
	for _, of := range t.counts {
		n += of
	}
	return n
}

// sorted returns the words, the most frequent first.
func (t *tally) sorted() []string {
	return slices.SortedFunc(maps.Keys(t.counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(t.counts[b], t.counts[a]), cmp.Compare(a, b))
	})
}

func appendUpTo[T any](list []T, e T, most int) []T {
	if len(list) < most {
		list = append(list, e)
	}
	return list
}
