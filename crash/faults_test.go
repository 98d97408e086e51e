//go:build linux

package crash

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"marketo-proxy/built"
)

// A device that was full is written again once there is room, whoever makes it.
func TestFull(t *testing.T) {
	t.Parallel()
	disk := tmpfs(t, "16m")
	filler := filepath.Join(disk, "filler")
	try(t, scenario{
		setup:   setup{captures: filepath.Join(disk, "captures"), program: built.Race},
		mix:     mix{big: 20},
		breakIt: func() { fill(t, disk, filler) },
		mend:    func() { remove(t, filler) },
		reasons: []string{"full"},
		drops:   true,
	})
}

// Someone takes and gives back the room again and again, while segments are closed and compressed.
func TestFullAgainAndAgain(t *testing.T) {
	t.Parallel()
	disk := mountDisk(t, newDisk(formatted(t, 40<<20, "mkfs.ext4", "-q", "-F", "-m", "0")), "")
	filler := filepath.Join(disk, "filler")
	quit, done := make(chan struct{}), make(chan struct{})
	dir := filepath.Join(disk, "captures")
	try(t, scenario{
		setup: setup{captures: dir, args: []string{"--capture-max-size=16MiB"}},
		mix:   mix{big: 30, size: 100_000},
		breakIt: func() {
			go func() {
				defer close(done)
				for {
					select {
					case <-quit:
						return
					default:
					}
					fill(t, disk, filler)
					time.Sleep(100 * time.Millisecond)
					remove(t, filler)
					time.Sleep(100 * time.Millisecond)
				}
			}()
		},
		mend:    func() { close(quit); <-done },
		lasts:   3 * time.Second,
		reasons: []string{"full"},
		drops:   true,
	})
}

// A volume that becomes read-only under the process. A file that is open stays writable, so it is the large captures that are lost:
// they need a file of their own.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "captures")
	try(t, scenario{
		setup: setup{captures: dir},
		mix:   mix{big: 5},
		breakIt: func() {
			bind(t, dir)
			remount(t, dir, unix.MS_RDONLY)
		},
		mend:    func() { remount(t, dir, 0) },
		reasons: []string{"read_only"},
	})
}

// remount changes the flags of a bind mount. It can't become read-only while a file is open for writing there, as one is at most
// moments.
func remount(t *testing.T, dir string, flags uintptr) {
	err := error(unix.EBUSY)
	for end := time.Now().Add(20 * time.Second); errors.Is(err, unix.EBUSY) && time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		err = unix.Mount("none", dir, "", unix.MS_REMOUNT|unix.MS_BIND|flags, "")
	}
	if err != nil {
		t.Errorf("remount: %v", err)
	}
}

