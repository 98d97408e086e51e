// The program soak runs the built proxy against the emulator for a while, with mixed traffic at the emulator's limits and all that
// can go wrong, and then compares: the proxy's counters with the emulator's, the captures on disk with the failures that the
// applications saw, and what the process holds at the end with what it held after warming up.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	if err := soak(); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func soak() error {
	length := flag.Duration("for", 5*time.Minute, "how long the traffic lasts")
	binary := flag.String("proxy", "", "a built marketo-proxy; one is built from this tree if not given")
	keep := flag.Bool("keep", false, "keep the proxy's directory, with its log and captures")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "marketo-proxy-soak-")
	if err != nil {
		return err
	}
	if *keep {
		fmt.Println("everything is in", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	return run(ctx, dir, *binary, *length)
}

// warmUp is the part of the time after which what the process holds should not grow any more.
const warmUp = 4

// errDiffers is what a run ends with that found a difference. The report says which.
var errDiffers = errors.New("something is not as it should be")

// run soaks a proxy for length and prints the report; dir takes its files.
func run(ctx context.Context, dir, binary string, length time.Duration) error {
	if binary == "" {
		binary = filepath.Join(dir, "program")
		if err := build(ctx, binary); err != nil {
			return err
		}
	}
	m, err := newMarketo(dir)
	if err != nil {
		return err
	}
	defer m.close()
	p, err := startProxy(dir, binary, m, length)
	if err != nil {
		return err
	}
	defer p.kill()
	l := newLedger()
	c := newCollector(p)
	t := newTraffic(m, p, l)

	collecting, stopCollecting := context.WithCancel(ctx)
	collected := make(chan error, 1)
	go func() { collected <- c.run(collecting) }()

	t.run(ctx, length/warmUp)
	before, err := p.rest(ctx, m)
	if err == nil {
		t.run(ctx, length-length/warmUp)
		err = ctx.Err()
	}
	if err != nil {
		stopCollecting()
		return err
	}
	after, err := p.rest(ctx, m)
	stopCollecting()
	if err := errors.Join(err, <-collected, c.look(ctx)); err != nil {
		return err
	}
	counters, err := p.counters()
	if err != nil {
		return err
	}
	r := &report{}
	r.counts(m.emulator.Counts(), counters, l)
	r.captures(c, l, counters)
	r.holdings(before, after, c)
	r.ending(p)
	return r.print(os.Stdout, l, c, before, after)
}

func build(ctx context.Context, output string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", output, "marketo-proxy/cmd/proxy")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}
