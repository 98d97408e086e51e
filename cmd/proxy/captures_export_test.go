package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCapturesExport(t *testing.T) {
	dir := testDir(t)
	target := t.TempDir()
	lines := filepath.Join(target, "out.jsonl")
	must(t, "captures", "export", "-o", lines, "--capture-dir", dir)
	var want []byte
	for _, c := range testCaptures() {
		want = append(want, testLine(t, c)...)
	}
	got, err := os.ReadFile(lines)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v: %s", err, got)
	}
	if info, err := os.Stat(lines); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if got := must(t, "captures", "export", "--capture-dir", dir); got != string(want) {
		t.Errorf("stdout: %s", got)
	}

	archive := filepath.Join(target, "out.HAR")
	if err := os.WriteFile(archive, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, "captures", "export", "-o", archive, "--limit", "4", "--capture-dir", dir)
	var parsed struct {
		Log struct {
			Entries []struct {
				Capture string `json:"_capture"`
			} `json:"entries"`
		} `json:"log"`
	}
	got, err = os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got, &parsed); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range parsed.Log.Entries {
		ids = append(ids, e.Capture)
	}
	if want := []string{testID(2), testID(2), testID(3), testID(4), testID(5)}; !slices.Equal(ids, want) {
		t.Errorf("got %v, want %v", ids, want)
	}

	if got := must(t, "captures", "export", testID(3), testID(1), testID(3)[:13], "--capture-dir", dir); strings.Count(got, "\n") != 2 || !strings.HasPrefix(got, `{"id":"`+testID(1)) {
		t.Errorf("by id: %s", got)
	}
	code, out, errs := call(t, "captures", "export", "--format", "har", "--code", "99999", "--capture-dir", dir)
	if code != exitDone || !strings.Contains(out, `"entries":[`) || !strings.Contains(errs, "no capture") {
		t.Errorf("exit %d, %s, %s", code, out, errs)
	}
	if left, _ := filepath.Glob(filepath.Join(target, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A file stays as it was when writing fails, and nothing half-written stays beside it; a device is written to, not replaced.
func TestWriteWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.WriteFile(path, []byte("before"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("f", link); err != nil {
		t.Fatal(err)
	}
	failed := writeWhole(path, func(w io.Writer) error {
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		return context.Canceled
	})
	if content, err := os.ReadFile(path); failed == nil || err != nil || string(content) != "before" {
		t.Errorf("%v, %v, %q", failed, err, content)
	}
	hello := func(w io.Writer) error {
		_, err := io.WriteString(w, "hello")
		return err
	}
	if err := writeWhole(link, hello); err != nil {
		t.Error(err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "hello" {
		t.Errorf("through a link: %v, %q", err, content)
	}
	if err := writeWhole(os.DevNull, hello); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Fatalf("%s was replaced: %v, %v", os.DevNull, info.Mode(), err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("left behind: %v", files)
	}
}
