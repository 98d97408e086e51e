package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"marketo-proxy/classify"
)

type checkCommand struct {
	serveFlags
	Running bool `help:"Check the marketo-proxy that runs with these settings: its addresses must answer and its directory be writable, not be free."`
	Usage   bool `help:"Ask Marketo in place of all this, as --rest-client, what REST calls it counted today, and what errors."`
	JSON    bool `name:"json" help:"With --usage: one JSON object."`
}

// maxClockError is how far the local clock may be off before signatures are in danger.
const maxClockError = 30 * time.Second

const soapIsGone = "Adobe switched the SOAP API off on 31 July 2026, so calls to it will fail, and be captured with what to call in REST"

var errServed = errors.New("check: a second serve would not start beside the one that runs with these settings; nothing else is wrong. " +
	"To check the one that runs: check --running")

// Run reports every problem, not only the first.
func (c *checkCommand) Run(w *world) error {
	switch {
	case c.Usage:
		return c.usage(w)
	case c.JSON:
		return usageError{errors.New("--json goes with --usage only")}
	}
	ok := func(format string, args ...any) { fmt.Fprintf(w.stdout, "ok    "+format+"\n", args...) }
	var problems []error
	bad := func(err error) {
		for _, e := range flatten(err) {
			fmt.Fprintf(w.stdout, "FAIL  %v\n", e)
			problems = append(problems, e)
		}
	}
	s, err := c.resolve()
	if err != nil {
		bad(err)
	} else {
		ok("configuration: captures in %s, up to %s, %s", absolute(c.CaptureDir), c.CaptureMaxSize, c.CaptureMaxAge)
		if users := s.credentials.Users(); len(users) > 0 {
			ok("credentials: %s", counted(len(users), "user", "users"))
		} else {
			fmt.Fprintln(w.stdout, "note  credentials: none, so expired calls (20016, 601, 602) are recorded but not renewed; see --credentials-dir")
		}
		if s.noCA != nil {
			fmt.Fprintf(w.stdout, "note  interception is off: %v\n", s.noCA)
		}
		for _, what := range c.exposed(s) {
			fmt.Fprintf(w.stdout, "note  %s\n", what)
		}
	}
	o := c.occupancy(w)
	served := !c.Running && o.served()
	switch {
	case served:
		fmt.Fprintln(w.stdout, "note  captures and addresses: in use by the marketo-proxy that runs with these settings")
	case c.Running:
		c.checkRunning(o, ok, bad)
	default:
		c.checkFree(o, ok, bad)
	}
	if s != nil && s.soap != nil {
		err := c.reach(w, "soap", s.soap, s, ok)
		if err != nil && s.rest != nil && classify.SOAPHost(s.soap.Hostname()) {
			fmt.Fprintf(w.stdout, "note  %s: %v\n", soapIsGone, err) // serve works for REST
		} else {
			bad(err)
		}
	}
	if s != nil && s.rest != nil {
		bad(c.reach(w, "rest", s.rest, s, ok))
	}
	switch {
	case len(problems) > 0 && c.Running:
		return usageError{fmt.Errorf("check: not all is well with what runs: %w", errors.Join(problems...))}
	case len(problems) > 0:
		return usageError{fmt.Errorf("check: serve would not work: %w", errors.Join(problems...))}
	case served:
		return usageError{errServed}
	}
	return nil
}

// reach tries DNS, TLS and the clock of an upstream, without a call that would count.
func (c *checkCommand) reach(w *world, name string, upstream *url.URL, s *settings, ok func(string, ...any)) error {
	ctx, cancel := context.WithTimeout(w.ctx, 15*time.Second)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, upstream.Hostname())
	if err != nil {
		return fmt.Errorf("%s upstream: dns: %w", name, err)
	}
	ok("%s upstream: %s resolves to %s", name, upstream.Hostname(), counted(len(addresses), "address", "addresses"))
	client := &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, upstream.String(), nil)
	if err != nil {
		return fmt.Errorf("%s upstream: %w", name, err)
	}
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%s upstream: %w", name, err)
	}
	resp.Body.Close()
	if resp.TLS != nil {
		leaf := resp.TLS.PeerCertificates[0]
		ok("%s upstream: %s, certificate valid until %s", name, tls.VersionName(resp.TLS.Version), leaf.NotAfter.Format(time.DateOnly))
	}
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return fmt.Errorf("%s upstream: its answer has no Date, so the clock can't be compared", name)
	}
	offset := date.Add(500 * time.Millisecond).Sub(began.Add(time.Since(began) / 2)).Round(time.Second)
	if offset.Abs() > maxClockError {
		return fmt.Errorf("%s upstream: the local clock is off by %s: set it (NTP), or signatures made here will be refused", name, -offset)
	}
	ok("%s upstream: answers in %s, clocks differ by %s", name, time.Since(began).Round(time.Millisecond), offset)
	return nil
}

// flatten takes joined errors apart; nil has none.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	var usage usageError
	if errors.As(err, &usage) {
		err = usage.err
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, flatten(e)...)
		}
		return all
	}
	return []error{err}
}

// counted is a number of things in words.
func counted(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
