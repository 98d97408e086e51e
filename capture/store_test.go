package capture

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"marketo-proxy/classify"
	"marketo-proxy/journal"
)

func openJournal(t *testing.T) (*journal.Journal, string) {
	t.Helper()
	dir := t.TempDir()
	j, err := journal.Open(journal.Options{Dir: dir, MaxSize: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return j, dir
}

func record(s *Store, body string, whole bool) *Recording {
	b := s.Recorder(1 << 20).New()
	_, _ = b.Write([]byte(body))
	b.Finish(whole)
	return b
}

func exchange(s *Store, request, response string, header http.Header) *Exchange {
	return &Exchange{
		ID: NewID(), Started: time.Now(), Instance: "123-ABC-456",
		Call:    classify.Call{API: classify.SOAP, Operation: "getLead", User: "u"},
		Verdict: classify.Verdict{Outcome: classify.Fault, Code: "20011", Message: "Internal Error"},
		Attempts: []*Attempt{{
			Started:  time.Now(),
			Request:  RequestHead{Method: "POST", URL: &url.URL{Scheme: "https", Host: "h", Path: "/soap/mktows/3_1", RawQuery: "access_token=queryqueryquery"}, Proto: "HTTP/1.1", Header: http.Header{"Authorization": {"Bearer abcdefghijk"}}, Body: record(s, request, true)},
			Response: &ResponseHead{Status: 500, StatusText: "Internal Server Error", Proto: "HTTP/1.1", Header: header, Body: record(s, response, true)},
		}},
		Captured: true,
	}
}

// saved writes the exchange and reads the line back.
func saved(t *testing.T, s *Store, dir string, e *Exchange) (Capture, string) {
	t.Helper()
	if err := <-s.Save(e); err != nil {
		t.Fatal(err)
	}
	r, err := journal.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := r.Find(e.ID)
	if err != nil {
		t.Fatal(err)
	}
	f, err := entry.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	line, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	var c Capture
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		t.Fatalf("%v in %.400s", err, line)
	}
	var head Capture
	if err := json.Unmarshal(entry.Head, &head); err != nil || head.ID != e.ID {
		t.Fatalf("head %s: %v", entry.Head, err)
	}
	return c, string(line)
}

func gzipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

func TestBodiesInALine(t *testing.T) {
	j, dir := openJournal(t)
	s := NewStore(j, Proxy{Version: "v", Host: "h"}, 64<<20, func() []string { return []string{"encryptionkey123"} })
	for _, c := range []struct {
		name, body, encoding, contentType string
		text                              string
		base64                            string
		truncated                         bool
	}{
		{name: "text", body: "<a>\"quoted\" \\ \x01 \t\r\n é</a>", text: "<a>\"quoted\" \\ \x01 \t\r\n é</a>"},
		{name: "gzip", body: gzipped("<a>text</a>"), encoding: "gzip", text: "<a>text</a>"},
		{name: "latin1", body: "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>", text: "<?xml version='1.0' encoding='ISO-8859-1'?><a>é</a>"},
		{name: "utf16", body: "\xff\xfe<\x00a\x00/\x00>\x00", text: "<a/>"},
		{name: "binary", body: "\x89PNG\xff\x00\x01", base64: "\x89PNG\xff\x00\x01"},
		{name: "invalid UTF-8", body: "<a>\xff<requestSignature>sig</requestSignature></a>", base64: "<a>\xff<requestSignature>REDACTED</requestSignature></a>"},
		{name: "cut gzip", body: gzipped(strings.Repeat("0123456789", 1000))[:40], encoding: "gzip", truncated: true, text: "-"},
		{name: "unknown encoding", body: "br-bytes", encoding: "br", truncated: true},
		{name: "empty", body: ""},
		{name: "a key", body: "<a>encryptionkey123</a>", text: "<a>REDACTED</a>"},
		{name: "JSON", body: `{"access_token":"abc","x":[1]}`, contentType: "application/json", text: `{"access_token":"REDACTED","x":[1]}`},
	} {
		header := http.Header{"Set-Cookie": {"a=b"}}
		if c.encoding != "" {
			header.Set("Content-Encoding", c.encoding)
		}
		if c.contentType != "" {
			header.Set("Content-Type", c.contentType)
		}
		got, line := saved(t, s, dir, exchange(s, "<x><requestSignature>0123456789</requestSignature></x>", c.body, header))
		b := got.Attempts[0].Response.Body
		sum := sha256.Sum256([]byte(c.body))
		if b.Size != int64(len(c.body)) || b.SHA256 != hex.EncodeToString(sum[:]) || b.Truncated != c.truncated {
			t.Errorf("%s: %+v", c.name, b)
		}
		if c.text != "-" && b.Text != c.text || string(b.Base64) != c.base64 {
			t.Errorf("%s: text %q base64 %q", c.name, b.Text, b.Base64)
		}
		if got.Complete == c.truncated {
			t.Errorf("%s: complete %v", c.name, got.Complete)
		}
		for _, secret := range []string{"0123456789<", "queryqueryquery", "abcdefghijk", "encryptionkey123", "a=b"} {
			if strings.Contains(line, secret) {
				t.Errorf("%s: %s stands in %s", c.name, secret, line)
			}
		}
	}
}

// Above a megabyte the line is made in a file; it is the same line.
func TestBigBodies(t *testing.T) {
	j, dir := openJournal(t)
	s := NewStore(j, Proxy{}, 3<<20, nil)
	big := "<a>" + strings.Repeat("0123456789é\n", 300_000) + "</a>"
	got, _ := saved(t, s, dir, exchange(s, "<r/>", big, nil))
	b := got.Attempts[0].Response.Body
	sum := sha256.Sum256([]byte(big))
	if !b.Truncated || b.Size != int64(len(big)) || b.SHA256 != hex.EncodeToString(sum[:]) || got.Complete {
		t.Errorf("%d bytes, truncated %v, complete %v", b.Size, b.Truncated, got.Complete)
	}
	kept := b.Text
	if kept == "" {
		kept = string(b.Base64) // the limit may fall into a character
	}
	if len(kept) != 3<<20 || !strings.HasPrefix(big, kept) {
		t.Errorf("kept %d bytes", len(kept))
	}
	left, err := filepath.Glob(filepath.Join(dir, "spool-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("%v, spool files stay: %v", err, left)
	}
}

// A compressed body may not fill the disk.
func TestBombInALine(t *testing.T) {
	j, dir := openJournal(t)
	s := NewStore(j, Proxy{}, 1<<20, nil)
	got, line := saved(t, s, dir, exchange(s, "<r/>", gzipped(strings.Repeat("0", 50<<20)), http.Header{"Content-Encoding": {"gzip"}}))
	if b := got.Attempts[0].Response.Body; !b.Truncated || len(line) > 2<<20 {
		t.Errorf("truncated %v, a line of %d bytes", b.Truncated, len(line))
	}
}

func TestJournalFull(t *testing.T) {
	j, err := journal.Open(journal.Options{Dir: t.TempDir(), MaxSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close(context.Background())
	s := NewStore(j, Proxy{}, 64<<20, nil)
	if err := <-s.Save(exchange(s, "<r/>", strings.Repeat("x", 4<<20), nil)); err == nil {
		t.Error("a capture larger than the journal may be is saved")
	}
}

// Where no spool file can be had, the body is cut, and nothing else happens.
func TestNoSpool(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(journal.Options{Dir: dir, MaxSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close(context.Background())
	s := NewStore(j, Proxy{}, 64<<20, nil)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file in place of the directory
		t.Fatal(err)
	}
	b := s.Recorder(10).New()
	_, _ = b.Write(make([]byte, 100))
	b.Finish(true)
	if b.Whole() || b.Size() != 100 || b.Sum() == nil {
		t.Errorf("whole %v, size %d, sum %x", b.Whole(), b.Size(), b.Sum())
	}
	b.Release()
}

// Any bytes make a line that reads back to the same text.
func TestAnyTextReadsBack(t *testing.T) {
	j, dir := openJournal(t)
	s := NewStore(j, Proxy{}, 1<<20, nil)
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.String().Draw(rt, "text")
		got, _ := saved(t, s, dir, exchange(s, text, "<a/>", nil))
		if b := got.Attempts[0].Request.Body; b.Text != text && !strings.HasPrefix(text, "\ufeff") && string(b.Base64) != text {
			rt.Fatalf("%q became %q", text, b.Text)
		}
	})
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkSave(b *testing.B) {
	j, err := journal.Open(journal.Options{Dir: b.TempDir(), MaxSize: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close(context.Background())
	s := NewStore(j, Proxy{}, 64<<20, nil)
	body := "<a>" + strings.Repeat("0123456789", 200) + "</a>"
	b.ReportAllocs()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := <-s.Save(exchange(s, body, body, nil)); err != nil {
				b.Error(err)
			}
		}
	})
}
