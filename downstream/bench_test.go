package downstream_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"marketo-proxy/downstream"
)

// BenchmarkCall makes calls over one kept connection on loopback, beside net/http.Server. What the client allocates is nothing.
func BenchmarkCall(b *testing.B) {
	answer := []byte(strings.Repeat("a", 2000))
	length := []string{fmt.Sprint(len(answer))}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		header := w.Header()
		header["Content-Length"], header["Content-Type"] = length, length
		header["Date"] = nil
		_, _ = w.Write(answer)
	})
	body := strings.Repeat("b", 2000)
	for _, call := range []struct{ name, request string }{
		{"GET", "GET /rest/v1/leads.json HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nAuthorization: Bearer x\r\nUser-Agent: bench\r\n\r\n"},
		{"POST", fmt.Sprintf("POST /soap/mktows/3_1 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s", len(body), body)},
	} {
		for _, s := range []struct {
			name string
			make func() server
		}{
			{"ours", func() server { return &downstream.Server{Handler: h, Log: zap.NewNop()} }},
			{"net-http", func() server {
				return &http.Server{Handler: h, ReadHeaderTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute}
			}},
		} {
			b.Run(call.name+"/"+s.name, func(b *testing.B) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					b.Fatal(err)
				}
				srv := s.make()
				go func() { _ = srv.Serve(l) }()
				defer srv.Close()
				c, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				in := bufio.NewReaderSize(c, 8<<10)
				request := []byte(call.request)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Write(request); err != nil {
						b.Fatal(err)
					}
					for {
						line, err := in.ReadSlice('\n')
						if err != nil {
							b.Fatal(err)
						}
						if len(line) == 2 {
							break
						}
					}
					if _, err := in.Discard(len(answer)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkIdle tells what a connection costs that waits for its next request, after one with a large head: heap and stacks, with the
// client's side.
func BenchmarkIdle(b *testing.B) {
	for _, s := range []struct {
		name string
		make func() server
	}{
		{"ours", func() server { return &downstream.Server{Handler: http.HandlerFunc(zoo), Log: zap.NewNop()} }},
		{"net-http", func() server { return &http.Server{Handler: http.HandlerFunc(zoo)} }},
	} {
		b.Run(s.name, func(b *testing.B) {
			const n = 500
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			srv := s.make()
			go func() { _ = srv.Serve(l) }()
			defer srv.Close()
			for b.Loop() {
				before := memory()
				for range n {
					c, err := net.Dial("tcp", l.Addr().String())
					if err != nil {
						b.Fatal(err)
					}
					defer c.Close()
					fmt.Fprintf(c, "GET /nothing HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", 4000))
					if _, err := c.Read(make([]byte, 1000)); err != nil {
						b.Fatal(err)
					}
				}
				time.Sleep(2200 * time.Millisecond) // until it is parked
				b.ReportMetric(float64(memory()-before)/n, "B/conn")
			}
		})
	}
}

// memory is what the heap and stacks hold.
func memory() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
