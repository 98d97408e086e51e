package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

// ticketFile is the text of a file in a zip.
func ticketFile(t testing.TB, content []byte, name string) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// left are the names in a directory.
func left(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

const since = "--since=2026-11-24T00:00:00Z"

func TestTicketCommand(t *testing.T) {
	dir, out := testDir(t), filepath.Join(t.TempDir(), "ticket.zip")
	said := must(t, "ticket", since, "-o", out, "--capture-dir", dir)
	said = strings.ReplaceAll(said, out, "TICKET.zip")
	golden(t, "ticket", regexp.MustCompile(`zip: [0-9.]+ KiB`).ReplaceAllString(said, "zip: N KiB"))

	summary := ticketFile(t, readFile(t, out), "SUMMARY.md")
	if strings.Contains(summary, "ada@") || !strings.HasPrefix(summary, "# Marketo 123-ABC-456: 5 calls failed in 5 ways\n") {
		t.Error(summary)
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	// What is asked for by -o is replaced.
	must(t, "ticket", testID(1), "-o", out, "--capture-dir", dir)
	if summary := ticketFile(t, readFile(t, out), "SUMMARY.md"); !strings.HasPrefix(summary, "# SOAP 20011 Internal Error: 1 call of getLead on 123-ABC-456\n") {
		t.Error(summary)
	}
	if got := left(t, filepath.Dir(out)); got != "ticket.zip" {
		t.Errorf("there is %s", got)
	}
	if z := must(t, "ticket", "--code", "20011", "-o", "-", "--capture-dir", dir); ticketFile(t, []byte(z), "manifest.json") == "" {
		t.Error("no zip on stdout")
	}
}

// Without -o the name tells the instance and the time, and is never one that is taken.
func TestTicketName(t *testing.T) {
	dir := testDir(t)
	t.Chdir(t.TempDir())
	must(t, "ticket", since, "--capture-dir", dir)
	name := left(t, ".")
	if !regexp.MustCompile(`^marketo-ticket-123-ABC-456-[0-9]{8}T[0-9]{6}Z\.zip$`).MatchString(name) {
		t.Errorf("%q", name)
	}
	now := time.Now() // read once, or a second could be left out
	for n := range 120 {
		at := now.Add(time.Duration(n) * time.Second).UTC().Format("20060102T150405Z")
		if err := os.WriteFile("marketo-ticket-123-ABC-456-"+at+".zip", []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, _, errs := call(t, "ticket", since, "--capture-dir", dir)
	if code != exitFailed || !strings.Contains(errs, "exists already: name another file with -o") || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit %d, %s", code, errs)
	}
}

func TestTicketEncrypted(t *testing.T) {
	dir, place := testDir(t), t.TempDir()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(place, "recipients")
	if err := os.WriteFile(list, []byte("# support\n"+identity.Recipient().String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{identity.Recipient().String(), "@" + list} {
		said := must(t, "ticket", since, "-o", filepath.Join(place, "ticket.zip"), "--encrypt-to", to, "--capture-dir", dir)
		if got := left(t, place); got != "recipients ticket.zip.age" || !strings.Contains(said, "ticket.zip.age: ") {
			t.Errorf("there is %s\n%s", got, said)
		}
		plain, err := age.Decrypt(bytes.NewReader(readFile(t, filepath.Join(place, "ticket.zip.age"))), identity)
		if err != nil {
			t.Fatal(err)
		}
		z, err := io.ReadAll(plain)
		if err != nil {
			t.Fatal(err)
		}
		ticketFile(t, z, "SUMMARY.md")
	}
	for to, says := range map[string]string{
		"age1xyz": "is no age recipient", "@" + filepath.Join(place, "none"): "no such file", identity.String(): "is a secret key", "@" + dir: "directory", "": "is no age recipient",
	} {
		code, _, errs := call(t, "ticket", since, "-o", filepath.Join(place, "x.zip"), "--encrypt-to="+to, "--capture-dir", dir)
		if code != exitUsage || !strings.Contains(errs, says) || strings.Count(errs, "\n") != 1 || strings.Contains(errs, identity.String()) {
			t.Errorf("%s: exit %d, %s", to, code, errs)
		}
	}
}

func TestTicketUnmasked(t *testing.T) {
	dir, out := testDir(t), filepath.Join(t.TempDir(), "t.zip")
	code, said, errs := call(t, "ticket", testID(1), "--unmasked", "-o", out, "--capture-dir", dir)
	if code != exitDone || !strings.HasPrefix(errs, "marketo-proxy: warning: personal data is not masked") || !strings.Contains(said, "NO personal data") {
		t.Errorf("exit %d, %s, %s", code, said, errs)
	}
	if got := ticketFile(t, readFile(t, out), "exchanges/"+testID(1)+"/attempt-1/request.xml"); !strings.Contains(got, "ada@example.com") {
		t.Error(got)
	}
}

// What can't be done takes one line that says what is wrong and the mend, and leaves nothing behind.
func TestTicketRefuses(t *testing.T) {
	dir, place := testDir(t), t.TempDir()
	keys := t.TempDir()
	if err := os.WriteFile(filepath.Join(keys, "demo"), []byte("899756834129871744AAEE88"), 0o600); err != nil {
		t.Fatal(err)
	}
	leaking := t.TempDir()
	writeCaptures(t, leaking, testCapture(1, func(c *capture.Capture) { c.Attempts[0].Request.URL += "?access_token=0123456789" }),
		testCapture(2, func(c *capture.Capture) {
			c.Code, c.Attempts[0].Request.Body.Text = "20012", "<x>899756834129871744AAEE88</x>"
		}), testCapture(3, func(c *capture.Capture) { c.ID, c.Code, c.Class = "x-someone@corp.org", "20110", classify.ClassCaller }))
	empty := t.TempDir()
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"--since 1h", exitFailed, "has no capture since 20"},
		{"", exitFailed, "the newest is of 2026-11-24 12:05:00 UTC"},
		{since + " --until 2026-11-24T01:00:00Z", exitFailed, "has no capture from 2026-11-24 00:00:00 UTC to 2026-11-24 01:00:00 UTC; the newest is of 2026-11-24 12:05:00 UTC"},
		{"--code 20111", exitFailed, "has no capture that fits the filter, at any time: `marketo-proxy captures ls --by code` counts what is there"},
		{"--capture-dir " + empty, exitFailed, "holds no captures"},
		{"--capture-dir " + empty + "/none", exitFailed, "there is no directory"},
		{testID(9), exitFailed, "there is no such capture"},
		{testID(1)[:7], exitFailed, "too short for an id"},
		{testID(1) + " --code 20011", exitUsage, "give ids or a filter, not both"},
		{"--code abc", exitUsage, "is not a code"},
		{"--per-code 0", exitUsage, "give at least 1"},
		{"--limit=-1", exitUsage, "give 0 for all"},
		{"--max-size 1KiB", exitUsage, "give at least 64KiB"},
		{"--max-size x", exitUsage, "a size is a number"},
		{since + " -o " + place + "/none/t.zip", exitFailed, "there is no directory " + place + "/none for the ticket"},
		{since + " -o " + place, exitFailed, "is a directory"},
		{since + " --credentials-dir " + place + "/none", exitUsage, "no such file"},
		{"--unmasked --code 20011 --capture-dir " + leaking, exitFailed, "not written: exchanges/" + testID(1) + "/attempt-1/request.http holds a secret that is not REDACTED"},
		{"--unmasked --code 20012 --credentials-dir " + keys + " --capture-dir " + leaking, exitFailed, "holds a secret (one of the known keys)"},
		{"--code 20110 --capture-dir " + leaking, exitFailed, "not written: exchanges.har holds an e-mail address"},
	} {
		args := append([]string{"ticket", "--capture-dir", dir, "-o", filepath.Join(place, "t.zip")}, strings.Fields(c.args)...)
		code, out, errs := call(t, args...)
		if code != c.code || out != "" || !strings.Contains(errs, c.says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: exit %d, %s%s", c.args, code, out, errs)
		}
		for _, secret := range []string{"0123456789", "899756", "corp.org"} {
			if strings.Contains(errs, secret) {
				t.Errorf("%s: %s", c.args, errs)
			}
		}
		if got := left(t, place); got != "" {
			t.Errorf("%s: there is %s", c.args, got)
		}
	}
}

// A ticket that is interrupted, or has no room, leaves what was there.
func TestTicketInterrupted(t *testing.T) {
	dir, out := testDir(t), filepath.Join(t.TempDir(), "t.zip")
	if err := os.WriteFile(out, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var said, errs bytes.Buffer
	if code := run(ctx, []string{"ticket", since, "-o", out, "--capture-dir", dir}, []string{"TZ=UTC", "HOME=/nonexistent"}, &said, &errs); code != exitFailed {
		t.Errorf("exit %d, %s", code, errs.String())
	}
	if got := string(readFile(t, out)); got != "before" || left(t, filepath.Dir(out)) != "t.zip" {
		t.Errorf("%q, and %s", got, left(t, filepath.Dir(out)))
	}
	if code, _, errs := call(t, "ticket", since, "-o", "/dev/full", "--capture-dir", dir); code != exitFailed || !strings.Contains(errs, "no space left") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

// Damage is skipped and told of, in the ticket too.
func TestTicketDamage(t *testing.T) {
	dir, out := testDir(t), filepath.Join(t.TempDir(), "t.zip")
	if err := os.WriteFile(filepath.Join(dir, "20261124T130000.000Z-00000000.jsonl"), []byte("junk\x1b 1\njunk\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	said := must(t, "ticket", since, "-o", out, "--capture-dir", dir)
	if !strings.Contains(said, "missing: a damaged capture was skipped: ") || strings.Contains(said, "\x1b") {
		t.Error(said)
	}
	if got := ticketFile(t, readFile(t, out), "manifest.json"); !strings.Contains(got, `"complete": "no"`) {
		t.Error(got)
	}
}

// The page makes the same tickets, and says what it can't do in words without flags.
func TestTicketOfThePage(t *testing.T) {
	var c serveCommand
	c.CaptureDir = testDir(t)
	page := c.adminOptions(&world{}, &settings{}, nil)
	var out bytes.Buffer
	if err := page.Ticket(t.Context(), &out, capture.Query{}, []string{testID(1)}); err != nil {
		t.Fatal(err)
	}
	if summary := ticketFile(t, out.Bytes(), "SUMMARY.md"); !strings.HasPrefix(summary, "# SOAP 20011 Internal Error: 1 call of getLead on 123-ABC-456\n") {
		t.Error(summary)
	}
	out.Reset()
	for _, c := range []struct {
		query capture.Query
		ids   []string
		says  string
	}{
		{capture.Query{Since: time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)}, nil, " has no capture since 2026-11-25 00:00:00 UTC; the newest is of 2026-11-24 12:05:00 UTC"},
		{capture.Query{Codes: []string{"20111"}}, nil, " has no capture that fits the filter, at any time"},
		{capture.Query{}, []string{testID(9)}, "there is no such capture in "},
	} {
		err := page.Ticket(t.Context(), &out, c.query, c.ids)
		if !errors.Is(err, capture.ErrNotFound) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "--") || out.Len() > 0 {
			t.Errorf("%v, %d bytes", err, out.Len())
		}
	}
}
