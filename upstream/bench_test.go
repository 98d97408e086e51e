package upstream_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"marketo-proxy/upstream"
)

// answerer is a server that costs little, so that the client's cost shows: it reads heads by hand and answers with 4 KB.
func answerer(tb testing.TB, secure bool) (base string, config *tls.Config) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	scheme := "http"
	if secure {
		helper := httptest.NewTLSServer(nil) // for its certificate
		config = helper.Client().Transport.(*http.Transport).TLSClientConfig
		l = tls.NewListener(l, helper.TLS)
		helper.Close()
		scheme = "https"
	}
	var wg sync.WaitGroup
	tb.Cleanup(func() { _ = l.Close(); wg.Wait() })
	body := strings.Repeat("<item>value</item>", 228) // 4,104 bytes
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/xml;charset=UTF-8\r\nDate: Tue, 24 Nov 2026 10:00:00 GMT\r\nServer: nginx\r\n" +
		"Cache-Control: no-cache\r\nConnection: keep-alive\r\nVary: Accept-Encoding\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				br := bufio.NewReaderSize(c, 8<<10)
				for {
					length := 0
					for {
						line, err := br.ReadSlice('\n')
						if err != nil {
							return
						}
						if len(line) <= 2 {
							break
						}
						if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
							length, _ = strconv.Atoi(string(bytes.TrimSpace(v)))
						}
					}
					if _, err := br.Discard(length); err != nil {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			})
		}
	})
	return scheme + "://" + l.Addr().String(), config
}

type subject struct {
	name string
	call func(*http.Request) (*http.Response, error) // and reads the answer of an answerer
	open func(*http.Request) (*http.Response, error)
}

func subjects(tb testing.TB, config *tls.Config) []subject {
	ours := &upstream.Transport{TLSConfig: config}
	std := &http.Transport{
		TLSClientConfig: config, MaxIdleConnsPerHost: 256, DisableCompression: true, WriteBufferSize: 8 << 10, ReadBufferSize: 8 << 10,
		IdleConnTimeout: 55 * time.Second, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
	tb.Cleanup(func() { ours.CloseIdleConnections(); std.CloseIdleConnections() })
	return []subject{
		{"upstream", func(r *http.Request) (*http.Response, error) {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			trace := &upstream.Trace{WroteRequest: func() {}}
			return drain(ours.Do(ctx, r, trace))
		}, ours.RoundTrip},
		{"net-http", func(r *http.Request) (*http.Response, error) {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			var mu sync.Mutex
			var at [4]time.Time
			mark := func(i int) { mu.Lock(); at[i] = time.Now(); mu.Unlock() }
			return drain(std.RoundTrip(r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
				GetConn: func(string) { mark(0) }, GotConn: func(httptrace.GotConnInfo) { mark(1) },
				WroteRequest: func(httptrace.WroteRequestInfo) { mark(2) }, GotFirstResponseByte: func() { mark(3) },
			}))))
		}, std.RoundTrip},
	}
}

func drain(resp *http.Response, err error) (*http.Response, error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && n != 4104 {
		err = fmt.Errorf("an answer of %d bytes", n)
	}
	return resp, err
}

func post(base string, body []byte) *http.Request {
	r, _ := http.NewRequest(http.MethodPost, base+"/soap/mktows/2_9", bytes.NewReader(body))
	r.Header = http.Header{
		"Content-Type": {"text/xml;charset=UTF-8"}, "Soapaction": {`"getLead"`}, "Accept": {"text/xml, multipart/related"},
		"Accept-Encoding": {"gzip,deflate"}, "User-Agent": {"Apache-HttpClient/4.5.5 (Java/16.0.1)"}, "Connection": {"Keep-Alive"},
	}
	return r
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCall makes calls of 2 KB with answers of 4 KB, through this package and through net/http.Transport. The server's cost, which
// is the same, is in it.
func BenchmarkCall(b *testing.B) {
	for _, secure := range []bool{false, true} {
		base, config := answerer(b, secure)
		body := bytes.Repeat([]byte("x"), 2<<10)
		for _, clients := range []int{1, 64} {
			for _, s := range subjects(b, config) {
				b.Run(fmt.Sprintf("tls=%t/clients=%d/%s", secure, clients, s.name), func(b *testing.B) {
					b.ReportAllocs()
					began := cpu()
					run(b, s, base, body, clients, b.N)
					b.ReportMetric(float64(cpu()-began)/float64(b.N), "cpu-ns/op")
				})
			}
		}
	}
}

// BenchmarkLarge makes calls with 500 KB that stream, and with answers of 10 MB, sized and in chunks of 8 KB.
func BenchmarkLarge(b *testing.B) {
	for _, secure := range []bool{false, true} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			block := make([]byte, 8<<10)
			switch r.URL.Path {
			case "/sized":
				w.Header().Set("Content-Length", strconv.Itoa(10<<20))
				fallthrough
			case "/chunked":
				for range 10 << 20 / len(block) {
					_, _ = w.Write(block)
				}
			}
		}))
		if secure {
			s.StartTLS()
		} else {
			s.Start()
		}
		b.Cleanup(s.Close)
		config := s.Client().Transport.(*http.Transport).TLSClientConfig
		upload := make([]byte, 500<<10)
		for _, path := range []string{"/sized", "/chunked", "/upload"} {
			for _, t := range subjects(b, config) {
				b.Run(fmt.Sprintf("tls=%t%s/%s", secure, path, t.name), func(b *testing.B) {
					b.ReportAllocs()
					buf := make([]byte, 32<<10)
					began := cpu()
					for b.Loop() {
						req, _ := http.NewRequest(http.MethodPost, s.URL+path, nil)
						if path == "/upload" {
							req.Body, req.ContentLength = streamed{bytes.NewReader(upload)}, int64(len(upload))
						}
						resp, err := t.open(req)
						if err != nil {
							b.Fatal(err)
						}
						if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{resp.Body}, buf); err != nil {
							b.Fatal(err)
						}
						_ = resp.Body.Close()
					}
					b.ReportMetric(float64(cpu()-began)/float64(b.N)/1000, "cpu-µs/op")
				})
			}
		}
	}
}

func run(tb testing.TB, s subject, base string, body []byte, clients, calls int) {
	var left atomic.Int64
	left.Store(int64(calls))
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := s.call(post(base, body)); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
