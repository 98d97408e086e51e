package ticket

import (
	"archive/zip"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"filippo.io/age"
)

// errTooLarge tells that the files are larger together than they may be.
var errTooLarge = errors.New("ticket: too large")

// file is one in the zip.
type file struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// archive is a zip that is being written, encrypted or not.
type archive struct {
	zip       *zip.Writer
	buffer    *bufio.Writer
	encrypted io.WriteCloser // nil: it is not
	modified  time.Time      // of all files
	files     []file
	left      int64 // bytes that the files may still have
}

func newArchive(w io.Writer, modified time.Time, maxSize int64, to []age.Recipient) (*archive, error) {
	a := &archive{buffer: bufio.NewWriterSize(w, 64<<10), modified: modified, left: maxSize}
	var out io.Writer = a.buffer
	if len(to) > 0 {
		encrypted, err := age.Encrypt(a.buffer, to...)
		if err != nil {
			return nil, fmt.Errorf("ticket: encrypt: %w", err)
		}
		a.encrypted, out = encrypted, encrypted
	}
	a.zip = zip.NewWriter(out)
	return a, nil
}

// add makes a file of what write writes.
func (a *archive) add(path string, write func(io.Writer) error) error {
	w, err := a.zip.CreateHeader(&zip.FileHeader{Name: path, Method: zip.Deflate, Modified: a.modified})
	if err != nil {
		return fmt.Errorf("ticket: write %s: %w", path, err)
	}
	sum := sha256.New()
	counted := &bounded{w: io.MultiWriter(w, sum), left: a.left}
	out := bufio.NewWriterSize(counted, 32<<10)
	if err := write(out); err != nil {
		return fmt.Errorf("ticket: write %s: %w", path, err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("ticket: write %s: %w", path, err)
	}
	a.files = append(a.files, file{path, a.left - counted.left, hex.EncodeToString(sum.Sum(nil))})
	a.left = counted.left
	return nil
}

func (a *archive) close() error {
	err := a.zip.Close()
	if err == nil && a.encrypted != nil {
		err = a.encrypted.Close()
	}
	if err == nil {
		err = a.buffer.Flush()
	}
	if err != nil {
		return fmt.Errorf("ticket: write: %w", err)
	}
	return nil
}

// bounded fails with errTooLarge in place of writing too much.
type bounded struct {
	w    io.Writer
	left int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, errTooLarge
	}
	n, err := b.w.Write(p)
	b.left -= int64(n)
	return n, err
}
