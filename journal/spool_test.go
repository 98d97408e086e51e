package journal

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A directory that is gone is made again even if there are only large records, whose spools the writer does not make.
func TestSpoolWithoutDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "captures")
	j := start(t, Options{Dir: dir, MaxSize: roomy})
	put(t, j, 1000)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Spool(); err == nil {
		t.Error("a spool in a directory that is not there")
	}
	eventually(t, "the directory is there again", func() bool {
		s, err := j.Spool()
		if err == nil {
			s.Close()
		}
		return err == nil
	})
}

// The file of a closed spool is written over by the next one, which shows nothing of it, and its room is given back when it is needed,
// when the journal closes, and soon anyway.
func TestSpoolsAreUsedAgain(t *testing.T) {
	t.Parallel()
	j := start(t, Options{Dir: t.TempDir(), MaxSize: 8 << 20})
	extra := func() int64 {
		j.mu.Lock()
		defer j.mu.Unlock()
		return j.extra
	}
	before := extra()
	fill := func(size int, with byte) *Spool {
		t.Helper()
		s, err := j.Spool()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write(bytes.Repeat([]byte{with}, size)); err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := fill(4<<20, 'a')
	file := first.file
	first.Close()
	if j.Stats().Bytes != before || extra() != before+4<<20 {
		t.Errorf("a spare file counts as stored: %d, or is not reserved: %d", j.Stats().Bytes, extra())
	}
	second := fill(1000, 'b')
	if second.file != file {
		t.Error("the file was not used again")
	}
	var all bytes.Buffer
	if _, err := second.WriteTo(&all); err != nil || all.String() != strings.Repeat("b", 1000) {
		t.Errorf("%d bytes, %v", all.Len(), err)
	}
	got := make([]byte, 3000)
	if n, err := second.ReadAt(got, 0); n != 1000 || err != io.EOF {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if n, err := second.ReadAt(got, 2000); n != 0 || err != io.EOF {
		t.Errorf("behind its end: %d bytes, %v", n, err)
	}
	second.Close()
	if extra() != before+4<<20 {
		t.Errorf("%d bytes reserved", extra()-before)
	}
	small, large := fill(1000, 'c'), fill(1000, 'd')
	small.Close()
	if _, err := large.Write(bytes.Repeat([]byte("d"), 7<<20)); err != nil { // there is room for it only without the spare
		t.Error(err)
	}
	large.Close()
	if extra() != before+7<<20+1000 {
		t.Errorf("%d bytes reserved", extra()-before)
	}
	eventually(t, "the spare goes by itself", func() bool { return extra() == before })
}
