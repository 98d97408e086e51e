package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"marketo-proxy/classify"
	"marketo-proxy/emulator"
	"marketo-proxy/identity"
	"marketo-proxy/sign"
	"marketo-proxy/xmlscan"
)

// The client of the demo, made up: of use with an emulator only.
const (
	demoClient = "c0ffee00-5eed-4a7e-9b1d-000000000001"
	demoSecret = "secretOfTheDemo"
)

// demoCall is one call of the demo's application.
type demoCall struct {
	what  string
	api   classify.API
	name  string // SOAP: the operation; REST: method, path and query
	body  string // SOAP: content of the request element
	fail  string // what the emulator is asked to do
	stale bool   // SOAP: the signature is an hour old
}

// demoTraffic has for each API successes, and the kinds of failure that the proxy knows.
var demoTraffic = []demoCall{
	{what: "create a lead", api: classify.SOAP, name: "SyncLead", body: `<leadRecord><Email>ada@example.com</Email><leadAttributeList><attribute><attrName>FirstName</attrName><attrValue>Ada</attrValue></attribute></leadAttributeList></leadRecord><returnLead>false</returnLead>`},
	{what: "read it back", api: classify.SOAP, name: "GetLead", body: leadKey("ada@example.com")},
	{what: "read a lead that is not there", api: classify.SOAP, name: "GetLead", body: leadKey("nobody@example.com")},
	{what: "an hour old signature", api: classify.SOAP, name: "GetLead", body: leadKey("ada@example.com"), stale: true},
	{what: "a batch, some of it fails", api: classify.SOAP, name: "SyncMultipleLeads", body: `<leadRecordList>` + strings.Repeat(`<leadRecord><Email>batch@example.com</Email></leadRecord>`, 4) + `</leadRecordList><dedupEnabled>true</dedupEnabled>`, fail: "partial"},
	{what: "Marketo has an internal error", api: classify.SOAP, name: "GetMultipleLeads", body: `<leadSelector xsi:type="ns1:LeadKeySelector" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><keyType>EMAIL</keyType><keyValues><stringItem>ada@example.com</stringItem></keyValues></leadSelector><batchSize>10</batchSize>`, fail: "20011"},
	{what: "too many calls in 20 s", api: classify.SOAP, name: "GetLead", body: leadKey("ada@example.com"), fail: "20023"},
	{what: "a gateway's error page", api: classify.SOAP, name: "GetLead", body: leadKey("ada@example.com"), fail: "html502"},
	{what: "the connection breaks", api: classify.SOAP, name: "GetLead", body: leadKey("ada@example.com"), fail: "reset"},
	{what: "the answer is cut off", api: classify.SOAP, name: "GetLead", body: leadKey("ada@example.com"), fail: "cut"},

	{what: "read the lead", api: classify.REST, name: "GET /rest/v1/leads.json?filterType=email&filterValues=ada@example.com"},
	{what: "ask for a field that is not there", api: classify.REST, name: "GET /rest/v1/leads.json?filterType=email&filterValues=ada@example.com&fields=shoeSize"},
	{what: "create two leads, one is there", api: classify.REST, name: "POST /rest/v1/leads.json", body: `{"action":"createOnly","lookupField":"email","input":[{"email":"ada@example.com"},{"email":"grace@example.com"}]}`},
	{what: "an expired access token", api: classify.REST, name: "GET /rest/v1/leads.json?filterType=email&filterValues=ada@example.com", fail: "expired"},
	{what: "Marketo has an internal error", api: classify.REST, name: "GET /rest/v1/campaigns.json", fail: "611"},
	{what: "too many calls in 20 s", api: classify.REST, name: "GET /rest/v1/leads.json?filterType=id&filterValues=1", fail: "606"},
	{what: "the connection breaks", api: classify.REST, name: "GET /rest/v1/leads.json?filterType=id&filterValues=1", fail: "reset"},
}

func leadKey(email string) string {
	return `<leadKey><keyType>EMAIL</keyType><keyValue>` + email + `</keyValue></leadKey>`
}

// demoApplication calls Marketo through the proxy.
type demoApplication struct {
	client *http.Client
	base   string // of the proxy
	token  string
}

