package har

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

var at = time.Date(2026, 11, 24, 12, 0, 0, 123e6, time.UTC)

func sample() capture.Capture {
	return capture.Capture{
		ID: "019abcde-0000-7000-8000-000000000001", Time: at, API: classify.SOAP, Operation: "getLead", Instance: "123-ABC-456", User: "demo_1",
		Outcome: classify.Transport, Class: classify.ClassUnknown, Message: "cut off",
		Attempts: []capture.AttemptLine{
			{
				Started: at, Outcome: classify.Fault, Code: "20016",
				Timings: capture.TimingsLine{Blocked: 1, DNS: -1, Connect: 5, SSL: 3, Send: 0.5, Wait: 10, Receive: -1},
				Request: capture.RequestLine{
					Method: "POST", URL: "https://123-ABC-456.mktoapi.com/soap/mktows/3_1?a=1&b=x%20y&access_token=REDACTED&c&%zz=1", HTTPVersion: "HTTP/1.1",
					Headers:  []capture.HeaderLine{{Name: "Content-Type", Value: "text/xml;charset=UTF-8"}, {Name: "Cookie", Value: "REDACTED"}},
					BodySize: 20, Body: capture.BodyLine{Size: 20, SHA256: "ab", Text: "<a>\"ü\\\u0000\u2028</a>\n"},
				},
				Response: &capture.ResponseLine{
					Status: 500, StatusText: "Internal Server Error", HTTPVersion: "HTTP/1.1",
					Headers:  []capture.HeaderLine{{Name: "content-type", Value: "image/png"}, {Name: "Location", Value: "/there"}},
					BodySize: 3, Body: capture.BodyLine{Size: 3, Truncated: true, Base64: []byte{0xff, 0, 1}},
				},
			},
			{
				Started: at.Add(time.Second), Outcome: classify.Transport, Error: "connection reset",
				Request: capture.RequestLine{Method: "GET", URL: "https://x/", HTTPVersion: "HTTP/1.1"},
			},
		},
	}
}

// detail is the capture as it is read from a journal.
func detail(t testing.TB, c capture.Capture) *capture.Detail {
	t.Helper()
	line, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	d, err := capture.ParseDetail(line)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func archiveOf(t testing.TB, captures ...capture.Capture) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, Creator{"marketo-proxy", "v1"})
	for _, c := range captures {
		d := detail(t, c)
		if err := w.Add(&d.Capture, d.Body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// object is a JSON object under the rules of HAR 1.2. Its methods report what breaks one.
type object struct {
	t    testing.TB
	path string
	is   map[string]any
}

func (o object) fail(format string, args ...any) {
	o.t.Helper()
	o.t.Errorf("%s: %s", o.path, fmt.Sprintf(format, args...))
}

func (o object) str(name string) string {
	o.t.Helper()
	s, ok := o.is[name].(string)
	if !ok {
		o.fail("%s is %T, not a string", name, o.is[name])
	}
	return s
}

func (o object) number(name string, least float64) float64 {
	o.t.Helper()
	n, ok := o.is[name].(float64)
	if !ok || n < least {
		o.fail("%s is %v, not a number of at least %v", name, o.is[name], least)
	}
	return n
}

func (o object) array(name string) (all []object) {
	o.t.Helper()
	list, ok := o.is[name].([]any)
	if !ok {
		o.fail("%s is %T, not an array", name, o.is[name])
	}
	for i, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			o.fail("%s[%d] is %T, not an object", name, i, e)
		}
		all = append(all, object{o.t, fmt.Sprintf("%s.%s[%d]", o.path, name, i), m})
	}
	return all
}

func (o object) object(name string) object {
	o.t.Helper()
	m, ok := o.is[name].(map[string]any)
	if !ok {
		o.fail("%s is %T, not an object", name, o.is[name])
	}
	return object{o.t, o.path + "." + name, m}
}

// only checks that every field is one of the format or has a name of our own.
func (o object) only(names ...string) {
	o.t.Helper()
	for name := range o.is {
		if !strings.HasPrefix(name, "_") && !strings.Contains(" "+strings.Join(names, " ")+" ", " "+name+" ") {
			o.fail("%s is no field of HAR 1.2", name)
		}
	}
}

func (o object) pairs(name string) {
	o.t.Helper()
	for _, p := range o.array(name) {
		p.only("name", "value", "comment")
		p.str("name")
		p.str("value")
	}
}

