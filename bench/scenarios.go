package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// direct stands for no proxy at all: what the others add to.
const direct = "direct"

// scenario is one kind of load.
type scenario struct {
	name   string
	title  string
	call   string
	active int
	idle   int
	other  string // every so many calls one of these
	every  int
}

func scenarios() []scenario {
	return []scenario{
		{name: "1", title: "2 KB, 1 connection", call: caseSmall, active: 1},
		{name: "64", title: "2 KB, 64 connections", call: caseSmall, active: 64},
		{name: "idle", title: "the same, 2,000 idle ones", call: caseSmall, active: 64, idle: 2000},
		{name: "upload", title: "500 KB requests, 8 connections", call: caseUpload, active: 8},
		{name: "download", title: "10 MB answers, 1 connection", call: caseDownload, active: 1},
		{name: "fail10", title: "64 connections, 10 % failing", call: caseSmall, active: 64, other: caseFault, every: 10},
		{name: "fail100", title: "64 connections, all failing", call: caseFault, active: 64},
	}
}

func (b *bench) load(s scenario, r *running) load {
	l := load{
		Call: b.messages[s.call], Other: b.messages[s.other], Every: s.every, Active: s.active, Idle: s.idle,
		Warm: b.pace.warm, Duration: b.pace.measured,
	}
	if r == nil {
		l.Address, l.TLS, l.Idle = b.upstream, true, 0
	} else {
		l.Address, l.PIDs = r.address, r.pids
	}
	return l
}

// results are the outcomes of a scenario, by program, one a round.
type results map[string][]outcome

// measureCalls takes the scenarios in turns: in each round every program has its turn at each scenario, and who begins changes.
func (b *bench) measureCalls(ctx context.Context, r *report) error {
	programs := map[string]*running{direct: nil}
	order := []string{direct}
	for _, p := range b.programs() {
		started, err := b.start(p)
		if err != nil {
			return err
		}
		defer started.stop()
		programs[p.name] = started
		order = append(order, p.name)
	}
	r.calls = map[string]results{}
	faults := 0
	for round := range b.pace.rounds {
		for _, s := range b.scenarios {
			if r.calls[s.name] == nil {
				r.calls[s.name] = results{}
			}
			for i := range order {
				name := order[(i+round)%len(order)]
				o, err := b.drive(ctx, b.load(s, programs[name]))
				if err != nil {
					return fmt.Errorf("%s, %s: %w", s.title, name, err)
				}
				if o.Calls == 0 {
					return fmt.Errorf("%s, %s: no call in %s was answered rightly: %s", s.title, name, o.Elapsed, o.Reason)
				}
				r.calls[s.name][name] = append(r.calls[s.name][name], o)
				if name == ours {
					faults += o.Faults
				}
			}
		}
	}
	captured, lost, err := b.kept()
	if err != nil {
		return err
	}
	r.faults, r.captured, r.lost = faults, int(captured), int(lost)
	for name, p := range programs {
		if p == nil {
			continue
		}
		m, err := memoryOf(p.pids)
		if err != nil {
			return fmt.Errorf("%s ended: %w", name, err)
		}
		if r.peak == nil {
			r.peak = map[string]int64{}
		}
		r.peak[name] = m.peak
	}
	return nil
}

// footprint is what a program needs, apart from time.
type footprint struct {
	served time.Duration // from its start to the end of its first call, median of several starts
	rest   int64         // resident bytes after one call
	active int64         // at the most, with 64 connections
	idle   int64         // at the most, with 2,000 idle ones besides
	wrong  int
}

// measureFootprints starts each program several times, in turns, with nothing left of the time before; the last one gets the load.
func (b *bench) measureFootprints(ctx context.Context) (map[string]footprint, error) {
	served := map[string][]time.Duration{}
	footprints := map[string]footprint{}
	for n := range b.pace.starts {
		for _, p := range b.programs() {
			r, err := b.start(p)
			if err != nil {
				return nil, err
			}
			served[p.name] = append(served[p.name], r.served)
			if n == b.pace.starts-1 {
				f, err := b.weigh(ctx, r)
				if err != nil {
					r.stop()
					return nil, fmt.Errorf("%s: %w", p.name, err)
				}
				footprints[p.name] = f
			}
			r.stop()
		}
	}
	for name, f := range footprints {
		f.served = median(served[name])
		footprints[name] = f
	}
	return footprints, nil
}

func (b *bench) weigh(ctx context.Context, r *running) (f footprint, err error) {
	time.Sleep(300 * time.Millisecond) // what it does after its start is part of that
	m, err := memoryOf(r.pids)
	if err != nil {
		return f, err
	}
	f.rest = m.now
	for _, step := range []struct {
		scenario string
		peak     *int64
	}{{"64", &f.active}, {"idle", &f.idle}} {
		all := scenarios()
		s := all[slices.IndexFunc(all, func(s scenario) bool { return s.name == step.scenario })]
		l := b.load(s, r)
		l.Duration = max(l.Duration, time.Second)
		o, err := b.drive(ctx, l)
		if err != nil {
			return f, err
		}
		f.wrong += o.Wrong
		if m, err = memoryOf(r.pids); err != nil {
			return f, err
		}
		*step.peak = m.peak
	}
	return f, nil
}

func median[T int64 | float64 | time.Duration](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}
