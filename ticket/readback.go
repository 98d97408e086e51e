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
	open := func() (io.ReadCloser, error) {
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{&interruptible{ctx, r}, r}, nil
	}
	failed := func(err error) error { return fmt.Errorf("ticket: read back %s: %w", f.Name, err) }
	sum := sha256.New()
	r, err := open()
	if err != nil {
		return failed(err)
	}
	defer r.Close()
	address := ""
	if b.o.Unmasked {
		_, err = io.Copy(sum, r)
	} else if address, err = pseudonym.FindEmail(io.TeeReader(r, sum)); err == nil && address != "" {
		return &LeakError{f.Name, "an e-mail address"}
	}
	if err != nil {
		return failed(err)
	}
	if f.Name != written.Path || hex.EncodeToString(sum.Sum(nil)) != written.SHA256 {
		return failed(errors.New("it is not as it was written"))
	}
	secret, err := findSecret(f.Name, open, b.o.Secrets)
	switch {
	case err != nil:
		return failed(err)
	case secret != "":
		return &LeakError{f.Name, secret}
	}
	return nil
}
