package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/ticket"
)

// explainTicket puts the errors of a ticket into the words of the command line, or into those of the page, which has no flags.
func explainTicket(err error, dir string, o ticket.Options, commands bool) error {
	var nothing *ticket.NothingError
	var leak *ticket.LeakError
	var size *ticket.SizeError
	switch {
	case errors.As(err, &nothing):
		text, mend := describeNothing(nothing, dir, o.Now)
		if !commands {
			return &saidError{text, err}
		}
		return &saidError{"nothing written: " + text + mend, err}
	case errors.As(err, &leak):
		text := fmt.Sprintf("not written: %s holds %s after masking; leave that capture out, and report the place as a bug", leak.File, leak.What)
		return &saidError{text, err}
	case errors.As(err, &size):
		return &saidError{"not written: nothing fits into --max-size " + byteSize(size.MaxSize).String(), err}
	case errors.Is(err, capture.ErrNotFound):
		text := fmt.Sprintf("%s in %s", printable(trimPackages(err)), dir)
		if commands {
			text += ": `marketo-proxy captures ls` lists what is there"
		}
		return &saidError{text, err}
	}
	return err
}

// saidError is an error in other words.
type saidError struct {
	text string
	err  error
}

func (e *saidError) Error() string { return e.text }
func (e *saidError) Unwrap() error { return e.err }

func trimPackages(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "ticket: "), "capture: ")
}

// describeNothing says what was searched, and what there is instead; mend is how the command line finds it.
func describeNothing(e *ticket.NothingError, dir string, now time.Time) (text, mend string) {
	const layout = "2006-01-02 15:04:05 MST"
	window := "at any time"
	since, until := e.Query.Since.In(now.Location()).Format(layout), e.Query.Until.In(now.Location()).Format(layout)
	switch {
	case !e.Query.Since.IsZero() && !e.Query.Until.IsZero():
		window = "from " + since + " to " + until
	case !e.Query.Since.IsZero():
		window = "since " + since
	case !e.Query.Until.IsZero():
		window = "before " + until
	}
	fits := ""
	if q := e.Query; len(q.Codes) > 0 || q.Class+q.Operation+q.API+q.Outcome+q.User != "" {
		fits = " that fits the filter"
	}
	switch {
	case e.Newest.IsZero():
		return dir + " holds no captures", ""
	case e.Nearest.IsZero():
		return fmt.Sprintf("%s has no capture%s, at any time", dir, fits), ": `marketo-proxy captures ls --by code` counts what is there"
	}
	text = fmt.Sprintf("%s has no capture%s %s; the newest is of %s", dir, fits, window, e.Nearest.In(now.Location()).Format(layout))
	if e.Nearest.Before(e.Query.Since) && e.Query.Until.IsZero() {
		mend = ": add --since " + ago(now.Sub(e.Nearest))
	}
	return text, mend
}

// ago is a round time that reaches back a bit further than d.
func ago(d time.Duration) string {
	switch {
	case d < 50*time.Minute:
		return fmt.Sprintf("%dm", (int(d.Minutes())/10+1)*10)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours())+1)
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24+1)
}
