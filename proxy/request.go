package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/decode"
)

// smallBody is up to where a request body of known length is read before it is sent: it then goes out in one write with
// the head, and may be sent again if a pooled connection turns out to be dead before a byte was written.
const smallBody = 64 << 10

// payload is the body of one attempt.
type payload struct {
	length    int64         // -1: unknown
	data      []byte        // what recording has of it
	stream    io.ReadCloser // when it is not in data
	recording *capture.Recording
	reader    memoryReader
}

// memoryReader reads what is in memory.
type memoryReader struct{ bytes.Reader }

func (*memoryReader) Close() error { return nil }

// replace makes data the body.
func (p *payload) replace(data []byte) {
	p.data, p.length = data, int64(len(data))
	p.recording.Adopt(data)
}

func (p *payload) open() io.ReadCloser {
	switch {
	case p.stream != nil:
		return p.stream
	case p.length == 0:
		return http.NoBody
	}
	p.reader.Reset(p.data)
	return &p.reader
}

func (p *payload) reopen() func() (io.ReadCloser, error) {
	if p.stream != nil || p.length == 0 {
		return nil
	}
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p.data)), nil }
}

// firstPayload is the application's body, signed if every call is to be. With an error, it has what there was.
func (c *call) firstPayload() (*payload, error) {
	p := &c.body
	p.length, p.recording = c.in.ContentLength, c.t.cfg.Recorder.Start(&c.recording)
	if c.in.Body == nil || c.in.Body == http.NoBody || p.length == 0 {
		p.length = 0
		p.recording.Finish(true)
		return p, nil
	}
	if p.length > 0 && p.length <= smallBody && c.in.Header.Get("Expect") == "" {
		began := c.t.now()
		var err error
		p.data, err = p.recording.ReadFull(c.in.Body, int(p.length))
		c.clientTime += c.t.now().Sub(began)
		if err != nil {
			p.recording.Finish(false)
			c.observe(p.data, p.recording)
			return p, errors.Join(errUpload, err)
		}
	} else {
		p.stream = c.in.Body
		if c.mayRenew() {
			p.recording.KeepAll() // whatever its size, it may have to be sent again
		}
	}
	if c.signsAlways() {
		c.signFirst(p)
	}
	c.record(p)
	return p, nil
}

// record lets the recording and the classifier see the body, now or as it streams.
func (c *call) record(p *payload) {
	if p.stream != nil {
		p.stream = &upload{c: c, body: p.stream, recording: p.recording}
		return
	}
	p.recording.Finish(true)
	c.observe(p.data, p.recording)
}

// upload is a request body that is recorded while it streams.
type upload struct {
	c         *call
	body      io.ReadCloser
	recording *capture.Recording
}

func (u *upload) Read(p []byte) (int, error) {
	u.c.uploading(false)
	n, err := u.body.Read(p)
	u.c.uploading(err == nil)
	if n > 0 {
		_, _ = u.recording.Write(p[:n])
		u.c.observe(p[:n], u.recording)
	}
	if err != nil {
		u.recording.Finish(err == io.EOF)
		if err != io.EOF {
			err = errors.Join(errUpload, err)
		}
	}
	return n, err
}

func (u *upload) Close() error { return u.body.Close() }

// uploading tells, while the request streams, whether it is Marketo's turn to take what was read. It may take as long as for its
// answer: net/http does not notice a hang-up of the application before the body is read, so nothing else would end this.
func (c *call) uploading(marketosTurn bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over || c.sent:
	case marketosTurn:
		c.t.timeouts.start(&c.timeout)
	default:
		c.t.timeouts.stop(&c.timeout)
	}
}

// requestWatch learns what the call is while its body goes by.
type requestWatch struct {
	reader  classify.RequestReader
	decoder decode.Writer
	begun   bool // decoder was started
	done    bool
	healing bool // the body is being kept whole, or will not be
}

func (w *requestWatch) close() {
	if !w.done {
		w.done = true
		if w.begun {
			_ = w.decoder.Close() // a body that can't be decoded leaves the operation unknown
		}
	}
}

// observe may be called by a goroutine of the upstream transport, even after the answer came.
func (c *call) observe(p []byte, recording *capture.Recording) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.request
	if w.done {
		return
	}
	if !w.begun {
		w.begun = true
		w.decoder.Start(w.reader, c.in.Header.Get("Content-Encoding"))
	}
	_, _ = w.decoder.Write(p)
	if !w.healing && c.entry.api == classify.SOAP {
		if user := w.reader.Call().User; user != "" {
			w.healing = true
			if _, known := c.t.lookup(user); known && c.t.cfg.Sign != SignNever {
				recording.KeepAll() // it may have to be sent again, whatever its size
			}
		}
	}
	if w.reader.Done() {
		w.close()
	}
}

// learned is what is known of the call so far.
func (c *call) learned() classify.Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.request.reader.Call()
}
