package main

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"marketo-proxy/pretty"
	"marketo-proxy/sign"
	"marketo-proxy/ticket"
)

type ticketCommand struct {
	captureFlags
	credentialFlags
	filterFlags
	IDs       []string `arg:"" optional:"" name:"id" help:"Ids of captures, in place of a filter. With neither: every failure of the last hour."`
	Output    string   `short:"o" help:"File to write, replaced if it exists, or - for standard output; marketo-ticket-INSTANCE-TIME.zip if not given." placeholder:"FILE"`
	Limit     int      `help:"Look at the newest N only; 0: all." default:"0" placeholder:"N"`
	PerCode   int      `help:"Exchanges of each code: the first, the last and evenly between." default:"20" placeholder:"N"`
	MaxSize   byteSize `help:"Bytes of all files in the zip together: exchanges are left out first, then bodies are cut." default:"20MiB" placeholder:"SIZE"`
	Unmasked  bool     `help:"Leave personal data as it is. Secrets are never written."`
	EncryptTo *string  `help:"Encrypt with age to these recipients, or to those in @FILE." placeholder:"RECIPIENT,…"`
}

// Run writes the ticket; a file gets its name only when it is whole and was read back.
func (c *ticketCommand) Run(w *world) error {
	o, err := c.options(w)
	if err != nil {
		return err
	}
	if c.Output == "-" && w.screen().terminal {
		return usageError{errors.New("--output: a zip does not belong on a terminal: name a file, or send it on with | or >")}
	}
	t, err := ticket.Make(w.ctx, o)
	if err != nil {
		return explainTicket(err, c.CaptureDir, o, true)
	}
	defer t.Close()
	if c.Unmasked {
		fmt.Fprintln(w.stderr, "marketo-proxy: warning: personal data is not masked: give this ticket only to whom you may give your leads")
	}
	if c.Output == "-" {
		_, err := t.WriteTo(w.stdout)
		return err
	}
	path, err := c.path(t, o.Now)
	if err != nil {
		return err
	}
	size := int64(0)
	err = writeWhole(path, func(dst io.Writer) (err error) {
		size, err = t.WriteTo(dst)
		return errors.Join(err, w.ctx.Err())
	})
	if err != nil {
		return err
	}
	c.summarize(w.stdout, path, size, &t.Report)
	return nil
}

// options checks all flags, and that there is a place for the file, before anything is read.
func (c *ticketCommand) options(w *world) (o ticket.Options, err error) {
	now := w.clock(false)
	q, err := c.query(now)
	if err != nil {
		return o, err
	}
	q.Limit = c.Limit
	o = ticket.Options{
		Query: q, IDs: c.IDs, PerCode: c.PerCode, MaxSize: int64(c.MaxSize), Unmasked: c.Unmasked, Dir: filepath.Dir(c.Output),
		Version: build().Version, Now: now, Random: rand.Reader,
	}
	switch {
	case c.Limit < 0:
		return o, usageError{fmt.Errorf("--limit: %d is less than nothing: give 0 for all", c.Limit)}
	case len(c.IDs) > 0 && (c.chooses() || c.Limit != 0):
		return o, usageError{errors.New("give ids or a filter, not both")}
	case c.PerCode < 1:
		return o, usageError{fmt.Errorf("--per-code: %d is too few: give at least 1", c.PerCode)}
	case c.MaxSize < ticket.MinSize:
		return o, usageError{fmt.Errorf("--max-size: %s is too little for a ticket: give at least %s", c.MaxSize, byteSize(ticket.MinSize))}
	}
	if c.EncryptTo != nil { // an empty one, as of an unset variable, must not make a plain ticket
		if o.Recipients, err = recipients(strings.Split(*c.EncryptTo, ",")); err != nil {
			return o, usageError{fmt.Errorf("--encrypt-to: %w", err)}
		}
	}
	if o.Secrets, err = c.secrets(); err != nil {
		return o, usageError{err}
	}
	if c.Output == "-" {
		o.Dir = ""
	} else if info, err := os.Stat(o.Dir); err != nil || !info.IsDir() {
		return o, fmt.Errorf("there is no directory %s for the ticket: make it, or name another file with -o", o.Dir)
	} else if err := unix.Access(o.Dir, unix.W_OK); err != nil { // as in a container
		return o, fmt.Errorf("%s is no place for the ticket: %w: name a file elsewhere with -o, or - for standard output", absolute(o.Dir), err)
	}
	o.Archive, err = c.archive()
	return o, err
}

