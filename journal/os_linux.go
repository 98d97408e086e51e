package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// corrupted is how a file system says that it found itself damaged.
const corrupted = unix.EUCLEAN

// unnamed makes a file without a name where the file system can; elsewhere the error says so.
func unnamed(dir string) (*os.File, error) {
	return os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o600)
}

// fdatasync makes the content and the size of a file durable.
func fdatasync(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
