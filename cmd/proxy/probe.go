package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

type probeCommand struct {
	MetricsListen string `help:"Where the proxy's probes are." default:"127.0.0.1:9464" placeholder:"ADDR"`
	Path          string `arg:"" optional:"" help:"livez, readyz or startupz; readyz if not given." enum:"livez,readyz,startupz" default:"readyz"`
}

func (c *probeCommand) Run(w *world) error {
	host, err := reachable(c.MetricsListen)
	if err != nil {
		return usageError{fmt.Errorf("--metrics-listen: %w", err)}
	}
	ctx, cancel := context.WithTimeout(w.ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/"+c.Path, nil)
	if err != nil {
		return usageError{err}
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("probe: %s answers %s: %s", c.Path, resp.Status, answer)
	}
	_, err = w.stdout.Write(answer)
	return err
}
