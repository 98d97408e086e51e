package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// report is all that was measured.
type report struct {
	bench      *bench
	footprints map[string]footprint
	calls      map[string]results
	peak       map[string]int64 // resident bytes over all scenarios

	faults, captured, lost int // of ours: answered to the application, on disk, not
}

var compared = []string{ours, reverseProxy, nginx}

// errWrong makes the run fail.
var errWrong = errors.New("an answer was wrong, or a failure is not on disk")

// over returns the median over all rounds of a figure of one program, and of its ratio to that of others.
func (r *report) over(scenario string, figure func(o, direct outcome) float64) (own map[string]float64, ratio map[string]float64) {
	own, ratio = map[string]float64{}, map[string]float64{}
	of := r.calls[scenario]
	values := map[string][]float64{}
	for _, name := range compared {
		for i, o := range of[name] {
			values[name] = append(values[name], figure(o, of[direct][i]))
		}
		own[name] = median(values[name])
		var ratios []float64
		for i, v := range values[ours] {
			if v > 0 && i < len(values[name]) && values[name][i] > 0 {
				ratios = append(ratios, v/values[name][i])
			}
		}
		ratio[name] = math.NaN()
		if len(ratios) > 0 {
			ratio[name] = median(ratios)
		}
	}
	return own, ratio
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func cpuOf(o, _ outcome) float64         { return micros(o.CPU) / float64(o.Calls) }
func addedP50(o, direct outcome) float64 { return micros(o.P50 - direct.P50) }
func addedP99(o, direct outcome) float64 { return micros(o.P99 - direct.P99) }
func addedFirst(o, direct outcome) float64 {
	return micros(o.First50 - direct.First50)
}
func callRate(o, _ outcome) float64 { return float64(o.Calls) / o.Elapsed.Seconds() }

func (r *report) print(out io.Writer) error {
	b := r.bench
	fmt.Fprintf(out, "%s, %d CPUs, %s; %d rounds of %s a turn; medians of the rounds\n", runtime.Version(), runtime.NumCPU(), cpuModel(),
		b.pace.rounds, b.pace.measured)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	r.printCPU(t)
	r.printLatency(t)
	r.printFootprints(t)
	if err := t.Flush(); err != nil {
		return err
	}
	r.printGoals(out)
	return r.verdict(out)
}

func (r *report) printCPU(t *tabwriter.Writer) {
	fmt.Fprintf(t, "\nCPU µs a call\tours\tReverseProxy\tnginx\t÷ ReverseProxy\t÷ nginx\tcalls/s, ours\tReverseProxy\tnginx\tdirect\t\n")
	for _, s := range r.bench.scenarios {
		own, ratio := r.over(s.name, cpuOf)
		rate, _ := r.over(s.name, callRate)
		var base []float64
		for _, o := range r.calls[s.name][direct] {
			base = append(base, callRate(o, o))
		}
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.1f\t%.2f\t%.2f\t%.0f\t%.0f\t%.0f\t%.0f\t\n", s.title, own[ours], own[reverseProxy], own[nginx],
			ratio[reverseProxy], ratio[nginx], rate[ours], rate[reverseProxy], rate[nginx], median(base))
	}
}

func (r *report) printLatency(t *tabwriter.Writer) {
	fmt.Fprintf(t, "\nadded µs, median call\tours\tReverseProxy\tnginx\t÷ ReverseProxy\t99th percentile, ours\tReverseProxy\tnginx\t÷ ReverseProxy\t\n")
	for _, s := range r.bench.scenarios {
		p50, ratio50 := r.over(s.name, addedP50)
		p99, ratio99 := r.over(s.name, addedP99)
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.0f\t%.2f\t%.0f\t%.0f\t%.0f\t%.2f\t\n", s.title, p50[ours], p50[reverseProxy], p50[nginx], ratio50[reverseProxy],
			p99[ours], p99[reverseProxy], p99[nginx], ratio99[reverseProxy])
		if s.call == caseDownload {
			first, ratio := r.over(s.name, addedFirst)
			fmt.Fprintf(t, "its first byte\t%.0f\t%.0f\t%.0f\t%.2f\t\t\t\t\t\n", first[ours], first[reverseProxy], first[nginx], ratio[reverseProxy])
		}
	}
}

