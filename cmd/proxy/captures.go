package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"marketo-proxy/capture"
)

type capturesCommand struct {
	Ls     capturesLs     `cmd:"" default:"withargs" help:"List captures, the newest first (the default)."`
	Show   capturesShow   `cmd:"" help:"Show one capture, explained."`
	Tail   capturesTail   `cmd:"" help:"Print captures as they come, until Ctrl-C."`
	Export capturesExport `cmd:"" help:"Write captures to a file, the oldest first."`
}

// filterFlags choose captures.
type filterFlags struct {
	Since     string   `help:"Calls that began no earlier: a time ago like 90m, 2h or 7d, or a time like 2026-11-24T15:04:05Z." placeholder:"TIME"`
	Until     string   `help:"Calls that began before." placeholder:"TIME"`
	Code      []string `help:"Any of these codes." placeholder:"CODE"`
	Class     string   `help:"renew, throttled, quota, marketo, access, caller, answer or unknown." placeholder:"CLASS"`
	Operation string   `help:"An operation, like getLead." placeholder:"NAME"`
	API       string   `name:"api" help:"soap or rest." placeholder:"API"`
	Outcome   string   `help:"fault, partial, http, malformed, transport, client or recovered." placeholder:"OUTCOME"`
	User      string   `help:"A mktowsUserId or client id." placeholder:"USER"`
}

// query returns a usageError for what can't be meant. now gives the zone of times without one.
func (f *filterFlags) query(now time.Time) (capture.Query, error) {
	q := capture.Query{Class: f.Class, Operation: f.Operation, API: f.API, Outcome: f.Outcome, User: f.User}
	for _, code := range f.Code {
		if code = strings.TrimSpace(code); code != "" {
			q.Codes = append(q.Codes, code)
		}
	}
	var problems []error
	for _, bound := range []struct {
		flag, value string
		to          *time.Time
	}{{"since", f.Since, &q.Since}, {"until", f.Until, &q.Until}} {
		if bound.value == "" {
			continue
		}
		t, err := capture.ParseTime(bound.value, now)
		if err != nil {
			problems = append(problems, fmt.Errorf("--%s: %w", bound.flag, err))
		}
		*bound.to = t
	}
	if len(problems) == 0 {
		if err := q.Check(); err != nil {
			for _, err := range flatten(err) {
				problems = append(problems, fmt.Errorf("--%w", err))
			}
		}
	}
	if len(problems) > 0 {
		return q, usageError{errors.Join(problems...)}
	}
	return q, nil
}

// chooses tells whether any filter is set.
func (f *filterFlags) chooses() bool {
	return f.Since+f.Until+f.Class+f.Operation+f.API+f.Outcome+f.User != "" || len(f.Code) > 0
}

// nothing says on stderr that no capture was found; that is no failure.
func (f *filterFlags) nothing(w *world, dir string) {
	if f.chooses() {
		fmt.Fprintf(w.stderr, "marketo-proxy: no capture in %s is what the filter asks for\n", printable(dir))
		return
	}
	fmt.Fprintf(w.stderr, "marketo-proxy: %s holds no captures\n", printable(dir))
}

// archive opens the captures for reading.
func (f *captureFlags) archive() (*capture.Archive, error) {
	a, err := capture.OpenArchive(f.CaptureDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no directory %s to read captures from: name it with --capture-dir or %s",
			f.CaptureDir, envName("capture-dir"))
	}
	return a, err
}

// find returns a capture by its id or the beginning of it.
func (f *captureFlags) find(id string) (*capture.Stored, error) {
	a, err := f.archive()
	if err != nil {
		return nil, err
	}
	s, err := a.Find(id)
	if errors.Is(err, capture.ErrNotFound) {
		return nil, fmt.Errorf("no capture in %s has the id %s: `marketo-proxy captures ls` lists them", f.CaptureDir, printable(id))
	}
	return s, err
}

// clock is now, in UTC or the local zone.
func (w *world) clock(utc bool) time.Time {
	if utc {
		return time.Now().UTC()
	}
	// The variable is read here too, since the environment is a parameter of the program.
	if zone, err := time.LoadLocation(w.env["TZ"]); err == nil && w.env["TZ"] != "" {
		return time.Now().In(zone)
	}
	return time.Now()
}

// damage reports what could not be read: a few lines on stderr, then only how many more. The rest of the captures is good, so it is
// no reason to fail.
type damage struct {
	stderr  io.Writer
	count   int
	dropped int
}

const maxDamageLines = 5

func (d *damage) add(err error) {
	if errors.Is(err, fs.ErrNotExist) {
		d.dropped++ // retention removed it between the listing and the reading
		return
	}
	if d.count++; d.count <= maxDamageLines {
		fmt.Fprintf(d.stderr, "marketo-proxy: skipped: %s\n", printable(oneLine(err)))
	}
}

func (d *damage) end() {
	if more := d.count - maxDamageLines; more > 0 {
		fmt.Fprintf(d.stderr, "marketo-proxy: skipped: and %d more\n", more)
	}
	if d.dropped > 0 {
		fmt.Fprintf(d.stderr, "marketo-proxy: skipped: %d captures that were dropped as the oldest while they were read\n", d.dropped)
	}
}

// verifyAbove is the size from which a line is read once before it is copied, in place of holding it in memory.
const verifyAbove = 1 << 20

// copyLine writes a capture as it stands in the journal. What can't be read is a *lostLine, and nothing of it was written.
func copyLine(dst io.Writer, h capture.Handle) error {
	if h.Size() <= verifyAbove {
		line, err := readLine(h)
		if err != nil {
			return &lostLine{err}
		}
		_, err = dst.Write(append(line, '\n'))
		return err
	}
	if err := streamLine(io.Discard, h); err != nil {
		return &lostLine{err}
	}
	if err := streamLine(dst, h); err != nil {
		return err
	}
	_, err := dst.Write([]byte("\n"))
	return err
}

// lostLine tells that a capture can't be read.
type lostLine struct{ err error }

func (e *lostLine) Error() string { return e.err.Error() }
func (e *lostLine) Unwrap() error { return e.err }

func readLine(h capture.Handle) ([]byte, error) {
	r, err := h.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	line := make([]byte, h.Size(), h.Size()+1) // room for a newline
	_, err = io.ReadFull(r, line)
	return line, err
}

func streamLine(dst io.Writer, h capture.Handle) error {
	r, err := h.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(dst, r)
	return err
}
