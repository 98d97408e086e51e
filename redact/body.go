package redact

import (
	"bytes"
	"fmt"
	"io"
)

// Body copies src to dst without secrets. src is text in UTF-8 or another encoding that contains ASCII, already
// decompressed; whether it is XML, JSON, a form, multipart or anything else is told from its first bytes. It may be cut off
// anywhere: a secret whose end is missing is masked too. Memory is bounded whatever src is. Body returns the first error of
// src or dst; what was read before an error of src is still written.
func (r *Redactor) Body(dst io.Writer, src io.Reader) error {
	out := r.sink(dst)
	body := newSniffer(out, 0)
	if cap(r.in) < smallChunk {
		r.in = make([]byte, smallChunk)
	}
	r.in = r.in[:min(cap(r.in), chunk)]
	var readErr error
	for out.err == nil && readErr == nil {
		var n int
		n, readErr = src.Read(r.in)
		body.write(r.in[:n])
		if n == len(r.in) && n < chunk { // most bodies are smaller
			r.in = make([]byte, chunk)
		}
	}
	body.end()
	out.close()
	switch {
	case out.err != nil:
		return fmt.Errorf("redact: write body: %w", out.err)
	case readErr != io.EOF:
		return fmt.Errorf("redact: read body: %w", readErr)
	}
	return nil
}

// Append is Body for one that is whole in memory: it appends it to dst, without secrets.
func (r *Redactor) Append(dst, src []byte) []byte {
	r.dst.b = dst
	out := r.sink(&r.dst)
	body := sniff(out, 0, src[:min(len(src), maxSniff)], true)
	body.write(src)
	body.end()
	out.close()
	dst, r.dst.b = r.dst.b, nil
	return dst
}

// masker takes a body piece by piece and writes it to a sink without secrets. It keeps nothing of p.
type masker interface {
	write(p []byte)
	end()
}

// plain is a body without structure.
type plain struct{ text text }

func (p *plain) write(b []byte) { p.text.write(b) }
func (p *plain) end()           { p.text.reset() }

const (
	maxSniff = 512
	maxDepth = 3 // of bodies in multipart bodies, and of XML in comments and CDATA sections of XML
)

// sniffer collects the start of a body until it knows what it is.
type sniffer struct {
	out   *sink
	depth int
	start []byte
	body  masker // nil until known
}

func newSniffer(out *sink, depth int) *sniffer { return &sniffer{out: out, depth: depth} }

func (s *sniffer) write(p []byte) {
	if s.body == nil {
		s.start = append(s.start, p[:min(len(p), maxSniff)]...)
		if s.body = sniff(s.out, s.depth, s.start, len(s.start) >= maxSniff); s.body == nil {
			return
		}
		p = p[min(len(p), maxSniff):]
		s.body.write(s.start)
		s.start = nil
	}
	s.body.write(p)
}

func (s *sniffer) end() {
	if s.body == nil {
		s.body = sniff(s.out, s.depth, s.start, true)
		s.body.write(s.start)
	}
	s.body.end()
}

// sniff tells by the start of a body what it is. It returns nil if more of the body is needed, which is never so with enough.
func sniff(out *sink, depth int, b []byte, enough bool) masker {
	if n := min(len(b), len(bom)); string(b[:n]) == bom[:n] {
		b = b[n:]
	}
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 && !enough {
		return nil
	}
	switch {
	case len(b) == 0:
	case b[0] == '<':
		return newXML(out, depth)
	case b[0] == '{' || b[0] == '[':
		return newJSON(out)
	case b[0] == '-' && depth < maxDepth:
		boundary, known := multipartBoundary(b)
		if boundary != nil {
			return newMultipart(out, depth, boundary)
		}
		if !known && !enough {
			return nil
		}
	default:
		isForm, known := formStart(b)
		if isForm {
			return newForm(out)
		}
		if !known && !enough {
			return nil
		}
	}
	return &plain{text{out: out}}
}

const bom = "\ufeff"