func (r *report) printFootprints(t *tabwriter.Writer) {
	fmt.Fprintf(t, "\nresident MiB\tat rest\tpeak at 64 connections\twith 2,000 idle\tpeak over all scenarios\tfirst call after ms\t\n")
	for _, name := range compared {
		f := r.footprints[name]
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", name, mebi(f.rest), mebi(f.active), mebi(f.idle), mebi(r.peak[name]), micros(f.served)/1000)
	}
}

func mebi(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// printGoals holds the figures against what the project wants.
func (r *report) printGoals(out io.Writer) {
	fmt.Fprintf(out, "\ngoals\n")
	goal := func(text string, measured, limit float64, atLeast bool) {
		if math.IsNaN(measured) || measured == 0 {
			return // that scenario did not run
		}
		sign, mark := "at most", "reached"
		if atLeast {
			sign = "at least"
		}
		if (measured > limit) != atLeast && measured != limit {
			mark = "MISSED"
		}
		fmt.Fprintf(out, "  %-7s  %8.2f  %s %g  %s\n", mark, measured, sign, limit, text)
	}
	_, cpu := r.over("64", cpuOf)
	goal("CPU a call at 64 connections ÷ ReverseProxy", cpu[reverseProxy], 0.5, false)
	goal("CPU a call at 64 connections ÷ nginx", cpu[nginx], 2.5, false)
	_, added := r.over("1", addedP50)
	goal("added median at 1 connection ÷ ReverseProxy", added[reverseProxy], 0.7, false)
	_, added = r.over("64", addedP50)
	goal("added median at 64 connections ÷ ReverseProxy", added[reverseProxy], 0.7, false)
	_, cpu = r.over("upload", cpuOf)
	goal("CPU of 500 KB requests ÷ nginx", cpu[nginx], 1.2, false)
	_, cpu = r.over("download", cpuOf)
	goal("CPU of 10 MB answers ÷ nginx", cpu[nginx], 1.2, false)
	_, first := r.over("download", addedFirst)
	goal("first byte of a 10 MB answer ÷ ReverseProxy", first[reverseProxy], 1, false)
	f := r.footprints[ours]
	goal("MiB at rest", mebi(f.rest), 15, false)
	goal("MiB at 64 connections", mebi(f.active), 40, false)
	goal("MiB with 2,000 idle connections", mebi(f.idle), 60, false)
	goal("ms from the start to the first served call", micros(f.served)/1000, 50, false)
	all, _ := r.over("fail100", callRate)
	none, _ := r.over("64", callRate)
	if none[ours] > 0 {
		goal("calls a second with all failing ÷ none failing", all[ours]/none[ours], 0.5, true)
	}
}

// verdict tells what came out wrong; of ours it must be nothing.
func (r *report) verdict(out io.Writer) error {
	fmt.Fprintf(out, "\nwrong or broken answers:")
	bad := false
	for _, name := range append([]string{direct}, compared...) {
		wrong, calls, reason := r.footprints[name].wrong, 0, ""
		for _, of := range r.calls {
			for _, o := range of[name] {
				wrong += o.Wrong
				calls += o.Calls
				if o.Reason != "" {
					reason = " (" + o.Reason + ")"
				}
			}
		}
		fmt.Fprintf(out, " %s %d of %d%s;", name, wrong, calls, reason)
		bad = bad || name == ours && wrong > 0
	}
	fmt.Fprintf(out, "\nfailures of ours: %d answered, %d on disk, %d lost\n", r.faults, r.captured, r.lost)
	if bad || r.captured < r.faults || r.lost > 0 {
		return errWrong
	}
	return nil
}

func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(info)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
