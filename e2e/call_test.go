//go:build linux

package e2e

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	soapPath   = "/soap/mktows/3_1"
	failHeader = "Marketo-Emulator-Fail"
	sizeHeader = "Marketo-Emulator-Size"
	callHeader = "X-E2e-Call" // names a call, on both sides and in its capture
)

const timestampLayout = "2006-01-02T15:04:05-07:00"

// signature is written here anew, by Adobe's description, so that it checks the program's own.
func signature(key, timestamp, user string) string {
	h := hmac.New(sha1.New, []byte(key))
	h.Write([]byte(timestamp + user))
	return hex.EncodeToString(h.Sum(nil))
}

// credential is what a caller signs with, and when it did.
type credential struct {
	user, key string
	age       time.Duration
}

// header is the content of an AuthenticationHeader.
func (c credential) header() string {
	if c.user == "" {
		c.user = user
	}
	if c.key == "" {
		c.key = key
	}
	timestamp := time.Now().Add(-c.age).Format(timestampLayout)
	return authentication(c.user, signature(c.key, timestamp, c.user), timestamp)
}

func authentication(user, signature, timestamp string) string {
	return "<mktowsUserId>" + user + "</mktowsUserId><requestSignature>" + signature + "</requestSignature><requestTimestamp>" + timestamp +
		"</requestTimestamp>"
}

// envelope is a request as PHP's SoapClient writes it.
func envelope(c credential, operation, params string) string {
	name := "ns1:params" + strings.ToUpper(operation[:1]) + operation[1:]
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/">` +
		`<SOAP-ENV:Header><ns1:AuthenticationHeader>` + c.header() + `</ns1:AuthenticationHeader></SOAP-ENV:Header>` +
		`<SOAP-ENV:Body><` + name + `>` + params + `</` + name + `></SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

// getLead asks for a lead that the emulator knows.
func getLead(c credential) string {
	return envelope(c, "getLead", `<leadKey><keyType>EMAIL</keyType><keyValue>rufus@marketo.com</keyValue></leadKey>`)
}

var authenticated = regexp.MustCompile(`(?s)<mktowsUserId>.*</requestTimestamp>`)

// published is Adobe's sample request for an operation, signed now.
func published(t *testing.T, operation string) string {
	t.Helper()
	sample, err := os.ReadFile(filepath.Join("testdata/docs", strings.ToLower(operation)+".request.xml"))
	if err != nil {
		t.Fatal(err)
	}
	return authenticated.ReplaceAllLiteralString(string(sample), credential{}.header())
}

// got is what an application saw of an answer.
type got struct {
	status int
	header http.Header
	body   []byte
	err    error // of the call, or of reading the answer to its end
}

var calls atomic.Int64

// newCall names a call.
func newCall() string { return "call-" + strconv.FormatInt(calls.Add(1), 10) }

// post makes a SOAP call; header has names and values in turn.
func (d *door) post(body string, header ...string) got {
	return d.do(context.Background(), http.MethodPost, soapPath, strings.NewReader(body), append([]string{"Content-Type", "text/xml; charset=UTF-8"}, header...)...)
}

func (d *door) do(ctx context.Context, method, path string, body io.Reader, header ...string) got {
	resp, err := d.open(ctx, method, path, body, header...)
	if err != nil {
		return got{err: err}
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	_, err = io.Copy(&b, resp.Body)
	return got{resp.StatusCode, resp.Header, b.Bytes(), err}
}

// open makes a call up to the head of its answer.
func (d *door) open(ctx context.Context, method, path string, body io.Reader, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, d.url(path), body)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return d.client.Do(req)
}

// faultIn reads a SOAP 1.1 fault as a toolkit does; ok tells whether there is one.
func faultIn(body []byte) (code, text string, ok bool) {
	var e struct {
		Fault *struct {
			Code string `xml:"faultcode"`
			Text string `xml:"faultstring"`
		} `xml:"Body>Fault"`
	}
	if err := xml.Unmarshal(body, &e); err != nil || e.Fault == nil {
		return "", "", false
	}
	return e.Fault.Code, e.Fault.Text, true
}
