package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkAppend is the cost of a durable line of 4 KB; "sync-each" is what an fdatasync for each line would cost.
func BenchmarkAppend(b *testing.B) {
	line := lineOf(newID(), 4096)
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			j := start(b, Options{Dir: b.TempDir(), MaxSize: roomy})
			parallel(b, writers, func() error { return <-j.Append(Record{Line: line}) })
		})
		b.Run(fmt.Sprintf("sync-each/writers=%d", writers), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "f"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			var off atomic.Int64
			parallel(b, writers, func() error {
				if _, err := f.WriteAt(line, off.Add(4096)); err != nil {
					return err
				}
				return fdatasync(f)
			})
		})
	}
}

func parallel(b *testing.B, writers int, do func() error) {
	b.SetBytes(4096)
	b.ReportAllocs()
	left := make(chan struct{}, b.N)
	for range b.N {
		left <- struct{}{}
	}
	close(left)
	errs := make(chan error, writers)
	b.ResetTimer()
	for range writers {
		go func() {
			var err error
			for range left {
				if err == nil {
					err = do()
				}
			}
			errs <- err
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkList reads the heads of 10,000 lines of 4 KB.
func BenchmarkList(b *testing.B) {
	var text []byte
	for range 10_000 {
		text = append(text, lineOf(newID(), 4096)...)
	}
	for _, file := range []string{plainName, gzName} {
		b.Run(filepath.Ext(file), func(b *testing.B) {
			dir := b.TempDir()
			segmentFile(b, dir, file, text)
			r, err := OpenReader(dir)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for _, err := range r.Newest(time.Time{}) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != 10_000 {
					b.Fatal(n)
				}
			}
		})
	}
}
