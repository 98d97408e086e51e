package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"marketo-proxy/classify"
	"marketo-proxy/emulator"
)

// How much more the process may hold at the end than after warming up.
const (
	moreResident   = 8 << 20 // bytes, and a quarter
	moreFiles      = 8
	moreGoroutines = 10
)

// report collects differences.
type report struct {
	checks   int
	dropped  int // captures that were old
	problems []string
}

func (r *report) expect(ok bool, format string, args ...any) {
	r.checks++
	if !ok {
		r.problems = append(r.problems, fmt.Sprintf(format, args...))
	}
}

// same compares two tallies key by key.
func (r *report) same(what string, got, want map[string]int) {
	all := maps.Clone(want)
	maps.Copy(all, got)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		r.expect(got[key] == want[key], "%s, %s: the proxy counts %d, the other side %d", what, key, got[key], want[key])
	}
}

// counts compares the proxy's counters with the emulator's.
func (r *report) counts(marketo map[emulator.Count]int, proxy counters, l *ledger) {
	requests, faults, failures := map[string]int{}, map[string]int{}, map[string]int{}
	for c, n := range marketo {
		requests[c.API+" "+c.Operation] += n
		outcome := outcomeOf(c)
		if outcome == string(classify.Fault) {
			code := c.Outcome
			if _, known := classify.Lookup(classify.API(c.API), code); !known {
				code = "other"
			}
			faults[c.API+" "+code] += n
		}
		if outcome != "" {
			failures[c.API+" "+outcome] += n
		}
	}
	twice := 0
	for operation, n := range l.twice { // two attempts, one call; the first attempt's 20016 is no failure of its own
		requests["soap "+operation] -= n
		failures["soap fault"] -= n
		twice += n
	}
	failures["soap recovered"] = l.recovered
	for api, n := range l.left { // what hangs for the emulator ends with whoever has less patience
		failures[api+" transport"] -= n - failures[api+" client"]
		failures[api+" client"] = n
	}
	for _, tally := range []map[string]int{requests, faults, failures} {
		maps.DeleteFunc(tally, func(_ string, n int) bool { return n == 0 })
	}
	r.same("requests_total", proxy.by("requests_total", "api", "operation"), requests)
	r.same("faults_total", proxy.by("faults_total", "api", "code"), faults)
	r.same("failures_total", proxy.by("failures_total", "api", "outcome"), failures)
	renewals := map[string]int{"recovered": l.recovered, "failed": twice - l.recovered, "no_credential": l.stranger, "bad_signature": l.forged}
	maps.DeleteFunc(renewals, func(_ string, n int) bool { return n == 0 })
	soap, rest := map[string]int{}, 0
	for key, n := range proxy.by("renewals_total", "api", "result") {
		if result, ok := strings.CutPrefix(key, "soap "); ok {
			soap[result] = n
		} else {
			rest += n
		}
	}
	r.same("renewals_total of SOAP", soap, renewals)
	refused := faults["rest 601"] + faults["rest 602"]
	r.expect(rest == refused, "renewals_total of REST: the proxy counts %d, Marketo refused %d tokens", rest, refused)
	r.same("requests_total against the applications' calls", proxy.by("requests_total", "api"), l.calls)
	transport := proxy.by("failures_total", "outcome")["transport"]
	r.expect(transport == l.own+l.cut, "applications saw %d answers by the proxy itself and %d that were cut off, it counts %d of transport", l.own, l.cut, transport)
	r.expect(len(l.problems) == 0, "what applications saw: %s", some(l.problems))
}

// outcomeOf is what the proxy should make of an answer of the emulator; "" is a success.
func outcomeOf(c emulator.Count) string {
	switch o := c.Outcome; {
	case o == "ok":
		return ""
	case o == "partial":
		return string(classify.Partial)
	case o == "empty", o == "malformed", o == "badgzip", o == "html200":
		return string(classify.Malformed)
	case o == "cut", o == "reset", o == "hang":
		return string(classify.Transport)
	case o == "client":
		return string(classify.Client)
	case strings.HasPrefix(o, "html"), strings.HasPrefix(o, "http"), strings.HasPrefix(c.Operation, "identity"):
		return string(classify.HTTP)
	}
	return string(classify.Fault)
}

