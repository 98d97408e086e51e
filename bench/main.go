// The program bench measures what a call costs: it runs this proxy, a bare httputil.ReverseProxy and nginx in turns against one
// upstream, each in a process of its own, and prints ratios. The upstream answers with what the emulator answered before.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

// The program runs itself again as the two ends of the line.
const (
	roleUpstream = "upstream"
	roleLoad     = "load"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == roleUpstream:
		return serveUpstream(args[1])
	case len(args) == 1 && args[0] == roleLoad:
		return generateLoad(os.Stdin, os.Stdout)
	}
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	quick := flags.Bool("quick", false, "a minute in place of six; the figures are rougher")
	only := flags.String("only", "", "regular expression: only the scenarios whose name it matches")
	binary := flags.String("proxy", "", "a built marketo-proxy; one is built from this tree if not given")
	dir := flags.String("dir", "", "directory for everything that is written, captures too: the system's temporary one if not given")
	_ = flags.Parse(args) // exits on error
	matching, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	b := &bench{proxy: *binary, pace: pace{rounds: 6, warm: 400 * time.Millisecond, measured: 1500 * time.Millisecond, starts: 7}}
	if *quick {
		b.pace = pace{rounds: 2, warm: 200 * time.Millisecond, measured: 600 * time.Millisecond, starts: 3}
	}
	for _, s := range scenarios() {
		if matching.MatchString(s.name) {
			b.scenarios = append(b.scenarios, s)
		}
	}
	if b.dir, err = os.MkdirTemp(*dir, "marketo-proxy-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	return b.run(ctx)
}

// bench is one run.
type bench struct {
	self, proxy, yardstick, nginx string // programs
	dir                           string
	upstream, metrics             string // addresses
	pace                          pace
	scenarios                     []scenario
	messages                      map[string]message
}

// pace is how long it takes.
type pace struct {
	rounds   int
	warm     time.Duration
	measured time.Duration
	starts   int // of each program, for its first call
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.nginx, err = exec.LookPath("nginx"); err != nil {
		if b.nginx, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			return errors.New("nginx is not here: apt-get install nginx-light")
		}
	}
	if err := b.buildPrograms(ctx); err != nil {
		return err
	}
	if err := writeCertificate(b.dir); err != nil {
		return err
	}
	if b.messages, err = writeContent(b.dir); err != nil {
		return err
	}
	if b.metrics, err = freeAddress(); err != nil {
		return err
	}
	stop, err := b.startUpstream(ctx)
	if err != nil {
		return err
	}
	defer stop()
	r := &report{bench: b}
	if r.footprints, err = b.measureFootprints(ctx); err != nil {
		return err
	}
	if err := b.measureCalls(ctx, r); err != nil {
		return err
	}
	return r.print(os.Stdout)
}
