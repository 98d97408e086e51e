package proxy

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParameter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "=", "&", ";", "%61", "%", "+", "%3B", "%26", "é"}), 0, 10).Draw(t, "parts")
		u := &url.URL{RawQuery: strings.Join(parts, "")}
		for _, name := range []string{"a", "ab", " ", "a;"} {
			if got, want := parameter(u, name), u.Query()[name]; !slices.Equal(got, want) {
				t.Fatalf("%q of %q: %q, want %q", name, u.RawQuery, got, want)
			}
		}
	})
}
