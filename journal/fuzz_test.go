package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// wholeLinesOf is what a reader must find in a plain segment, newest first, said in the simplest way.
func wholeLinesOf(text []byte) (lines []string, damaged int) {
	parts := strings.Split(string(text), "\n")
	if parts[len(parts)-1] != "" {
		damaged++
	}
	for _, l := range parts[:len(parts)-1] {
		head := l
		if i := strings.Index(l, bodies); i >= 0 {
			head = l[:i] + "}"
		}
		if strings.HasPrefix(l, "{") && strings.HasSuffix(l, "}") && json.Valid([]byte(head)) {
			lines = append(lines, l)
		} else {
			damaged++
		}
	}
	slices.Reverse(lines)
	return lines, damaged
}

func read(t *testing.T, dir string) (lines []string, damaged int) {
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range r.Newest(time.Time{}) {
		var d *DamageError
		if errors.As(err, &d) {
			damaged++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(e.Head) {
			t.Fatalf("head %q", e.Head)
		}
		body, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(io.LimitReader(body, 10<<20))
		body.Close()
		if err != nil && !errors.As(err, &d) {
			t.Fatal(err)
		}
		lines = append(lines, string(text))
	}
	return lines, damaged
}

func FuzzReadPlain(f *testing.F) {
	f.Add([]byte(`{"id":"1","attempts":[{}]}`+"\n"+`{"id":"2"}`+"\n"), uint32(0))
	f.Add([]byte(`{"id":"1","attempts":[{}]}`+"\n"+`{"id":"2`), uint32(lineBlock))
	f.Add([]byte("\n\n{}\n\x00\n"), uint32(lineBlock-3))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte, padding uint32) {
		// A long line before, so that what follows lies across the borders of blocks.
		text = slices.Concat([]byte(`{"a":"`), bytes.Repeat([]byte("x"), int(padding%(3*lineBlock))), []byte(`"}`+"\n"), text)
		segmentFile(t, dir, plainName, text)
		want, wantDamage := wholeLinesOf(text)
		got, damage := read(t, dir)
		if !slices.Equal(got, want) || damage != wantDamage {
			t.Errorf("%d lines, %d damaged; want %d, %d\n%.500q\n%.500q", len(got), damage, len(want), wantDamage, got, want)
		}
	})
}

// FuzzSeal compares what is read from a segment before and after it was compressed.
func FuzzSeal(f *testing.F) {
	f.Add([]byte(`{"id":"1","attempts":[{}]}`+"\n"+`{"id":"2"}`+"\n"), uint32(100))
	f.Add([]byte("{}\n\x00\n{}"), uint32(memberSize))
	f.Add([]byte("{}\n{}\n"), uint32(memberSize-12))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte, padding uint32) {
		long := slices.Concat([]byte(`{"a":"`), bytes.Repeat([]byte("x"), int(padding%(2*memberSize))), []byte(`"}`+"\n"))
		text = slices.Concat(text, []byte("\n"), long, text)
		want, _ := wholeLinesOf(text)
		segmentFile(t, dir, gzName, text)
		if got, _ := read(t, dir); !slices.Equal(got, want) {
			t.Errorf("%d lines, want %d\n%.500q\n%.500q", len(got), len(want), got, want)
		}
	})
}

func FuzzReadCompressed(f *testing.F) {
	dir := f.TempDir()
	for _, text := range []string{"{}\n", `{"id":"1","attempts":[{}]}` + "\n{}\n", `{"a":"` + strings.Repeat("x", 2*memberSize) + `"}` + "\n{}\n"} {
		b, err := os.ReadFile(segmentFile(f, dir, gzName, []byte(text)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, []byte{}, uint16(0))
		f.Add(b, b, uint16(len(b)/2))
		f.Add(b, []byte("\x00"), uint16(17))
	}
	f.Fuzz(func(t *testing.T, b, patch []byte, at uint16) {
		b = slices.Concat(b, b)
		copy(b[min(int(at), len(b)):], patch)
		if err := os.WriteFile(filepath.Join(dir, gzName), b, 0o600); err != nil {
			t.Fatal(err)
		}
		read(t, dir)
	})
}

func FuzzParseName(f *testing.F) {
	f.Add(plainName)
	f.Add(gzName)
	f.Add("20269999T999999.999Z-00000000-999999999999999999.jsonl.gz")
	f.Fuzz(func(t *testing.T, file string) {
		if n, ok := parseName(file); ok {
			at := n.created()
			if next := newStem(at, n.stem); next <= n.stem && !at.IsZero() {
				t.Errorf("%s is not after %s", next, n.stem)
			}
		}
	})
}
