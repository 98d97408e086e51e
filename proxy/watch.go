package proxy

import (
	"io"
	"net/http"
	"net/url"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/decode"
	"marketo-proxy/upstream"
)

const (
	// maxPeek is how much of an answer is read before its head goes out, while it may still be a fault. Real faults have
	// less than a kilobyte.
	maxPeek = 1 << 20

	// maxFile is how much of a bulk file is kept. One may be of half a gigabyte, and what is in it says nothing about why it broke off.
	maxFile = 256 << 10
)

// answer is one attempt's response on its way to the application: the body of the response that the door gets. What it reads
// from upstream it records and shows to the classifier first. It is used by one goroutine.
type answer struct {
	c       *call
	attempt capture.Attempt
	url     url.URL
	sent    http.Request
	trace   upstream.Trace
	head    capture.ResponseHead
	resp    *http.Response
	out     http.Response           // as the door gets it
	reader  classify.ResponseReader // nil: only the status counts
	decoder decode.Writer           // to reader
	rec     capture.Recording

	queue  queue
	last   int   // bytes of the last read that are still in the queue's tail
	ended  bool  // upstream's end was seen
	err    error // how it ended, when not well
	final  classify.Verdict
	closed bool
}

func (a *answer) begin(resp *http.Response) {
	a.resp = resp
	a.queue.pool = &a.c.t.blocks
	a.c.t.cfg.Recorder.Start(&a.rec)
	call := a.c.learned()
	if call.API == classify.REST && classify.IsFile(call.Operation) {
		a.rec.KeepAtMost(maxFile)
	}
	a.head = capture.ResponseHead{
		Status: resp.StatusCode, StatusText: statusText(resp), Proto: resp.Proto, Header: resp.Header, Body: &a.rec,
	}
	a.attempt.Response = &a.head
	encoding := resp.Header.Get("Content-Encoding")
	if decode.Supported(encoding) {
		a.reader = classify.NewResponseReader(classify.Answer{
			Call: call, Method: a.c.in.Method, Status: resp.StatusCode,
			ContentType: resp.Header.Get("Content-Type"), RequestID: resp.Header.Get("X-Request-Id"),
		})
		a.decoder.Start(a.reader, encoding)
	}
}

// peek reads until it is known whether the answer is a fault, and if it is one, all of it.
func (a *answer) peek() {
	for !a.ended && !a.early() && a.queue.size < maxPeek {
		a.fill()
	}
}

func (a *answer) early() bool { return a.reader == nil || a.reader.Early() }

func (a *answer) failing() bool {
	if a.reader == nil {
		return a.resp.StatusCode >= 400
	}
	return a.reader.Failing()
}

// expired tells whether this is a whole 20016, 601 or 602.
func (a *answer) expired() bool {
	if !a.ended || a.err != nil || a.final.Outcome != classify.Fault {
		return false
	}
	if a.c.entry.api == classify.SOAP {
		return a.final.Code == "20016"
	}
	return a.c.bearer != nil && a.c.bearer.carried && (a.final.Code == "601" || a.final.Code == "602")
}

// verdict is what is known so far.
func (a *answer) verdict() classify.Verdict {
	switch {
	case a.ended:
		return a.final
	case !a.failing():
		return classify.Verdict{}
	case a.reader == nil:
		return classify.Verdict{Outcome: classify.HTTP}
	}
	return a.reader.Verdict()
}

// fill reads once from upstream, whose io.EOF comes with the last bytes where the length is known: before they are given, the verdict
// is final.
func (a *answer) fill() {
	room := a.queue.room()
	began := time.Now()
	n, err := a.resp.Body.Read(room)
	now := time.Now()
	a.c.upstreamTime += now.Sub(began)
	if n > 0 {
		a.queue.grow(n)
		a.last = n
		_, _ = a.rec.Write(room[:n])
		if a.reader != nil {
			_, _ = a.decoder.Write(room[:n])
		}
	}
	if err != nil {
		a.end(err, now)
	}
}

