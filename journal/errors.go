package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Why a record was not written, besides the errors of the operating system.
var (
	ErrLocked    = errors.New("another process has the journal")
	ErrQueueFull = errors.New("journal: too many records wait for the disk")
	ErrTooBig    = errors.New("larger than the whole journal may be")
	ErrFull      = errors.New("journal: no room is left within its size")
	ErrNotALine  = errors.New("journal: not a JSON object with one newline at its end")
	ErrClosed    = errors.New("journal: closed")
)

// ErrNotFound tells that no line has the id.
var ErrNotFound = errors.New("no such record")

// DamageError tells of something in the journal that can't be read and was skipped.
type DamageError struct {
	File   string // path
	Offset int64  // byte in File
	Reason string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("journal: %s is damaged at byte %d: %s", e.File, e.Offset, e.Reason)
}

// Reason maps an error to one of a small fixed set of words, fit for the label of a metric: "full", "read_only", "io",
// "permission", "too_many_files", "queue_full", "too_big", "timeout", "closed" or "other". It is empty for nil.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	return "other"
}

// Reasons are all words of Reason.
func Reasons() []string {
	words := []string{"other"}
	for _, r := range reasons {
		if !slices.Contains(words, r.reason) {
			words = append(words, r.reason)
		}
	}
	return words
}

var reasons = []struct {
	err    error
	reason string
}{
	{ErrFull, "full"},
	{unix.ENOSPC, "full"},
	{unix.EDQUOT, "full"},
	{unix.EROFS, "read_only"},
	{unix.EIO, "io"},
	{corrupted, "io"},
	{unix.ESTALE, "io"},
	{unix.ENXIO, "io"},
	{unix.ENODEV, "io"},
	{os.ErrPermission, "permission"},
	{unix.EMFILE, "too_many_files"},
	{unix.ENFILE, "too_many_files"},
	{ErrQueueFull, "queue_full"},
	{ErrTooBig, "too_big"},
	{unix.EFBIG, "too_big"},
	{os.ErrDeadlineExceeded, "timeout"},
	{context.DeadlineExceeded, "timeout"},
	{unix.ETIMEDOUT, "timeout"},
	{ErrClosed, "closed"},
	{os.ErrClosed, "closed"},
}
