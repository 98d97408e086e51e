package journal

import (
	"os"
	"path/filepath"
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
