package proxy

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/sign"
)

// ErrLate is the loss of a capture that was not on disk in time. It may yet get there.
var ErrLate = fmt.Errorf("the disk did not answer within 2 s: %w", os.ErrDeadlineExceeded)

// settle ends the call: the verdict is final, everyone is told, and a failure is on disk, or known to be lost, when it returns.
// The application has not seen the end of the answer before.
func (c *call) settle(v classify.Verdict) {
	if c.settled {
		return
	}
	c.settled = true
	c.finishRequest()
	ex := &c.ex
	v = classify.Retire(v, c.entry.api, c.entry.upstream.Hostname())
	if last := ex.Last(); last != nil {
		last.Verdict = v
	}
	ex.Verdict, ex.Renewal = c.overall(v)
	ex.Duration = c.t.now().Sub(ex.Started)
	ex.Overhead = max(ex.Duration-c.upstreamTime-c.clientTime, 0)
	if ex.Verdict.Outcome == classify.Success || c.skips(ex.Verdict) {
		c.t.cfg.Observer.Finished(ex)
		c.log()
		ex.Release()
	} else {
		ex.ID, ex.Captured = c.id(), true
		ex.Secrets = c.secrets
		saved := c.t.cfg.Keeper.Save(ex)
		c.t.cfg.Observer.Finished(ex)
		c.log()
		c.await(saved)
	}
	c.t.inFlight.Add(-1)
}

// overall is the verdict of the call whose last attempt has v, and what became of its renewal.
func (c *call) overall(v classify.Verdict) (classify.Verdict, capture.Renewal) {
	switch {
	case !c.renewed():
		return v, c.ex.Renewal
	case v.Outcome == classify.Success:
		v = c.ex.Attempts[0].Verdict
		v.Outcome = classify.Recovered
		return v, capture.RenewalRecovered
	}
	return v, capture.RenewalFailed
}

// await waits for the capture as long as the promise says.
func (c *call) await(saved <-chan error) {
	timer := time.NewTimer(settlePatience)
	defer timer.Stop()
	observer := c.t.cfg.Observer
	select {
	case err := <-saved:
		observer.Saved(err)
	case <-timer.C:
		observer.Saved(ErrLate)
		go func() { // the journal answers in the end, at the latest when it is closed
			if err := <-saved; err == nil {
				observer.Saved(nil)
			}
		}()
	}
}

// finishRequest ends the watch over the request, whose body may still be on its way.
func (c *call) finishRequest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	c.t.timeouts.stop(&c.timeout)
	c.request.close()
	user := c.ex.Call.User
	if c.ex.Call = c.request.reader.Call(); c.entry.api == classify.REST { // where the request says nothing of who calls
		c.ex.Call.User = user
	}
	if c.bearer != nil {
		c.ex.Call.User = c.bearer.client
	}
	for _, a := range c.ex.Attempts {
		a.Request.Body.Finish(false) // no effect on one that came to its end
	}
}

// secrets are the signatures and tokens of a failed call, which are masked wherever the answer may repeat them.
func (c *call) secrets() (signatures []string) {
	if c.entry.api == classify.REST {
		return c.tokens()
	}
	for _, a := range c.ex.Attempts {
		if e, err := c.envelope(a.Request.Body); err == nil && e.Signature != "" {
			signatures = append(signatures, e.Signature)
		}
	}
	return signatures
}

// envelope reads the head of a request that was sent.
func (c *call) envelope(sent *capture.Recording) (*sign.Envelope, error) {
	content, gzipped, err := c.content(sent.Open())
	if err != nil {
		return nil, err
	}
	if whole, ok := sent.Memory(); ok && !gzipped {
		return sign.ParseEnvelope(whole)
	}
	return sign.ReadEnvelope(content)
}

// tokens are the access tokens and client secrets of a REST call.
func (c *call) tokens() (secrets []string) {
	secrets = append(parameter(c.in.URL, tokenParam), parameter(c.in.URL, "client_secret")...)
	for _, a := range c.ex.Attempts {
		for _, field := range a.Request.Header[authorization] {
			if _, token, ok := strings.Cut(field, " "); ok {
				secrets = append(secrets, strings.TrimSpace(token))
			}
		}
		secrets = append(secrets, parameter(a.Request.URL, tokenParam)...)
	}
	return secrets
}

// parameter is u.Query()[name], of a name that is not empty.
func parameter(u *url.URL, name string) (values []string) {
	for field := range strings.SplitSeq(u.RawQuery, "&") {
		key, value, _ := strings.Cut(field, "=")
		if key, err := url.QueryUnescape(key); err != nil || key != name || strings.Contains(field, ";") {
			continue
		}
		if value, err := url.QueryUnescape(value); err == nil {
			values = append(values, value)
		}
	}
	return values
}

// log writes one line a call: a failure as a warning, one that is an answer in effect or the application's own doing as
// information, a success for debugging. Nothing in it comes from a body but the code and the user.
func (c *call) log() {
	ex, class := &c.ex, c.ex.Class()
	level := zapcore.WarnLevel
	switch {
	case ex.Verdict.Outcome == classify.Success, classify.Retired(ex.Verdict, c.entry.api): // the observer tells of the latter, in bursts
		level = zapcore.DebugLevel
	case ex.Verdict.Outcome == classify.Client, ex.Verdict.Outcome == classify.Recovered, class == classify.ClassAnswer:
		level = zapcore.InfoLevel
	}
	entry := c.t.cfg.Log.Check(level, "call")
	if entry == nil {
		return
	}
	fields := make([]zap.Field, 0, 14)
	fields = append(fields,
		zap.String("api", string(ex.Call.API)),
		zap.String("operation", ex.Call.Operation),
		zap.Float64("duration_ms", milliseconds(ex.Duration)),
		zap.Int("attempts", len(ex.Attempts)))
	if last := ex.Last(); last != nil {
		if last.Response != nil {
			fields = append(fields, zap.Int("status", last.Response.Status))
		}
		if last.Err != "" {
			fields = append(fields, zap.String("error", last.Err))
		}
	}
	if ex.Verdict.Outcome != classify.Success {
		fields = append(fields,
			zap.String("outcome", string(ex.Verdict.Outcome)),
			zap.String("code", ex.Verdict.Code),
			zap.String("class", string(class)),
			zap.String("user", ex.Call.User))
		if ex.Captured {
			fields = append(fields, zap.String("capture", ex.ID))
		}
		if ex.Verdict.RecordsFailed > 0 {
			fields = append(fields, zap.Int("records_failed", ex.Verdict.RecordsFailed))
		}
	}
	if ex.Renewal != "" {
		fields = append(fields, zap.String("renewal", string(ex.Renewal)))
		if ex.RenewalError != "" {
			fields = append(fields, zap.String("renewal_error", ex.RenewalError))
		}
	}
	entry.Write(fields...)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
