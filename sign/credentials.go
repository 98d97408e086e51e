package sign

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// maxKey bounds a credential file: a file larger than this is a mistake, not a key.
const maxKey = 4 << 10

// Credentials are the keys of a directory with one file per user. Lookup may be called concurrently with Reload, and
// always sees one whole state of the directory. A nil *Credentials is empty.
type Credentials struct {
	dir   string
	state atomic.Pointer[keys]
}

type keys struct {
	byUser map[string]string
	seen   map[string]stamp // what the files looked like, to read only what changed
}

// stamp identifies a version of a file. A swap of a Kubernetes ..data link changes the inode.
type stamp struct {
	info os.FileInfo
}

// OpenCredentials reads the directory. Every problem is an error here; later ones keep the last good key.
func OpenCredentials(dir string) (*Credentials, error) {
	c := &Credentials{dir: dir}
	c.state.Store(&keys{})
	if _, err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Lookup returns the key of a user.
func (c *Credentials) Lookup(user string) (key string, ok bool) {
	if c == nil {
		return "", false
	}
	key, ok = c.state.Load().byUser[user]
	return key, ok
}

// Users are the names for which a key is known, sorted.
func (c *Credentials) Users() []string {
	if c == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(c.state.Load().byUser))
}

// Keys are all known keys, for masking them.
func (c *Credentials) Keys() []string {
	if c == nil {
		return nil
	}
	return slices.Sorted(maps.Values(c.state.Load().byUser))
}

// Reload reads what changed since the last time and tells whether anything did. The new state takes effect at once and as
// a whole. A file that can't be read or is empty, as one is for a moment while it is rewritten, keeps the key it had, and
// is an error; so does a directory that can't be read.
func (c *Credentials) Reload() (changed bool, err error) {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return false, fmt.Errorf("credentials: %w", err)
	}
	old := c.state.Load()
	now := &keys{byUser: map[string]string{}, seen: map[string]stamp{}}
	var problems []error
	for _, entry := range entries {
		user := entry.Name()
		if strings.HasPrefix(user, ".") { // ..data and its like
			continue
		}
		info, err := os.Stat(filepath.Join(c.dir, user)) // through the link
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // removed meanwhile
		case err == nil && info.IsDir():
			continue
		case err == nil:
			if before, ok := old.seen[user]; ok && before.same(info) {
				now.byUser[user], now.seen[user] = old.byUser[user], before
				continue
			}
			var key string
			if key, err = readKey(filepath.Join(c.dir, user), info); err == nil {
				now.byUser[user], now.seen[user] = key, stamp{info}
				changed = changed || old.byUser[user] != key
				continue
			}
		}
		problems = append(problems, fmt.Errorf("credentials: user %s: %w", user, err))
		if key, ok := old.byUser[user]; ok {
			now.byUser[user] = key
		}
	}
	changed = changed || len(now.byUser) != len(old.byUser)
	c.state.Store(now)
	return changed, errors.Join(problems...)
}

func (s stamp) same(info os.FileInfo) bool {
	return os.SameFile(s.info, info) && s.info.ModTime().Equal(info.ModTime()) && s.info.Size() == info.Size()
}

func readKey(path string, info os.FileInfo) (string, error) {
	if info.Size() > maxKey {
		return "", fmt.Errorf("%s has %d bytes, too many for a key", path, info.Size())
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	key := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if key == "" {
		return "", fmt.Errorf("%s is empty: put the encryption key into it", path)
	}
	return key, nil
}

// Watch reloads every interval until ctx ends, and tells report what happened: a change, or an error when it first shows.
// Polling beats file notification here: it needs one stat per user, and sees every kind of replacement.
func (c *Credentials) Watch(ctx context.Context, interval time.Duration, report func(users []string, err error)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var last string
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		changed, err := c.Reload()
		var text string
		if err != nil {
			text = err.Error()
		}
		if changed || text != "" && text != last {
			report(c.Users(), err)
		}
		last = text
	}
}