// captures compares what is on disk with what was seen and counted.
func (r *report) captures(c *collector, l *ledger, proxy counters) {
	r.expect(len(c.problems) == 0, "on disk: %s", some(c.problems))
	var missing, twice []string
	for id, n := range l.ids {
		if c.captures[id] == "" {
			missing = append(missing, id)
		}
		if n > 1 {
			twice = append(twice, id)
		}
	}
	r.expect(len(missing) == 0, "%d captures that an application was told of were never on disk: %s", len(missing), some(missing))
	r.expect(len(twice) == 0, "two answers named the same capture: %s", some(twice))
	onDisk := map[string]int{}
	for _, what := range c.captures {
		api, rest, _ := strings.Cut(what, " ")
		outcome, _, _ := strings.Cut(rest, " ")
		onDisk[api+" "+outcome]++
	}
	r.same("failures_total against the captures on disk", proxy.by("failures_total", "api", "outcome"), onDisk)
	r.expect(proxy.total("captures_total") == len(c.captures), "captures_total is %d, on disk were %d", proxy.total("captures_total"), len(c.captures))
	r.dropped = len(c.captures) - proxy.total("capture_stored")
	r.expect(proxy.total("captures_lost_total") == 0, "captures were lost: %v", proxy.by("captures_lost_total", "reason"))
}

// holdings compares what the process holds at the end and after warming up.
func (r *report) holdings(before, after holding, c *collector) {
	r.expect(after.resident <= before.resident*5/4+moreResident, "memory grows: %d MiB after warming up, %d at the end", before.resident>>20, after.resident>>20)
	r.expect(after.files <= before.files+moreFiles, "open files grow: %d, then %d", before.files, after.files)
	r.expect(after.goroutines <= before.goroutines+moreGoroutines, "goroutines grow: %d, then %d", before.goroutines, after.goroutines)
	most := int64(c.proxy.maxSize)
	r.expect(c.most <= most*5/4, "the capture directory had %d KiB, --capture-max-size is %d KiB", c.most>>10, most>>10)
}

// ending stops the proxy.
func (r *report) ending(p *proxy) {
	code := p.end()
	r.expect(code == 0, "after SIGTERM: exit %d", code)
	log, err := os.ReadFile(p.log)
	r.expect(err == nil, "%v", err)
	for _, sign := range []string{"panic", "fatal error", `"level":"error"`, "DATA RACE"} {
		at := strings.Index(string(log), sign)
		r.expect(at < 0, "in its log: %.2000s", log[max(at, 0):])
	}
}

func (r *report) print(out io.Writer, l *ledger, c *collector, before, after holding) error {
	fmt.Fprintf(out, "%d SOAP and %d REST calls, %d captures, %d of them named to applications, %d dropped as old; %d renewed, %d without an answer, %d cut off\n",
		l.calls["soap"], l.calls["rest"], len(c.captures), len(l.ids), r.dropped, l.recovered, l.own, l.cut)
	fmt.Fprintf(out, "after warming up and at the end: %d and %d MiB, %d and %d open files, %d and %d goroutines; captures took %d KiB at the most\n",
		before.resident>>20, after.resident>>20, before.files, after.files, before.goroutines, after.goroutines, c.most>>10)
	fmt.Fprintf(out, "%d comparisons, %d differ\n", r.checks, len(r.problems))
	for _, problem := range r.problems {
		fmt.Fprintln(out, "  "+problem)
	}
	if len(r.problems) > 0 {
		return errDiffers
	}
	return nil
}

// some is a list that fits into a report.
func some(list []string) string {
	if len(list) > 10 {
		list = append(slices.Clone(list[:10]), fmt.Sprintf("and %d more", len(list)-10))
	}
	return strings.Join(list, "; ")
}
