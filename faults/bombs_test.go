//go:build linux

package faults

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"
)

// A bomb is a body that is small on the way and large for whoever reads it.
type bomb struct {
	name    string
	head    string // of the answer, without a length
	body    func() []byte
	outcome string
}

const maxMemory = 64 << 20 // that the process may ever have had, whatever passed

func gzipped(parts ...io.Reader) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.Copy(z, io.MultiReader(parts...))
	_ = z.Close()
	return b.Bytes()
}

// filler reads s over and over, n bytes in all.
func filler(s string, n int64) io.Reader {
	return io.LimitReader(&repeater{s: strings.Repeat(s, 4<<10)}, n)
}

type repeater struct {
	s  string
	at int
}

func (r *repeater) Read(p []byte) (n int, err error) {
	for n < len(p) {
		c := copy(p[n:], r.s[r.at:])
		n, r.at = n+c, (r.at+c)%len(r.s)
	}
	return n, nil
}

func bombs() []bomb {
	const open, end = "<e:Envelope><e:Body><x>", "</x></e:Body></e:Envelope>"
	const xml, zipped, json = "Content-Type: text/xml\r\n", "Content-Type: text/xml\r\nContent-Encoding: gzip\r\n", "Content-Type: application/json\r\n"
	text := strings.NewReader
	return []bomb{
		{"gzip: 96 MiB of text", zipped, func() []byte { return gzipped(text(open), filler("0123456789", 96<<20), text(end)) }, "malformed"},
		{"gzip: 96 MiB in a fault", zipped, func() []byte {
			return gzipped(text("<e:Envelope><e:Body><e:Fault><faultstring>"), filler("x", 96<<20))
		}, "malformed"},
		{"gzip in gzip", zipped, func() []byte { return gzipped(bytes.NewReader(gzipped(filler("0", 96<<20)))) }, "malformed"},
		{"gzip: a million empty members", zipped, func() []byte { return bytes.Repeat(gzipped(), 1_000_000) }, "malformed"},
		{"gzip: the name of the file is 8 MiB", zipped, func() []byte {
			return append(append([]byte{0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0xff}, bytes.Repeat([]byte("n"), 8<<20)...), 0)
		}, "malformed"},
		{"XML: a billion laughs", xml, func() []byte {
			var b strings.Builder
			b.WriteString("<!DOCTYPE lolz [<!ENTITY lol0 \"lol\">")
			for i := range 9 {
				fmt.Fprintf(&b, "<!ENTITY lol%d \"%s\">", i+1, strings.Repeat(fmt.Sprintf("&lol%d;", i), 10))
			}
			return []byte(b.String() + "]>" + open + "&lol9;" + end)
		}, "malformed"},
		{"XML: an external entity", xml, func() []byte {
			return []byte(`<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + open + "&e;" + end)
		}, "malformed"},
		{"XML: a million elements deep", xml, func() []byte {
			return []byte(open + strings.Repeat("<a>", 1_000_000) + strings.Repeat("</a>", 1_000_000) + end)
		}, "malformed"},
		{"XML: a tag of 16 MiB", xml, func() []byte { return []byte(open + "<" + strings.Repeat("a", 16<<20) + "/>" + end) }, "malformed"},
		{"XML: a tag with a million attributes", xml, func() []byte {
			return []byte(open + "<a" + strings.Repeat(` b="c"`, 1_000_000) + "/>" + end)
		}, "malformed"},
		{"XML: a fault text of 16 MiB", xml, func() []byte {
			return []byte("<e:Envelope><e:Body><e:Fault><faultcode>x</faultcode><faultstring>20011 - " + strings.Repeat("y", 16<<20) + "</faultstring></e:Fault></e:Body></e:Envelope>")
		}, "fault"},
		{"JSON: a million arrays deep", json, func() []byte { return []byte(strings.Repeat("[", 1_000_000)) }, "malformed"},
	}
}

// Bombs pass as they are, and cost neither memory nor the next call anything.
func TestBombs(t *testing.T) {
	t.Parallel()
	m := newMarketo(t, false)
	srv := serve(t, programs.plain, m)
	want := map[string]int{}
	for _, c := range bombs() {
		body := c.body()
		m.set(c.name, after(func(x *exchange) bool {
			x.send(fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n", c.head, len(body)))
			_, err := x.Write(body)
			return err == nil
		}))
		request := post(c.name)
		if strings.HasPrefix(c.name, "JSON") {
			request = "GET /rest/v1/leads.json HTTP/1.1\r\nHost: x\r\n" + caseHeader + ": " + c.name + "\r\n\r\n"
		}
		if g := srv.plain().call(request); g.status != 200 || g.cut || !bytes.Equal(g.body, body) {
			t.Errorf("%s: %s (%v), %d bytes of %d, or others", c.name, g, g.err, len(g.body), len(body))
		}
		if want[c.outcome]++; fmt.Sprint(srv.failures()) != fmt.Sprint(want) {
			t.Errorf("%s: failures %v, want %v", c.name, srv.failures(), want)
		}
		if peak := srv.resident("VmHWM"); peak > maxMemory {
			t.Errorf("%s: the process had %.1f MiB", c.name, float64(peak)/(1<<20))
		}
	}
	// A request may be one as well.
	for _, body := range [][]byte{gzipped(filler("<a>", 96<<20)), []byte(strings.Repeat("<a>", 4<<20)), bytes.Repeat([]byte("<"), 8<<20)} {
		fields := []string{fmt.Sprintf("Content-Length: %d", len(body))}
		if body[0] == 0x1f {
			fields = append(fields, "Content-Encoding: gzip")
		}
		if g := srv.plain().call(head("request", fields...) + string(body)); g.status != 200 {
			t.Errorf("a request: %s (%v)", g, g.err)
		}
	}
	t.Logf("at most %.1f MiB", float64(srv.resident("VmHWM"))/(1<<20))
	if peak := srv.resident("VmHWM"); peak > maxMemory {
		t.Errorf("the process had %.1f MiB", float64(peak)/(1<<20))
	}
	srv.clean()
}
