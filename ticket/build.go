package ticket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"

	"marketo-proxy/har"
	"marketo-proxy/pseudonym"
)

// builder makes one ticket. It is for one goroutine.
type builder struct {
	ctx      context.Context
	o        *Options
	found    *selection
	chosen   []fitted
	limit    int64             // of the bodies of one exchange; 0: none
	masker   *pseudonym.Masker // nil: unmasked
	keeper   *keeper           // nil: not encrypted
	archive  *archive
	included map[*group]int
	masked   map[string]int
	secrets  int
	repeated counts // in files that repeat others
	missing  []Missing
	more     int // missing, besides
}

// counts are what was masked.
type counts struct {
	masked  map[string]int
	secrets int
}

// uncounted does something of which nothing counts as masked, since it repeats what was counted.
func (b *builder) uncounted(repeat func() error) error {
	secrets := b.secrets
	before := map[string]int{}
	if b.masker != nil {
		before = b.masker.Counts()
	}
	err := repeat()
	b.repeated.secrets += b.secrets - secrets
	if b.masker == nil {
		return err
	}
	if b.repeated.masked == nil {
		b.repeated.masked = map[string]int{}
	}
	for kind, n := range b.masker.Counts() {
		b.repeated.masked[kind] += n - before[kind]
	}
	return err
}

// maxMissing is how many are named.
const maxMissing = 200

// build writes a ticket of some budget bytes. errTooLarge tells that it came out larger than the options allow.
func build(ctx context.Context, o *Options, found *selection, budget int64, w io.Writer) (*builder, error) {
	b := &builder{ctx: ctx, o: o, found: found, included: map[*group]int{}}
	if !o.Unmasked {
		masker, err := pseudonym.New(o.Random)
		if err != nil {
			return nil, fmt.Errorf("ticket: %w", err)
		}
		b.masker = masker
	}
	for _, g := range found.groups {
		g.facts = facts{}
	}
	b.chosen, b.limit = fit(found, budget)
	if len(b.chosen) == 0 {
		return nil, errTooLarge
	}
	// As people read them: the order in which the calls began.
	slices.SortFunc(b.chosen, func(x, y fitted) int { return cmp.Or(x.time.Compare(y.time), cmp.Compare(x.id, y.id)) })
	to := slices.Clone(o.Recipients)
	if len(to) > 0 {
		b.keeper = &keeper{Recipient: to[0]}
		to[0] = b.keeper
	}
	var err error
	if b.archive, err = newArchive(w, found.newest.UTC(), o.MaxSize, to); err != nil {
		return nil, err
	}
	return b, b.write()
}

func (b *builder) write() error {
	b.missingBefore()
	for _, f := range b.chosen {
		if err := b.exchange(f); err != nil {
			return err
		}
	}
	if b.masker != nil {
		b.masked = b.masker.Counts() // the HAR has the same once more
		for kind, n := range b.repeated.masked {
			b.masked[kind] -= n
		}
		maps.DeleteFunc(b.masked, func(_ string, n int) bool { return n <= 0 })
	}
	b.secrets -= b.repeated.secrets
	for _, part := range []struct {
		path  string
		write func(io.Writer) error
	}{
		{"exchanges.har", b.har}, {"SUMMARY.md", b.summary}, {"masked.json", b.maskedJSON}, {"manifest.json", b.manifest},
	} {
		if err := b.archive.add(part.path, part.write); err != nil {
			return err
		}
	}
	return b.archive.close()
}

// miss notes what is missing.
func (b *builder) miss(id, format string, args ...any) {
	if len(b.missing) == maxMissing {
		b.more++
		return
	}
	b.missing = append(b.missing, Missing{id, fmt.Sprintf(format, args...)})
}

// missingBefore notes what is known to be missing before the first exchange is read.
func (b *builder) missingBefore() {
	chosen := map[*group]int{}
	for _, f := range b.chosen {
		chosen[f.group]++
	}
	for _, g := range b.found.groups {
		if left := g.count - chosen[g]; left > 0 {
			b.miss("", "%d of %d failed calls with %s are counted, but not attached", left, g.count, g.kind.short())
		}
	}
	for _, err := range b.found.damaged {
		b.miss("", "a damaged capture was skipped: %s", b.text(err.Error()))
	}
	if more := b.found.damage - len(b.found.damaged); more > 0 {
		b.miss("", "%d more damaged captures were skipped", more)
	}
}

// detail reads an exchange, masked but for its bodies. It is nil if it can't be read.
func (b *builder) detail(f fitted, report bool) (*exchange, error) {
	if err := b.ctx.Err(); err != nil {
		return nil, fmt.Errorf("ticket: %w", err)
	}
	d, err := f.handle.Detail()
	if err != nil {
		if report && errors.Is(err, fs.ErrNotExist) {
			b.miss(f.id, "the capture was dropped as the oldest while the ticket was made")
		} else if report {
			b.miss(f.id, "the capture is damaged: %s", b.text(err.Error()))
		}
		return nil, nil
	}
	return b.newExchange(d), nil
}

func (b *builder) har(w io.Writer) error {
	archive := har.NewWriter(w, har.Creator{Name: "marketo-proxy", Version: b.o.Version})
	for _, f := range b.chosen {
		e, err := b.detail(f, false)
		if err != nil {
			return err
		}
		if e == nil {
			continue
		}
		err = archive.Add(&e.Capture, e.body)
		var lost *har.BodyError
		if err != nil && !errors.As(err, &lost) { // what is lost was reported with the exchange
			return err
		}
		if err := b.ctx.Err(); err != nil {
			return err
		}
	}
	return archive.Close()
}

// text masks free text.
func (b *builder) text(s string) string {
	if b.masker == nil {
		return s
	}
	return b.masker.Text(s)
}

// name is a word that support needs as it is, such as a user id or an operation; an address in it is masked all the same.
func (b *builder) name(word string) string {
	if b.masker == nil {
		return word
	}
	return b.masker.Emails(word)
}

func (b *builder) report() Report {
	instances := tally{}
	r := Report{Masked: b.masked, Secrets: b.secrets, Missing: b.missing}
	if b.more > 0 {
		r.Missing = append(r.Missing, Missing{What: fmt.Sprintf("and %d more", b.more)})
	}
	for _, g := range b.found.groups {
		for name, n := range g.instances.counts {
			instances.count(name, n)
		}
		useless, advice := g.verdict(b.o.Now)
		r.Kinds = append(r.Kinds, Kind{g.name(), g.count, b.included[g], useless, advice})
	}
	r.Instances = instances.sorted()
	return r
}
