package ticket

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"
	"testing"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/journal"
)

var begin = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const user = "demo17_1_809934544BFABAE58E5D27"

func id(n int) string {
	ms := begin.Add(time.Duration(n) * time.Minute).UnixMilli()
	return fmt.Sprintf("%08x-%04x-7000-8000-%012x", ms>>16, ms&0xffff, n)
}

// soap is a SOAP fault, n minutes after begin.
func soap(n int, code string, class classify.Class, message string) capture.Capture {
	at := begin.Add(time.Duration(n) * time.Minute)
	request := `<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/"><SOAP-ENV:Header><ns1:AuthenticationHeader>` +
		`<mktowsUserId>` + user + `</mktowsUserId><requestSignature>REDACTED</requestSignature><requestTimestamp>2026-11-24T06:00:00-06:00</requestTimestamp></ns1:AuthenticationHeader></SOAP-ENV:Header>` +
		`<SOAP-ENV:Body><ns1:paramsGetLead><leadKey><keyType>EMAIL</keyType><keyValue>ada.lovelace@analytical.org</keyValue></leadKey></ns1:paramsGetLead></SOAP-ENV:Body></SOAP-ENV:Envelope>`
	answer := `<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body><SOAP-ENV:Fault><faultcode>SOAP-ENV:Client</faultcode><faultstring>` +
		code + ` - ` + message + `</faultstring></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>`
	return capture.Capture{
		ID: id(n), Time: at, API: classify.SOAP, Operation: "getLead", Instance: "123-ABC-456", User: user, Outcome: classify.Fault, Code: code, Class: class,
		Message: message, DurationMS: 1203.7, Complete: true, Proxy: capture.Proxy{Version: "v1.0.0", Host: "node-1"},
		Attempts: []capture.AttemptLine{{
			Started: at, Outcome: classify.Fault, Code: code,
			Timings: capture.TimingsLine{Blocked: -1, DNS: 1.5, Connect: 20, SSL: 12, Send: 0.2, Wait: 1179, Receive: 3},
			Request: capture.RequestLine{
				Method: "POST", URL: "https://123-ABC-456.mktoapi.com/soap/mktows/3_1", HTTPVersion: "HTTP/1.1",
				Headers:  []capture.HeaderLine{{Name: "Content-Type", Value: "text/xml;charset=UTF-8"}, {Name: "Soapaction", Value: `"http://www.marketo.com/mktows/getLead"`}},
				BodySize: int64(len(request)), Body: capture.BodyLine{Size: int64(len(request)), SHA256: "00", Text: request},
			},
			Response: &capture.ResponseLine{
				Status: 500, StatusText: "Internal Server Error", HTTPVersion: "HTTP/1.1",
				Headers: []capture.HeaderLine{{Name: "Content-Type", Value: "text/xml"}, {Name: "Date", Value: at.Add(time.Second).Format("Mon, 02 Jan 2006 15:04:05 GMT")},
					{Name: "Set-Cookie", Value: "REDACTED"}},
				BodySize: int64(len(answer)), Body: capture.BodyLine{Size: int64(len(answer)), SHA256: "01", Text: answer},
			},
		}},
	}
}

// rest is a REST fault, n minutes after begin.
func rest(n int, code string, class classify.Class, message string) capture.Capture {
	c := soap(n, code, class, message)
	c.API, c.Operation, c.User, c.RequestID = classify.REST, "syncLeads", "", fmt.Sprintf("e42b#14272d%05x", n)
	a := &c.Attempts[0]
	request := `{"action":"createOrUpdate","lookupField":"email","input":[{"email":"grace.hopper@navy.mil","firstName":"Grace","lastName":"Hopper"}]}`
	answer := `{"requestId":"` + c.RequestID + `","success":false,"errors":[{"code":"` + code + `","message":"` + message + `"}]}`
	a.Request.URL = "https://123-ABC-456.mktorest.com/rest/v1/leads.json?access_token=REDACTED"
	a.Request.Headers = []capture.HeaderLine{{Name: "Authorization", Value: "Bearer REDACTED"}, {Name: "Content-Type", Value: "application/json"}}
	a.Request.BodySize, a.Request.Body = int64(len(request)), capture.BodyLine{Size: int64(len(request)), SHA256: "02", Text: request}
	a.Response.Status, a.Response.StatusText = 200, "OK"
	a.Response.Headers[0].Value = "application/json;charset=UTF-8"
	a.Response.BodySize, a.Response.Body = int64(len(answer)), capture.BodyLine{Size: int64(len(answer)), SHA256: "03", Text: answer}
	return c
}

