package main

import (
	"errors"
	"fmt"
	"time"
)

type capturesTail struct {
	captureFlags
	filterFlags
	JSON bool `name:"json" help:"One JSON object a line: each capture as it is on disk."`
	UTC  bool `name:"utc" help:"Times in UTC in place of the local zone."`
}

// Run prints captures as they are written until w.ctx ends; with --since first those that are there already.
func (c *capturesTail) Run(w *world) error {
	now := w.clock(c.UTC)
	q, err := c.query(now)
	if err != nil {
		return err
	}
	if !q.Until.IsZero() && q.Until.Before(now) {
		return usageError{fmt.Errorf("--until: nothing that is still to come began before %s", q.Until.Format(time.RFC3339))}
	}
	a, err := c.archive()
	if err != nil {
		return err
	}
	damaged := &damage{stderr: w.stderr}
	defer damaged.end()
	l := newLister(w.stdout, w.screen(), now.Location(), c.JSON, 0)
	for s, err := range a.Follow(w.ctx, q) {
		if err == nil {
			err = l.add(s)
		}
		var lost *lostLine
		switch {
		case s == nil || errors.As(err, &lost):
			damaged.add(err)
		case err != nil:
			return err
		}
	}
	return nil
}