// check holds an archive against the rules of the format and returns its entries.
func check(t testing.TB, archive []byte) []object {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal(archive, &root); err != nil {
		t.Fatalf("%v in %s", err, archive)
	}
	log := object{t, "har", root}.object("log")
	log.only("version", "creator", "browser", "pages", "entries", "comment")
	if log.str("version") != "1.2" {
		log.fail("version %v", log.is["version"])
	}
	creator := log.object("creator")
	creator.only("name", "version", "comment")
	creator.str("name")
	creator.str("version")
	log.array("pages")
	entries := log.array("entries")
	for _, e := range entries {
		checkEntry(e)
	}
	return entries
}

func checkEntry(e object) {
	e.t.Helper()
	e.only("pageref", "startedDateTime", "time", "request", "response", "cache", "timings", "serverIPAddress", "connection", "comment")
	if _, err := time.Parse(time.RFC3339, e.str("startedDateTime")); err != nil {
		e.fail("%v", err)
	}
	total := e.number("time", 0)
	e.object("cache").only()

	timings := e.object("timings")
	timings.only("blocked", "dns", "connect", "send", "wait", "receive", "ssl", "comment")
	sum := 0.0
	for _, phase := range []string{"blocked", "dns", "connect", "ssl"} {
		if n := timings.number(phase, -1); n > 0 && phase != "ssl" {
			sum += n
		}
	}
	for _, phase := range []string{"send", "wait", "receive"} {
		sum += timings.number(phase, 0)
	}
	if diff := sum - total; diff > 1e-6*sum || diff < -1e-6*sum {
		e.fail("time %v is not the sum of the timings %v", total, sum)
	}

	request := e.object("request")
	request.only("method", "url", "httpVersion", "cookies", "headers", "queryString", "postData", "headersSize", "bodySize", "comment")
	request.str("method")
	request.str("url")
	request.str("httpVersion")
	request.array("cookies")
	request.pairs("headers")
	request.pairs("queryString")
	request.number("headersSize", -1)
	if size := request.number("bodySize", -1); size > 0 || request.is["postData"] != nil {
		post := request.object("postData")
		post.only("mimeType", "params", "text", "comment")
		post.str("mimeType")
		post.array("params")
		post.str("text")
	}

	response := e.object("response")
	response.only("status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL", "headersSize", "bodySize", "comment")
	response.number("status", 0)
	response.str("statusText")
	response.str("httpVersion")
	response.array("cookies")
	response.pairs("headers")
	response.str("redirectURL")
	response.number("headersSize", -1)
	response.number("bodySize", -1)
	content := response.object("content")
	content.only("size", "compression", "mimeType", "text", "encoding", "comment")
	content.str("mimeType")
	size, text := content.number("size", 0), content.str("text")
	switch content.is["encoding"] {
	case nil:
	case "base64":
		if b, err := base64.StdEncoding.DecodeString(text); err != nil {
			content.fail("%v", err)
		} else {
			text = string(b)
		}
	default:
		content.fail("encoding %v", content.is["encoding"])
	}
	if int(size) != len(text) {
		content.fail("size %v, but %d bytes of content", size, len(text))
	}
}

func TestArchive(t *testing.T) {
	if got := check(t, archiveOf(t)); len(got) != 0 {
		t.Errorf("%d entries in an empty archive", len(got))
	}
	c := sample()
	entries := check(t, archiveOf(t, c, c))
	if len(entries) != 4 {
		t.Fatalf("%d entries", len(entries))
	}
	first, second := entries[0], entries[1]
	if got := first.number("time", 0); got != 16.5 {
		t.Errorf("time %v", got)
	}
	if got := first.str("startedDateTime"); got != "2026-11-24T12:00:00.123Z" {
		t.Errorf("started %s", got)
	}
	post := first.object("request").object("postData")
	if post.str("text") != c.Attempts[0].Request.Body.Text || post.str("mimeType") != "text/xml;charset=UTF-8" {
		t.Errorf("%v", post.is)
	}
	query, _ := json.Marshal(first.object("request").is["queryString"])
	if want := `[{"name":"a","value":"1"},{"name":"b","value":"x y"},{"name":"access_token","value":"REDACTED"},{"name":"c","value":""},{"name":"%zz","value":"1"}]`; string(query) != want {
		t.Errorf("query %s", query)
	}
	content := first.object("response").object("content")
	if content.str("text") != "/wAB" || content.str("encoding") != "base64" || content.str("mimeType") != "image/png" || first.object("response").is["_truncated"] != true {
		t.Errorf("%v", first.object("response").is)
	}
	if first.object("response").str("redirectURL") != "/there" {
		t.Error("redirectURL")
	}
	for name, want := range map[string]any{"_capture": c.ID, "_attempt": 1.0, "_attemptCode": "20016", "_code": "", "_outcome": "transport", "_operation": "getLead"} {
		if first.is[name] != want {
			t.Errorf("%s: %v", name, first.is[name])
		}
	}
	response := second.object("response")
	if response.number("status", 0) != 0 || response.str("_error") != "connection reset" || second.object("request").is["postData"] != nil {
		t.Errorf("%v", second.is)
	}
}

