package main

import (
	"errors"
	"slices"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/metrics"
)

// A disk that is full for a thousand calls is one line, and one with the number.
func TestLossesAreLoggedOncePerBurst(t *testing.T) {
	core, logged := observer.New(zap.DebugLevel)
	l := newLosses(zap.New(core), metrics.New(prometheus.NewRegistry(), metrics.Options{}))
	for range 1000 {
		l.Saved(syscall.ENOSPC)
		l.Saved(nil)
	}
	l.Saved(errors.New("strange"))
	if n := logged.Len(); n != 2 {
		t.Errorf("%d lines while it lasts, want one for each reason", n)
	}
	l.close()
	var counts []any
	for _, entry := range logged.FilterMessage("captures were lost").All() {
		counts = append(counts, entry.ContextMap()["reason"], entry.ContextMap()["captures"])
	}
	if len(counts) != 4 || !slices.Contains(counts, any(int64(1000))) || !slices.Contains(counts, any("full")) || !slices.Contains(counts, any("other")) {
		t.Errorf("at the end: %v", counts)
	}
}

// Calls to the SOAP API that is gone are one line, and one with their number; other failures are none of its business.
func TestRetiredCallsAreLoggedOncePerBurst(t *testing.T) {
	core, logged := observer.New(zap.DebugLevel)
	l := newLosses(zap.New(core), metrics.New(prometheus.NewRegistry(), metrics.Options{}))
	gone := &capture.Exchange{ID: "1", Instance: "123-ABC-456", Call: classify.Call{API: classify.SOAP, Operation: "getLead", User: "u"}}
	gone.Verdict = classify.Retire(classify.Verdict{Outcome: classify.Transport, Message: "dns: x"}, classify.SOAP, "123-ABC-456.mktoapi.com")
	other := *gone
	other.Verdict.Message = "dns: x"
	for range 1000 {
		l.Begun(classify.SOAP)
		l.Finished(gone)
		l.Begun(classify.SOAP)
		l.Finished(&other)
	}
	if n := logged.Len(); n != 1 {
		t.Fatalf("%d lines while it lasts, want one", n)
	}
	first := logged.All()[0].ContextMap()
	if first["operation"] != "getLead" || first["user"] != "u" || first["rest"] != classify.RESTCounterpart("getLead") {
		t.Errorf("the first says %v", first)
	}
	l.close()
	if all := logged.All(); len(all) != 2 || all[1].ContextMap()["calls"] != int64(1000) {
		t.Errorf("at the end: %v", all)
	}
}
