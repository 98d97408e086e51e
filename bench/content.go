package main

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"marketo-proxy/emulator"
	"marketo-proxy/sign"
)

// A message is one kind of call: what the application sends, and what the upstream answers. Both are the emulator's, made
// once and kept as raw HTTP in files, so that neither end costs more than writing them.
type message struct {
	Name   string
	Status int
	Size   int64  // of the answer's body
	Sum    uint32 // of the answer's body, CRC-32C
}

// caseHeader tells the upstream which answer is wanted.
const caseHeader = "X-Bench-Case"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	benchUser = "bench_1_461839624B16E06BA2D663"
	benchKey  = "899756834129871744AAEE88DDCC77CDEE"
)

// The kinds of calls.
const (
	caseSmall    = "small"    // 2 KB, answered with 4 KB
	caseFault    = "fault"    // 2 KB, answered with a SOAP fault
	caseUpload   = "upload"   // 500 KB, answered with 4 KB
	caseDownload = "download" // 2 KB, answered with 10 MB
)

// writeContent makes the messages and writes NAME.request and NAME.answer into dir.
func writeContent(dir string) (map[string]message, error) {
	marketo, err := emulator.New(emulator.Options{Users: map[string]string{benchUser: benchKey}, NoGzip: true})
	if err != nil {
		return nil, err
	}
	defer marketo.Close()
	small := envelope("getMultipleLeads", leadKeys(24))
	messages := map[string]message{}
	few := envelope("syncMultipleLeads", records(2_400)) // so that there is something to get, and for a short answer
	for _, c := range []struct{ name, request, answerTo, size, fail string }{
		{"seed", few, few, "", ""},
		{caseSmall, small, small, "", ""},
		{caseFault, small, small, "", "20011"},
		{caseUpload, envelope("syncMultipleLeads", records(500_000)), few, "", ""},
		{caseDownload, small, small, "10MB", ""},
	} {
		r := httptest.NewRequest(http.MethodPost, "/soap/mktows/3_1", strings.NewReader(c.answerTo))
		r.Header.Set("Content-Type", "text/xml; charset=UTF-8")
		if c.size != "" {
			r.Header.Set(emulator.SizeHeader, c.size)
		}
		if c.fail != "" {
			r.Header.Set(emulator.FailHeader, c.fail)
		}
		w := httptest.NewRecorder()
		marketo.ServeHTTP(w, r)
		m, err := writeMessage(dir, c.name, c.request, w.Result())
		if err != nil {
			return nil, err
		}
		if (m.Status == http.StatusOK) != (c.fail == "") {
			return nil, fmt.Errorf("the emulator answers %s with %d: %.300s", c.name, m.Status, w.Body)
		}
		messages[c.name] = m
	}
	return messages, nil
}

func writeMessage(dir, name, request string, resp *http.Response) (message, error) {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return message{}, err
	}
	var ask, answer bytes.Buffer
	// The head that PHP's SoapClient sends.
	fmt.Fprintf(&ask, "POST /soap/mktows/3_1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: Keep-Alive\r\nUser-Agent: PHP-SOAP/8.2.29\r\n"+
		"Content-Type: text/xml; charset=utf-8\r\nSOAPAction: \"\"\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s", caseHeader, name, len(request), request)
	fmt.Fprintf(&answer, "HTTP/1.1 %d %s\r\nServer: nginx\r\n", resp.StatusCode, http.StatusText(resp.StatusCode))
	for _, field := range []string{"Date", "Content-Type"} {
		fmt.Fprintf(&answer, "%s: %s\r\n", field, resp.Header.Get(field))
	}
	fmt.Fprintf(&answer, "Content-Length: %d\r\n\r\n%s", len(body), body)
	if err := os.WriteFile(filepath.Join(dir, name+".request"), ask.Bytes(), 0o600); err != nil {
		return message{}, err
	}
	if err := os.WriteFile(filepath.Join(dir, name+".answer"), answer.Bytes(), 0o600); err != nil {
		return message{}, err
	}
	return message{name, resp.StatusCode, int64(len(body)), crc32.Checksum(body, castagnoli)}, nil
}

// envelope is a signed call as PHP's SoapClient writes it.
func envelope(operation, params string) string {
	at := time.Now().Format("2006-01-02T15:04:05-07:00")
	name := "ns1:params" + strings.ToUpper(operation[:1]) + operation[1:]
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/"` +
		` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
		`<SOAP-ENV:Header><ns1:AuthenticationHeader><mktowsUserId>` + benchUser + `</mktowsUserId><requestSignature>` +
		sign.Signature(benchKey, at, benchUser) + `</requestSignature><requestTimestamp>` + at +
		`</requestTimestamp></ns1:AuthenticationHeader></SOAP-ENV:Header>` +
		`<SOAP-ENV:Body><` + name + `>` + params + `</` + name + `></SOAP-ENV:Body></SOAP-ENV:Envelope>`
}

// records are leads to sync, such that the whole request has about size bytes.
func records(size int) string {
	var b strings.Builder
	b.WriteString("<leadRecordList>")
	for i := 0; b.Len() < size-1_000; i++ {
		fmt.Fprintf(&b, "<leadRecord><Email>lead%d@example.com</Email><leadAttributeList><attribute><attrName>FirstName</attrName>"+
			"<attrValue>Ada %[1]d</attrValue></attribute><attribute><attrName>Company</attrName><attrValue>Analytical &amp; Sons</attrValue>"+
			"</attribute></leadAttributeList></leadRecord>", i)
	}
	b.WriteString("</leadRecordList><dedupEnabled>true</dedupEnabled>")
	return b.String()
}

// leadKeys ask for the first leads of records.
func leadKeys(n int) string {
	var b strings.Builder
	b.WriteString(`<leadSelector xsi:type="ns1:LeadKeySelector"><keyType>EMAIL</keyType><keyValues>`)
	for i := range n {
		fmt.Fprintf(&b, "<stringItem>lead%d@example.com</stringItem>", i)
	}
	b.WriteString("</keyValues></leadSelector><batchSize>100</batchSize>")
	return b.String()
}
