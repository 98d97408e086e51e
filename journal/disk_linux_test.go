package journal

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// appendFails appends a line and wants it refused for a reason.
func appendFails(t *testing.T, j *Journal, size int, reason string) {
	t.Helper()
	err := await(t, j.Append(Record{Line: lineOf(newID(), size)}))
	if Reason(err) != reason {
		t.Fatalf("error %v, reason %q; want %q", err, Reason(err), reason)
	}
}

// wantIDs closes the journal and wants exactly these lines, oldest first, and no damage.
func wantIDs(t *testing.T, j *Journal, dir string, want []string) {
	t.Helper()
	stop(t, j)
	got, damage := ids(t, dir)
	slices.Reverse(got)
	if !slices.Equal(got, want) || damage != nil {
		t.Errorf("%d lines, %d damaged; want %d\n%v\n%v", len(got), len(damage), len(want), got, want)
	}
}

func fill(t *testing.T, path string, free int64) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &st); err != nil {
		t.Fatal(err)
	}
	size := int64(st.Bavail)*st.Bsize - free
	if err := os.WriteFile(path, make([]byte, max(size, 0)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFullDiskByOthers(t *testing.T) {
	if !alone(t) {
		return
	}
	disk := mount(t, "tmpfs", "size=1m")
	dir, filler := filepath.Join(disk, "captures"), filepath.Join(disk, "filler")
	j := start(t, Options{Dir: dir, MaxSize: roomy})
	want := []string{put(t, j, 1000), put(t, j, 1000)}
	fill(t, filler, 0)
	for range 3 {
		appendFails(t, j, 30_000, "full")
	}
	s, err := j.Spool()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.Write(make([]byte, 100_000)); Reason(err) != "full" || int64(n) != s.Size() {
		t.Errorf("spool: %d %v", n, err)
	}
	s.Close()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		want = append(want, put(t, j, 30_000))
	}
	wantIDs(t, j, dir, want)
}

// A disk smaller than the journal may be: the oldest go first all the same, and the newest are never refused.
func TestDiskSmallerThanSize(t *testing.T) {
	if !alone(t) {
		return
	}
	dir := mount(t, "tmpfs", "size=1m")
	j := start(t, Options{Dir: dir, MaxSize: roomy})
	var want []string
	for i := range 400 {
		want = append(want, put(t, j, 10_000+i))
	}
	stop(t, j)
	got, damage := ids(t, dir)
	slices.Reverse(got)
	if damage != nil || len(got) < 30 || !slices.Equal(got, want[len(want)-len(got):]) {
		t.Errorf("%d lines, which must be the last of all; damage %v", len(got), damage)
	}
}

func TestReadOnlyDisk(t *testing.T) {
	if !alone(t) {
		return
	}
	disk := mount(t, "tmpfs", "size=8m")
	dir := filepath.Join(disk, "captures")
	j := start(t, Options{Dir: dir, MaxSize: roomy})
	want := []string{put(t, j, 1000)}
	stop(t, j)
	remount := func(flags uintptr) {
		t.Helper()
		if err := syscall.Mount("none", disk, "", syscall.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(syscall.MS_RDONLY)
	if _, err := Open(Options{Dir: dir, MaxSize: roomy}); Reason(err) != "read_only" {
		t.Errorf("open: %v", err)
	}
	remount(0)

	// A file system can't be made read-only while a file is open for writing; a bind mount over the directory can.
	j = start(t, Options{Dir: dir, MaxSize: roomy})
	sealed(t, j)
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	bind := func(flags uintptr) {
		t.Helper()
		if err := syscall.Mount("none", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	bind(syscall.MS_RDONLY)
	appendFails(t, j, 1000, "read_only")
	if _, err := j.Spool(); Reason(err) != "read_only" {
		t.Errorf("spool: %v", err)
	}
	bind(0)
	want = append(want, put(t, j, 1000), put(t, j, 1000))
	wantIDs(t, j, dir, want)
}

// An ext2 file system in a sparse file on a disk that is full: writes succeed in memory, and fsync fails.
func TestSyncFailsOnRealDisk(t *testing.T) {
	if !alone(t) {
		return
	}
	mkfs, err := exec.LookPath("mkfs.ext2")
	if err != nil {
		mkfs = "/sbin/mkfs.ext2"
	}
	backing := mount(t, "tmpfs", "size=4m")
	image, filler := filepath.Join(backing, "image"), filepath.Join(backing, "filler")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 16<<20)); err != nil {
		t.Fatal(err)
	}
	disk := t.TempDir()
	if out, err := exec.Command(mkfs, "-q", "-F", image).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s (apt-get install e2fsprogs)", err, out)
	}
	mountLoop(t, image, disk)
	defer syscall.Unmount(disk, 0)
	dir := filepath.Join(disk, "captures")
	j := start(t, Options{Dir: dir, MaxSize: roomy})
	want := []string{put(t, j, 1000), put(t, j, 1000)}
	fill(t, filler, 0)
	for range 2 {
		err := await(t, j.Append(Record{Line: lineOf(newID(), 500_000)}))
		if err == nil || !strings.Contains(err.Error(), "sync") {
			t.Fatalf("error %v; the sync was to fail", err)
		}
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	want = append(want, put(t, j, 1000), put(t, j, 500_000))
	wantIDs(t, j, dir, want)
}

// mountLoop asks the kernel itself, since mount(8) looks at all other loop devices first and hangs if one of them does.
func mountLoop(t *testing.T, image, disk string) {
	t.Helper()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		t.Fatalf("no loop devices here: %v", err)
	}
	defer control.Close()
	file, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for range 50 { // another process may take the free device first
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			t.Fatalf("no free loop device: %v", err)
		}
		path := fmt.Sprintf("/dev/loop%d", n)
		device, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatalf("no loop device: %v", err)
		}
		config := unix.LoopConfig{Fd: uint32(file.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
		if err == nil {
			err = syscall.Mount(path, disk, "ext2", 0, "")
		}
		device.Close()
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EBUSY) {
			t.Fatalf("no loop mounts here: %v", err)
		}
	}
	t.Fatal("all loop devices are busy")
}

func TestFileSizeLimit(t *testing.T) {
	if !alone(t) {
		return
	}
	limit(t, unix.RLIMIT_FSIZE, 100_000)
	dir := t.TempDir()
	j := start(t, Options{Dir: dir, MaxSize: roomy})
	var want []string
	for range 10 { // a segment that can't grow is left for a new one
		want = append(want, put(t, j, 30_000))
	}
	appendFails(t, j, 200_000, "too_big")
	want = append(want, put(t, j, 30_000))
	wantIDs(t, j, dir, want)
}

func TestTooManyFiles(t *testing.T) {
	if !alone(t) {
		return
	}
	dir := t.TempDir()
	j := start(t, Options{Dir: dir, MaxSize: roomy, SegmentSize: 10_000})
	var want []string
	for range 5 {
		want = append(want, put(t, j, 3000))
	}
	sealed(t, j)
	limit(t, unix.RLIMIT_NOFILE, 64)
	var taken []*os.File
	for {
		f, err := os.Open("/dev/null")
		if err != nil {
			break
		}
		taken = append(taken, f)
	}
	for range 5 { // without a file for a new segment the old one goes on
		want = append(want, put(t, j, 3000))
	}
	if _, err := j.Spool(); Reason(err) != "too_many_files" {
		t.Errorf("spool: %v", err)
	}
	for _, f := range taken {
		f.Close()
	}
	want = append(want, put(t, j, 3000))
	wantIDs(t, j, dir, want)
	if n := len(glob(t, dir, "*.jsonl*")); n < 3 {
		t.Errorf("%d segments; rotation did not resume", n)
	}
}

func limit(t *testing.T, resource int, soft uint64) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(resource, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: soft, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(resource, &old); err != nil {
			t.Error(err)
		}
	})
}

