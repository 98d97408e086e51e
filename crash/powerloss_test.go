//go:build linux

package crash

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What an application has seen the end of survives a power cut. Twelve times in a storm of failures, with segments rotated and
// compressed, the test takes what the disk would hold if the power went now: all that was flushed, and of the rest a part by
// chance. Each of these is mounted afterwards, as after a crash, and has to have every failure that was answered before.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	const (
		cuts    = 12
		between = 100      // calls
		maxSize = 16 << 20 // more than all of it, so that nothing is dropped; a segment is an eighth
	)
	d := newDisk(formatted(t, 40<<20, "mkfs.ext4", "-q", "-F"))
	marketo := newMarketo(t)
	s := setup{upstream: marketo.URL, captures: filepath.Join(mountDisk(t, d, ""), "captures"), args: []string{fmt.Sprint("--capture-max-size=", maxSize)}}
	srv := serve(t, s)
	d.set(faults{delay: 5 * time.Millisecond}) // so that a cut comes in the middle of something
	tr := newTraffic(t, srv, mix{connections: 32, pause: time.Millisecond, big: 200})
	type cut struct {
		image    string
		answered map[string]failure
		unsure   int
	}
	var all []cut
	images := t.TempDir()
	for n := range cuts {
		more(t, tr, between)
		tr.mu.Lock()
		answered := maps.Clone(tr.failures)
		tr.mu.Unlock()
		image, unsure := d.powerCut()
		path := filepath.Join(images, fmt.Sprint(n))
		if err := os.WriteFile(path, image, 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, cut{path, answered, unsure})
	}
	tr.stop()
	// On a machine that is busy with other things a capture may be late; it is counted, and may be missing. A large
	// body may be cut, and says so.
	last := srv.counts()
	if last.lost["timeout"] != last.lostTotal() || last.lostTotal() > len(tr.failures)/10 || last.storedBytes > maxSize*7/8 {
		t.Errorf("the storm was too much for the test: %+v", last)
	}
	srv.kill()
	unsure, packed := 0, 0
	for n, c := range all {
		unsure += c.unsure
		func() {
			dir := t.TempDir()
			unmount := mountOver(t, c.image, dir, "ext4", "")
			defer unmount()
			s.captures = filepath.Join(dir, "captures")
			found := readShelf(t, s.captures)
			missing := found.missing(t, c.answered, always)
			if len(missing) > last.lostTotal() {
				t.Errorf("%d of %d failures are missing, %d were counted as late", len(missing), len(c.answered), last.lostTotal())
			}
			packed += found.packed
			if n%4 == 3 {
				wantTidy(t, s, present(c.answered, missing), always)
			}
		}()
	}
	if unsure == 0 || packed == 0 {
		t.Errorf("%d writes were not flushed at a cut, %d segments compressed: the test tries less than it should", unsure, packed)
	}
	t.Logf("%d cuts, %d failures answered before the last, %d writes not flushed at a cut", cuts, len(all[cuts-1].answered), unsure)
}

// That a disk drops what was not flushed is what the test above stands on.
func TestPowerCutLosesWhatWasNotFlushed(t *testing.T) {
	t.Parallel()
	d := newDisk(formatted(t, 16<<20, "mkfs.ext4", "-q", "-F"))
	dir := mountDisk(t, d, "")
	write := func(name string, flush bool) {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(name); err != nil {
			t.Fatal(err)
		}
		if !flush {
			return
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	write("flushed", true)
	write("not", false)
	image, _ := d.powerCut()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	after := mountImage(t, path, "ext4", "")
	if b, err := os.ReadFile(filepath.Join(after, "flushed")); string(b) != "flushed" {
		t.Errorf("%q %v", b, err)
	}
	if b, err := os.ReadFile(filepath.Join(after, "not")); err == nil && len(b) > 0 {
		t.Errorf("%q was not flushed and is there", b)
	}
}
