package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/replay"
	"marketo-proxy/sign"
)

type replayCommand struct {
	captureFlags
	upstreamFlags
	credentialFlags
	ID          string        `arg:"" help:"Id of a capture, or its first characters: at least 8, and as many as make it the only one."`
	Attempt     int           `help:"Which attempt to send again, counted from 1; the last if not given." placeholder:"N"`
	User        string        `help:"The mktowsUserId or client_id to call as, in place of the captured one." placeholder:"USER"`
	AllowWrites bool          `help:"Send operations too that may change something in Marketo."`
	Timeout     time.Duration `help:"How long all of it may take." default:"5m" placeholder:"TIME"`
	DryRun      bool          `help:"Show what would be sent, with secrets masked, and send nothing."`
	BodyMax     byteSize      `help:"Bytes to show of the body with --dry-run; 0: all." default:"64KiB" placeholder:"SIZE"`
	JSON        bool          `name:"json" help:"One JSON object."`
	UTC         bool          `name:"utc" help:"Times in UTC in place of the local zone."`
}

// Run sends a capture again. Exit 0 is the same outcome, 1 a different one, 3 that the request could not be sent.
func (c *replayCommand) Run(w *world) error {
	options, err := c.options(w)
	if err != nil {
		return usageError{err}
	}
	d, attempt, err := c.capture()
	if err != nil {
		return err
	}
	r, err := replay.Prepare(d, attempt, *options)
	if err != nil {
		return exitError{exitNotSent, err}
	}
	out := bufio.NewWriter(w.stdout)
	p := &replayPage{
		page:    page{w: out, screen: w.screen(), zone: w.clock(c.UTC).Location(), bodyMax: int64(c.BodyMax)},
		capture: d, attempt: attempt, request: r,
	}
	if c.DryRun {
		if c.JSON {
			return errors.Join(p.dryJSON(), out.Flush())
		}
		return errors.Join(p.dry(), out.Flush())
	}
	after, err := r.Send(w.ctx)
	if err != nil {
		return exitError{exitNotSent, err}
	}
	verdict, differences := r.Judge(after)
	if c.JSON {
		err = p.resultJSON(verdict, after, differences)
	} else {
		p.result(verdict, after, differences)
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	if !verdict.Same() {
		return exitError{code: exitDifferent}
	}
	return nil
}

// options reads what the flags name, and reports every problem at once.
func (c *replayCommand) options(w *world) (*replay.Options, error) {
	o := &replay.Options{User: c.User, AllowWrites: c.AllowWrites, Timeout: c.Timeout, Now: w.clock(c.UTC)}
	var problems []error
	var err error
	if c.Instance+c.SOAPUpstream+c.RESTUpstream != "" {
		o.SOAP, o.REST, err = c.upstreams()
		problems = append(problems, err)
	}
	if o.Roots, err = c.trust(); err != nil {
		problems = append(problems, err)
	}
	if c.CredentialsDir != "" {
		credentials, err := sign.OpenCredentials(c.CredentialsDir)
		problems = append(problems, err)
		o.Keys = credentials
	}
	if c.Timeout <= 0 {
		problems = append(problems, fmt.Errorf("--timeout: %s is not a time to wait: give a positive one, like 30s", c.Timeout))
	}
	if c.Attempt < 0 {
		problems = append(problems, fmt.Errorf("--attempt: %d is none: attempts are counted from 1", c.Attempt))
	}
	return o, errors.Join(problems...)
}

// capture finds what to send.
func (c *replayCommand) capture() (d *capture.Detail, attempt int, err error) {
	s, err := c.find(c.ID)
	if err != nil {
		return nil, 0, exitError{exitNotSent, err}
	}
	if d, err = s.Detail(); err != nil {
		return nil, 0, exitError{exitNotSent, err}
	}
	attempt = c.Attempt - 1
	if c.Attempt == 0 {
		attempt = len(d.Attempts) - 1
	}
	if attempt >= len(d.Attempts) && len(d.Attempts) > 0 {
		return nil, 0, usageError{fmt.Errorf("--attempt: %d is none: the capture has %d", c.Attempt, len(d.Attempts))}
	}
	return d, attempt, nil
}

// shownHeader is a header as a page shows it, by names.
func shownHeader(h http.Header) []capture.HeaderLine {
	var lines []capture.HeaderLine
	for _, name := range sortedKeys(h) {
		for _, value := range h[name] {
			lines = append(lines, capture.HeaderLine{Name: name, Value: value})
		}
	}
	return lines
}
