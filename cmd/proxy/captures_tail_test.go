package main

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

// lockedBuffer may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestCapturesTail(t *testing.T) {
	dir := testDir(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var out, errs lockedBuffer
	done := make(chan int)
	go func() {
		done <- run(ctx, []string{"captures", "tail", "--since", "2026-11-24T12:04:00Z", "--api", "soap", "--capture-dir", dir}, []string{"TZ=UTC"}, &out, &errs)
	}()
	wait := func(id string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !strings.Contains(out.String(), id); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s does not come: %s %s", id, out.String(), errs.String())
			}
		}
	}
	wait(testID(5))
	writeCaptures(t, dir, testCapture(6, func(c *capture.Capture) { c.API = classify.REST }), testCapture(7, nil))
	wait(testID(7))
	cancel()
	if code := <-done; code != exitDone || errs.String() != "" {
		t.Errorf("exit %d, %s", code, errs.String())
	}
	var ids []string
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n")[1:] {
		ids = append(ids, strings.Fields(line)[2])
	}
	if want := []string{testID(4), testID(5), testID(7)}; !slices.Equal(ids, want) {
		t.Errorf("got %v, want %v", ids, want)
	}
}
