package journal

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockName    = "lock"
	spoolPrefix = "spool-"
	tmpSuffix   = ".tmp"
	plainSuffix = ".jsonl"
	gzSuffix    = ".jsonl.gz"
	stemLayout  = "20060102T150405.000Z"
	stemLength  = len(stemLayout) + 1 + 8
)

var segmentName = regexp.MustCompile(`^(\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8})(?:-(\d{1,18}))?\.jsonl(\.gz)?$`)

// name is a segment file's name taken apart.
type name struct {
	file       string
	stem       string // sorts by time of creation
	lines      int64  // -1: not in the name
	compressed bool
}

func parseName(file string) (name, bool) {
	m := segmentName.FindStringSubmatch(file)
	if m == nil {
		return name{}, false
	}
	n := name{file: file, stem: m[1], lines: -1, compressed: m[3] != ""}
	if m[2] != "" {
		n.lines, _ = strconv.ParseInt(m[2], 10, 64) // eighteen digits always fit
	}
	return n, true
}

// created is the time in a segment's name; nothing in the segment was appended before it.
func (n name) created() time.Time {
	t, err := time.Parse(stemLayout, n.stem[:len(stemLayout)])
	if err != nil { // the pattern lets month 13 through
		return time.Time{}
	}
	return t
}

// newStem returns a name that sorts after last, even if the clock went back. The random part keeps names apart when
// directories of several pods are copied into one.
func newStem(now time.Time, last string) string {
	now = now.UTC()
	if last != "" {
		if after := (name{stem: last}).created().Add(time.Millisecond); now.Before(after) {
			now = after
		}
	}
	var random [4]byte
	rand.Read(random[:]) // never fails, by its documentation
	return now.Format(stemLayout) + "-" + hex.EncodeToString(random[:])
}

// listNames returns the segment files of a directory, oldest first; of one stem the compressed file comes first.
func listNames(dir string) ([]name, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	files, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var names []name
	for _, file := range files {
		if n, ok := parseName(file); ok {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, func(a, b name) int {
		switch {
		case a.stem != b.stem:
			return strings.Compare(a.stem, b.stem)
		case a.compressed != b.compressed && a.compressed:
			return -1
		case a.compressed != b.compressed:
			return 1
		}
		return strings.Compare(a.file, b.file)
	})
	return names, nil
}

// attach makes the directory, takes its lock and reads what is there. The writer calls it again when the directory was
// deleted or replaced under it.
func (j *Journal) attach() error {
	j.forget()
	j.sealing.Lock() // so that the keeper gives no file a name while the directory is read
	defer j.sealing.Unlock()
	j.dropping.Lock()
	defer j.dropping.Unlock()
	if err := makeDir(j.dir); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := os.Chmod(j.dir, 0o700); err != nil {
		if !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("journal: %w", err)
		}
		j.log("directory keeps its mode", err) // a mounted volume may belong to someone else and be writable all the same
	}
	lock, err := takeLock(j.dir)
	if err != nil {
		return err
	}
	if err := checkWritable(j.dir); err != nil {
		lock.Close()
		return fmt.Errorf("journal: %s can't be written: %w", j.dir, err)
	}
	found, last, err := j.scan()
	if err != nil {
		lock.Close()
		return fmt.Errorf("journal: %w", err)
	}
	j.adopt(found, lock)
	if last > j.last {
		j.last = last
	}
	poke(j.tidyUp)
	return nil
}

// forget makes the keeper leave the segments alone that it may be busy with.
func (j *Journal) forget() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.segments {
		s.dropped.Store(true)
	}
}

// adopt replaces what the journal knew of its directory.
func (j *Journal) adopt(found []*segment, lock *os.File) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.segments, j.stored, j.records = found, 0, 0
	for _, s := range found {
		j.stored += s.bytes
		j.records += max(s.lines, 0)
	}
	if j.lock != nil {
		j.lock.Close()
	} else if info, err := lock.Stat(); err == nil {
		j.extra += info.Size()
	}
	j.lock = lock
}

// attached tells whether the directory is still the one that was locked.
func (j *Journal) attached() bool {
	held, err := j.lock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(filepath.Join(j.dir, lockName))
	if err != nil {
		return !gone(err)
	}
	return os.SameFile(held, there)
}

// scan removes what a crash left behind, and returns the segments, oldest first, and the newest stem.
func (j *Journal) scan() (found []*segment, last string, err error) {
	files, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, "", err
	}
	for _, f := range files {
		if f.Type().IsRegular() && (strings.HasPrefix(f.Name(), spoolPrefix) || strings.HasSuffix(f.Name(), tmpSuffix)) {
			if err := os.Remove(filepath.Join(j.dir, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				j.log("left-over file stays", err)
			}
		}
	}
	names, err := listNames(j.dir)
	if err != nil {
		return nil, "", err
	}
	for _, n := range names {
		info, err := os.Stat(filepath.Join(j.dir, n.file))
		if err != nil {
			continue
		}
		if len(found) > 0 && found[len(found)-1].stem == n.stem && found[len(found)-1].compressed {
			// The crash came between giving the compressed file its name and removing the plain one.
			if err := os.Remove(filepath.Join(j.dir, n.file)); err != nil {
				j.log("superseded segment stays", err)
			}
			continue
		}
		last = n.stem
		found = append(found, &segment{stem: n.stem, file: n.file, compressed: n.compressed, lines: n.lines,
			bytes: info.Size(), end: info.Size(), newest: info.ModTime()})
	}
	return found, last, nil
}

// makeDir makes dir and makes that durable up to the first directory that was there before.
func makeDir(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	var made []string // parents that get a new entry
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) || d == filepath.Dir(d) {
			break
		}
		made = append(made, filepath.Dir(d))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, d := range made {
		if err := syncDir(d); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	// A file system without fsync of directories says so; there is nothing more to be had from it.
	if err := f.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}

func checkWritable(dir string) error {
	f, err := os.CreateTemp(dir, "check-*"+tmpSuffix)
	if err != nil {
		return err
	}
	defer f.Close()
	err = f.Sync()
	return errors.Join(err, os.Remove(f.Name()))
}

// takeLock returns the locked lock file, with this process's id in it.
func takeLock(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	err = flock(f, unix.LOCK_EX)
	for range 5 { // a reader may be asking in this moment whether the journal is in use
		if !errors.Is(err, unix.EWOULDBLOCK) {
			break
		}
		time.Sleep(20 * time.Millisecond)
		err = flock(f, unix.LOCK_EX)
	}
	if err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("journal: lock %s: %w", path, err)
		}
		return nil, fmt.Errorf("journal: %s: %w%s", dir, ErrLocked, holder(f))
	}
	err = errors.Join(f.Chmod(0o600), f.Truncate(0))
	if _, writeErr := fmt.Fprintf(f, "%d\n", os.Getpid()); err != nil || writeErr != nil {
		// The number only helps the reader of an error message: a full disk must not keep the proxy from starting.
		_ = f.Truncate(0)
	}
	return f, nil
}

func holder(f *os.File) string {
	var text [20]byte
	n, _ := f.ReadAt(text[:], 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

// inUse tells whether a process has the journal in dir now.
func inUse(dir string) bool {
	f, err := os.Open(filepath.Join(dir, lockName))
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(flock(f, unix.LOCK_SH), unix.EWOULDBLOCK)
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// diskSize is the size of the file system that holds dir, in bytes.
func diskSize(dir string) int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Blocks == 0 {
		return 1 << 62
	}
	return int64(st.Blocks) * int64(st.Bsize)
}
