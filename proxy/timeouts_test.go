package proxy

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"marketo-proxy/lifetime"
)

func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := &timeouts{after: time.Minute}
		began := time.Now()
		call := func(wait time.Duration) (*timeout, *lifetime.Context) {
			time.Sleep(wait)
			ctx := new(lifetime.Context)
			ctx.Begin(context.Background())
			to := &timeout{ctx: ctx}
			ts.start(to)
			return to, ctx
		}
		expect := func(ctx *lifetime.Context, after time.Duration) {
			t.Helper()
			<-ctx.Done()
			if got := time.Since(began); got != after || context.Cause(ctx) != errUpstreamTimeout {
				t.Errorf("ended after %v with %v, want %v", got, context.Cause(ctx), after)
			}
		}
		stopped, never := call(0)
		again, second := call(time.Second)
		_, third := call(time.Second)
		_, fourth := call(0)
		ts.stop(stopped)
		ts.stop(stopped)
		time.Sleep(10 * time.Second)
		ts.start(again) // 12 s
		expect(third, 62*time.Second)
		expect(fourth, 62*time.Second)
		expect(second, 72*time.Second)
		if ts.first != nil || ts.last != nil || never.Err() != nil {
			t.Error("a stopped one is left, or ran out")
		}
		_, later := call(time.Hour)
		expect(later, time.Hour+132*time.Second)
		ts.after = 0
		off, _ := call(0)
		if off.started {
			t.Error("without a time nothing runs out")
		}
	})
}
