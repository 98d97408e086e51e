package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// terminal opens a pseudo terminal and returns its two ends.
func terminal(t *testing.T, columns int) (controlling, controlled *os.File) {
	t.Helper()
	controlling, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { controlling.Close() })
	fd := int(controlling.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	controlled, err = os.OpenFile("/dev/pts/"+jsonNumber(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { controlled.Close() })
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	return controlling, controlled
}

func jsonNumber(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

// onTerminal runs the program on a terminal of 80 columns.
func onTerminal(t *testing.T, environ []string, args ...string) string {
	t.Helper()
	controlling, controlled := terminal(t, 80)
	seen := make(chan string)
	go func() {
		var all bytes.Buffer
		_, _ = all.ReadFrom(controlling) // ends with EIO when the other end is closed
		seen <- all.String()
	}()
	var errs bytes.Buffer
	if code := run(context.Background(), args, environ, controlled, &errs); code != exitDone {
		t.Fatal(errs.String())
	}
	controlled.Close()
	return strings.ReplaceAll(<-seen, "\r\n", "\n")
}

func TestOnTerminal(t *testing.T) {
	dir := testDir(t)
	colored := onTerminal(t, []string{"TZ=UTC"}, "captures", "ls", "--capture-dir", dir)
	if !strings.Contains(colored, "\x1b[31m20011\x1b[0m") {
		t.Errorf("no colour: %q", colored)
	}
	if strings.Contains(colored, "--limit") {
		t.Errorf("more than all: %q", colored)
	}
	few := onTerminal(t, []string{"TZ=UTC", "NO_COLOR=1"}, "captures", "ls", "--limit", "2", "--capture-dir", dir)
	if !strings.HasSuffix(few, "\nthe newest 2; --limit 0 shows all, --by code counts them\n") || strings.Count(few, "\n") != 4 {
		t.Errorf("%q", few)
	}
	plain := onTerminal(t, []string{"TZ=UTC", "NO_COLOR=1"}, "captures", "ls", "--capture-dir", dir)
	if strings.Contains(plain, "\x1b") {
		t.Errorf("NO_COLOR: %q", plain)
	}
	for line := range strings.Lines(plain) {
		if got := cells(strings.TrimSuffix(line, "\n")); got > 80 {
			t.Errorf("%d columns: %s", got, line)
		}
	}
	golden(t, "ls-terminal", plain)
	if out := onTerminal(t, []string{"TERM=dumb"}, "captures", "show", testID(5), "--capture-dir", dir); strings.ContainsAny(out, "\x1b\u009b\u202e") {
		t.Errorf("show: %q", out)
	}
	out := onTerminal(t, nil, "captures", "show", "--json", testID(5), "--capture-dir", dir)
	if strings.ContainsAny(out, "\x1b\u009b\u202e") {
		t.Errorf("show --json: %q", out)
	}
	var there, here map[string]any
	if err := json.Unmarshal([]byte(out), &there); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(must(t, "captures", "show", "--json", testID(5), "--capture-dir", dir)), &here); err != nil {
		t.Fatal(err)
	}
	if a, b := jsonText(t, there), jsonText(t, here); a != b {
		t.Errorf("on a terminal %s, else %s", a, b)
	}
}

func jsonText(t *testing.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain ü 日本 😀":        "plain ü 日本 😀",
		"a\nb\tc\r":           "a b c ",
		"\x1b[2J\a\x7f":       `\x1b[2J\x07\x7f`,
		"\u009b\u202e\u200b":  `\u009b\u202e\u200b`,
		"\xff\xc3":            `\xff\xc3`,
		"\U000e0001\ufffd":    "\\U000e0001\ufffd",
		"no\u00a0break\u00ad": "no\u00a0break\\u00ad",
	} {
		if got := printable(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// However a text is cut into pieces, nothing that could steer a terminal comes out, and as JSON it means the same.
func FuzzHarmlessWriter(f *testing.F) {
	f.Add("a\x1b[0m\r\n\u009b\u202eé😀\U000e0001\xff\xc3", uint8(3))
	f.Fuzz(func(t *testing.T, text string, size uint8) {
		write := func(asJSON bool, text string) string {
			var out bytes.Buffer
			w := &harmlessWriter{w: &out, json: asJSON}
			for len(text) > 0 {
				n := min(len(text), int(size)%5+1)
				if _, err := w.Write([]byte(text[:n])); err != nil {
					t.Fatal(err)
				}
				text = text[n:]
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			return out.String()
		}
		for _, got := range []string{write(false, text), write(true, text)} {
			if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsGraphic(r) && r != '\n' && r != '\t' }) {
				t.Fatalf("%q", got)
			}
		}
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var before, after string
		if err := json.Unmarshal(quoted, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(write(true, string(quoted))), &after); err != nil || before != after {
			t.Fatalf("%q became %q, %v", before, after, err)
		}
	})
}
