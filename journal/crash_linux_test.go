package journal

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var kills = flag.Int("kills", 6, "how many processes TestKill kills")

// A process is killed at a random moment while 32 goroutines append, with rotation, compression and spools going on; the next
// one takes over the same directory. Every line that was acknowledged must be there, whole, and each line only once.
func TestKill(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv(child); dir != "" && dir != t.Name() {
		storm(t, dir)
		return
	}
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for range *kills {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), child+"="+dir, "GORACE=atexit_sleep_ms=0")
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for kill := time.AfterFunc(time.Minute, func() {}); lines.Scan(); {
			switch id, ok := strings.CutPrefix(lines.Text(), "ok "); {
			case ok:
				acknowledged[id] = true
			case lines.Text() == "go":
				kill.Stop()
				kill = time.AfterFunc(rand.N(100*time.Millisecond), func() { cmd.Process.Kill() })
			default:
				t.Error(lines.Text())
			}
		}
		_ = cmd.Wait() // killed
	}
	if len(acknowledged) < *kills {
		t.Errorf("only %d lines were acknowledged", len(acknowledged))
	}
	check := func(when string) {
		found, _ := ids(t, dir)
		times := map[string]int{}
		for _, id := range found {
			times[id]++
		}
		for id := range acknowledged {
			if times[id] == 0 {
				t.Errorf("%s: %s was acknowledged and is missing", when, id)
			}
		}
		for id, n := range times {
			if n != 1 {
				t.Errorf("%s: %s is there %d times", when, id, n)
			}
		}
	}
	check("after the last kill")
	j := start(t, Options{Dir: dir, MaxSize: roomy})
	sealed(t, j)
	check("sealed")
	if _, damage := ids(t, dir); damage != nil {
		t.Errorf("damage is left: %v", damage)
	}
	want := len(glob(t, dir, "*.jsonl.gz")) + 1
	if files := glob(t, dir, "*"); len(files) != want {
		t.Errorf("files not accounted for: %v", files)
	}
	if bytes := onDisk(t, dir); bytes != j.Stats().Bytes {
		t.Errorf("the books say %d bytes, the disk %d", j.Stats().Bytes, bytes)
	}
	t.Logf("%d acknowledged, %d segments", len(acknowledged), want-1)
}

// storm appends until it is killed, and prints the id of each acknowledged line.
func storm(t *testing.T, dir string) {
	j, err := Open(Options{Dir: dir, MaxSize: roomy, SegmentSize: 200_000})
	if err != nil {
		fmt.Println(err)
		return
	}
	os.Stdout.WriteString("go\n")
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for {
				id := newID()
				r := Record{Line: lineOf(id, rand.N(20_000))}
				if rand.N(10) == 0 {
					s, err := j.Spool()
					if err != nil {
						fmt.Println(err)
						return
					}
					s.Write(r.Line)
					r = Record{Source: s, Size: s.Size()}
				}
				if err := <-j.Append(r); err != nil {
					fmt.Println(err)
					return
				}
				if s, ok := r.Source.(*Spool); ok {
					s.Close()
				}
				os.Stdout.WriteString("ok " + id + "\n") // one write, so that a kill leaves no half line
			}
		})
	}
	wg.Wait()
}
