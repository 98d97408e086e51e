//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"marketo-proxy/emulator"
)

const newKey = "an0ther-key-5f1c9d"

// expired makes a call whose signature is an hour old, and tells whether it was healed.
func expired(d *door, c credential) bool {
	c.age = time.Hour
	g := d.post(getLead(c))
	return g.err == nil && g.status == 200 && g.header.Get("Marketo-Proxy-Attempts") == "2"
}

// A key that is written anew takes effect without a restart.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t, func(o *emulator.Options) { o.Users = map[string]string{user: newKey} })
	srv := serve(t, setup{upstream: marketo.URL})
	d := srv.door("reverse")
	if expired(d, credential{key: newKey}) {
		t.Fatal("healed with a key that the proxy does not have")
	}
	file := filepath.Join(srv.dir, "credentials", user)
	if err := os.WriteFile(file, []byte(newKey), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new key", func() (bool, string) { return expired(d, credential{key: newKey}), srv.stderr.String() })
	if err := os.WriteFile(filepath.Join(srv.dir, "credentials", "second"), []byte("k2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The user is unknown to Marketo, so this is about the proxy's own count.
	eventually(t, "the new user", func() (bool, string) {
		before := srv.metrics()
		d.post(getLead(credential{user: "second", key: "k2", age: time.Hour}), failHeader, "20016")
		return srv.delta(before)[`renewals_total{api="soap",result="failed"}`] == 1, ""
	})
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the key is gone", func() (bool, string) { return !expired(d, credential{key: newKey}), "" })
}

// A Kubernetes secret is swapped as a whole by a link; in no moment a key that is in both versions is missing.
func TestKeyLinkSwap(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t, func(o *emulator.Options) { o.Users = map[string]string{user: newKey, "steady": "k"} })
	home := t.TempDir()
	dir := filepath.Join(home, "credentials")
	version := func(name string, keys map[string]string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		for user, key := range keys {
			if err := os.WriteFile(filepath.Join(dir, name, user), []byte(key), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		// As the kubelet does: a new link, put in the place of the old one.
		if err := os.Symlink(name, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("..v1", map[string]string{user: key, "steady": "k"})
	for _, name := range []string{user, "steady"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	srv := serve(t, setup{upstream: marketo.URL, home: home})
	d := srv.door("reverse")
	if !expired(d, credential{user: "steady", key: "k"}) {
		t.Fatal("not healed")
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(short):
				if !expired(d, credential{user: "steady", key: "k"}) {
					t.Error("a key that did not change is missing")
					return
				}
			}
		}
	})
	version("..v2", map[string]string{user: newKey, "steady": "k"})
	if err := os.RemoveAll(filepath.Join(dir, "..v1")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the swapped key", func() (bool, string) { return expired(d, credential{key: newKey}), srv.stderr.String() })
	close(stop)
	wg.Wait()
}

// With --sign=always the application needs no key, and what can't be signed passes as it is.
func TestSignAlways(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	srv := serve(t, setup{upstream: marketo.URL, args: []string{"--sign=always"}})
	for _, name := range doorNames {
		d := srv.door(name)
		for what, request := range map[string]string{
			"a wrong signature": getLead(credential{key: "none"}),
			"an old one":        getLead(credential{age: 1000 * time.Hour}),
			"an empty one":      authValues.ReplaceAllString(getLead(credential{}), authentication(user, "", "")),
		} {
			call := newCall()
			g := d.post(request, callHeader, call)
			x := marketo.attempts(call)
			if g.status != 200 || len(x) != 1 || len(g.header.Values("Marketo-Proxy-Attempts")) != 0 {
				t.Errorf("%s, %s: %d, %d attempts\n%s", name, what, g.status, len(x), g.body)
				continue
			}
			sent := string(x[0].request.kept)
			if !verifies(sent) || authenticated.ReplaceAllString(sent, "") != authenticated.ReplaceAllString(request, "") {
				t.Errorf("%s, %s: Marketo got %s", name, what, sent)
			}
		}
		call := newCall()
		stranger := getLead(credential{user: "stranger", key: "k"})
		if g := d.post(stranger, callHeader, call); g.status != 500 || string(marketo.attempts(call)[0].request.kept) != stranger {
			t.Errorf("%s: a stranger's call is not passed as it is: %d", name, g.status)
		}
	}
}

// With --sign=never nothing is signed, and the reason is counted.
func TestSignNever(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	srv := serve(t, setup{upstream: marketo.URL, args: []string{"--sign=never"}})
	call := newCall()
	g := srv.door("reverse").post(getLead(credential{age: time.Hour}), callHeader, call)
	if g.status != 500 || len(marketo.attempts(call)) != 1 {
		t.Errorf("%d, %d attempts", g.status, len(marketo.attempts(call)))
	}
	if n := srv.metrics()[`marketo_proxy_renewals_total{api="soap",result="disabled"}`]; n != 1 {
		t.Errorf("counted %v as disabled", n)
	}
}

// A proxy whose clock is wrong by more than Marketo allows signs with Marketo's time.
func TestClockOffset(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t, func(o *emulator.Options) { o.ClockSkew = -2 * time.Hour })
	srv := serve(t, setup{upstream: marketo.URL})
	if !expired(srv.door("reverse"), credential{}) {
		t.Error("not healed")
	}
	if offset := srv.metrics()["marketo_proxy_clock_offset_seconds"]; offset > -7190 || offset < -7210 {
		t.Errorf("clock_offset_seconds %v", offset)
	}
}

// Each way of writing an envelope is healed with only the two values changed.
func TestHealedEnvelopes(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	srv := serve(t, setup{upstream: marketo.URL})
	d := srv.door("reverse")
	base := func() string { return getLead(credential{age: time.Hour}) }
	for name, request := range map[string]string{
		"other prefixes": strings.NewReplacer("ns1:", "mkt:", ":ns1", ":mkt", "SOAP-ENV:", "s:", ":SOAP-ENV", ":s").Replace(base()),
		"no prefix":      strings.NewReplacer("<ns1:AuthenticationHeader>", `<AuthenticationHeader>`, "</ns1:AuthenticationHeader>", "</AuthenticationHeader>").Replace(base()),
		"siblings":       strings.Replace(base(), "</ns1:AuthenticationHeader>", "<audit>a</audit><mode>1</mode><partnerId>p&amp;q</partnerId></ns1:AuthenticationHeader>", 1),
		"attributes":     strings.Replace(base(), "<requestSignature>", `<requestSignature a="b>c">`, 1),
		"comments":       strings.Replace(base(), "<mktowsUserId>", "<!-- <requestSignature>no</requestSignature> --><mktowsUserId>", 1),
		"white space":    strings.NewReplacer("><", ">\r\n\t<").Replace(base()),
		"data like it":   strings.Replace(base(), "rufus@marketo.com", "rufus@marketo.com<!--<requestTimestamp>x</requestTimestamp>-->", 1),
	} {
		call := newCall()
		g := d.post(request, callHeader, call)
		x := marketo.attempts(call)
		if g.status != 200 || len(x) != 2 {
			t.Errorf("%s: %d, %d attempts\n%s", name, g.status, len(x), g.body)
			continue
		}
		if first := string(x[0].request.kept); first != request {
			t.Errorf("%s: the first attempt is not the application's", name)
		}
		if again := string(x[1].request.kept); len(again) != len(request) || blank(again) != blank(request) {
			t.Errorf("%s: more than the two values changed:\n%s\n%s", name, request, again)
		}
	}
}

// blank puts dots in the place of what looks like a signature or a time.
func blank(envelope string) string {
	return hexOrTime.ReplaceAllString(envelope, "…")
}

var hexOrTime = regexp.MustCompile(`[0-9a-f]{40}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d`)
