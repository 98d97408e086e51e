package pretty

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"marketo-proxy/jsonscan"
	"marketo-proxy/xmlscan"
)

// A body that nests deeper than this is not indented further: 100,000 open tags must not become gigabytes of blanks.
const maxIndent = 40

// Body copies a body, indented where it is XML or JSON, in a stream and whatever its size. Text that is neither, HTML too, comes
// out as it is. Nothing but white space between tags is added or lost.
func Body(w io.Writer, r io.Reader) error {
	in := bufio.NewReaderSize(r, 32<<10)
	head, err := in.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	out := bufio.NewWriter(w)
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
	switch lower := strings.ToLower(string(head)); {
	case strings.HasPrefix(lower, "<!doctype"), strings.HasPrefix(lower, "<html"):
		_, err = io.Copy(out, in)
	case strings.HasPrefix(lower, "<"):
		err = indentXML(out, in)
	case strings.HasPrefix(lower, "{"), strings.HasPrefix(lower, "["):
		err = indentJSON(out, in)
	default:
		_, err = io.Copy(out, in)
	}
	return errors.Join(err, out.Flush())
}

func newline(w *bufio.Writer, depth int) {
	w.WriteByte('\n')
	for range min(depth, maxIndent) {
		w.WriteString("  ")
	}
}

// feed gives what r has to a scanner, piece by piece: next takes all tokens that are ready.
func feed(r io.Reader, give func([]byte), finish, next func()) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		give(buf[:n])
		if err != nil {
			finish()
		}
		next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func indentXML(w *bufio.Writer, r io.Reader) error {
	var s xmlscan.Scanner
	p := xmlPrinter{w: w}
	return feed(r, s.Feed, s.Finish, func() {
		for t, ok := s.Next(); ok; t, ok = s.Next() {
			p.print(&t)
		}
	})
}

// xmlPrinter puts each element on a line of its own, and one that has only text on one line with its text.
type xmlPrinter struct {
	w     *bufio.Writer
	depth int
	after xmlKind // what was printed last
	more  bool    // and its rest follows
}

type xmlKind int

const (
	xmlNothing xmlKind = iota
	xmlStart
	xmlText
	xmlEnd // of an element, or anything else that has no inside
)

func (p *xmlPrinter) print(t *xmlscan.Token) {
	wasMore := p.more
	p.more = t.More
	switch {
	case t.Kind == xmlscan.Text && (p.after == xmlEnd || p.after == xmlStart || p.after == xmlNothing) && len(bytes.Trim(t.Raw, " \t\r\n")) == 0:
		return
	case t.Kind == xmlscan.Text, t.Kind == xmlscan.CDATA:
		p.after = xmlText
	case wasMore:
		if t.Kind == xmlscan.Start && t.SelfClosing {
			p.leave()
		}
	case t.Kind == xmlscan.Start:
		p.line()
		if p.after = xmlStart; t.SelfClosing {
			p.after = xmlEnd
		} else {
			p.depth++
		}
	case t.Kind == xmlscan.End:
		p.depth = max(p.depth-1, 0)
		if p.after == xmlEnd {
			p.line()
		}
		p.after = xmlEnd
	default:
		p.line()
		p.after = xmlEnd
	}
	p.w.Write(t.Raw)
}

// leave corrects what a long tag was taken for before its end was seen.
func (p *xmlPrinter) leave() {
	p.depth = max(p.depth-1, 0)
	p.after = xmlEnd
}

// line begins a new line, but not inside mixed content.
func (p *xmlPrinter) line() {
	if p.after == xmlStart || p.after == xmlEnd {
		newline(p.w, p.depth)
	}
}

func indentJSON(w *bufio.Writer, r io.Reader) error {
	var s jsonscan.Scanner
	p := jsonPrinter{w: w}
	return feed(r, s.Feed, s.Finish, func() {
		for t, ok := s.Next(); ok; t, ok = s.Next() {
			p.print(&t)
		}
	})
}

type jsonPrinter struct {
	w      *bufio.Writer
	opened bool // an object or array, of which nothing came yet
	blank  bool // white space was all that separated this from what came before, as in text that is no JSON
}

func (p *jsonPrinter) print(t *jsonscan.Token) {
	if t.Kind == jsonscan.Sep {
		p.separate(t)
		return
	}
	ends := t.Kind == jsonscan.ObjectEnd || t.Kind == jsonscan.ArrayEnd
	switch {
	case p.opened != ends: // the first of its inside, or the end after some
		newline(p.w, t.Depth)
	case p.blank && !ends:
		p.w.WriteByte(' ')
	}
	p.blank = false
	p.w.Write(t.Raw)
	p.opened = t.Kind == jsonscan.ObjectStart || t.Kind == jsonscan.ArrayStart
}

func (p *jsonPrinter) separate(t *jsonscan.Token) {
	p.blank = t.Offset > 0
	for _, c := range t.Raw {
		switch c {
		case ':':
			p.w.WriteString(": ")
			p.blank = false
		case ',':
			p.w.WriteByte(',')
			newline(p.w, t.Depth)
			p.blank = false
		}
	}
}
