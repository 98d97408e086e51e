package http1_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"marketo-proxy/http1"
)

// pieces reads what it has in pieces whose sizes depend on seed; 0: as much as fits.
type pieces struct {
	raw    []byte
	random *rand.Rand // nil: whole
}

func inPieces(raw []byte, seed uint64) io.Reader {
	p := &pieces{raw: raw}
	if seed != 0 {
		p.random = rand.New(rand.NewPCG(seed, 0))
	}
	return p
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.raw) == 0 {
		return 0, io.EOF
	}
	n := min(len(p.raw), len(b))
	if p.random != nil {
		n = min(n, 1+p.random.IntN(1+p.random.IntN(64)))
	}
	copy(b, p.raw[:n])
	p.raw = p.raw[n:]
	return n, nil
}

// valid is what net/http adds to net/textproto.
func valid(header textproto.MIMEHeader) bool {
	for name, values := range header {
		for _, v := range values {
			if !http1.ValidName(name) || !http1.ValidValue(v) {
				return false
			}
		}
	}
	return true
}

// FuzzFields holds fields to what net/http makes of them.
func FuzzFields(f *testing.F) {
	for _, s := range []string{
		"\r\n", "A: b\r\n\r\n", "a:b\nc: d\n\n", "A: b\r\nA: c\r\n\r\n", "A: b\r\n c\r\n\td \r\n\r\n", "A: b\r\n \r\n\r\n", " A: b\r\n\r\n", "A : b\r\n\r\n",
		": b\r\n\r\n", "A\r\n\r\n", "A: b\r\r\n\r\n", "A: \x00\r\n\r\n", "A:\r\n b\r\n\r\n", "X-a-B: \xff\r\n\r\n", "\xc3: b\r\n\r\n", "A: b:c\r\n\r\n", "A:\t b \t\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		in := http1.NewReader(bytes.NewReader(raw))
		defer in.Release()
		head, err := in.Head(8<<10, true)
		if err != nil {
			return
		}
		ours, err := http1.ParseFields(string(head))
		src := bufio.NewReader(bytes.NewReader(raw))
		theirs, their := textproto.NewReader(src).ReadMIMEHeader()
		if their == nil && !valid(theirs) {
			their = errors.New("invalid")
		}
		switch {
		case err != nil && their == nil:
			if _, empty := textproto.MIMEHeader(theirs)[""]; !empty && !strings.Contains(string(head), "\n:") && head[0] != ':' {
				t.Fatalf("%q: refused (%v), net/textproto has %q", head, err, theirs)
			}
			return
		case err != nil:
			return
		case their != nil:
			t.Fatalf("%q: %q, net/textproto refuses: %v", head, ours, their)
		}
		for _, values := range theirs {
			for i := range values {
				values[i] = strings.Trim(values[i], " \t") // the end of a folded one
			}
		}
		if !reflect.DeepEqual(map[string][]string(ours), map[string][]string(theirs)) {
			t.Fatalf("%q: %q, net/textproto has %q", head, ours, theirs)
		}
		rest, _ := io.ReadAll(src)
		if left := raw[len(head):]; !bytes.Equal(left, rest) {
			t.Fatalf("%q: %q is left, net/textproto leaves %q", raw, left, rest)
		}
	})
}

// readChunks reads a chunked body, with buffers whose sizes depend on seed too, and what comes behind it.
func readChunks(raw []byte, seed uint64) (body []byte, trailer http.Header, rest []byte, err error) {
	in := http1.NewReader(inPieces(raw, seed))
	defer in.Release()
	var c http1.Chunked
	random := rand.New(rand.NewPCG(seed, 1))
	p := make([]byte, 9<<10)
	for err == nil {
		b := p
		if seed != 0 {
			b = p[:1+random.IntN(200)]
		}
		var n int
		n, err = c.Read(in, b)
		body = append(body, b[:n]...)
	}
	if err != io.EOF {
		return body, nil, nil, err
	}
	rest = append(rest, in.Peek()...)
	in.Skip(in.Buffered())
	for in.Fill() == nil {
		rest = append(rest, in.Peek()...)
		in.Skip(in.Buffered())
	}
	return body, c.Trailer, rest, nil
}

