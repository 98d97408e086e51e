package emulator

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/text/encoding/unicode"
)

const newsletter = `<leadSelector xsi:type="ns1:StaticListSelector"><staticListName>Newsletter</staticListName></leadSelector>`

func TestEffectsOnTheAnswer(t *testing.T) {
	b := newBench(t)
	call := func(effects string) answered { return b.soap("getMultipleLeads", newsletter, FailHeader+": "+effects) }
	whole := call("identity")
	length := len(whole.body)

	for _, name := range []string{"html502", "http503"} {
		status := map[string]int{"html502": 502, "http503": 503}[name]
		a := call(name)
		if a.status != status || strings.Contains(a.body, "Envelope") || !strings.HasPrefix(a.header.Get("Content-Type"), map[string]string{
			"html502": "text/html", "http503": "text/plain"}[name]) {
			t.Errorf("%s: %+v", name, a)
		}
		b.wantCount("soap", "getMultipleLeads", name, 1)
	}
	if a := call("empty"); a.status != 200 || a.body != "" || a.header.Get("Content-Length") != "0" {
		t.Errorf("empty: %+v", a)
	}
	if a := call("malformed"); a.err != nil || a.body != whole.body[:length/2] {
		t.Errorf("malformed: %+v", a)
	}
	if a := call("chunked"); a.err != nil || a.body != whole.body || a.header.Get("Content-Length") != "" {
		t.Errorf("chunked: %+v", a.header)
	}
	for effects, want := range map[string]int{"cut": length / 2, "cut+chunked": length / 2, "cut=100": 100, "cut=100+chunked": 100, "cut=1MiB": length - 1} {
		a := call("identity+" + effects)
		if !errors.Is(a.err, io.ErrUnexpectedEOF) || a.body != whole.body[:want] {
			t.Errorf("%s: %v, %d bytes, want %d", effects, a.err, len(a.body), want)
		}
		if chunked := strings.Contains(effects, "chunked"); (a.header.Get("Content-Length") == "") != chunked {
			t.Errorf("%s: header %v", effects, a.header)
		}
	}
	b.wantCount("soap", "getMultipleLeads", "cut", 5)
	if a := call("reset"); !errors.Is(a.err, syscall.ECONNRESET) {
		t.Errorf("reset: %v", a.err)
	}
	if a := call("badgzip"); a.err == nil {
		t.Error("badgzip was read")
	}
	if a := call("20011+status=200"); a.status != 200 || !strings.Contains(a.body, "<code>20011</code>") {
		t.Errorf("status: %+v", a)
	}
	b.wantCount("soap", "getMultipleLeads", "ok", 2)
}

func TestSlowDripHang(t *testing.T) {
	b := newBench(t)
	start := time.Now()
	b.want(b.soap("getLead", joe, FailHeader+": slow=100ms"))
	b.wantFault(b.soap("getLead", joe, FailHeader+": slow=100ms+20011"), "20011")
	if d := time.Since(start); d < 200*time.Millisecond {
		t.Errorf("slow took %v", d)
	}
	start = time.Now()
	a := b.soap("listMObjects", "", FailHeader+": drip=5ms")
	if d, want := time.Since(start), time.Duration(len(a.body)/64)*5*time.Millisecond; a.err != nil || d < want {
		t.Errorf("drip took %v, want %v: %v", d, want, a.err)
	}
	// a client that gives up ends each of them
	for effect, outcome := range map[string]string{"hang": "hang", "slow=1h": "", "drip=1h": "ok"} {
		before := b.e.Counts()[Count{"soap", "getLead", outcome}]
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, "POST", b.s.URL+"/soap/mktows/3_1", strings.NewReader(signed(params("getLead", joe), b.clock.Now())))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(FailHeader, effect)
		gone := make(chan answered)
		go func() { gone <- b.do(r) }()
		b.until(func() bool {
			return b.inFlight(b.e.soapUse) > 0 || outcome != "" && b.e.Counts()[Count{"soap", "getLead", outcome}] > before
		})
		cancel()
		if a := <-gone; !errors.Is(a.err, context.Canceled) {
			t.Errorf("%s: %v", effect, a.err)
		}
	}
	b.until(func() bool {
		return b.inFlight(b.e.soapUse) == 0 && b.e.Counts()[Count{"soap", "getLead", "client"}] == 1
	})
	hung := b.e.Counts()[Count{"soap", "getLead", "hang"}]
	done := make(chan answered)
	go func() { done <- b.soap("getLead", joe, FailHeader+": hang") }()
	b.until(func() bool { return b.e.Counts()[Count{"soap", "getLead", "hang"}] > hung })
	b.e.Close()
	if a := <-done; a.err == nil {
		t.Error("a hanging call was answered")
	}
}

