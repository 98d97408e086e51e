package sign

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "key-a\n")
	write(t, filepath.Join(dir, "b"), "key b \n\n")
	write(t, filepath.Join(dir, ".hidden"), "no")
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	c, err := OpenCredentials(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Users(); !slices.Equal(got, []string{"a", "b"}) {
		t.Fatalf("users %v", got)
	}
	if key, ok := c.Lookup("a"); key != "key-a" || !ok {
		t.Errorf("a has %q, %v", key, ok)
	}
	if key, _ := c.Lookup("b"); key != "key b \n" {
		t.Errorf("one trailing newline is ignored, no more: %q", key)
	}
	if _, ok := c.Lookup("c"); ok {
		t.Error("an unknown user has a key")
	}
	var none *Credentials
	if _, ok := none.Lookup("a"); ok || none.Users() != nil || none.Keys() != nil {
		t.Error("no credentials are not empty")
	}
}

func TestOpenCredentialsRefuses(t *testing.T) {
	if _, err := OpenCredentials(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing directory is accepted")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "empty"), "\n")
	write(t, filepath.Join(dir, "huge"), strings.Repeat("k", maxKey+1))
	_, err := OpenCredentials(dir)
	if err == nil || !strings.Contains(err.Error(), "empty") || !strings.Contains(err.Error(), "huge") {
		t.Errorf("not every problem is named: %v", err)
	}
	if err != nil && strings.Contains(err.Error(), "kkkk") {
		t.Error("the error shows the key")
	}
}

// A file that is rewritten in place is empty for a moment: the old key stays valid through it.
func TestReloadKeepsTheLastGoodKey(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "u")
	write(t, file, "one")
	c, err := OpenCredentials(dir)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, "")
	if _, err := c.Reload(); err == nil {
		t.Error("an empty key is no error")
	}
	if key, _ := c.Lookup("u"); key != "one" {
		t.Errorf("key %q while the file is empty", key)
	}
	write(t, file, "two")
	if changed, err := c.Reload(); err != nil || !changed {
		t.Errorf("changed %v, %v", changed, err)
	}
	if key, _ := c.Lookup("u"); key != "two" {
		t.Errorf("key %q after the change", key)
	}
	if changed, err := c.Reload(); changed || err != nil {
		t.Errorf("nothing changed, but Reload says %v, %v", changed, err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if changed, err := c.Reload(); err != nil || !changed || len(c.Users()) != 0 {
		t.Errorf("a removed user stays: %v %v %v", changed, err, c.Users())
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Reload(); err == nil {
		t.Error("a directory that is gone is no error")
	}
}

// Kubernetes updates a mounted secret by swapping the ..data link. At no moment is a user without a key.
func TestKubernetesSwap(t *testing.T) {
	dir := t.TempDir()
	version := func(n, key string) {
		if err := os.Mkdir(filepath.Join(dir, "..v"+n), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "..v"+n, "u"), key)
		if err := os.Symlink("..v"+n, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("1", "key-1")
	if err := os.Symlink(filepath.Join("..data", "u"), filepath.Join(dir, "u")); err != nil {
		t.Fatal(err)
	}
	c, err := OpenCredentials(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	changes := make(chan []string, 10)
	var wg sync.WaitGroup
	wg.Go(func() {
		c.Watch(ctx, time.Millisecond, func(users []string, err error) {
			if err == nil {
				changes <- users
			}
		})
	})
	wg.Go(func() {
		for ctx.Err() == nil {
			if key, ok := c.Lookup("u"); !ok || !strings.HasPrefix(key, "key-") {
				t.Errorf("a moment without a key: %q", key)
				return
			}
		}
	})
	version("2", "key-2")
	select {
	case <-changes:
	case <-time.After(5 * time.Second):
		t.Error("the swap was not seen")
	}
	if key, _ := c.Lookup("u"); key != "key-2" {
		t.Errorf("key %q after the swap", key)
	}
	cancel()
	wg.Wait()
}
