package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// certificate is a pair of PEM files that may be replaced while it is used, as those of a Kubernetes Secret are before they expire.
type certificate struct {
	certFile, keyFile string

	mu     sync.Mutex
	pair   *tls.Certificate
	seen   [2]os.FileInfo
	looked time.Time
	failed bool // the last look
}

// openCertificate reads the files; here, every problem is an error.
func openCertificate(certFile, keyFile string) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile}
	if _, err := c.reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// current returns the pair, and looks at most once a second whether the files are others. Files that can't be read or don't fit each
// other, as between two writes, leave the last good pair: report gets the first such error, and nil after a change. It may be
// called concurrently.
func (c *certificate) current(now time.Time, report func(error)) *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.looked) >= time.Second {
		c.looked = now
		changed, err := c.reload()
		if changed || err != nil && !c.failed {
			report(err)
		}
		c.failed = err != nil
	}
	return c.pair
}

func (c *certificate) reload() (changed bool, err error) {
	var seen [2]os.FileInfo
	same := c.pair != nil
	for i, file := range []string{c.certFile, c.keyFile} {
		if seen[i], err = os.Stat(file); err != nil {
			return false, fmt.Errorf("--tls-cert, --tls-key: %w", err)
		}
		same = same && os.SameFile(seen[i], c.seen[i]) && seen[i].ModTime().Equal(c.seen[i].ModTime()) && seen[i].Size() == c.seen[i].Size()
	}
	if same {
		return false, nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return false, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	c.pair, c.seen = &pair, seen
	return true, nil
}
