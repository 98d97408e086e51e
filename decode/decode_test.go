package decode

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

func gz(t interface {
	Helper()
	Fatal(...any)
}, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func utf16Bytes(text string, big, mark bool) []byte {
	units := utf16.Encode([]rune(text))
	if mark {
		units = append([]uint16{0xfeff}, units...)
	}
	var out []byte
	for _, u := range units {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return out
}

// write pushes body in the pieces that next draws.
func write(w *Writer, body []byte, next func(left int) int) {
	for len(body) > 0 {
		n := next(len(body))
		_, _ = w.Write(body[:n])
		body = body[n:]
	}
}

// However the bytes are cut, and however they are encoded, the text comes out.
func TestWriterDecodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := "<a>" + rapid.String().Draw(t, "text")
		body, encoding := []byte(text), ""
		switch rapid.IntRange(0, 4).Draw(t, "charset") {
		case 1:
			body = utf16Bytes(text, true, true)
		case 2:
			body = utf16Bytes(text, false, true)
		case 3:
			body = utf16Bytes(text, true, false)
		}
		if rapid.Bool().Draw(t, "gzip") {
			body, encoding = gz(t, string(body)), rapid.SampledFrom([]string{"gzip", "GZIP", "x-gzip"}).Draw(t, "name")
		}
		var out bytes.Buffer
		w := NewWriter(&out, encoding)
		write(w, body, func(left int) int { return rapid.IntRange(1, left).Draw(t, "piece") })
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		want := text
		if strings.ContainsRune(text, '\ufeff') {
			t.Skip() // a byte order mark within the text is none
		}
		if out.String() != want {
			t.Fatalf("got %q, want %q", out.String(), want)
		}
		pulled, err := io.ReadAll(NewReader(bytes.NewReader(body), encoding, "text/xml; charset=utf-8"))
		if err != nil || string(pulled) != want {
			t.Fatalf("pulled %q, %v, want %q", pulled, err, want)
		}
	})
}

// What was written before a cut is handed on before the cut is known, or streaming would wait for the end.
func TestWriterHandsOnAtOnce(t *testing.T) {
	var z bytes.Buffer
	gzw := gzip.NewWriter(&z)
	_, _ = io.WriteString(gzw, "<first/>")
	_ = gzw.Flush()
	var out bytes.Buffer
	w := NewWriter(&out, "gzip")
	_, _ = w.Write(z.Bytes())
	if out.String() != "<first/>" {
		t.Errorf("after a flush of the sender %q came out", out.String())
	}
	if err := w.Close(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a cut body closes with %v", err)
	}
}

func TestWriterErrors(t *testing.T) {
	for name, c := range map[string]struct {
		encoding string
		body     []byte
		want     string
	}{
		"unknown encoding": {"br", []byte("x"), `content encoding "br" is not supported`},
		"not gzip":         {"gzip", []byte("<html>not gzip</html>"), "gzip: invalid header"},
		"damaged":          {"gzip", append(gz(t, strings.Repeat("abc", 1000))[:30], "garbage garbage garbage"...), ""},
		"cut":              {"gzip", gz(t, strings.Repeat("abc", 1000))[:25], "unexpected EOF"},
	} {
		w := NewWriter(io.Discard, c.encoding)
		_, _ = w.Write(c.body)
		err := w.Close()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if w.Err() != err {
			t.Errorf("%s: Err is %v, Close said %v", name, w.Err(), err)
		}
	}
	w := NewWriter(io.Discard, "gzip")
	_, _ = w.Write(append(gz(t, "x"), "trailing bytes"...))
	if err := w.Close(); err == nil {
		t.Error("what follows the gzip stream is not gzip, and no error")
	}
}

func TestBomb(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	zeros := make([]byte, 1<<20)
	for range 80 {
		_, _ = z.Write(zeros)
	}
	_ = z.Close()
	var n counter
	w := NewWriter(&n, "gzip")
	_, _ = w.Write(b.Bytes())
	if err := w.Close(); !errors.Is(err, ErrBomb) {
		t.Errorf("a bomb of 80 MiB: %v", err)
	}
	if n > bombFloor+1<<20 {
		t.Errorf("%d bytes were decoded of a bomb", n)
	}
	if _, err := io.Copy(io.Discard, NewReader(&b, "gzip", "")); err != nil && !errors.Is(err, ErrBomb) {
		t.Errorf("read: %v", err)
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func TestSingleByteCharsets(t *testing.T) {
	for _, c := range []struct{ body, contentType, want string }{
		{"<?xml version=\"1.0\" encoding='ISO-8859-1'?><a>\xe9</a>", "text/xml; charset=utf-8", "<?xml version=\"1.0\" encoding='ISO-8859-1'?><a>é</a>"},
		{"<a>\x80</a>", "text/xml; charset=\"Windows-1252\"", "<a>€</a>"},
		{"<a>\xa4</a>", "text/xml;charset=ISO-8859-15", "<a>€</a>"},
		{"<?xml version=\"1.0\"?><a>\xc3\xa9</a>", "text/xml; charset=iso-8859-1", "<?xml version=\"1.0\"?><a>é</a>"}, // XML says UTF-8 where it says nothing
		{"<a>\xff</a>", "text/xml", "<a>\xff</a>"},
		{"", "", ""},
	} {
		got, err := io.ReadAll(NewReader(strings.NewReader(c.body), "", c.contentType))
		if err != nil || string(got) != c.want {
			t.Errorf("%q as %s: %q, %v, want %q", c.body, c.contentType, got, err, c.want)
		}
	}
}

// FuzzWriter: any bytes in any pieces; what comes out does not depend on the pieces, and nothing panics.
func FuzzWriter(f *testing.F) {
	f.Add([]byte("<a/>"), true, 3)
	f.Add(gz(f, "<a>text</a>"), true, 1)
	f.Add(utf16Bytes("<a>é</a>", true, true), false, 1)
	f.Fuzz(func(t *testing.T, body []byte, gzipped bool, step int) {
		encoding := ""
		if gzipped {
			encoding = "gzip"
		}
		var whole, pieces bytes.Buffer
		a, b := NewWriter(&whole, encoding), NewWriter(&pieces, encoding)
		_, _ = a.Write(body)
		write(b, body, func(left int) int { return min(max(step, 1), left) })
		errA, errB := a.Close(), b.Close()
		if whole.String() != pieces.String() || (errA == nil) != (errB == nil) {
			t.Fatalf("%q %v in one, %q %v in pieces", whole.String(), errA, pieces.String(), errB)
		}
	})
}

func TestEncoderUndoesReader(t *testing.T) {
	for _, c := range []struct{ name, contentType, body string }{
		{"UTF-8", "text/xml", `<?xml version="1.0" encoding="UTF-8"?><a>é</a>`},
		{"declared", "text/xml; charset=utf-8", "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>"},
		{"header", `application/x-www-form-urlencoded; charset="windows-1252"`, "a=\x80"},
		{"no charset", "application/json", "\xff\xfe is cut"[2:]},
		{"empty", "", ""},
	} {
		r, err := NewEncoder(NewReader(strings.NewReader(c.body), "", c.contentType), c.contentType)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); string(got) != c.body || err != nil {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
	if _, err := NewEncoder(strings.NewReader(`<?xml version="1.0" encoding="UTF-16"?>`), ""); !errors.Is(err, ErrUTF16) {
		t.Error(err)
	}
	r, err := NewEncoder(strings.NewReader("a=漢"), "text/plain; charset=latin1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); err == nil {
		t.Error("a character that the charset lacks is no error")
	}
}
