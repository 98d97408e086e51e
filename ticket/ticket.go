// Package ticket makes one zip of chosen captures for a case at Marketo's support: a summary to paste, the exchanges as HAR and
// byte by byte, and a manifest. Personal data is replaced by pseudonyms, and the zip is read back before anyone gets it.
package ticket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"

	"marketo-proxy/capture"
)

// The defaults of Options.
const (
	DefaultPerCode = 20
	DefaultMaxSize = 20 << 20
	DefaultWindow  = time.Hour
)

// MinSize is the least MaxSize: SUMMARY.md and manifest.json need some room.
const MinSize = 64 << 10

// Options say what goes into a ticket, and how.
type Options struct {
	Archive    *capture.Archive
	Query      capture.Query   // which failures; if it chooses nothing and there are no IDs: those of the last hour before Now
	IDs        []string        // captures, also by the beginnings of their ids, in place of Query
	PerCode    int             // at most so many exchanges of each code; 0: DefaultPerCode. IDs all go in
	MaxSize    int64           // bytes of all files in the zip together, uncompressed; 0: DefaultMaxSize
	Unmasked   bool            // personal data stays as it is
	Recipients []age.Recipient // if any: the ticket is encrypted to them
	Secrets    []string        // values that must not be in it, besides those that their places give away
	Dir        string          // where a temporary file without a name can be; empty: the system's place
	Version    string          // of this program
	Now        time.Time       // its zone is that of times in Report
	Random     io.Reader       // for the key of the pseudonyms: crypto/rand.Reader
}

// Report tells what a ticket holds.
type Report struct {
	Kinds     []Kind
	Instances []string       // the one with most of the failed calls first
	Masked    map[string]int // replaced values of personal data in the exchanges, by kind; nil: unmasked
	Secrets   int            // places in the exchanges that say REDACTED
	Missing   []Missing
}

// Kind is one kind of failure: one code of one API, or one outcome without a code.
type Kind struct {
	Name     string // like "SOAP 20011 Internal Error"
	Found    int    // failed calls
	Included int    // of them in the ticket
	Useless  bool   // support can't help
	Advice   string // what to do: in place of a ticket if Useless, else before it is sent
}

// Missing is something that a reader may look for in vain.
type Missing struct {
	Capture string `json:"capture,omitempty"` // its id
	What    string `json:"what"`
}

// NothingError tells that no capture is what was asked for.
type NothingError struct {
	Query   capture.Query // as it was searched
	Nearest time.Time     // the newest capture that would do at another time; zero: none
	Newest  time.Time     // the newest capture of all; zero: there is none
}

func (e *NothingError) Error() string { return "ticket: no capture is what was asked for" }

// Is makes it a capture.ErrNotFound, too.
func (e *NothingError) Is(target error) bool { return target == capture.ErrNotFound }

// LeakError tells that a finished ticket held something that it must not hold, so that it was thrown away.
type LeakError struct {
	File string // in the zip
	What string // never the value itself
}

func (e *LeakError) Error() string { return fmt.Sprintf("ticket: %s holds %s", e.File, e.What) }

// SizeError tells that not even one exchange fits.
type SizeError struct{ MaxSize int64 }

func (e *SizeError) Error() string {
	return fmt.Sprintf("ticket: nothing fits into %d bytes", e.MaxSize)
}

// Ticket is a finished one, in a temporary file without a name. It is for one goroutine.
type Ticket struct {
	Report Report
	spool  *os.File
}

// Make makes a ticket and reads it back. Besides errors of the archive and the disk it returns *NothingError, *LeakError and
// *SizeError. It blocks as long as the disk does; memory stays bounded. The caller closes the ticket.
func Make(ctx context.Context, o Options) (*Ticket, error) {
	o = o.withDefaults()
	if o.MaxSize < MinSize {
		return nil, &SizeError{o.MaxSize}
	}
	found, err := choose(ctx, &o)
	if err != nil {
		return nil, err
	}
	spool, err := newSpool(o.Dir)
	if err != nil {
		return nil, err
	}
	b, err := buildWithin(ctx, &o, found, spool)
	if err == nil {
		err = b.readBack(ctx, spool)
	}
	if err != nil {
		spool.Close()
		return nil, err
	}
	return &Ticket{b.report(), spool}, nil
}

// WriteTo writes the zip, or the age file that it is in. It can be called again.
func (t *Ticket) WriteTo(w io.Writer) (int64, error) {
	if _, err := t.spool.Seek(0, io.SeekStart); err != nil {
		return 0, fmt.Errorf("ticket: read: %w", err)
	}
	n, err := io.Copy(w, t.spool)
	if err != nil {
		err = fmt.Errorf("ticket: write: %w", err)
	}
	return n, err
}

// Close gives the temporary file back.
func (t *Ticket) Close() error { return t.spool.Close() }

// Write makes a ticket and writes it to w: nothing before it is whole and was read back, and nothing at all if Make fails.
func Write(ctx context.Context, w io.Writer, o Options) (*Report, error) {
	t, err := Make(ctx, o)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	_, err = t.WriteTo(w)
	return &t.Report, err
}

func (o Options) withDefaults() Options {
	if o.PerCode <= 0 {
		o.PerCode = DefaultPerCode
	}
	if o.MaxSize == 0 {
		o.MaxSize = DefaultMaxSize
	}
	q := &o.Query
	chooses := !q.Since.IsZero() || !q.Until.IsZero() || len(q.Codes) > 0 || q.Class+q.Operation+q.API+q.Outcome+q.User != ""
	if !chooses && len(o.IDs) == 0 {
		q.Since = o.Now.Add(-DefaultWindow)
	}
	return o
}

// buildWithin builds again with less as long as the result is too large: how large it becomes is known only when all is masked.
func buildWithin(ctx context.Context, o *Options, found *selection, spool *os.File) (*builder, error) {
	for budget := o.MaxSize; budget >= MinSize/8; budget -= budget / 4 {
		if _, err := spool.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("ticket: write: %w", err)
		}
		if err := spool.Truncate(0); err != nil {
			return nil, fmt.Errorf("ticket: write: %w", err)
		}
		b, err := build(ctx, o, found, budget, spool)
		switch {
		case errors.Is(err, errTooLarge):
			continue
		case err != nil:
			return nil, err
		}
		return b, nil
	}
	return nil, &SizeError{o.MaxSize}
}

// newSpool makes a file that is gone with the process.
func newSpool(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, ".ticket-*")
	var at *fs.PathError
	switch {
	case errors.As(err, &at):
		return nil, fmt.Errorf("ticket: make a file in %s: %w", filepath.Dir(at.Path), at.Err)
	case err != nil:
		return nil, fmt.Errorf("ticket: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("ticket: %w", err)
	}
	return f, nil
}

// interruptible reads until ctx ends.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}
