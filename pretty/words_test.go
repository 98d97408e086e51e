package pretty

import (
	"strings"
	"testing"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

// What became of an expired call is said in the terms of its API.
func TestRenewal(t *testing.T) {
	for _, r := range []capture.Renewal{capture.RenewalRecovered, capture.RenewalFailed, capture.NoCredential, capture.BadSignature,
		capture.UnsupportedBody, capture.RenewalDisabled} {
		soap := Renewal(&capture.Capture{API: classify.SOAP, Renewal: r})
		rest := Renewal(&capture.Capture{API: classify.REST, Renewal: r})
		if !strings.Contains(soap, "signed") || strings.Contains(soap, "token") || !strings.Contains(rest, "access token") || strings.Contains(rest, "sign") && r != capture.RenewalDisabled {
			t.Errorf("%s: %q, %q", r, soap, rest)
		}
	}
	refused := capture.Capture{API: classify.REST, Renewal: capture.RenewalFailed, RenewalError: "the identity service answers 401"}
	if got := Renewal(&refused); got != "no new access token could be had: the identity service answers 401" {
		t.Error(got)
	}
	for _, api := range []classify.API{classify.SOAP, classify.REST} {
		if got := Renewal(&capture.Capture{API: api}); got != "" {
			t.Errorf("%s: %q where nothing expired", api, got)
		}
	}
}