type broken struct{ io.Reader }

func (broken) Close() error { return nil }

// A body that can't be read to its end leaves a whole archive.
func TestLostBody(t *testing.T) {
	c := sample()
	d := detail(t, c)
	var out bytes.Buffer
	w := NewWriter(&out, Creator{"n", "v"})
	gone := errors.New("gone")
	err := w.Add(&d.Capture, func(attempt int, side capture.Side) (io.ReadCloser, error) {
		if side == capture.RequestSide {
			return nil, gone
		}
		return broken{io.MultiReader(strings.NewReader("\xff\x00"), failing{gone})}, nil
	})
	var lost *BodyError
	if !errors.As(err, &lost) || !errors.Is(err, gone) || lost.Capture != c.ID || lost.Attempt != 0 {
		t.Errorf("%v", err)
	}
	if err := w.Add(&d.Capture, d.Body); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	entries := check(t, out.Bytes())
	if len(entries) != 4 || !strings.Contains(entries[0].object("response").object("content").str("_error"), "gone") {
		t.Errorf("%s", out.Bytes())
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error)  { return 0, f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestBrokenStream(t *testing.T) {
	full := errors.New("no space")
	w := NewWriter(failing{full}, Creator{})
	c := sample()
	c.Attempts[0].Request.Body.Text = strings.Repeat("x", 1<<20)
	d := detail(t, c)
	err := w.Add(&d.Capture, d.Body)
	var lost *BodyError
	if !errors.Is(err, full) || errors.As(err, &lost) {
		t.Errorf("%v", err)
	}
	if err := w.Close(); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}

func FuzzArchive(f *testing.F) {
	seed, err := json.Marshal(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"attempts":[{"request":{"url":"?&=&%","body":{"text":"\ud800","size":1}},"response":{"status":-1,"bodySize":-7,"body":{"base64":"AA=="}}}]}`))
	f.Add([]byte(`{"attempts":[{"timings":{"send":1e308,"wait":1e308},"request":{"headers":[{"name":"Content-Type"}],"body":{"base64":"!","size":1}}}]}`))
	f.Add([]byte("{\"attempts\":[{\"request\":{\"body\":{\"text\":\"\xff\",\"size\":1}},\"response\":{\"body\":{\"text\":\"\xed\xa0\x80\xf0\x9f\"}}}]}"))
	f.Fuzz(func(t *testing.T, line []byte) {
		d, err := capture.ParseDetail(line)
		if err != nil {
			return
		}
		for _, a := range d.Attempts {
			if y := a.Started.UTC().Year(); y < 1 || y > 9998 {
				return // time.Parse reads times whose zone it would not format
			}
		}
		var out bytes.Buffer
		w := NewWriter(&out, Creator{"n", "v"})
		err = w.Add(&d.Capture, d.Body)
		var lost *BodyError
		if err != nil && !errors.As(err, &lost) {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if entries := check(t, out.Bytes()); len(entries) != len(d.Attempts) {
			t.Fatalf("%d entries of %d attempts", len(entries), len(d.Attempts))
		}
	})
}

// FuzzBody holds contents that no journal can have, but a filter between journal and archive, against the rules.
func FuzzBody(f *testing.F) {
	f.Add([]byte("<a>\xff\"</a>"), false)
	f.Add([]byte("\xe2\x82"), false)
	f.Add([]byte("\xe2\x82\x00"), true)
	f.Fuzz(func(t *testing.T, content []byte, binary bool) {
		c := sample()
		for i := range c.Attempts {
			c.Attempts[i].Request.Body = capture.BodyLine{Size: 1}
		}
		c.Attempts[0].Response.Body.Base64 = nil
		if binary {
			c.Attempts[0].Response.Body.Base64 = []byte{}
		}
		var out bytes.Buffer
		w := NewWriter(&out, Creator{"n", "v"})
		err := w.Add(&c, func(int, capture.Side) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		text := check(t, out.Bytes())[0].object("response").object("content").str("text")
		if want := strings.ToValidUTF8(string(content), ""); !binary && want == string(content) && text != want {
			t.Fatalf("%q became %q", content, text)
		}
		if binary && text != base64.StdEncoding.EncodeToString(content) {
			t.Fatalf("%q became %q", content, text)
		}
	})
}

func TestQueryEscapes(t *testing.T) {
	v := url.Values{"q": {"a&b=c", "ü"}}
	got := query("https://x/?" + v.Encode() + "#part")
	if len(got) != 2 || got[0].Value != "a&b=c" || got[1].Value != "ü" {
		t.Errorf("%v", got)
	}
}
