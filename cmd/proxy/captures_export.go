package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"marketo-proxy/capture"
	"marketo-proxy/har"
)

type capturesExport struct {
	captureFlags
	filterFlags
	IDs    []string `arg:"" optional:"" name:"id" help:"Ids of captures, in place of a filter."`
	Format string   `help:"har (HTTP Archive 1.2, for developer tools of browsers) or jsonl (as on disk); by the ending of the file if not given." placeholder:"FORMAT"`
	Output string   `short:"o" help:"File to write, or - for standard output." default:"-" placeholder:"FILE"`
	Limit  int      `help:"Only so many, the newest; 0: all." default:"0" placeholder:"N"`
}

// Run writes the captures, the oldest first. A file gets its name only when it is whole; finding nothing makes an empty one.
func (c *capturesExport) Run(w *world) error {
	q, err := c.query(w.clock(false))
	if err != nil {
		return err
	}
	q.Limit = c.Limit
	if err := q.Check(); err != nil {
		return usageError{fmt.Errorf("--%w", err)}
	}
	format, err := c.format()
	if err != nil {
		return err
	}
	if len(c.IDs) > 0 && (c.chooses() || c.Limit != 0) {
		return usageError{errors.New("give ids or a filter, not both")}
	}
	damaged := &damage{stderr: w.stderr}
	defer damaged.end()
	chosen, err := c.choose(w, q, damaged)
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		c.nothing(w, c.CaptureDir)
	}
	write := func(dst io.Writer) error {
		if format == "har" {
			return exportHAR(w, dst, chosen, damaged)
		}
		return exportLines(w, dst, chosen, damaged)
	}
	if c.Output != "-" {
		return writeWhole(c.Output, write)
	}
	out := bufio.NewWriter(w.stdout)
	var dst io.Writer = out
	if w.screen().terminal {
		dst = &harmlessWriter{w: out, json: true}
	}
	return errors.Join(write(dst), out.Flush())
}

func (c *capturesExport) format() (string, error) {
	switch {
	case c.Format == "har", c.Format == "jsonl":
		return c.Format, nil
	case c.Format != "":
		return "", usageError{fmt.Errorf("--format: %q is neither har nor jsonl", c.Format)}
	case strings.EqualFold(filepath.Ext(c.Output), ".har"):
		return "har", nil
	case strings.EqualFold(filepath.Ext(c.Output), ".jsonl"), c.Output == "-":
		return "jsonl", nil
	}
	return "", usageError{fmt.Errorf("--output: %s does not tell the format: add --format har or --format jsonl", c.Output)}
}

// choose finds the captures, the oldest first, keeping in memory only where they are.
func (c *capturesExport) choose(w *world, q capture.Query, damaged *damage) ([]capture.Handle, error) {
	if len(c.IDs) > 0 {
		return c.named()
	}
	a, err := c.archive()
	if err != nil {
		return nil, err
	}
	var chosen []capture.Handle
	for s, err := range a.Search(w.ctx, q) {
		if err != nil {
			damaged.add(err)
			continue
		}
		chosen = append(chosen, s.Handle)
	}
	slices.Reverse(chosen)
	return chosen, w.ctx.Err()
}

func (c *capturesExport) named() ([]capture.Handle, error) {
	var found []*capture.Stored
	for _, id := range c.IDs {
		s, err := c.find(id)
		if err != nil {
			return nil, err
		}
		found = append(found, s)
	}
	slices.SortFunc(found, func(a, b *capture.Stored) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID)) })
	var chosen []capture.Handle
	for i, s := range found {
		if i == 0 || s.ID != found[i-1].ID {
			chosen = append(chosen, s.Handle)
		}
	}
	return chosen, nil
}

func exportLines(w *world, dst io.Writer, chosen []capture.Handle, damaged *damage) error {
	for _, h := range chosen {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		err := copyLine(dst, h)
		var lost *lostLine
		switch {
		case errors.As(err, &lost):
			damaged.add(err)
		case err != nil:
			return err
		}
	}
	return nil
}

func exportHAR(w *world, dst io.Writer, chosen []capture.Handle, damaged *damage) error {
	archive := har.NewWriter(dst, har.Creator{Name: "marketo-proxy", Version: build().Version})
	for _, h := range chosen {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		d, err := h.Detail()
		if err != nil {
			damaged.add(err)
			continue
		}
		err = archive.Add(&d.Capture, d.Body)
		var lost *har.BodyError
		switch {
		case errors.As(err, &lost):
			damaged.add(err)
		case err != nil:
			return err
		}
	}
	return archive.Close()
}

// writeWhole makes or replaces a file with what write writes; until all of it is on disk, the file stays as it was. The file
// is for its owner only. What is no regular file, a pipe or a device, is written to.
func writeWhole(path string, write func(io.Writer) error) (err error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a directory: name a file in it", path)
	case err == nil && !info.Mode().IsRegular():
		return writeInto(path, write)
	case err == nil:
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("write: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	out := bufio.NewWriterSize(f, 64<<10)
	if err := errors.Join(write(out), out.Flush()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

func writeInto(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	out := bufio.NewWriterSize(f, 64<<10)
	if err := errors.Join(write(out), out.Flush(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// syncDir makes a new name last. The file is whole by now, so a file system that can't do this is no reason to fail.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	_ = d.Sync()
	return nil
}