// lost is a call without a whole answer.
func lost(n int) capture.Capture {
	c := soap(n, "", classify.ClassUnknown, "reset: Marketo reset the connection")
	c.Outcome, c.Complete = classify.Transport, false
	a := &c.Attempts[0]
	a.Outcome, a.Error, a.Response = classify.Transport, "reset: Marketo reset the connection", nil
	return c
}

// healed is a 20016 that the proxy renewed.
func healed(n int) capture.Capture {
	c := soap(n, "20016", classify.ClassRenew, "Request Expired (20016)")
	second := soap(n, "", "", "").Attempts[0]
	second.Outcome, second.Started = "", second.Started.Add(1200*time.Millisecond)
	second.Response.Status, second.Response.StatusText = 200, "OK"
	c.Outcome, c.Renewal = classify.Recovered, capture.RenewalRecovered
	c.Attempts = append(c.Attempts, second)
	return c
}

// change changes a copy.
func change(c capture.Capture, by func(*capture.Capture)) (changed capture.Capture) {
	line, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	if err := json.Unmarshal(line, &changed); err != nil {
		panic(err)
	}
	by(&changed)
	return changed
}

// encoded is the line of a capture, as the proxy writes it.
func encoded(t testing.TB, c capture.Capture) []byte {
	t.Helper()
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(c); err != nil {
		t.Fatal(err)
	}
	return line.Bytes()
}

// dirOf is a journal of captures.
func dirOf(t testing.TB, captures ...capture.Capture) string {
	t.Helper()
	dir := t.TempDir()
	j, err := journal.Open(journal.Options{Dir: dir, MaxSize: 1 << 30, SegmentSize: 32 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range captures {
		if err := <-j.Append(journal.Record{Line: encoded(t, c)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// options are those for a ticket of all in dir, two hours after begin.
func options(t testing.TB, dir string) Options {
	t.Helper()
	a, err := capture.OpenArchive(dir)
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Archive: a, Query: capture.Query{Since: begin}, Dir: t.TempDir(), Version: "v9", Now: begin.Add(2 * time.Hour), Random: rand.Reader,
	}
}

// files are those of a zip by their names; order has the names.
func files(t testing.TB, z []byte) (content map[string]string, order []string) {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(z), int64(len(z)))
	if err != nil {
		t.Fatal(err)
	}
	content = map[string]string{}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		content[f.Name] = string(b)
		order = append(order, f.Name)
		if path.Clean(f.Name) != f.Name || strings.HasPrefix(f.Name, "/") {
			t.Errorf("a file named %q", f.Name)
		}
	}
	return content, order
}

// made is a ticket and its files.
func made(t testing.TB, o Options) (*Report, map[string]string) {
	t.Helper()
	var out bytes.Buffer
	r, err := Write(context.Background(), &out, o)
	if err != nil {
		t.Fatal(err)
	}
	content, _ := files(t, out.Bytes())
	return r, content
}

func want(t testing.TB, where, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s lacks %q:\n%s", where, p, text)
		}
	}
}

func wantNot(t testing.TB, where, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(text, p) {
			t.Errorf("%s has %q:\n%s", where, p, text)
		}
	}
}