func demoRun(w *world, addr string) error {
	a := &demoApplication{client: &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}, base: "http://" + addr}
	defer a.client.CloseIdleConnections()
	token, err := identity.Fetch(w.ctx, a.client.Transport, a.base, demoClient, demoSecret)
	if err != nil {
		return fmt.Errorf("the demo gets no access token: %w", err)
	}
	a.token = token.Value
	table := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
	for _, c := range demoTraffic {
		saw, err := a.call(w.ctx, c)
		if err != nil {
			return errors.Join(table.Flush(), err)
		}
		name, _, _ := strings.Cut(c.name, "?")
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", c.what, strings.ToUpper(string(c.api)), name, saw)
	}
	return table.Flush()
}

// call makes a call and says what the application saw.
func (a *demoApplication) call(ctx context.Context, c demoCall) (string, error) {
	request, read := a.soap, readSOAP
	if c.api == classify.REST {
		request, read = a.rest, readREST
	}
	req, err := request(ctx, c)
	if err != nil {
		return "", err
	}
	if c.fail != "" {
		req.Header.Set(emulator.FailHeader, c.fail)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return "no answer: " + err.Error(), ctx.Err()
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	saw := fmt.Sprintf("HTTP %d", resp.StatusCode) + read(answer)
	if err != nil {
		saw += fmt.Sprintf(", cut off after %d bytes", len(answer))
	}
	if n := resp.Header.Get("Marketo-Proxy-Attempts"); n != "" {
		saw += ", after " + n + " attempts: the proxy renewed the " + map[classify.API]string{classify.SOAP: "signature", classify.REST: "token"}[c.api]
	}
	return saw, nil
}

func (a *demoApplication) soap(ctx context.Context, c demoCall) (*http.Request, error) {
	at := time.Now()
	if c.stale {
		at = at.Add(-time.Hour)
	}
	timestamp := sign.Timestamp(at)
	body := `<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/">
  <SOAP-ENV:Header><ns1:AuthenticationHeader><mktowsUserId>` + sampleUser + `</mktowsUserId><requestSignature>` +
		sign.Signature(sampleKey, timestamp, sampleUser) + `</requestSignature><requestTimestamp>` + timestamp +
		`</requestTimestamp></ns1:AuthenticationHeader></SOAP-ENV:Header>
  <SOAP-ENV:Body><ns1:params` + c.name + `>` + c.body + `</ns1:params` + c.name + `></SOAP-ENV:Body>
</SOAP-ENV:Envelope>`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/soap/mktows/3_1", strings.NewReader(body))
	if err == nil {
		req.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	}
	return req, err
}

func (a *demoApplication) rest(ctx context.Context, c demoCall) (*http.Request, error) {
	method, target, _ := strings.Cut(c.name, " ")
	req, err := http.NewRequestWithContext(ctx, method, a.base+target, strings.NewReader(c.body))
	if err == nil {
		req.Header.Set("Authorization", "Bearer "+a.token)
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

// readSOAP says what stands in an answer besides its status.
func readSOAP(answer []byte) string {
	_, rest, ok := bytes.Cut(answer, []byte("<faultstring>"))
	if !ok {
		if n := bytes.Count(answer, []byte("<status>FAILED</status>")); n > 0 {
			return fmt.Sprintf(", %d records FAILED", n)
		}
		return ""
	}
	text, _, _ := bytes.Cut(rest, []byte("</faultstring>"))
	return ", fault: " + string(xmlscan.Unescape(nil, text))
}

// readREST is the same for an answer of REST.
func readREST(answer []byte) string {
	type reason struct{ Code, Message string }
	var envelope struct {
		Errors []reason
		Result []struct {
			Status  string
			Reasons []reason
		}
	}
	if err := json.Unmarshal(answer, &envelope); err != nil {
		return ""
	}
	if len(envelope.Errors) > 0 {
		return fmt.Sprintf(", error %s: %s", envelope.Errors[0].Code, envelope.Errors[0].Message)
	}
	for i, r := range envelope.Result {
		if len(r.Reasons) > 0 {
			return fmt.Sprintf(", record %d %s, %s: %s", i, r.Status, r.Reasons[0].Code, r.Reasons[0].Message)
		}
	}
	return ""
}