func (c *ticketCommand) secrets() ([]string, error) {
	if c.CredentialsDir == "" {
		return nil, nil
	}
	keys, err := sign.OpenCredentials(c.CredentialsDir)
	if err != nil {
		return nil, err
	}
	return keys.Keys(), nil
}

// recipients reads age recipients; errors never quote them, since it may be a secret key that was given by mistake.
func recipients(list []string) (all []age.Recipient, err error) {
	for _, r := range list {
		r = strings.TrimSpace(r)
		where := "what was given"
		if file, ok := strings.CutPrefix(r, "@"); ok {
			content, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			where, r = file, string(content)
		}
		if strings.Contains(strings.ToUpper(r), "AGE-SECRET-KEY-") {
			return nil, fmt.Errorf("%s is a secret key: give its recipient, which `age-keygen -y` prints", where)
		}
		some, err := age.ParseRecipients(strings.NewReader(r))
		if err != nil || len(some) == 0 {
			return nil, fmt.Errorf("%s is no age recipient: give one like age1…, or @FILE with one a line", where)
		}
		all = append(all, some...)
	}
	return all, nil
}

var noName = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// path is where the ticket goes. A name that was not given must be free.
func (c *ticketCommand) path(t *ticket.Ticket, now time.Time) (string, error) {
	path := c.Output
	if path == "" {
		instance := strings.Trim(noName.ReplaceAllString(t.Report.Instances[0], "-"), "-.")
		path = fmt.Sprintf("marketo-ticket-%s-%s.zip", cmp.Or(instance, "unknown"), now.UTC().Format("20060102T150405Z"))
	}
	if c.EncryptTo != nil && !strings.HasSuffix(path, ".age") {
		path += ".age"
	}
	if c.Output == "" {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("%s exists already: name another file with -o, or the same to replace it", path)
		}
	}
	return path, nil
}

// summarize says what was written, and what to do with it.
func (c *ticketCommand) summarize(out io.Writer, path string, size int64, r *ticket.Report) {
	found, included, useful := 0, 0, 0
	width := 0
	for _, k := range r.Kinds {
		found += k.Found
		included += k.Included
		width = max(width, len(k.Name))
		if !k.Useless {
			useful++
		}
	}
	fmt.Fprintf(out, "%s: %s, %d of %d failed calls\n", printable(path), pretty.Size(size), included, found)
	for _, k := range r.Kinds {
		whose, lead := "for support", "before sending: "
		if k.Useless {
			whose, lead = "no ticket needed", ""
		}
		fmt.Fprintf(out, "  %-*s  %4d of %-6d %s\n", width, printable(k.Name), k.Included, k.Found, whose)
		if k.Advice != "" {
			fmt.Fprintf(out, "      %s%s\n", lead, printable(k.Advice))
		}
	}
	fmt.Fprintf(out, "masked:  %s\nmissing: %s\n", maskedLine(r), missingLine(r.Missing))
	switch {
	case useful == 0:
		fmt.Fprintln(out, "next:    do not send it: support can't help with any of these")
	case c.EncryptTo != nil:
		fmt.Fprintln(out, "next:    give it to whom it is encrypted to; SUMMARY.md in it is ready to paste into the case")
	default:
		fmt.Fprintf(out, "next:    paste SUMMARY.md into the case and attach the zip:  unzip -p %s SUMMARY.md\n", pretty.ShellWord(path))
	}
}

// maskedLine counts what was masked.
func maskedLine(r *ticket.Report) string {
	all := 0
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(r.Masked)) {
		all += r.Masked[kind]
		parts = append(parts, fmt.Sprintf("%s %d", kind, r.Masked[kind]))
	}
	secrets := "; " + counted(r.Secrets, "secret", "secrets") + " REDACTED"
	switch {
	case r.Masked == nil:
		return "NO personal data (--unmasked)" + secrets
	case all == 0:
		return "no personal data found" + secrets
	}
	return fmt.Sprintf("%d values of personal data (%s)%s", all, strings.Join(parts, ", "), secrets)
}

func missingLine(missing []ticket.Missing) string {
	switch len(missing) {
	case 0:
		return "nothing"
	case 1:
		return printable(missing[0].String())
	}
	return fmt.Sprintf("%s; and %d more, see manifest.json", printable(missing[0].String()), len(missing)-1)
}
