package ticket

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"filippo.io/age"

	"marketo-proxy/pseudonym"
	"marketo-proxy/redact"
)

// keeper is a recipient that keeps the key of the file, so that the file can be read back before it is given away: whoever encrypts to
// others can't otherwise. The key is never written.
type keeper struct {
	age.Recipient
	fileKey []byte
}

func (k *keeper) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	k.fileKey = bytes.Clone(fileKey)
	return k.Recipient.Wrap(fileKey)
}

// WrapWithLabels passes on what age asks of a recipient that must not stand beside others.
func (k *keeper) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	k.fileKey = bytes.Clone(fileKey)
	if labelled, ok := k.Recipient.(age.RecipientWithLabels); ok {
		return labelled.WrapWithLabels(fileKey)
	}
	stanzas, err := k.Recipient.Wrap(fileKey)
	return stanzas, nil, err
}

// readBack opens the ticket as its reader will, and looks for what must not be in it.
func (b *builder) readBack(ctx context.Context, spool *os.File) error {
	info, err := spool.Stat()
	if err != nil {
		return fmt.Errorf("ticket: read back: %w", err)
	}
	var plain io.ReaderAt = spool
	size := info.Size()
	if b.keeper != nil {
		if plain, size, err = age.DecryptReaderAt(spool, size, age.NewInjectedFileKeyIdentity(b.keeper.fileKey)); err != nil {
			return fmt.Errorf("ticket: read back: %w", err)
		}
	}
	z, err := zip.NewReader(plain, size)
	if err != nil {
		return fmt.Errorf("ticket: read back: %w", err)
	}
	if len(z.File) != len(b.archive.files) {
		return fmt.Errorf("ticket: read back: %d files of %d", len(z.File), len(b.archive.files))
	}
	for i, f := range z.File {
		if err := b.checkFile(ctx, f, b.archive.files[i]); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) checkFile(ctx context.Context, f *zip.File, written file) error {
	sum := sha256.New()
	secret, err := readFile(f, func(r io.Reader) (string, error) {
		return findSecret(io.TeeReader(&interruptible{ctx, r}, sum), b.o.Secrets)
	})
	switch {
	case err != nil:
		return err
	case secret != "":
		return &LeakError{f.Name, secret}
	case f.Name != written.Path || hex.EncodeToString(sum.Sum(nil)) != written.SHA256:
		return fmt.Errorf("ticket: read back: %s is not as it was written", f.Name)
	case b.o.Unmasked:
		return nil
	}
	address, err := readFile(f, func(r io.Reader) (string, error) { return pseudonym.FindEmail(&interruptible{ctx, r}) })
	if err == nil && address != "" {
		err = &LeakError{f.Name, "an e-mail address"}
	}
	return err
}

func readFile(f *zip.File, read func(io.Reader) (string, error)) (string, error) {
	r, err := f.Open()
	if err != nil {
		return "", fmt.Errorf("ticket: read back %s: %w", f.Name, err)
	}
	defer r.Close()
	found, err := read(r)
	if err != nil {
		return "", fmt.Errorf("ticket: read back %s: %w", f.Name, err)
	}
	return found, nil
}

// findSecret masks what it reads once more: where that changes something, a secret was left. It says which kind, and "" for none.
func findSecret(r io.Reader, values []string) (string, error) {
	redactor := redact.New(values...)
	same := &comparer{}
	err := redactor.Body(same, io.TeeReader(r, &same.want))
	switch {
	case errors.Is(err, errDiffers):
	case err != nil:
		return "", err
	case same.want.Len() == 0:
		return "", nil
	}
	if redactor.Counts()[redact.KnownValue] > 0 {
		return "a secret (one of the known keys)", nil
	}
	return "a secret that is not REDACTED", nil
}

var errDiffers = errors.New("ticket: not the same")

// comparer fails when something else is written to it than want has.
type comparer struct{ want bytes.Buffer }

func (c *comparer) Write(p []byte) (int, error) {
	if !bytes.Equal(c.want.Next(len(p)), p) {
		return 0, errDiffers
	}
	return len(p), nil
}
