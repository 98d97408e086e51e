//go:build !linux

package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const corrupted = unix.EIO

func unnamed(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func fdatasync(f *os.File) error { return f.Sync() }