func TestGzip(t *testing.T) {
	plain := newBench(t)
	never := newBench(t, func(o *Options) { o.NoGzip = true })
	raw := func(b *bench, headers ...string) answered {
		return b.soap("getMultipleLeads", newsletter, headers...)
	}
	want := raw(plain, "Accept-Encoding: identity").body
	if len(want) < gzipFrom {
		t.Fatal("sample too short")
	}
	for _, test := range []struct {
		b       *bench
		headers []string
		gzip    bool
	}{
		{plain, []string{"Accept-Encoding: gzip, deflate"}, true},
		{plain, []string{"Accept-Encoding: gzip;q=0"}, false},
		{plain, []string{"Accept-Encoding: br"}, false},
		{plain, []string{"Accept-Encoding: identity", FailHeader + ": gzip"}, true},
		{plain, []string{"Accept-Encoding: gzip", FailHeader + ": identity"}, false},
		{plain, []string{"Accept-Encoding: gzip", FailHeader + ": chunked"}, true},
		{never, []string{"Accept-Encoding: gzip"}, false},
	} {
		a := raw(test.b, test.headers...)
		body := []byte(a.body)
		if test.gzip {
			body = gunzip(t, body)
		}
		if (a.header.Get("Content-Encoding") == "gzip") != test.gzip || string(body) != want {
			t.Errorf("%q: %v", test.headers, a.header)
		}
	}
	if a := plain.soap("listMObjects", "", "Accept-Encoding: gzip"); a.header.Get("Content-Encoding") != "" {
		t.Error("a short answer was compressed")
	}
}

func gunzip(t *testing.T, compressed []byte) []byte {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestSizes(t *testing.T) {
	b := newBench(t)
	b.authorize()
	soap := func(headers ...string) answered { return b.soap("getMultipleLeads", newsletter, headers...) }
	for _, size := range []string{"20000", "100kB", "5MiB"} {
		want, err := parseSize(size)
		if err != nil {
			t.Fatal(err)
		}
		answers := []answered{soap(SizeHeader+": "+size, FailHeader+": identity")}
		if want < 1e6 { // the others take long to compare
			answers = append(answers,
				soap(SizeHeader+": "+size, FailHeader+": identity+chunked"),
				soap(FailHeader+": size="+size),
				b.soap("listMObjects", "", SizeHeader+": "+size, FailHeader+": identity"),
				b.soap("getLead", joe, SizeHeader+": "+size, FailHeader+": 20011+identity"))
		}
		for _, a := range answers {
			end := strings.TrimRight(a.body, "\n")
			leads := strings.Count(a.body, "<leadRecord>")
			count, ok := 0, true
			if leads > 0 {
				_, err := fmt.Sscan(between(a.body, "<returnCount>", "</returnCount>"), &count)
				ok = err == nil && strings.Contains(a.body, "<Email>lead2000001@example.com</Email>")
			}
			if int64(len(a.body)) != want || count != leads || !ok || !strings.HasSuffix(end, "</SOAP-ENV:Envelope>") {
				t.Errorf("%s: %d bytes, %d of %d leads, %v", size, len(a.body), leads, count, a.header)
			}
			if want < 1e6 {
				if err := xml.Unmarshal([]byte(a.body), new(struct{ XMLName xml.Name })); err != nil {
					t.Errorf("%s: %v", size, err)
				}
			}
		}
		leads := b.get("/rest/v1/leads.json?filterType=id&filterValues=2", SizeHeader+": "+size, FailHeader+": identity")
		if n := strings.Count(leads.body, `"email":`); int64(len(leads.body)) != want || n < int(want/300) {
			t.Errorf("REST %s: %d bytes, %d leads", size, len(leads.body), n)
		}
		if want < 1e6 {
			b.result(leads)
		}
		b.wantError(b.get("/rest/v1/lists.json", SizeHeader+": "+size, FailHeader+": 611"), "611")
	}
}

func TestCharsets(t *testing.T) {
	b := newBench(t)
	key := `<leadKey><keyType>IDNUM</keyType><keyValue>87710</keyValue></leadKey>`
	a := b.soap("getLead", key, FailHeader+": latin1")
	if !strings.Contains(a.body, "Ohm &amp; S\xf6hne") || !strings.Contains(a.body, `encoding="ISO-8859-1"`) ||
		a.header.Get("Content-Type") != "text/xml;charset=ISO-8859-1" {
		t.Errorf("latin1: %v\n%q", a.header, a.body)
	}
	a = b.soap("getLead", key, FailHeader+": utf16")
	text, err := unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().String(a.body)
	if err != nil || !strings.Contains(text, "Ohm &amp; Söhne") || !strings.Contains(text, `encoding="UTF-16"`) {
		t.Errorf("utf16: %v\n%q", err, a.body)
	}
}

// TestFlatMemory reads an answer that is much larger than the memory it may take.
func TestFlatMemory(t *testing.T) {
	b := newBench(t)
	r, err := http.NewRequest("POST", b.s.URL+"/soap/mktows/3_1", strings.NewReader(signed(params("getLead", joe), b.clock.Now())))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(SizeHeader, "128MiB")
	r.Header.Set(FailHeader, "identity")
	response, err := b.s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	read, peak := int64(0), uint64(0)
	for {
		n, err := io.CopyN(io.Discard, response.Body, 16<<20)
		read += n
		runtime.ReadMemStats(&now)
		peak = max(peak, now.HeapAlloc)
		if err != nil {
			break
		}
	}
	if read != 128<<20 || peak > before.HeapAlloc+16<<20 {
		t.Errorf("%d bytes, heap from %d to %d", read, before.HeapAlloc, peak)
	}
}
