package replay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"marketo-proxy/classify"
	"marketo-proxy/decode"
	"marketo-proxy/identity"
)

const maxAnswer = 64 << 20 // bytes of an answer that are read, and of its content

// Send sends the request, once, and reads the answer. It follows no redirect and uses no proxy. An error means that the request did
// not leave; where it did and no whole answer came, the Answer says so. It blocks for Options.Timeout at most.
func (r *Request) Send(ctx context.Context) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	header := r.Header.Clone()
	if r.bearer {
		token, err := r.token(ctx)
		if err != nil {
			return nil, err
		}
		header.Set("Authorization", "Bearer "+token)
	}
	var left atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { left.Store(true) }})
	req, err := http.NewRequestWithContext(traced, r.Method, r.URL.String(), http.NoBody)
	if err != nil {
		return nil, refuse("the capture's request is damaged: %w", err)
	}
	req.Header = header
	if r.Size != 0 {
		if req.Body, err = r.body(); err != nil {
			return nil, refuse("the captured body can't be read: %w", err)
		}
		req.ContentLength = r.Size
	}
	a := &Answer{Time: time.Now()}
	transport := r.transport()
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	switch {
	case err == nil:
		a.read(resp, r)
	case !left.Load():
		return nil, refuse("%s can't be reached: %w", r.URL.Host, reason(ctx, err))
	default:
		a.lost(reason(ctx, err))
	}
	a.Duration = time.Since(a.Time)
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, errors.New("interrupted after the request was sent: its outcome is not known")
	}
	return a, nil
}

// transport makes a connection that is used once: net/http repeats a request only on a connection that it kept.
func (r *Request) transport() *http.Transport {
	return &http.Transport{
		TLSClientConfig:    &tls.Config{RootCAs: r.options.Roots, MinVersion: tls.VersionTLS12},
		TLSNextProto:       map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1, as it was captured
		DisableCompression: true,                                                   // the captured Accept-Encoding counts
	}
}

// reason is an error without what has no place in a line for people.
func reason(ctx context.Context, err error) error {
	var record tls.RecordHeaderError
	switch {
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return errors.New("timeout: no answer in time (--timeout)")
	case errors.As(err, &record):
		return errors.New("tls: what answers there does not speak TLS")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errors.New("reset: the connection was reset")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("cut off: the connection ended before the answer was complete")
	}
	return err
}

// token fetches an access token.
func (r *Request) token(ctx context.Context) (string, error) {
	secret, err := r.key(r.User, "client_id")
	if err != nil {
		return "", err
	}
	transport := r.transport()
	defer transport.CloseIdleConnections()
	token, err := identity.Fetch(ctx, transport, r.origin, r.User, secret)
	var refused *identity.Refusal
	switch {
	case errors.As(err, &refused) && refused.Reason != "":
		return "", refuse("no token: the identity service answers %d to the client_id %q: %q", refused.Status, r.User, r.Redactor().Text(refused.Reason))
	case errors.As(err, &refused):
		return "", refuse("no token: the identity service answers %d to the client_id %q, without a token", refused.Status, r.User)
	case err != nil:
		return "", refuse("no token: %s can't be reached: %w", r.URL.Host, reason(ctx, err))
	}
	r.Secrets = append(r.Secrets, token.Value)
	return token.Value, nil
}

// lost notes that no whole answer came.
func (a *Answer) lost(why error) {
	a.Outcome, a.Code, a.Message = classify.Transport, "", why.Error()
}

// read reads an answer to its end, or as much as is allowed, and judges it as the proxy does.
func (a *Answer) read(resp *http.Response, r *Request) {
	defer resp.Body.Close()
	defer a.mask(r)
	a.Status, a.StatusText = resp.StatusCode, strings.TrimSpace(strings.TrimPrefix(resp.Status, fmt.Sprint(resp.StatusCode)))
	a.clock(resp.Header.Get("Date"))
	encoding, contentType := resp.Header.Get("Content-Encoding"), resp.Header.Get("Content-Type")
	wire := &wireReader{r: resp.Body, left: maxAnswer}
	if !decode.Supported(encoding) {
		_, _ = io.Copy(io.Discard, wire) // wire has the error
		a.judge(nil, wire, resp)
		a.Cut = true
		return
	}
	reader := classify.NewResponseReader(classify.Answer{Call: r.Call, Method: r.Method, Status: resp.StatusCode, ContentType: contentType,
		RequestID: resp.Header.Get("X-Request-Id")})
	decoder := decode.NewWriter(reader, encoding)
	seen := io.TeeReader(wire, decoder)
	text := io.LimitReader(decode.NewReader(seen, encoding, contentType), maxAnswer)
	_ = r.Redactor().Body(&a.content, text) // an error of the wire is in wire, one of decoding in decoder
	_, _ = io.Copy(io.Discard, seen)        // what a decoder left
	if err := decoder.Close(); err != nil && wire.err == nil {
		reader.Abort(err.Error())
	}
	a.judge(reader, wire, resp)
}

func (a *Answer) judge(reader classify.ResponseReader, wire *wireReader, resp *http.Response) {
	a.Size = wire.n
	switch {
	case errors.Is(wire.err, errTooLarge) && reader != nil && reader.Failing():
		a.take(reader.Verdict())
	case wire.err != nil:
		a.lost(reason(resp.Request.Context(), wire.err))
	case reader != nil:
		a.take(reader.Verdict())
	case resp.StatusCode >= http.StatusBadRequest:
		a.take(classify.Verdict{Outcome: classify.HTTP, Message: resp.Status})
	}
}

func (a *Answer) take(v classify.Verdict) {
	a.Outcome, a.Code, a.Message, a.RequestID = v.Outcome, v.Code, v.Message, v.RequestID
	a.Records, a.Failed = v.Records, v.RecordsFailed
}

// mask takes the secrets out of what an answer may repeat.
func (a *Answer) mask(r *Request) {
	redactor := r.Redactor()
	a.Message, a.Records = redactor.Text(a.Message), slices.Clone(a.Records)
	for i := range a.Records {
		a.Records[i].Error = redactor.Text(a.Records[i].Error)
	}
}

// clock compares Marketo's clock, of which fractions of a second are cut off, with the local one.
func (a *Answer) clock(date string) {
	if at, err := http.ParseTime(date); err == nil {
		a.Clock = time.Until(at.Add(500 * time.Millisecond))
	}
}

var errTooLarge = fmt.Errorf("the answer is larger than %d MiB, and was read no further", maxAnswer>>20)

// wireReader reads up to a limit, and remembers how the body ended: nil if whole.
type wireReader struct {
	r    io.Reader
	n    int64
	left int64
	err  error
	end  bool
}

func (w *wireReader) Read(p []byte) (int, error) {
	if w.end {
		return 0, io.EOF
	}
	n, err := w.r.Read(p)
	w.n += int64(n)
	if w.left -= int64(n); w.left < 0 {
		err = errTooLarge
	}
	if err != nil {
		w.end = true
		if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			w.err = err
		}
		return n, io.EOF
	}
	return n, nil
}
