package ticket

import (
	"encoding/json"
	"io"
	"maps"
	"runtime"
	"slices"
	"time"
)

type manifest struct {
	Format      int          `json:"format"` // of this file and the zip: 1
	MadeBy      madeBy       `json:"made_by"`
	Created     time.Time    `json:"created"`
	CapturedBy  []string     `json:"captured_by"` // versions of the proxies
	Filter      filter       `json:"filter"`
	Counts      []kindCounts `json:"counts"`
	Found       int          `json:"found"`
	Included    int          `json:"included"`
	Masked      bool         `json:"masked"`
	Complete    string       `json:"complete"` // yes or no
	Missing     []Missing    `json:"missing"`
	MissingMore int          `json:"missing_more,omitempty"`
	Files       []file       `json:"files"` // all but this one
}

type madeBy struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Go      string `json:"go"`
}

// filter is what was asked for; all that is set had to hold.
type filter struct {
	IDs       []string   `json:"ids,omitempty"`
	Since     *time.Time `json:"since,omitempty"`
	Until     *time.Time `json:"until,omitempty"`
	Codes     []string   `json:"codes,omitempty"`
	Class     string     `json:"class,omitempty"`
	Operation string     `json:"operation,omitempty"`
	API       string     `json:"api,omitempty"`
	Outcome   string     `json:"outcome,omitempty"`
	User      string     `json:"user,omitempty"`
	PerCode   int        `json:"per_code,omitempty"`
	MaxSize   int64      `json:"max_size"`
}

type kindCounts struct {
	API      string    `json:"api"`
	Code     string    `json:"code,omitempty"`
	Outcome  string    `json:"outcome,omitempty"` // without a code, or recovered
	Found    int       `json:"found"`
	Included int       `json:"included"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
}

func (b *builder) manifest(w io.Writer) error {
	m := manifest{
		Format: 1, MadeBy: madeBy{"marketo-proxy", b.o.Version, runtime.Version()}, Created: b.o.Now.UTC().Truncate(time.Second),
		CapturedBy: []string{}, Filter: b.filter(), Masked: b.masker != nil, Complete: "yes", Missing: b.missing, MissingMore: b.more,
		Files: b.archive.files,
	}
	if len(b.missing) > 0 {
		m.Complete = "no"
	} else {
		m.Missing = []Missing{}
	}
	versions := map[string]bool{}
	for _, g := range b.found.groups {
		m.Counts = append(m.Counts, kindCounts{
			string(g.kind.api), g.kind.code, string(g.kind.outcome), g.count, b.included[g], g.first.UTC(), g.last.UTC(),
		})
		m.Found += g.count
		m.Included += b.included[g]
		for v := range g.versions.counts {
			versions[v] = true
		}
	}
	m.CapturedBy = append(m.CapturedBy, slices.Sorted(maps.Keys(versions))...)
	return writeJSON(w, m)
}

func (b *builder) filter() filter {
	q := b.o.Query
	f := filter{
		IDs: b.o.IDs, Codes: q.Codes, Class: q.Class, Operation: b.name(q.Operation), API: q.API, Outcome: q.Outcome, User: b.name(q.User),
		PerCode: b.o.PerCode, MaxSize: b.o.MaxSize,
	}
	if len(b.o.IDs) > 0 {
		f = filter{IDs: b.o.IDs, MaxSize: b.o.MaxSize}
	}
	if !q.Since.IsZero() {
		since := q.Since.UTC()
		f.Since = &since
	}
	if !q.Until.IsZero() {
		until := q.Until.UTC()
		f.Until = &until
	}
	return f
}

// maskedJSON says what was masked in the exchanges, and how often; the HAR has the same once more.
func (b *builder) maskedJSON(w io.Writer) error {
	return writeJSON(w, struct {
		PersonalData bool           `json:"personal_data_masked"`
		Replaced     map[string]int `json:"replaced"`
		Secrets      int            `json:"secrets_redacted"`
	}{b.masker != nil, orEmpty(b.masked), b.secrets})
}

func orEmpty(m map[string]int) map[string]int {
	if m == nil {
		return map[string]int{}
	}
	return m
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