func bind(t *testing.T, dir string) {
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Errorf("bind: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// A file system that a failing flush makes read-only for good, as ext4 with a journal does. After it is mounted anew, the same
// process goes on.
func TestJournalAborts(t *testing.T) {
	t.Parallel()
	d := newDisk(formatted(t, 64<<20, "mkfs.ext4", "-q", "-F"))
	path := serveFile(t, d)
	disk := mountImage(t, path, "ext4", "")
	try(t, scenario{
		setup:   setup{captures: filepath.Join(disk, "captures"), program: built.Race},
		breakIt: func() { d.set(faults{flushError: unix.EIO}) },
		mend: func() {
			d.set(faults{})
			t.Cleanup(mountOver(t, path, disk, "ext4", ""))
		},
		reasons: []string{"io", "read_only"},
		forgets: true,
	})
}

// A volume that dies: every write, every new file and every sync is an I/O error from then on, until it is mounted anew.
func TestDiskGoes(t *testing.T) {
	t.Parallel()
	path := serveFile(t, newDisk(formatted(t, 64<<20, "mkfs.ext4", "-q", "-F")))
	disk := mountImage(t, path, "ext4", "")
	try(t, scenario{
		setup:   setup{captures: filepath.Join(disk, "captures"), program: built.Race},
		mix:     mix{big: 20},
		breakIt: func() { shutDown(t, disk) },
		mend:    func() { t.Cleanup(mountOver(t, path, disk, "ext4", "")) },
		reasons: []string{"io"},
		forgets: true,
	})
}

// shutDown ends a file system once it has written what it has: EXT4_IOC_SHUTDOWN of include/uapi/linux/ext4.h. Without the writing, a sync
// that is under way may say that all is well when it is not (jbd2_complete_transaction does not ask whether the journal was aborted).
func shutDown(t *testing.T, disk string) {
	const shutdown, flush = 0x8004587d, 0
	d, err := os.Open(disk)
	if err != nil {
		t.Error(err)
		return
	}
	defer d.Close()
	if err := unix.IoctlSetPointerInt(int(d.Fd()), shutdown, flush); err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

// A disk that refuses some flushes and then no more: nothing is lost but what came while it did. The file system has no journal,
// and so stays writable.
func TestFlushFails(t *testing.T) {
	t.Parallel()
	d := newDisk(formatted(t, 64<<20, "mkfs.ext4", "-q", "-F", "-O", "^has_journal"))
	try(t, scenario{
		setup:   setup{captures: filepath.Join(mountDisk(t, d, "errors=continue"), "captures")},
		breakIt: func() { d.set(faults{flushError: unix.EIO}) },
		mend:    func() { d.set(faults{}) },
		reasons: []string{"io"},
	})
}

// A single flush that fails costs nothing: the segment is given up, and the batch goes to a new one.
func TestOneFlushFails(t *testing.T) {
	t.Parallel()
	d := newDisk(formatted(t, 64<<20, "mkfs.ext4", "-q", "-F", "-O", "^has_journal"))
	try(t, scenario{
		setup:   setup{captures: filepath.Join(mountDisk(t, d, "errors=continue"), "captures")},
		breakIt: func() { d.set(faults{flushErrors: 1, flushError: unix.EIO}) },
		mend:    func() { d.set(faults{}) },
		spared:  true,
	})
}

// A disk that can't write: the kernel says so at the sync, and forgets what it could not write.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	d := newDisk(formatted(t, 64<<20, "mkfs.ext4", "-q", "-F", "-O", "^has_journal"))
	try(t, scenario{
		setup:   setup{captures: filepath.Join(mountDisk(t, d, "errors=continue"), "captures")},
		mix:     mix{big: 20},
		breakIt: func() { d.set(faults{writeError: unix.EIO}) },
		mend:    func() { d.set(faults{}) },
		reasons: []string{"io"},
		forgets: true,
	})
}

// A disk that takes three seconds for each flush: no answer waits longer than two, what is late is counted as lost and then as
// captured, and nothing is missing in the end.
func TestSlow(t *testing.T) {
	t.Parallel()
	d := newDisk(formatted(t, 64<<20, "mkfs.ext4", "-q", "-F"))
	try(t, scenario{
		setup:   setup{captures: filepath.Join(mountDisk(t, d, ""), "captures")},
		breakIt: func() { d.set(faults{delay: 3 * time.Second}) },
		mend:    func() { d.set(faults{}) },
		lasts:   7 * time.Second,
		reasons: []string{"timeout"},
	})
}

// A disk that does not answer at all, and then does again.
func TestHangs(t *testing.T) {
	t.Parallel()
	d := newDisk(formatted(t, 64<<20, "mkfs.ext4", "-q", "-F"))
	try(t, scenario{
		setup:   setup{captures: filepath.Join(mountDisk(t, d, ""), "captures"), program: built.Race},
		breakIt: func() { d.set(faults{hang: true}) },
		mend:    func() { d.set(faults{}) },
		lasts:   7 * time.Second,
		reasons: []string{"timeout"},
	})
}

// Bodies that go to files, on a disk that does not answer: files can't be made. Successes pass as if nothing were, and what waits
// for the disk is bounded: threads of the kernel above all, of which the runtime allows ten thousand.
func TestLargeBodiesWhileDiskHangs(t *testing.T) {
	t.Parallel()
	d := newDisk(formatted(t, 64<<20, "mkfs.ext4", "-q", "-F"))
	srv := serve(t, setup{captures: filepath.Join(mountDisk(t, d, ""), "captures"), upstream: newMarketo(t).URL, args: []string{"--capture-memory=16KiB"}})
	c := newCaller(t, srv, 8)
	call := func(kind string) {
		o, wrong, err := c.call(t.Context(), kind, 100_000, 100_000)
		if err != nil || wrong != "" {
			t.Errorf("%v %s", err, wrong)
		}
		if o.took > promised+slack {
			t.Errorf("a large %s took %s", kind, o.took)
		}
	}
	call(fault)
	before := srv.threads()
	d.set(faults{hang: true})
	t.Cleanup(func() { d.set(faults{}) })
	_, _, _ = c.call(t.Context(), fault, 1000, 1000) // the disk is asked for something, and hangs
	rest := srv.threads()
	each := func(workers, n int, kind string, enough func() bool) {
		var all sync.WaitGroup
		for range workers {
			all.Go(func() {
				for range n {
					if !enough() {
						call(kind)
					}
				}
			})
		}
		all.Wait()
	}
	// The file system makes files for some seconds more, until it has something else to wait for the disk for.
	limit := time.Now().Add(20 * time.Second)
	each(8, 100_000, succeed, func() bool { return srv.threads() > rest+20 || time.Now().After(limit) })
	if srv.threads() <= rest+20 {
		t.Error("nothing waits for the disk: the test tries less than it should")
	}
	notYet := func() bool { return false }
	each(8, 1, fault, notYet)
	each(8, 80, succeed, notYet)
	if now := srv.threads(); now > rest+600 {
		t.Errorf("%d threads, %d before the large bodies, %d before the disk hung", now, rest, before)
	}
	d.set(faults{})
	eventually(t, "captures go on", func() (bool, string) {
		before := srv.counts()
		call(fault)
		after := srv.counts()
		return after.saved > before.saved && after.lostTotal() == before.lostTotal(), fmt.Sprint(after)
	})
}

// Told to end while the disk does not answer, the proxy gives every answer and says what it gave up, in less time than a pod has. What the
// kernel holds of it ends with the disk.
func TestEndsWhileDiskHangs(t *testing.T) {
	t.Parallel()
	d := newDisk(formatted(t, 64<<20, "mkfs.ext4", "-q", "-F"))
	srv := serve(t, setup{captures: filepath.Join(mountDisk(t, d, ""), "captures"), upstream: newMarketo(t).URL})
	c := newCaller(t, srv, 8)
	d.set(faults{hang: true})
	t.Cleanup(func() { d.set(faults{}) })
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			if o, wrong, err := c.call(t.Context(), fault, 1000, 1000); err != nil || wrong != "" || o.took > promised+slack {
				t.Errorf("%v %s %s", err, wrong, o.took)
			}
		})
	}
	calls.Wait()
	told := time.Now()
	srv.signal(unix.SIGTERM)
	eventually(t, "it has stopped", func() (bool, string) {
		log := srv.stderr.String()
		return strings.Contains(log, `"msg":"stopped"`), log
	})
	if took := time.Since(told); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	d.set(faults{})
	if code := srv.wait(); code != 1 {
		t.Errorf("exit %d, though captures are not on disk", code)
	}
	for _, want := range []string{`"msg":"captures were lost"`, `"reason":"timeout"`} {
		if !strings.Contains(srv.stderr.String(), want) {
			t.Errorf("the log does not say %s", want)
		}
	}
}

