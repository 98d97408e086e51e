package capture

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"marketo-proxy/classify"
	"marketo-proxy/jsonscan"
	"marketo-proxy/redact"
)

// plainLine is the line as encoding/json makes it, but for the texts of bodies. Nothing in the exchange is a known value, and its bodies
// are whole and in no encoding.
func plainLine(t *rapid.T, e *Exchange, proxy Proxy) string {
	r := redact.New()
	code := classify.ExplainCall(e.Verdict, e.Call)
	head := Capture{
		ID: e.ID, Time: e.Started.UTC(), API: e.Call.API, Operation: e.Call.Operation, Instance: e.Instance, User: e.Call.User,
		Outcome: e.Verdict.Outcome, Code: e.Verdict.Code, Message: r.Text(e.Verdict.Message),
		Class: code.Class, Retryable: code.Retryable, Advice: code.Advice, RequestID: e.Verdict.RequestID,
		Records: slices.Clone(e.Verdict.Records), Renewal: e.Renewal, RenewalError: r.Text(e.RenewalError),
		DurationMS: inMilliseconds(e.Duration), Proxy: proxy, Attempts: []AttemptLine{}, Complete: len(e.Attempts) > 0,
	}
	if e.Verdict.RecordsFailed > len(e.Verdict.Records) {
		head.Failed = e.Verdict.RecordsFailed
	}
	for i := range head.Records {
		head.Records[i].Error = r.Text(head.Records[i].Error)
	}
	headers := func(h http.Header) []HeaderLine {
		list := []HeaderLine{}
		masked := r.Header(h)
		for _, name := range slices.Sorted(maps.Keys(masked)) {
			for _, value := range masked[name] {
				list = append(list, HeaderLine{name, value})
			}
		}
		return list
	}
	var bodies []string
	body := func(b *Recording) BodyLine {
		var masked bytes.Buffer
		if err := r.Body(&masked, b.Open()); err != nil {
			t.Fatal(err)
		}
		content := ""
		switch {
		case masked.Len() == 0:
		case utf8.Valid(masked.Bytes()):
			content = `,"text":"` + string(jsonscan.AppendEscaped(nil, masked.Bytes())) + `"`
		default:
			content = `,"base64":"` + base64.StdEncoding.EncodeToString(masked.Bytes()) + `"`
		}
		bodies = append(bodies, content)
		return BodyLine{Size: b.Size(), SHA256: hex.EncodeToString(b.Sum()), Text: fmt.Sprintf("body %d", len(bodies)-1)}
	}
	for _, a := range e.Attempts {
		connect := a.Timings.Connect
		if a.Timings.TLS > 0 && connect >= 0 {
			connect += a.Timings.TLS
		}
		ms := func(d time.Duration) float64 {
			if d < 0 {
				return -1
			}
			return inMilliseconds(d)
		}
		line := AttemptLine{
			Started: a.Started.UTC(), Outcome: a.Verdict.Outcome, Code: a.Verdict.Code, Error: a.Err,
			Timings: TimingsLine{
				ms(a.Timings.Blocked), ms(a.Timings.DNS), ms(connect), ms(a.Timings.TLS), ms(a.Timings.Send), ms(a.Timings.Wait), ms(a.Timings.Receive),
			},
			Request: RequestLine{
				Method: a.Request.Method, URL: r.URL(a.Request.URL.String()), HTTPVersion: a.Request.Proto,
				Headers: headers(a.Request.Header), BodySize: a.Request.Body.Size(), Body: body(a.Request.Body),
			},
		}
		if a.Response == nil {
			head.Complete = false
		} else {
			line.Response = &ResponseLine{
				Status: a.Response.Status, StatusText: a.Response.StatusText, HTTPVersion: a.Response.Proto,
				Headers: headers(a.Response.Header), BodySize: a.Response.Body.Size(), Body: body(a.Response.Body),
			}
		}
		head.Attempts = append(head.Attempts, line)
	}
	b, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	line := string(b) + "\n"
	for i, content := range bodies {
		line = strings.Replace(line, fmt.Sprintf(`,"text":"body %d"`, i), content, 1)
	}
	return line
}

func inMilliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func anyExchange(t *rapid.T, rec *Recorder) *Exchange {
	text := func(label string) string {
		return rapid.OneOf(
			rapid.SampledFrom([]string{"", "plain", "<a>&\"\\\b\f\n\r\t\x00\x1f\x7f\u2028\u2029é😀\xff\xc3", "access_token=abcdef1234 x"}), rapid.String(),
		).Draw(t, label)
	}
	took := func(label string) time.Duration {
		return time.Duration(rapid.OneOf(rapid.Int64Range(-1, 3_000_000), rapid.Int64Range(-1, 1e15)).Draw(t, label))
	}
	header := func() http.Header {
		h := http.Header{}
		for range rapid.IntRange(0, 3).Draw(t, "fields") {
			name := rapid.SampledFrom([]string{"Authorization", "Cookie", "Location", "Host", "X-A", "Content-Type", "é"}).Draw(t, "name")
			h[name] = append(h[name], text("value"))
		}
		return h
	}
	body := func() *Recording {
		b := rec.New()
		for range rapid.IntRange(0, 2).Draw(t, "pieces") {
			piece := rapid.OneOf(rapid.Just(text("piece")), rapid.Just("<a><requestSignature>0123456789</requestSignature>"), rapid.Just(strings.Repeat("0123456789é", 500)))
			_, _ = b.Write([]byte(piece.Draw(t, "body")))
		}
		b.Finish(true)
		return b
	}
	at := func() time.Time {
		return time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).In(time.FixedZone("", 3600))
	}
	e := &Exchange{
		ID: text("id"), Started: at(), Instance: text("instance"), Renewal: Renewal(text("renewal")), RenewalError: text("why"), Duration: took("duration"),
		Call: classify.Call{API: rapid.SampledFrom([]classify.API{classify.SOAP, classify.REST}).Draw(t, "API"), Operation: text("operation"), User: text("user")},
		Verdict: classify.Verdict{
			Outcome: rapid.SampledFrom([]classify.Outcome{classify.Fault, classify.HTTP, classify.Partial}).Draw(t, "outcome"),
			Code:    text("code"), Message: text("message"), RequestID: text("request id"), RecordsFailed: rapid.IntRange(0, 3).Draw(t, "failed"),
		},
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "records") {
		e.Verdict.Records = append(e.Verdict.Records, classify.Record{Index: i, Status: text("status"), Code: text("code"), Error: text("error")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "attempts") {
		a := &Attempt{
			Started: at(), Err: text("err"), Timings: Timings{took("b"), took("d"), took("c"), took("t"), took("s"), took("w"), took("r")},
			Request: RequestHead{
				Method: text("method"), Proto: "HTTP/1.1", Header: header(), Body: body(),
				URL: &url.URL{Scheme: "https", Host: "h", Path: "/" + text("path"), RawQuery: rapid.SampledFrom([]string{"", "a=b&access_token=12345678"}).Draw(t, "query")},
			},
			Verdict: classify.Verdict{Outcome: e.Verdict.Outcome, Code: text("code")},
		}
		if rapid.Bool().Draw(t, "answered") {
			a.Response = &ResponseHead{Status: rapid.IntRange(100, 999).Draw(t, "status"), StatusText: text("status"), Proto: "HTTP/1.0", Header: header(), Body: body()}
		}
		e.Attempts = append(e.Attempts, a)
	}
	return e
}

// The line is what encoding/json would make of it, byte for byte, in memory and in a file, and when the memory of another was used.
func TestLineIsAsEncodingJSONHasIt(t *testing.T) {
	j, _ := openJournal(t)
	proxy := Proxy{Version: "<v>", Host: "h", Pod: "p\x00", Namespace: "n"}
	s := NewStore(j, proxy, 1<<20, nil)
	rapid.Check(t, func(t *rapid.T) {
		e := anyExchange(t, s.Recorder(1<<20))
		want := plainLine(t, e, proxy)
		l := s.compose(e)
		got := string(l.appendTo([]byte("before")))
		s.recycle(l)
		if got != "before"+want {
			t.Fatalf("got:  %q\nwant: %q", got, want)
		}
		var streamed bytes.Buffer
		if err := s.compose(e).writeTo(&streamed); err != nil || streamed.String() != want {
			t.Fatalf("streamed, %v: %q\nwant: %q", err, streamed.String(), want)
		}
	})
}

func TestLineTellsOfErrors(t *testing.T) {
	j, _ := openJournal(t)
	s := NewStore(j, Proxy{}, 1<<20, nil)
	e := exchange(s, strings.Repeat("<a>", 100_000), "<a/>", nil)
	defer e.Release()
	r, w := io.Pipe()
	r.Close()
	if err := s.compose(e).writeTo(w); err == nil {
		t.Error("no error")
	}
}

// BenchmarkLine is what it costs to make the line of a small call.
func BenchmarkLine(b *testing.B) {
	request := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/">` +
		`<SOAP-ENV:Header><ns1:AuthenticationHeader><mktowsUserId>bench_1_461839624B16E06BA2D663</mktowsUserId><requestSignature>` +
		strings.Repeat("0123456789abcdef", 3) + `</requestSignature><requestTimestamp>2026-11-24T12:00:00-06:00</requestTimestamp>` +
		`</ns1:AuthenticationHeader></SOAP-ENV:Header><SOAP-ENV:Body><ns1:paramsGetMultipleLeads><leadSelector><keyValues>` +
		strings.Repeat("<stringItem>some.body@example.com</stringItem>", 24) +
		`</keyValues></leadSelector></ns1:paramsGetMultipleLeads></SOAP-ENV:Body></SOAP-ENV:Envelope>`
	fault := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body><SOAP-ENV:Fault>` +
		`<faultcode>SOAP-ENV:Client</faultcode><faultstring>20011 - Internal Error</faultstring><detail>` +
		`<ns1:serviceException xmlns:ns1="http://www.marketo.com/mktows/"><name>mktServiceException</name>` +
		`<message>Internal Error (20011)</message><code>20011</code></ns1:serviceException></detail></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>`
	fields := http.Header{
		"Connection": {"Keep-Alive"}, "User-Agent": {"PHP-SOAP/8.2.29"}, "Content-Type": {"text/xml; charset=utf-8"}, "Soapaction": {`""`},
		"Content-Length": {"2048"}, "Server": {"nginx"}, "Date": {"Tue, 24 Nov 2026 12:00:00 GMT"},
	}
	answer := `{"requestId":"185d6#14b51985ff0","success":false,"errors":[{"code":"610","message":"Requested resource not found"}]}`
	for _, bench := range []struct {
		name, request, response string
		url                     string
	}{
		{"SOAP", request, fault, "https://123-abc-456.mktoapi.com/soap/mktows/3_1"},
		{"REST", "", answer, "https://123-abc-456.mktorest.com/rest/v1/leads.json?filterType=id&filterValues=1,2,3"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := NewStore(nil, Proxy{Version: "v1", Host: "host"}, 64<<20, func() []string { return []string{"899756834129871744AAEE88DDCC77CDEE"} })
			u, err := url.Parse(bench.url)
			if err != nil {
				b.Fatal(err)
			}
			rec := Recorder{MemoryLimit: 1 << 20, BodyLimit: 64 << 20}
			body := func(text string) *Recording {
				r := rec.New()
				_, _ = r.Write([]byte(text))
				r.Finish(true)
				return r
			}
			e := &Exchange{
				ID: NewID(), Started: time.Now(), Instance: "123-ABC-456", Duration: 12345 * time.Microsecond,
				Call:    classify.Call{API: classify.SOAP, Operation: "getMultipleLeads", User: "bench_1_461839624B16E06BA2D663"},
				Verdict: classify.Verdict{Outcome: classify.Fault, Code: "20011", Message: "Internal Error (20011)"},
				Attempts: []*Attempt{{
					Started:  time.Now(),
					Request:  RequestHead{Method: "POST", URL: u, Proto: "HTTP/1.1", Header: fields, Body: body(bench.request)},
					Response: &ResponseHead{Status: 500, StatusText: "Internal Server Error", Proto: "HTTP/1.1", Header: fields, Body: body(bench.response)},
				}},
				Secrets: func() []string { return []string{strings.Repeat("0123456789abcdef", 3)} },
			}
			var line []byte
			b.ReportAllocs()
			for b.Loop() {
				l := s.compose(e)
				line = l.appendTo(line[:0])
				s.recycle(l)
			}
			b.SetBytes(int64(len(line)))
		})
	}
}
