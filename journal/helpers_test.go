package journal

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Each check of the model writes and reads hundreds of files; -rapid.checks on the command line still counts.
	if err := flag.Set("rapid.checks", "10"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// lineOf is a line as captures have them, of size bytes or a few more. A short one hardly compresses.
func lineOf(id string, size int) []byte {
	head := fmt.Sprintf(`{"id":%q,"outcome":"fault","attempts":[{"body":"`, id)
	tail := `"}]}` + "\n"
	line := make([]byte, max(size, len(head)+len(tail)))
	body := line[copy(line, head) : len(line)-copy(line[len(line)-len(tail):], tail)]
	if size <= 1<<20 {
		copy(body, noise[crc32.ChecksumIEEE([]byte(id))%(1<<20):])
		return line
	}
	for i := range body {
		body[i] = 'x'
	}
	return line
}

// noise is text that hardly compresses.
var noise = func() []byte {
	b := make([]byte, 2<<20)
	rand.NewChaCha8([32]byte{}).Read(b)
	for i := range b {
		b[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789<>"[b[i]&63]
	}
	return b
}()

func headOfID(id string) string { return fmt.Sprintf(`{"id":%q,"outcome":"fault"}`, id) }

// events collects what a journal logs.
type events struct {
	mu   sync.Mutex
	text []string
}

func (e *events) log(event string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.text = append(e.text, fmt.Sprintf("%s: %v", event, err))
}

func (e *events) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.text, "\n")
}

func start(t testing.TB, o Options) *Journal {
	t.Helper()
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, j) })
	return j
}

func stop(t testing.TB, j *Journal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := j.Close(ctx); err != nil {
		t.Error(err)
	}
}

func await(t testing.TB, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("never acknowledged")
		return nil
	}
}

// put appends a line of a new id and waits for it.
func put(t testing.TB, j *Journal, size int) string {
	t.Helper()
	id := newID()
	if err := await(t, j.Append(Record{Line: lineOf(id, size)})); err != nil {
		t.Fatal(err)
	}
	return id
}

// ids reads a journal, newest first, with every line read whole, and fails on anything else than damage.
func ids(t testing.TB, dir string) (found []string, damage []*DamageError) {
	t.Helper()
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range r.Newest(time.Time{}) {
		var d *DamageError
		switch {
		case errors.As(err, &d):
			damage = append(damage, d)
			continue
		case err != nil:
			t.Fatal(err)
		}
		checkEntry(t, e)
		found = append(found, e.ID())
	}
	return found, damage
}

func checkEntry(t testing.TB, e Entry) {
	t.Helper()
	if want := headOfID(e.ID()); string(e.Head) != want {
		t.Fatalf("head %s, want %s", e.Head, want)
	}
	whole := readWhole(t, e)
	if whole == "" { // dropped meanwhile
		return
	}
	if want := strings.TrimSuffix(string(lineOf(e.ID(), int(e.Size)+1)), "\n"); whole != want {
		t.Fatalf("line %.200s…, want %.200s…", whole, want)
	}
}

func readWhole(t testing.TB, e Entry) string {
	t.Helper()
	r, err := e.Open()
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != e.Size {
		t.Fatalf("%d bytes, want %d", len(b), e.Size)
	}
	return string(b)
}

// eventually waits for something that another goroutine does.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never happened: " + what)
		}
	}
}

func glob(t testing.TB, dir, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// sealed waits until every closed segment is compressed.
func sealed(t testing.TB, j *Journal) {
	t.Helper()
	eventually(t, "all segments are compressed", func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		for _, s := range j.segments {
			if !s.compressed {
				return false
			}
		}
		return true
	})
	j.sealing.Lock() // the last plain file is removed after the books say compressed
	defer j.sealing.Unlock()
}