// A directory that is gone while there are large captures only: they need a file in it before they can be written.
func TestDirectoryGoesUnderLargeCaptures(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "captures")
	srv := serve(t, setup{captures: dir, upstream: newMarketo(t).URL})
	c := newCaller(t, srv, 1)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a capture after the directory went", func() (bool, string) {
		if _, wrong, err := c.call(t.Context(), fault, 1000, 1_500_000); err != nil || wrong != "" {
			t.Errorf("%v %s", err, wrong)
		}
		return srv.counts().saved > 0, srv.stderr.String()
	})
}

// A directory that is deleted, moved away or replaced.
func TestDirectoryGoes(t *testing.T) {
	for name, breakIt := range map[string]func(dir string) error{
		"deleted":  os.RemoveAll,
		"moved":    func(dir string) error { return os.Rename(dir, dir+".old") },
		"replaced": func(dir string) error { return errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o755)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "captures")
			try(t, scenario{
				setup: setup{captures: dir, args: []string{"--capture-max-size=8MiB"}},
				mix:   mix{size: 50_000},
				breakIt: func() {
					if err := breakIt(dir); err != nil && !errors.Is(err, unix.ENOTEMPTY) {
						t.Error(err)
					}
				},
				mend:   func() {},
				spared: true,
				gone:   true,
			})
		})
	}
}

// A directory that is gone, in one where the process may make none.
func TestPermissionGoes(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	open(t, parent, nobody)
	dir := filepath.Join(parent, "captures")
	try(t, scenario{
		setup: setup{captures: dir, uid: nobody},
		mix:   mix{big: 20},
		breakIt: func() {
			if err := errors.Join(os.Chmod(parent, 0o555), os.RemoveAll(dir)); err != nil {
				t.Error(err)
			}
		},
		mend: func() {
			if err := os.Chmod(parent, 0o755); err != nil {
				t.Error(err)
			}
		},
		reasons: []string{"permission", "other"},
		gone:    true,
	})
}