// FuzzChunked: how a body comes in pieces makes no difference, and net/http reads the same body, or a longer part of one that we refuse.
func FuzzChunked(f *testing.F) {
	for _, s := range []string{
		"0\r\n\r\n", "2\r\nab\r\n0\r\n\r\nGET", "2;a\r\nab\r\n00\r\nX: y\r\n\r\nG", "a\r\n0123456789\r\n0\r\n\r\n", "2\r\nabc\r\n0\r\n\r\n", "2\nab\r\n0\r\n\r\n",
		"2\r\nab\n0\r\n\r\n", "2 \t\r\nab\r\n0\r\n\r\n", " 2\r\nab\r\n0\r\n\r\n", "+2\r\nab\r\n", "0x2\r\nab\r\n", "ffffffffffffffff\r\nab", "7fffffffffffffff\r\nab",
		"fffffffffffffff\r\nab", "0\r\nContent-Length: 5\r\n\r\n", "0\r\nX : y\r\n\r\n", "0\r\nX: y\n\n", "2\r\nab", "2\r\nab\r\n", "2\r\nab\r\n0\r\n", "1;\r\n\r\n\r\n0\r\n\r\n",
	} {
		f.Add([]byte(s), uint64(1))
	}
	f.Fuzz(func(t *testing.T, raw []byte, seed uint64) {
		body, trailer, rest, err := readChunks(raw, 0)
		body2, trailer2, rest2, err2 := readChunks(raw, seed)
		if !bytes.Equal(body, body2) && err == nil || (err == nil) != (err2 == nil) || !reflect.DeepEqual(trailer, trailer2) || !bytes.Equal(rest, rest2) {
			t.Fatalf("%q: whole %q %v %q %v, in pieces %q %v %q %v", raw, body, trailer, rest, err, body2, trailer2, rest2, err2)
		}
		for name := range trailer {
			if http1.FramingField(name) {
				t.Fatalf("%q: the trailer %s", raw, name)
			}
		}
		src := bufio.NewReader(bytes.NewReader(raw))
		theirs, their := io.ReadAll(httputil.NewChunkedReader(src))
		if !bytes.HasPrefix(theirs, body) {
			t.Fatalf("%q: %q (%v), net/http has %q (%v)", raw, body, err, theirs, their)
		}
		if err != nil {
			return
		}
		if their != nil || len(theirs) != len(body) {
			t.Fatalf("%q: %q, net/http has %q and %v", raw, body, theirs, their)
		}
		left, _ := io.ReadAll(src) // the trailers too
		if !bytes.HasSuffix(left, rest) || !bytes.HasSuffix(left[:len(left)-len(rest)], []byte("\r\n")) {
			t.Fatalf("%q: %q is left, net/http leaves %q", raw, rest, left)
		}
	})
}

// FuzzReader: how bytes come in pieces makes no difference to lines and heads.
func FuzzReader(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\nline\r\nmore\n\n"), uint64(1), 20, true)
	f.Add([]byte("a\n\nb\n\r\n"), uint64(2), 3, false)
	f.Add(bytes.Repeat([]byte("0123456789"), 2000), uint64(3), 12000, true)
	f.Add(append(bytes.Repeat([]byte("0123456789\n"), 2000), "\n\nx\n"...), uint64(3), 1<<15, true)
	f.Fuzz(func(t *testing.T, raw []byte, seed uint64, limit int, heads bool) {
		if limit < 1 || limit > 1<<16 {
			return
		}
		read := func(seed uint64) (parts []string) {
			in := http1.NewReader(inPieces(raw, seed))
			defer in.Release()
			for i := 0; ; i++ {
				take := in.Line
				if heads == (i%2 == 0) {
					take = in.Head
				}
				part, err := take(limit, false)
				if part == nil && err == nil {
					part, err = take(limit, true)
				}
				if err != nil {
					return append(parts, err.Error())
				}
				parts = append(parts, string(part))
			}
		}
		if whole, cut := read(0), read(seed); !reflect.DeepEqual(whole, cut) {
			t.Fatalf("%q: whole %q, in pieces %q", raw, whole, cut)
		}
	})
}

// TestReaderKeepsErrors: an error that comes with bytes is told after them.
func TestReaderKeepsErrors(t *testing.T) {
	in := http1.NewReader(iotest.DataErrReader(strings.NewReader("a\nb")))
	defer in.Release()
	if line, err := in.Line(10, true); string(line) != "a\n" || err != nil {
		t.Errorf("got %q, %v", line, err)
	}
	if in.Quiet() {
		t.Error("it knows of an end, and is quiet")
	}
	if line, err := in.Line(10, true); err != io.EOF {
		t.Errorf("got %q, %v", line, err)
	}
	if _, err := in.Head(2, true); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

func TestEqualToken(t *testing.T) {
	for _, c := range []struct {
		s, t string
		want bool
	}{
		{"chunked", "Chunked", true}, {"chun\u212aed", "chunked", false}, {"clo\u017fe", "close", false}, {"", "", true}, {"a", "", false}, {"@", "`", false}, {"[", "{", false},
	} {
		if got := http1.EqualToken(c.s, c.t); got != c.want {
			t.Errorf("%q, %q: %t", c.s, c.t, got)
		}
	}
}
