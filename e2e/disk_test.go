//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// alone runs the calling test in a process with mounts of its own, and returns true there. What it mounts ends with it.
func alone(t *testing.T) bool {
	t.Helper()
	const child = "E2E_TEST_CHILD"
	if os.Getenv(child) == t.Name() {
		return true
	}
	t.Parallel()
	if os.Getuid() != 0 {
		t.Fatal("mounting a disk needs root")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), child+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Unshareflags: syscall.CLONE_NEWNS}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// mount makes a file system of that kind.
func mount(t *testing.T, kind, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, kind, 0, options); err != nil {
		t.Fatalf("mount %s: %v", kind, err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fails makes a failing call that has to be answered as ever, and tells whether its capture is on disk.
func (s *server) fails(d *door) (kept bool, reasons map[string]float64) {
	s.t.Helper()
	before := s.metrics()
	g := d.post(getLead(credential{}), failHeader, "20011+size=30kB")
	if g.err != nil || g.status != http.StatusInternalServerError || len(g.body) != 30000 {
		s.t.Fatalf("the call suffers: %d, %d bytes, %v", g.status, len(g.body), g.err)
	}
	delta := map[string]float64{}
	eventually(s.t, "captured or lost", func() (bool, string) {
		delta = s.delta(before)
		return delta["captures_total"]+sum(delta, "captures_lost_total") == 1, fmt.Sprint(delta)
	})
	s.healthyProbes()
	if g := d.post(getLead(credential{})); g.err != nil || g.status != http.StatusOK {
		s.t.Fatalf("a call that succeeds suffers: %d %v", g.status, g.err)
	}
	reasons = map[string]float64{}
	for name, n := range delta {
		if strings.HasPrefix(name, "captures_lost_total") {
			reasons[name] = n
		}
	}
	return delta["captures_total"] == 1, reasons
}

// loses wants captures to be lost for a reason, and the log to say so.
func (s *server) loses(d *door, reason string) {
	s.t.Helper()
	for range 3 {
		if kept, reasons := s.fails(d); kept || reasons[`captures_lost_total{reason="`+reason+`"}`] != 1 {
			s.t.Fatalf("kept %v, lost %v; want %s", kept, reasons, reason)
		}
	}
}

// logsLoss wants the log to say why captures are lost.
func (s *server) logsLoss(words ...string) {
	s.t.Helper()
	for line := range strings.Lines(s.stderr.String()) {
		for _, word := range words {
			if strings.Contains(line, word) && strings.Contains(line, `"level":"`) {
				return
			}
		}
	}
	s.t.Errorf("the log does not say why captures are lost, none of %q is in it:\n%s", words, tail(s.stderr.String()))
}

// resumes wants captures again.
func (s *server) resumes(d *door) {
	s.t.Helper()
	kept := false
	eventually(s.t, "captures resume", func() (bool, string) {
		var reasons map[string]float64
		kept, reasons = s.fails(d)
		return kept, fmt.Sprint(reasons)
	})
	n := len(s.list())
	if kept, reasons := s.fails(d); !kept || len(s.list()) != n+1 {
		s.t.Errorf("kept %v, lost %v, %d captures after %d", kept, reasons, len(s.list()), n)
	}
}

func TestDiskFull(t *testing.T) {
	if !alone(t) {
		return
	}
	marketo := newEmulator(t)
	disk := mount(t, "tmpfs", "size=4m")
	srv := serve(t, setup{upstream: marketo.URL, captures: filepath.Join(disk, "captures")})
	d := srv.door("reverse")
	if kept, _ := srv.fails(d); !kept {
		t.Fatal("not captured")
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(disk, &st); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, int64(st.Bavail)*st.Bsize), 0o600); err != nil {
		t.Fatal(err)
	}
	srv.loses(d, "full")
	srv.logsLoss("full", "no space left")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	srv.resumes(d)
}

func TestDiskReadOnly(t *testing.T) {
	if !alone(t) {
		return
	}
	marketo := newEmulator(t)
	disk := mount(t, "tmpfs", "size=4m")
	srv := serve(t, setup{upstream: marketo.URL, captures: filepath.Join(disk, "captures")})
	d := srv.door("reverse")
	if kept, _ := srv.fails(d); !kept {
		t.Fatal("not captured")
	}
	// The kernel makes no file system read-only while a file is open for writing, so another one takes the directory's place.
	if err := syscall.Mount("none", srv.captures, "tmpfs", syscall.MS_RDONLY, "size=1m"); err != nil {
		t.Fatal(err)
	}
	srv.loses(d, "read_only")
	srv.logsLoss("read_only", "read-only")
	if err := syscall.Unmount(srv.captures, 0); err != nil {
		t.Fatal(err)
	}
	srv.resumes(d)
}

// The directory is deleted under the process, by a careless clean-up say.
func TestDirectoryDeleted(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	srv := serve(t, setup{upstream: marketo.URL})
	d := srv.door("reverse")
	if kept, _ := srv.fails(d); !kept {
		t.Fatal("not captured")
	}
	if err := os.RemoveAll(srv.captures); err != nil {
		t.Fatal(err)
	}
	srv.fails(d)
	srv.resumes(d)
	if info, err := os.Stat(srv.captures); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory is back as %v %v", info, err)
	}
}