// Without a directory that it can write the proxy does not start, and says why in one line.
func TestNoPermissionAtStart(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	open(t, parent, 0)
	closed := filepath.Join(parent, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	marketo := newMarketo(t)
	for _, dir := range []string{closed, filepath.Join(closed, "captures"), filepath.Join(parent, "captures"), "/proc/captures"} {
		srv := launch(t, setup{captures: dir, uid: nobody, upstream: marketo.URL})
		code, said := srv.wait(), strings.TrimSpace(srv.stderr.String())
		last := said[strings.LastIndexByte(said, '\n')+1:]
		if code != 2 || !strings.Contains(last, "--capture-dir") || !strings.Contains(last, dir) {
			t.Errorf("%s: exit %d: %q", dir, code, said)
		}
	}
}

// A quota of the file system.
func TestQuota(t *testing.T) {
	t.Parallel()
	image := filepath.Join(t.TempDir(), "image")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 128<<20)); err != nil {
		t.Fatal(err)
	}
	format(t, image, "mkfs.btrfs", "-q", "-M")
	disk := mountImage(t, image, "btrfs", "")
	volume := filepath.Join(disk, "volume")
	execute(t, "btrfs", "quota", "enable", disk)
	execute(t, "btrfs", "subvolume", "create", volume)
	try(t, scenario{
		setup:   setup{captures: filepath.Join(volume, "captures")},
		mix:     mix{size: 100_000},
		breakIt: func() { execute(t, "btrfs", "qgroup", "limit", "1M", volume) },
		mend:    func() { execute(t, "btrfs", "qgroup", "limit", "none", volume) },
		reasons: []string{"full"},
		drops:   true,
	})
}

// Too many open files: connections that are there go on, and the open segment does. What needs a file of its own is lost.
func TestTooManyFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "captures")
	var srv *server
	var old unix.Rlimit
	try(t, scenario{
		setup:   setup{captures: dir, started: func(s *server) { srv = s }},
		mix:     mix{big: 3, noFiles: true},
		breakIt: func() { old = srv.limit(unix.RLIMIT_NOFILE, 3) }, // fewer than are open: not one more
		mend:    func() { srv.limit(unix.RLIMIT_NOFILE, old.Cur) },
		reasons: []string{"too_many_files"},
	})
}

// Who connects while the process may open no file has to wait, and is served as soon as it may, on each listener.
func TestConnectsWithoutFiles(t *testing.T) {
	t.Parallel()
	srv := serve(t, setup{captures: filepath.Join(t.TempDir(), "captures"), upstream: newMarketo(t).URL, args: []string{"--tls-listen=127.0.0.1:0"}})
	old := srv.limit(unix.RLIMIT_NOFILE, 3)
	conns := map[string]net.Conn{}
	for listener, addr := range srv.at {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		if listener == "tls-listen" {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
		}
		conns[listener] = c
	}
	time.Sleep(1500 * time.Millisecond) // a server that gives up does so now
	if srv.hasEnded() {
		t.Fatalf("it ended: %s", tail(srv.stderr.String()))
	}
	srv.limit(unix.RLIMIT_NOFILE, old.Cur)
	for listener, c := range conns {
		resp, err := http.ReadResponse(bufio.NewReader(asking(t, c)), nil)
		if err != nil {
			t.Errorf("%s: %v", listener, err)
			continue
		}
		resp.Body.Close()
	}
}

// asking is a connection on which something was asked for.
func asking(t *testing.T, c net.Conn) net.Conn {
	if _, err := io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
		t.Error(err)
	}
	return c
}

// A limit on the size of a file: small captures go to new segments, and one that is too large for any is lost.
func TestFileSize(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "captures")
	var srv *server
	var old unix.Rlimit
	try(t, scenario{
		setup:   setup{captures: dir, started: func(s *server) { srv = s }},
		mix:     mix{big: 3},
		breakIt: func() { old = srv.limit(unix.RLIMIT_FSIZE, 500_000) },
		mend:    func() { srv.limit(unix.RLIMIT_FSIZE, old.Cur) },
		reasons: []string{"too_big"},
	})
}

// remove removes a file that a test made.
func remove(t *testing.T, path string) {
	if err := os.Remove(path); err != nil {
		t.Error(err)
	}
}

// tmpfs mounts a small file system in memory.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("mount tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes all the room of a disk.
func fill(t *testing.T, disk, filler string) {
	f, err := os.Create(filler)
	if err != nil {
		if !strings.Contains(err.Error(), "no space") {
			t.Error(err)
		}
		return
	}
	defer f.Close()
	block := make([]byte, 256<<10)
	for len(block) > 0 {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
}

func execute(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %v: %v: %s", name, args, err, out)
	}
}