// end makes the verdict final.
func (a *answer) end(err error, now time.Time) {
	a.ended = true
	a.attempt.Timings.Receive = max(now.Sub(a.attempt.Started)-a.attempt.Timings.UntilHead(), 0)
	a.out.Trailer = passableTrailer(a.resp.Trailer) // those that were not announced are known only now
	whole := err == io.EOF
	a.rec.Finish(whole)
	if a.reader != nil {
		if err := a.decoder.Close(); err != nil && whole {
			a.reader.Abort(err.Error())
		}
	}
	if !whole {
		f := explain(&a.c.ctx, err, a.c.gone())
		a.err = err
		a.attempt.Err = f.reason
		a.final = classify.Verdict{Outcome: f.outcome, Message: f.reason}
		if v := a.known(); f.outcome == classify.Client && v.Outcome != classify.Success {
			a.final = v
		}
	} else if a.reader != nil {
		a.final = a.reader.Verdict()
	} else if a.resp.StatusCode >= 400 {
		a.final = classify.Verdict{Outcome: classify.HTTP, Message: statusText(a.resp)}
	}
	a.attempt.Verdict = a.final
}

// known is a failure that showed before the answer was whole.
func (a *answer) known() classify.Verdict {
	if a.reader != nil && a.reader.Failing() {
		return a.reader.Verdict()
	}
	return classify.Verdict{}
}

// next returns the next bytes for the application, valid until it is called again; io.EOF after the last, or the error that
// cut the answer. While the answer is a failure so far, the bytes of the last read are held back, so that none of its end is
// given before the capture is safe.
func (a *answer) next() ([]byte, error) {
	for {
		available := a.queue.size
		switch {
		case a.ended && available <= blockSize:
			a.c.settle(a.final)
		case !a.ended && a.failing():
			available -= a.last
		}
		if available > 0 {
			return a.queue.take(available), nil
		}
		if a.ended {
			if a.err != nil {
				return nil, a.err
			}
			return nil, io.EOF
		}
		a.fill()
	}
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) {
	chunk, err := a.next()
	if err != nil {
		return 0, err
	}
	n := copy(p, chunk)
	a.queue.back(len(chunk) - n)
	return n, nil
}

// WriteTo implements io.WriterTo. Each block goes out at once when nothing else is there to go with it.
func (a *answer) WriteTo(w io.Writer) (written int64, err error) {
	flusher, _ := w.(http.Flusher)
	for {
		chunk, err := a.next()
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return written, err
		}
		var began time.Time
		timed := !a.c.settled // afterwards nobody asks
		if timed {
			began = time.Now()
		}
		n, err := w.Write(chunk)
		written += int64(n)
		if err != nil {
			return written, err
		}
		if flusher != nil && !a.ended && a.queue.size <= a.last {
			flusher.Flush()
		}
		if timed {
			a.c.clientTime += time.Since(began)
		}
	}
}

// Close ends the call, wherever it stands: an application that took less than the whole answer hung up.
func (a *answer) Close() error {
	if a.closed {
		return nil
	}
	a.closed = true
	if !a.ended {
		a.rec.Finish(false)
		if a.reader != nil {
			_ = a.decoder.Close()
		}
		f := failure{outcome: classify.Client, reason: "the application hung up before the answer was complete"}
		a.attempt.Err = f.reason
		if a.final = a.known(); a.final.Outcome == classify.Success {
			a.final = classify.Verdict{Outcome: f.outcome, Message: f.reason}
		}
	}
	a.c.settle(a.final)
	a.drop()
	a.c.ctx.Cancel(nil)
	return nil
}

// drop gives up what the application will not get. The recording stays.
func (a *answer) drop() {
	_ = a.resp.Body.Close() // its error says nothing that the answer did not
	a.queue.release()
}

func statusText(resp *http.Response) string {
	// Status is "500 Internal Server Error"; Marketo also sends "200 200".
	if len(resp.Status) > 4 {
		return resp.Status[4:]
	}
	return http.StatusText(resp.StatusCode)
}