func TestNoPermission(t *testing.T) {
	if os.Getuid() == 0 {
		// Nothing is forbidden to root, so this one runs as nobody.
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestNoPermission$")
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	for _, dir := range []string{"/proc/1/captures", "/root/captures", "/usr"} {
		if _, err := Open(Options{Dir: dir, MaxSize: roomy}); err == nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
	dir := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: filepath.Join(dir, "captures"), MaxSize: roomy}); Reason(err) != "permission" {
		t.Errorf("%v", err)
	}
}

func TestDirectoryGoes(t *testing.T) {
	for name, remove := range map[string]func(t *testing.T, dir string) error{
		"deleted": func(t *testing.T, dir string) error { return os.RemoveAll(dir) },
		"moved":   func(t *testing.T, dir string) error { return os.Rename(dir, dir+".old") },
		"replaced": func(t *testing.T, dir string) error {
			return errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o755))
		},
		"a file": func(t *testing.T, dir string) error {
			time.AfterFunc(100*time.Millisecond, func() { os.Remove(dir) })
			return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600))
		},
		"emptied": func(t *testing.T, dir string) error {
			var errs []error
			for _, f := range glob(t, dir, "*") {
				errs = append(errs, os.Remove(f))
			}
			return errors.Join(errs...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "captures")
			var log events
			j := start(t, Options{Dir: dir, MaxSize: roomy, Log: log.log, SegmentSize: 100_000})
			for range 5 {
				put(t, j, 30_000)
			}
			sealed(t, j)
			if err := remove(t, dir); err != nil {
				t.Fatal(err)
			}
			for name == "a file" && await(t, j.Append(Record{Line: lineOf("early", 0)})) != nil {
				time.Sleep(10 * time.Millisecond)
			}
			want := []string{put(t, j, 1000), put(t, j, 1000)}
			if name == "a file" {
				want = append([]string{"early"}, want...)
			}
			if s := j.Stats(); s.Records != int64(len(want)) || s.Bytes != onDisk(t, dir) {
				t.Errorf("%+v, on disk %d", s, onDisk(t, dir))
			}
			if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("%v %v", info, err)
			}
			if _, err := Open(Options{Dir: dir, MaxSize: roomy}); !errors.Is(err, ErrLocked) {
				t.Errorf("second open: %v", err)
			}
			if !strings.Contains(log.String(), "vanished") {
				t.Errorf("log %s", &log)
			}
			wantIDs(t, j, dir, want)
		})
	}
}

