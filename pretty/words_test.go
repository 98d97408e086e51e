package pretty

import (
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"

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

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1 << 10: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 5 << 30: "5120.0 MiB"} {
		if got := Size(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}

// A shell gives back what a word was made of, as one word.
func TestShellWord(t *testing.T) {
	for in, want := range map[string]string{"": "''", "/var/lib/x-1": "/var/lib/x-1", "a b": "'a b'", "it's": `'it'\''s'`} {
		if got := ShellWord(in); got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.RuneFrom([]rune("aB1 '\"\\$`!*?~#;&|<>(){}[]\n\té-=")), 0, 12, -1).Draw(t, "s")
		out, err := exec.Command("sh", "-c", "for w in "+ShellWord(s)+"; do printf '%s.' \"$w\"; done").Output()
		if err != nil || string(out) != s+"." {
			t.Fatalf("%q as %s: %q, %v", s, ShellWord(s), out, err)
		}
	})
}
