package replay

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/decode"
	"marketo-proxy/redact"
	"marketo-proxy/sign"
)

// content is a body that can be read more than once, as it streams.
type content func() (io.ReadCloser, error)

type readCloser struct {
	io.Reader
	io.Closer
}

// changed is the content after a change made to its stream.
func (c content) changed(change func(io.Reader) (io.Reader, error)) content {
	return func() (io.ReadCloser, error) {
		r, err := c()
		if err != nil {
			return nil, err
		}
		changed, err := change(r)
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		return readCloser{changed, r}, nil
	}
}

// writeTo copies the content.
func (c content) writeTo(w io.Writer) error {
	r, err := c()
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, r.Close())
}

const (
	maxForm = 1 << 20 // Marketo takes no larger body but for imports, which are no forms
	maxHeld = 1 << 20 // a compressed body up to here is sent with its length
)

// takeBody builds the body as it goes over the wire, and reads it once to know what it does.
func (r *Request) takeBody(d *capture.Detail, attempt int) error {
	line := &d.Attempts[attempt].Request.Body
	contentType, encoding := r.Header.Get("Content-Type"), r.Header.Get("Content-Encoding")
	switch {
	case line.Truncated:
		return refuse("the request body was not kept whole: it had %d bytes on the wire", line.Size)
	case !decode.Supported(encoding):
		return refuse("the request body is in the encoding %q, which is not understood", encoding)
	}
	text := content(func() (io.ReadCloser, error) { return d.Body(attempt, capture.RequestSide) })
	binary := line.Base64 != nil
	encoded := func(c content) content {
		if binary {
			return c
		}
		return c.changed(func(in io.Reader) (io.Reader, error) { return decode.NewEncoder(in, contentType) })
	}
	original, fresh, err := r.credential(d, text, line.Size, contentType)
	if err != nil {
		return err
	}
	reader := classify.NewRequestReader(d.API, r.Method, r.URL.RequestURI(), r.Header)
	gaps := &finder{}
	if err := fresh.writeTo(io.MultiWriter(reader, gaps)); err != nil {
		return refuse("the captured body can't be read: %w", err)
	}
	r.Call = reader.Call()
	sum, wire := sha256.New(), &counter{}
	if err := encoded(original).writeTo(io.MultiWriter(sum, wire)); err != nil {
		return refuse("the body can't be encoded again: %w", err)
	}
	r.text, r.body = fresh, encoded(fresh)
	switch {
	case line.Size == 0 && wire.n == 0:
		r.Proof = ProofNone
		return nil
	case decode.Gzipped(encoding):
		r.Proof = ProofGzip
	case hex.EncodeToString(sum.Sum(nil)) == line.SHA256 && wire.n == line.Size:
		r.Proof = ProofHash
	case !r.filled:
		return refuse("the captured body is not what was sent: it has another SHA-256")
	default:
		r.Proof = ProofUnknown
	}
	if gaps.found && r.Proof != ProofHash {
		return refuse("the body has a secret that was masked, and can't be put back")
	}
	if r.Proof == ProofGzip {
		return r.compress()
	}
	length := &counter{}
	err = r.body.writeTo(length)
	r.Size = length.n
	return err
}

// credential returns the content as it was when it was captured, as far as the keys tell, and as it is to be sent.
func (r *Request) credential(d *capture.Detail, text content, size int64, contentType string) (original, fresh content, err error) {
	switch {
	case d.API == classify.SOAP && (size > 0 || r.Method == http.MethodPost):
		return r.signed(text)
	case d.API != classify.REST:
		return text, text, nil
	case strings.HasPrefix(strings.ToLower(contentType), "application/x-www-form-urlencoded") && size <= maxForm:
		original, fresh, err = r.form(text)
	default:
		original, fresh = text, text
	}
	if err == nil && r.bearer {
		r.User = r.sameUser(d.User)
		_, err = r.key(r.User, "client_id")
	}
	return original, fresh, err
}

// signed puts the signature of the time back to get the original, and a fresh one to get what is sent.
func (r *Request) signed(text content) (original, fresh content, err error) {
	in, err := text()
	if err != nil {
		return nil, nil, refuse("the captured body can't be read: %w", err)
	}
	defer in.Close()
	was, err := sign.ReadEnvelope(in)
	if err != nil {
		return nil, nil, refuse("the body can't be signed: %w", err)
	}
	r.User = r.sameUser(was.User)
	key, err := r.key(r.User, "mktowsUserId")
	if err != nil {
		return nil, nil, err
	}
	switch {
	case r.User != was.User && strings.ContainsAny(r.User, "<>&"):
		return nil, nil, refuse("%q is no mktowsUserId", r.User)
	case r.User != was.User:
		r.Notes = append(r.Notes, "for the user "+r.User+" in place of "+was.User)
	case !was.Complete():
		r.Notes = append(r.Notes, "signed, which the captured call was not")
	}
	original = text
	if was.Signature == redact.Marker {
		r.filled = true
		originalKey, _ := r.options.Keys.Lookup(was.User)
		signature := sign.Signature(originalKey, was.Timestamp, was.User)
		r.Secrets = append(r.Secrets, signature)
		original = text.changed(resign(was.User, was.Timestamp, signature))
	}
	timestamp, signature := r.newSignature(key, r.User)
	return original, text.changed(resign(r.User, timestamp, signature)), nil
}

func resign(user, timestamp, signature string) func(io.Reader) (io.Reader, error) {
	return func(in io.Reader) (io.Reader, error) {
		e, err := sign.ReadEnvelope(in)
		if err != nil {
			return nil, err
		}
		out, _ := e.SignAs(user, timestamp, signature)
		return out, nil
	}
}

// form fills the gaps of a form.
func (r *Request) form(text content) (original, fresh content, err error) {
	var b bytes.Buffer
	if err := text.writeTo(&b); err != nil {
		return nil, nil, refuse("the captured body can't be read: %w", err)
	}
	filled, err := r.fill(b.String())
	if err != nil {
		return nil, nil, err
	}
	if filled == b.String() {
		return text, text, nil
	}
	r.filled = true
	fresh = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(filled)), nil }
	return fresh, fresh, nil
}

// compress makes the body gzip again.
func (r *Request) compress() error {
	plain := r.body
	r.Size = -1
	r.body = func() (io.ReadCloser, error) {
		out, in := io.Pipe()
		go func() {
			z := gzip.NewWriter(in)
			in.CloseWithError(errors.Join(plain.writeTo(z), z.Close()))
		}()
		return out, nil
	}
	var held bytes.Buffer
	body, err := r.body()
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(&held, io.LimitReader(body, maxHeld+1)); err != nil {
		return fmt.Errorf("replay: compress: %w", err)
	}
	if held.Len() <= maxHeld {
		r.Size = int64(held.Len())
		r.body = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(held.Bytes())), nil }
	}
	return nil
}

// counter counts what is written.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// finder looks for the mark of a masked secret in a stream.
type finder struct {
	found bool
	tail  []byte
}

func (f *finder) Write(p []byte) (int, error) {
	seen := append(f.tail, p...)
	f.found = f.found || bytes.Contains(seen, []byte(redact.Marker))
	f.tail = append(f.tail[:0], seen[max(0, len(seen)-len(redact.Marker)+1):]...)
	return len(p), nil
}
