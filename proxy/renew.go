package proxy

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/decode"
	"marketo-proxy/sign"
)

func (t *Transport) lookup(user string) (string, bool) {
	if t.cfg.Keys == nil {
		return "", false
	}
	return t.cfg.Keys.Lookup(user)
}

func (c *call) signsAlways() bool {
	return c.t.cfg.Sign == SignAlways && c.entry.api == classify.SOAP && c.in.Method == http.MethodPost
}

// renewal decides what to do about an expired signature or token: the body to send again, or why not. The proxy signs only for a
// caller who proved with the expired signature that it holds the key, or for everyone where it was told to sign always.
func (c *call) renewal(a *answer) (*payload, capture.Renewal) {
	if c.t.cfg.Sign == SignNever {
		return nil, capture.RenewalDisabled
	}
	if c.entry.api == classify.REST {
		return c.renewToken(a)
	}
	body := a.attempt.Request.Body
	if !body.Whole() {
		return nil, capture.UnsupportedBody
	}
	kept := body.OpenForSending()
	p, why := c.resigned(kept, body.Size())
	if p == nil || p.stream == nil {
		_ = kept.Close() // it has nothing to fail with
	}
	if p != nil {
		c.record(p)
	}
	return p, why
}

// resigned is the body that was kept, size bytes of it, with a new signature. Its stream, if it has one, reads from kept and closes it.
func (c *call) resigned(kept io.ReadCloser, size int64) (*payload, capture.Renewal) {
	content, gzipped, err := c.content(kept)
	if err != nil {
		return nil, capture.UnsupportedBody
	}
	envelope, err := sign.ReadEnvelope(content)
	if err != nil || !envelope.Complete() {
		return nil, capture.UnsupportedBody
	}
	key, ok := c.t.lookup(envelope.User)
	if !ok {
		return nil, capture.NoCredential
	}
	if !c.signsAlways() && !sign.Verify(key, envelope.Timestamp, envelope.User, envelope.Signature) {
		return nil, capture.BadSignature
	}
	signed, longer := c.signed(envelope, key)
	p := &payload{length: -1, recording: c.t.cfg.Recorder.New()}
	if !gzipped {
		p.length = size + int64(longer)
	} else {
		signed = compress(signed)
	}
	if size > smallBody {
		p.stream = readCloser{signed, kept}
	} else if data, err := io.ReadAll(signed); err != nil {
		return nil, capture.UnsupportedBody
	} else {
		p.replace(data)
	}
	return p, ""
}

// signFirst signs the application's own body before it is sent for the first time. What can't be signed goes as it is: Marketo
// says what is wrong with it.
func (c *call) signFirst(p *payload) {
	source, read := io.Reader(bytes.NewReader(p.data)), new(bytes.Buffer)
	if p.stream != nil {
		source = io.TeeReader(p.stream, read)
	}
	asItIs := func(why capture.Renewal) {
		c.ex.Renewal = why
		if p.stream != nil {
			p.stream = readCloser{io.MultiReader(read, p.stream), p.stream}
		}
	}
	tee := &switchReader{source}
	content, gzipped, err := c.content(tee)
	if err != nil {
		asItIs(capture.UnsupportedBody)
		return
	}
	envelope, err := sign.ReadEnvelope(content)
	if err != nil || envelope.User == "" {
		asItIs(capture.UnsupportedBody)
		return
	}
	key, ok := c.t.lookup(envelope.User)
	if !ok {
		asItIs(capture.NoCredential)
		return
	}
	if p.stream != nil {
		tee.r = p.stream // nothing needs to be kept any more
	}
	signed, longer := c.signed(envelope, key)
	switch {
	case p.stream == nil:
		if gzipped {
			signed = compress(signed)
		}
		if data, err := io.ReadAll(signed); err == nil {
			p.replace(data)
		} else {
			asItIs(capture.UnsupportedBody)
		}
	case gzipped:
		p.stream, p.length = readCloser{compress(signed), p.stream}, -1
	default:
		p.stream = readCloser{signed, p.stream}
		if p.length >= 0 {
			p.length += int64(longer)
		}
	}
}

// content undoes gzip, the only encoding of a request that can be undone and done again.
func (c *call) content(body io.Reader) (content io.Reader, gzipped bool, err error) {
	encoding := c.in.Header.Get("Content-Encoding")
	if !decode.Supported(encoding) {
		return nil, false, sign.ErrUnsupported
	}
	if !decode.Gzipped(encoding) {
		return body, false, nil
	}
	content, err = gzip.NewReader(body)
	return content, true, err
}

func (c *call) signed(e *sign.Envelope, key string) (io.Reader, int) {
	timestamp := sign.Timestamp(c.t.marketoTime())
	return e.Sign(timestamp, sign.Signature(key, timestamp, e.User))
}

// marketoTime is the local clock, set right if Marketo's differs by more than half a minute.
func (t *Transport) marketoTime() time.Time {
	now := t.now()
	if offset := time.Duration(t.offset.Load()); offset.Abs() > maxClockError {
		now = now.Add(offset)
	}
	return now
}

// clock learns Marketo's clock from the Date of an answer, which cuts fractions of a second off: half of one is the mean.
func (t *Transport) clock(h http.Header, now time.Time) {
	text := h.Get("Date")
	last := t.date.Load()
	if last == nil || last.text != text { // a busy second has many answers
		at, err := http.ParseTime(text)
		if err != nil {
			return
		}
		last = &date{strings.Clone(text), at}
		t.date.Store(last)
	}
	offset := last.at.Add(500 * time.Millisecond).Sub(now)
	t.offset.Store(int64(offset))
	t.cfg.Observer.ClockOffset(offset)
}

// date is that of the last answer.
type date struct {
	text string
	at   time.Time
}

// compress gzips a stream as it is read.
func compress(r io.Reader) io.Reader {
	return &compressor{src: r}
}

// compressor pulls from src, so that it needs no goroutine.
type compressor struct {
	src  io.Reader
	out  bytes.Buffer
	z    *gzip.Writer
	buf  []byte
	done bool
}

func (g *compressor) Read(p []byte) (int, error) {
	if g.z == nil {
		g.z = gzip.NewWriter(&g.out)
		g.buf = make([]byte, blockSize)
	}
	for g.out.Len() == 0 && !g.done {
		n, err := g.src.Read(g.buf)
		if _, werr := g.z.Write(g.buf[:n]); werr != nil {
			return 0, werr
		}
		switch {
		case err == io.EOF:
			g.done = true
			if err := g.z.Close(); err != nil {
				return 0, err
			}
		case err != nil:
			return 0, err
		}
	}
	return g.out.Read(p)
}

// switchReader lets its source be changed while it is read.
type switchReader struct{ r io.Reader }

func (s *switchReader) Read(p []byte) (int, error) { return s.r.Read(p) }

type readCloser struct {
	io.Reader
	io.Closer
}
