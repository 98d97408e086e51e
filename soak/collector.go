package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

const (
	// lookEvery is how often the captures on disk are listed: old ones go while the proxy runs.
	lookEvery = 2 * time.Second
	// overlap is how far a listing goes back before the last one: further than the longest call.
	overlap = 10 * time.Second
)

// collector lists what is on disk, as a user does, while the proxy writes it.
type collector struct {
	proxy    *proxy
	last     time.Time         // when the last listing began
	captures map[string]string // API, outcome and code by id
	most     int64             // bytes of the directory, at the most
	problems []string
}

func newCollector(p *proxy) *collector {
	return &collector{proxy: p, last: time.Now(), captures: map[string]string{}}
}

// run looks until ctx ends.
func (c *collector) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookEvery):
		}
		if err := c.look(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// look lists the captures of calls since the last look, with some overlap. No id may stand there twice.
func (c *collector) look(ctx context.Context) error {
	bytesStored, err := c.proxy.stored()
	if err != nil {
		return err
	}
	c.most = max(c.most, bytesStored)
	began := time.Now()
	since := c.last.Add(-overlap).UTC().Format(time.RFC3339Nano)
	cmd := exec.CommandContext(ctx, c.proxy.binary, "captures", "ls", "--json", "--limit=0", "--since", since, "--capture-dir", c.proxy.captures)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("captures ls: %w: %s", err, &stderr)
	}
	for line := range strings.Lines(stderr.String()) {
		// A segment may go as the oldest one while it is listed; whatever was not listed before is missed in the end.
		if strings.Contains(line, "skipped: ") && !strings.Contains(line, "dropped as the oldest") {
			c.problems = append(c.problems, "captures ls: "+strings.TrimSpace(line))
		}
	}
	c.last = began
	listed := map[string]bool{}
	for decoder := json.NewDecoder(&stdout); ; {
		var line struct{ ID, API, Outcome, Code string }
		if err := decoder.Decode(&line); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("captures ls: %w", err)
		}
		if listed[line.ID] {
			c.problems = append(c.problems, "capture "+line.ID+" is on disk twice")
		}
		listed[line.ID] = true
		c.captures[line.ID] = line.API + " " + line.Outcome + " " + line.Code
	}
	return nil
}