// A disk that does not answer costs the application two seconds at most. What is written later counts as captured.
func TestDiskHangs(t *testing.T) {
	if !alone(t) {
		return
	}
	marketo := newEmulator(t)
	disk := freezable(t)
	srv := serve(t, setup{upstream: marketo.URL, captures: filepath.Join(disk, "captures")})
	d := srv.door("reverse")
	if kept, _ := srv.fails(d); !kept {
		t.Fatal("not captured")
	}
	thaw := sync.OnceFunc(freeze(t, disk))
	defer thaw()
	before := srv.metrics()
	call := newCall()
	began := time.Now()
	g := d.post(getLead(credential{}), failHeader, "20011", callHeader, call)
	took := time.Since(began)
	if g.err != nil || g.status != http.StatusInternalServerError {
		t.Errorf("%d %v", g.status, g.err)
	}
	if took < 1500*time.Millisecond || took > 10*time.Second {
		t.Errorf("the answer waited %s for the disk", took)
	}
	srv.healthyProbes()
	if g := d.post(getLead(credential{})); g.status != http.StatusOK {
		t.Errorf("a call that succeeds suffers: %d %v", g.status, g.err)
	}
	if delta := srv.delta(before); delta[`captures_lost_total{reason="timeout"}`] != 1 || delta["captures_total"] != 0 {
		t.Errorf("counted %v", delta)
	}
	srv.logsLoss("timeout", "did not answer")
	thaw()
	eventually(t, "the late capture", func() (bool, string) {
		delta := srv.delta(before)
		return delta["captures_total"] == 1, fmt.Sprint(delta)
	})
	if c := srv.captureOf(call); c.Code != "20011" {
		t.Errorf("late capture: %+v", c)
	}
	srv.resumes(d)
}

// freezable is a small disk that can be made to hang. It is attached without the tools for that, since they look at all such
// disks of the machine, and would wait for another one that hangs.
func freezable(t *testing.T) string {
	t.Helper()
	image, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	if err := image.Truncate(32 << 20); err != nil {
		t.Fatal(err)
	}
	tool(t, "e2fsprogs", "mkfs.ext4", "-q", "-F", image.Name())
	dir := t.TempDir()
	device := attach(t, image)
	defer device.Close() // once it is mounted, it goes with the mount
	if err := unix.Mount(device.Name(), dir, "ext4", 0, ""); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// attach makes a block device of a file.
func attach(t *testing.T, image *os.File) *os.File {
	t.Helper()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	for range 100 { // somebody else may take the one that is free
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			t.Fatal(err)
		}
		device, err := os.OpenFile(fmt.Sprint("/dev/loop", n), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		config := &unix.LoopConfig{Fd: uint32(image.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		err = unix.IoctlLoopConfigure(int(device.Fd()), config)
		if err == nil {
			return device
		}
		device.Close()
		if !errors.Is(err, unix.EBUSY) {
			t.Fatal(err)
		}
	}
	t.Fatal("no free loop device")
	return nil
}

// freeze makes a disk hang until thaw is called, half a minute at most, whatever becomes of the test: one that hangs for ever
// would hold up others on this machine.
func freeze(t *testing.T, disk string) (thaw func()) {
	t.Helper()
	guard := exec.Command("sh", "-c", `sleep 30; fsfreeze --unfreeze "$0"`, disk)
	guard.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := guard.Start(); err != nil {
		t.Fatal(err)
	}
	tool(t, "util-linux", "fsfreeze", "--freeze", disk)
	return func() {
		_ = exec.Command("fsfreeze", "--unfreeze", disk).Run()
		_ = syscall.Kill(-guard.Process.Pid, syscall.SIGKILL)
		_ = guard.Wait()
	}
}

// tool runs a program of a Debian package.
func tool(t *testing.T, pkg, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// serveFails wants a start refused with one line.
func serveFails(t *testing.T, code int, want []string, args ...string) {
	t.Helper()
	r := command(t, []string{"HOME=" + t.TempDir()}, append([]string{"serve", "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0",
		"--instance=" + instance}, args...)...)
	oneError(t, r, code, want...)
}

func oneError(t *testing.T, r result, code int, want ...string) {
	t.Helper()
	if r.code != code || strings.Count(r.stderr, "\n") != 1 || !strings.HasSuffix(r.stderr, "\n") {
		t.Errorf("exit %d, want %d, with one line:\n%s", r.code, code, r.stderr)
	}
	for _, w := range want {
		if !strings.Contains(r.stderr, w) {
			t.Errorf("the error does not say %q: %s", w, r.stderr)
		}
	}
}

// What can't hold captures is refused at the start.
func TestUnusableDirectory(t *testing.T) {
	if !alone(t) {
		return
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	serveFails(t, 2, []string{"--capture-dir", file, "not a directory"}, "--capture-dir="+filepath.Join(file, "captures"))
	serveFails(t, 2, []string{"--capture-dir", file}, "--capture-dir="+file)
	disk := mount(t, "tmpfs", "size=1m")
	if err := syscall.Mount("none", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	serveFails(t, 2, []string{"--capture-dir", disk, "read-only"}, "--capture-dir="+disk)
	serveFails(t, 2, []string{"--capture-dir", disk, "read-only"}, "--capture-dir="+filepath.Join(disk, "captures"))
}

// A directory belongs to one process; which one may be a second pod's.
func TestSecondProcess(t *testing.T) {
	t.Parallel()
	marketo := newEmulator(t)
	srv := serve(t, setup{upstream: marketo.URL})
	serveFails(t, 2, []string{"--capture-dir", srv.captures, "another process"}, "--capture-dir="+srv.captures)
	if kept, _ := srv.fails(srv.door("reverse")); !kept {
		t.Error("the first process lost the directory")
	}
	srv.kill()
	serve(t, setup{upstream: marketo.URL, captures: srv.captures})
}
