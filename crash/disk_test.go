//go:build linux

package crash

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// disk is a block device in memory that remembers which of its content was flushed, and fails on demand.
type disk struct {
	mu       sync.Mutex // guards what follows
	cached   []byte     // what a read gives
	stable   []byte     // what a power cut leaves at least
	volatile []sectors  // what was written since the last flush
	faults   faults
	changed  chan struct{} // closed when the faults change
}

type sectors struct {
	off  int64
	data []byte
}

// faults are how a disk misbehaves.
type faults struct {
	hang        bool          // nothing that writes comes back
	delay       time.Duration // of each flush
	writeError  error
	flushError  error
	flushErrors int   // how many flushes fail with it; 0: all
	dead        error // of everything
}

func newDisk(image []byte) *disk {
	return &disk{cached: image, stable: slices.Clone(image), changed: make(chan struct{})}
}

// set replaces the faults; what hangs goes on.
func (d *disk) set(f faults) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = f
	close(d.changed)
	d.changed = make(chan struct{})
}

// present waits while the disk hangs. A minute is for ever; longer, and a test that ends in the middle would leave processes that
// nothing can end.
func (d *disk) present() faults {
	for limit := time.After(time.Minute); ; {
		d.mu.Lock()
		f, changed := d.faults, d.changed
		d.mu.Unlock()
		if !f.hang {
			return f
		}
		select {
		case <-changed:
		case <-limit:
			return faults{dead: unix.EIO}
		}
	}
}

func (d *disk) size() int64 { return int64(len(d.cached)) }

func (d *disk) read(p []byte, off int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(p, d.cached[off:])
	return d.faults.dead
}

func (d *disk) write(p []byte, off int64) error {
	f := d.present()
	if err := errors.Join(f.dead, f.writeError); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(d.cached[off:], p)
	d.volatile = append(d.volatile, sectors{off, slices.Clone(p)})
	return nil
}

func (d *disk) flush() error {
	// Only what was written before the flush came is sure to be stable after it.
	d.mu.Lock()
	n := len(d.volatile)
	d.mu.Unlock()
	f := d.present()
	time.Sleep(f.delay)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := errors.Join(f.dead, f.flushError); err != nil {
		if d.faults.flushErrors > 0 {
			if d.faults.flushErrors--; d.faults.flushErrors == 0 {
				d.faults.flushError = nil
			}
		}
		return err
	}
	for _, w := range d.volatile[:min(n, len(d.volatile))] {
		copy(d.stable[w.off:], w.data)
	}
	d.volatile = slices.Clone(d.volatile[min(n, len(d.volatile)):])
	return nil
}

// powerCut returns what the disk could hold if the power went in this moment: all that was flushed, and of the rest what chance
// has it, each write whole, in part by sectors, or not at all. unsure is how many writes that were.
func (d *disk) powerCut() (image []byte, unsure int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	image = slices.Clone(d.stable)
	keep := rand.Float64()
	for _, w := range d.volatile {
		if rand.Float64() < keep {
			n := len(w.data)
			if rand.IntN(4) == 0 {
				n = 512 * rand.IntN(n/512+1)
			}
			copy(image[w.off:], w.data[:n])
		}
	}
	return image, len(d.volatile)
}

// formatted is the image of an empty file system.
func formatted(t *testing.T, size int64, mkfs string, options ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, size)); err != nil {
		t.Fatal(err)
	}
	format(t, path, mkfs, options...)
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	return image
}

func format(t *testing.T, path, mkfs string, options ...string) {
	t.Helper()
	if out, err := exec.Command(mkfs, append(options, path)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", mkfs, err, out)
	}
}

// mountDisk mounts the ext4 file system on d, and returns where. The options are mount's.
func mountDisk(t *testing.T, d *disk, options string) string {
	t.Helper()
	return mountImage(t, serveFile(t, d), "ext4", options)
}

// mountImage mounts a file system that is in a file until the test ends.
func mountImage(t *testing.T, image, kind, options string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Cleanup(mountOver(t, image, dir, kind, options))
	return dir
}

func mountOver(t *testing.T, image, dir, kind, options string) (unmount func()) {
	t.Helper()
	// A process that is just being made would have these files too, and wait for this one when it closes them, while the runtime
	// waits for it.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	device, err := attachLoop(image)
	if err != nil {
		t.Errorf("the disks of these tests need a loop device: %v", err)
		return func() {}
	}
	defer device.Close() // the mount keeps it
	if err := unix.Mount(device.Name(), dir, kind, unix.MS_NOATIME, options); err != nil {
		t.Errorf("mount %s: %v", kind, err)
		return func() {}
	}
	return func() {
		err := unix.Unmount(dir, 0)
		for range 100 { // a process that is just being made may have a file of it for a moment
			if !errors.Is(err, unix.EBUSY) {
				break
			}
			time.Sleep(20 * time.Millisecond)
			err = unix.Unmount(dir, 0)
		}
		if err != nil {
			t.Errorf("unmount %s: %v", dir, err)
			_ = unix.Unmount(dir, unix.MNT_DETACH)
		}
	}
}

// attachLoop returns an open loop device with the image behind it. The kernel takes it apart after its last user.
func attachLoop(image string) (*os.File, error) {
	// Not os.OpenFile: the runtime would ask the file system for events, and not run the goroutine that is to answer.
	backing, err := unix.Open(image, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("open", err)
	}
	defer unix.Close(backing)
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for range 50 {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("no free loop device: %w", err)
		}
		device, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		config := unix.LoopConfig{Fd: uint32(backing), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		if err = unix.IoctlLoopConfigure(int(device.Fd()), &config); err == nil {
			return device, nil
		}
		device.Close()
		if !errors.Is(err, unix.EBUSY) { // someone else was quicker
			return nil, err
		}
	}
	return nil, errors.New("every free loop device is taken at once")
}
