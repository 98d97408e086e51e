package pseudonym

import (
	"io"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// repeated is a body of any size without memory for it.
type repeated struct {
	head, unit, tail string
	left             int // units
	rest             string
	begun, done      bool
}

func (r *repeated) Read(p []byte) (int, error) {
	for r.rest == "" {
		switch {
		case !r.begun:
			r.rest, r.begun = r.head, true
		case r.left > 0:
			r.rest, r.left = r.unit, r.left-1
		case !r.done:
			r.rest, r.done = r.tail, true
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *repeated) Close() error { return nil }

var units = []struct{ name, contentType, head, unit, tail string }{
	{"XML", "text/xml", "<Envelope><leadRecordList>", `<leadRecord><Id>318581</Id><Email>jdoe@corp.org</Email>` +
		`<leadAttributeList><attribute><attrName>Company</attrName>` +
		"<attrType>string</attrType><attrValue>Corp, Inc.</attrValue></attribute></leadAttributeList></leadRecord>\n", "</leadRecordList></Envelope>"},
	{"JSON", "application/json", `{"result":[`, `{"id":318581,"updatedAt":"2015-06-11T23:15:23Z","lastName":"Doe",` +
		`"email":"jdoe@corp.org","ok":true},` + "\n", "1]}"},
	{"CSV", "text/csv", "id,email,lastName,company\n", "318581,jdoe@corp.org,Doe,\"Corp, Inc.\"\n", ""},
	{"text", "text/plain", "", "Lead jdoe@corp.org was not found by 'Doe' at 2015-06-11T23:15:23Z\n", ""},
}

func BenchmarkBody(b *testing.B) {
	const size = 10 << 20
	for _, u := range units {
		b.Run(u.name, func(b *testing.B) {
			begin, n := cpu(), 0
			for ; b.Loop(); n++ {
				r := newMasker(b).Body(u.contentType, &repeated{head: u.head, unit: u.unit, tail: u.tail, left: size / len(u.unit)})
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size)*float64(n)/1e6/(cpu()-begin).Seconds(), "MB/CPU-s")
		})
	}
}

// cpu is the processor time that was spent: the machine may be busy with other things.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Memory does not grow with a body, nor with one value of it.
func TestMemory(t *testing.T) {
	const size = 16 << 20
	type unit = struct{ name, contentType, head, unit, tail string }
	all := append(units[:len(units):len(units)], unit{"depth", "", "", "<a>", ""}, unit{"local", "", "", "a", "@b.cd"})
	for _, long := range []struct{ head, tail string }{
		{"<a>", "</a>"}, {"<a b='", "'/>"}, {"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<!DOCTYPE ", ">"}, {`{"a":"`, `"}`}, {`{"a":1`, `}`}, {"a=", ""},
		{"--x\nContent-Disposition: form-data; name=\"", "\"\n\n--x--"}, {"--x\nContent-Disposition: form-data; name=\"a\"\n\n", "\n--x--"}, {"plain ", ""}, {"email,id\n\"", "\""},
	} {
		all = append(all, unit{"one value in " + long.head, "", long.head, strings.Repeat("1", 1000), long.tail})
	}
	var stats runtime.MemStats
	for _, u := range all {
		r := newMasker(t).Body(u.contentType, &repeated{head: u.head, unit: u.unit, tail: u.tail, left: size / 8 / len(u.unit)})
		runtime.GC()
		runtime.ReadMemStats(&stats)
		before := stats.HeapAlloc
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&stats)
		if grown := int64(stats.HeapAlloc) - int64(before); grown > 1<<20 {
			t.Errorf("%s: memory grew by %d KiB", u.name, grown>>10)
		}
		runtime.KeepAlive(r)
	}
}
