package proxy

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"marketo-proxy/classify"
)

// ownAnswer is what an application gets where Marketo gave no answer to pass on: for SOAP a Fault, so that a toolkit raises one
// in place of a parse error; for REST the envelope that its clients read errors from.
func ownAnswer(req *http.Request, api classify.API, status int, text, captureID string) *http.Response {
	text = "marketo-proxy: " + text
	if captureID != "" {
		text += " (capture " + captureID + ")"
	}
	var body []byte
	contentType := "text/xml; charset=utf-8"
	if api == classify.REST {
		contentType = "application/json;charset=UTF-8"
		body = restError(status, text, captureID)
	} else {
		body = soapFault(text)
	}
	resp := &http.Response{
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        ownHeader(contentType, len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
		Request:       req,
	}
	if captureID != "" {
		resp.Header.Set(headerCapture, captureID)
	}
	return resp
}

func soapFault(text string) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body><SOAP-ENV:Fault>` +
		`<faultcode>SOAP-ENV:Server</faultcode><faultstring>`)
	_ = xml.EscapeText(&b, []byte(text)) // a bytes.Buffer does not fail
	b.WriteString(`</faultstring></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>` + "\n")
	return b.Bytes()
}

// restError has the shape of Marketo's own errors. Clients know 502; a timeout is told apart by its own code.
func restError(status int, text, requestID string) []byte {
	type restErr struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	body, _ := json.Marshal(struct { // strings always marshal
		RequestID string    `json:"requestId"`
		Success   bool      `json:"success"`
		Errors    []restErr `json:"errors"`
	}{requestID, false, []restErr{{strconv.Itoa(status), text}}})
	return append(body, '\n')
}

// refuse answers a request that belongs to no upstream; nothing is recorded of it.
func refuse(w http.ResponseWriter, status int, text string) {
	text = "marketo-proxy: " + strings.TrimSpace(text) + "\n"
	maps.Copy(w.Header(), ownHeader("text/plain; charset=utf-8", len(text)))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func ownHeader(contentType string, length int) http.Header {
	return http.Header{
		"Content-Type": {contentType}, "Content-Length": {strconv.Itoa(length)}, "Date": {time.Now().UTC().Format(http.TimeFormat)},
	}
}
