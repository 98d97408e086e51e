package main

import (
	"errors"
	"io/fs"

	"marketo-proxy/ca"
)

type caCommand struct {
	authorityFlags
}

// Run prints the certificate, and makes the authority if there is none yet, so that clients can be set up before the proxy runs.
func (c *caCommand) Run(w *world) error {
	authority, err := ca.LoadOrCreate(c.CACert, c.CAKey)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return usageError{err}
		}
		return err
	}
	_, err = w.stdout.Write(authority.CertificatePEM())
	return err
}