// Someone deletes the lock file only, so that another process could get in; the journal takes it again with all that is there.
func TestLockFileDeleted(t *testing.T) {
	dir := t.TempDir()
	j := start(t, Options{Dir: dir, MaxSize: roomy, SegmentSize: 10_000})
	var want []string
	for i := range 30 {
		if i%7 == 3 {
			if err := os.Remove(filepath.Join(dir, lockName)); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
		want = append(want, put(t, j, 4000))
	}
	sealed(t, j)
	if s := j.Stats(); s.Records != 30 || s.Bytes != onDisk(t, dir) {
		t.Errorf("%+v, on disk %d", s, onDisk(t, dir))
	}
	wantIDs(t, j, dir, want)
}

func TestStormOnAFullDisk(t *testing.T) {
	if !alone(t) {
		return
	}
	disk := mount(t, "tmpfs", "size=2m")
	dir, filler := filepath.Join(disk, "captures"), filepath.Join(disk, "filler")
	j := start(t, Options{Dir: dir, MaxSize: roomy, SegmentSize: 50_000})
	end := time.Now().Add(time.Second)
	var mu sync.Mutex
	acknowledged, lost := map[string]bool{}, 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for time.Now().Before(end) {
				id := newID()
				err := await(t, j.Append(Record{Line: lineOf(id, 5000)}))
				mu.Lock()
				switch {
				case err == nil:
					acknowledged[id] = true
				case Reason(err) != "full":
					t.Error(err)
				default:
					lost++
				}
				mu.Unlock()
			}
		})
	}
	for time.Now().Before(end) {
		_ = os.WriteFile(filler, make([]byte, 2<<20), 0o600) // as much of it as there is room
		time.Sleep(20 * time.Millisecond)
		os.Remove(filler)
		time.Sleep(20 * time.Millisecond)
	}
	wg.Wait()
	last := put(t, j, 5000)
	stop(t, j)
	got, damage := ids(t, dir)
	if damage != nil || len(got) == 0 || got[0] != last {
		t.Errorf("%d lines, damage %v", len(got), damage)
	}
	for _, id := range got[1:] {
		if !acknowledged[id] {
			t.Errorf("%s was refused, or comes twice", id)
		}
		delete(acknowledged, id)
	}
	t.Logf("%d read, %d dropped, %d lost", len(got), len(acknowledged), lost)
}
