package ticket

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"

	"marketo-proxy/capture"
	"marketo-proxy/redact"
)

// exchange is a capture as it goes into the ticket: masked, with bodies that are masked and cut as they are read.
type exchange struct {
	*capture.Detail
	b       *builder
	limit   int64 // of each body; 0: none
	types   map[place]string
	binary  map[place]bool
	partial map[place]bool // bodies that were not captured whole
	cut     map[place]bool // bodies of which the limit left out something
}

type place struct {
	attempt int
	side    capture.Side
}

// newExchange masks d, but not its bodies.
func (b *builder) newExchange(d *capture.Detail) *exchange {
	e := &exchange{Detail: d, b: b, types: map[place]string{}, binary: map[place]bool{}, partial: map[place]bool{}, cut: map[place]bool{}}
	bodies := 0
	e.each(func(p place, headers []capture.HeaderLine, body *capture.BodyLine) {
		e.types[p] = field(headers, "Content-Type") // as it was: its boundary may be masked
		e.binary[p] = body.Base64 != nil
		e.partial[p] = body.Truncated
		bodies++
	})
	if b.limit > 0 {
		e.limit = max(1, b.limit/int64(max(1, bodies)))
	}
	if b.masker != nil {
		b.masker.Capture(&d.Capture)
	}
	e.each(func(p place, _ []capture.HeaderLine, body *capture.BodyLine) {
		body.Truncated = body.Truncated || e.limit > 0 && body.Size > e.limit // as far as it is known before reading
		if b.masker != nil {
			body.Base64 = nil // the masker makes text of it
		}
	})
	return e
}

// each visits the messages that there are, in their order.
func (e *exchange) each(visit func(place, []capture.HeaderLine, *capture.BodyLine)) {
	for i := range e.Attempts {
		a := &e.Attempts[i]
		visit(place{i, capture.RequestSide}, a.Request.Headers, &a.Request.Body)
		if a.Response != nil {
			visit(place{i, capture.ResponseSide}, a.Response.Headers, &a.Response.Body)
		}
	}
}

// body opens the content of a body.
func (e *exchange) body(attempt int, side capture.Side) (io.ReadCloser, error) {
	content, err := e.Detail.Body(attempt, side)
	if err != nil {
		return nil, err
	}
	p := place{attempt, side}
	var r io.Reader = &interruptible{e.b.ctx, content}
	if e.limit > 0 {
		r = &cutter{r: bufio.NewReader(r), left: e.limit, cut: func() { e.cut[p] = true }}
	}
	whole := struct {
		io.Reader
		io.Closer
	}{r, content}
	if e.b.masker == nil {
		return whole, nil
	}
	return e.b.masker.Body(e.types[p], whole), nil
}

// cutter ends after some bytes, where a line, an element or a member ends if there is one near: half a value could look like a secret.
type cutter struct {
	r    *bufio.Reader
	left int64
	cut  func() // called if something was left out
	near bool   // the end is known
}

func (c *cutter) Read(p []byte) (int, error) {
	far := c.left - int64(c.r.Size()-1)
	if far <= 0 && !c.near {
		c.near = true
		next, err := c.r.Peek(int(c.left) + 1)
		switch {
		case err == nil:
			c.cut()
			c.left = int64(bytes.LastIndexAny(next[:c.left], "\n>,&")) + 1
		case err != io.EOF:
			return 0, err
		}
	}
	if c.left == 0 {
		return 0, io.EOF
	}
	most := c.left
	if !c.near {
		most = far
	}
	n, err := c.r.Read(p[:min(int64(len(p)), most)])
	c.left -= int64(n)
	return n, err
}

// exchange writes the files of an exchange, each message as it went over the wire and its body alone.
func (b *builder) exchange(f fitted) error {
	e, err := b.detail(f, true)
	if e == nil || err != nil {
		return err
	}
	b.included[f.group]++
	f.group.facts.add(e)
	for i := range e.Attempts {
		a := &e.Attempts[i]
		dir := fmt.Sprintf("exchanges/%s/attempt-%d/", folder(e.ID), i+1)
		head := requestHead(&a.Request)
		if err := b.message(e, place{i, capture.RequestSide}, dir+"request", head, a.Request.Body); err != nil {
			return err
		}
		if a.Response != nil {
			head := responseHead(a.Response)
			if err := b.message(e, place{i, capture.ResponseSide}, dir+"response", head, a.Response.Body); err != nil {
				return err
			}
		}
		if a.Error != "" {
			err := b.archive.add(dir+"response.error.txt", func(w io.Writer) error {
				_, err := io.WriteString(w, a.Error+"\n")
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// folder is an id as a name of a folder: a forged one can't leave the place where it is unpacked.
func folder(id string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, id)
}

// message writes NAME.http and, if there is a body, NAME.xml or the like.
func (b *builder) message(e *exchange, p place, name, head string, line capture.BodyLine) error {
	size := int64(0)
	var lost error
	content := func(w io.Writer) (err error) {
		size, lost, err = b.content(w, e, p)
		return err
	}
	err := b.archive.add(name+".http", func(w io.Writer) error {
		if _, err := io.WriteString(w, head); err != nil {
			return err
		}
		b.secrets += strings.Count(head, redact.Marker)
		return content(w)
	})
	if err != nil {
		return err
	}
	if size > 0 {
		alone := func() error { return b.archive.add(name+e.extension(p), content) }
		if err := b.uncounted(alone); err != nil {
			return err
		}
	}
	b.missBody(e, p, line, size, lost)
	return nil
}

// missBody notes why a body is not whole.
func (b *builder) missBody(e *exchange, p place, line capture.BodyLine, size int64, lost error) {
	what := fmt.Sprintf("attempt %d, body of the request", p.attempt+1)
	if p.side == capture.ResponseSide {
		what = fmt.Sprintf("attempt %d, body of the response", p.attempt+1)
	}
	switch {
	case lost != nil:
		b.miss(e.ID, "%s: damaged from byte %d on: %s", what, size, b.text(lost.Error()))
	case e.cut[p]:
		b.miss(e.ID, "%s: cut after %d bytes for the size of the ticket", what, size)
	case e.partial[p]:
		b.miss(e.ID, "%s: not whole as captured (%d bytes on the wire)", what, line.Size)
	}
	if e.binary[p] && b.masker != nil && lost == nil {
		b.miss(e.ID, "%s: no text, so it can't be masked and was left out", what)
	}
}

// content copies a body. lost tells why it could not be read to its end; err is that of w, or that of the end of ctx.
func (b *builder) content(w io.Writer, e *exchange, p place) (size int64, lost, err error) {
	r, lost := e.body(p.attempt, p.side)
	if lost != nil {
		return 0, lost, nil
	}
	defer r.Close()
	counted := &tallied{w: w}
	_, err = io.Copy(counted, r)
	if err != nil && counted.err == nil && b.ctx.Err() == nil {
		lost, err = err, nil
	}
	b.secrets += counted.markers
	return counted.n, lost, err
}
