package emulator

import (
	"net/http"

	"marketo-proxy/classify"
)

// fault is a failure of a SOAP call.
type fault struct {
	code    string
	text    string // of faultstring, without the code; empty is what Marketo documents
	message string // of the exception, without the code; empty is text
	cause   bool   // no code in either text, and an empty <cause/>, as some faults came
}

// filler makes long texts.
const filler = "The quick brown fox jumps over the lazy dog, and 20103 is only a number in this sentence. "

// Error implements error.
func (f *fault) Error() string { return f.code + " - " + f.text }

// codeText is the documented message of a code.
func codeText(code string) string {
	if known, ok := classify.Lookup(classify.SOAP, code); ok {
		return known.Message
	}
	return "Internal Error"
}

// faultAnswer writes a fault in the shape of Adobe's sample, or of one of the others that were seen or are to be feared.
// Marketo sends faults with HTTP status 500.
func faultAnswer(c *call, f *fault) answer {
	e := &c.effects
	text, message := f.text, f.message
	if text == "" {
		text = codeText(f.code)
	}
	if message == "" {
		message = text
	}
	if e.message != "" {
		text, message = e.message, e.message
	}
	if !f.cause && !e.noCode {
		text, message = f.code+" - "+text, message+" ("+f.code+")"
	}
	status := http.StatusInternalServerError
	if e.status != 0 {
		status = e.status
	}
	contentType := "text/xml"
	if e.soap12 {
		contentType = "application/soap+xml"
	}
	return answer{status: status, contentType: contentType, outcome: f.code, body: func(d *document) error {
		x := newXMLWriter(d, e.oneLine)
		namespace := soap11
		if e.soap12 {
			namespace = soap12
		}
		x.open("SOAP-ENV:Envelope", `xmlns:SOAP-ENV="`+namespace+`"`)
		x.open("SOAP-ENV:Body")
		x.open("SOAP-ENV:Fault")
		detail := "detail"
		if e.soap12 {
			detail = "SOAP-ENV:Detail"
			x.in("SOAP-ENV:Code", func() { x.leaf("SOAP-ENV:Value", "SOAP-ENV:"+e.pick("Receiver", "Sender")) })
			x.in("SOAP-ENV:Reason", func() {
				x.open("SOAP-ENV:Text", `xml:lang="en"`)
				x.text(text)
				x.w.WriteString("</SOAP-ENV:Text>")
				x.depth--
			})
		} else {
			x.leaf("faultcode", "SOAP-ENV:"+e.pick("Server", "Client"))
			x.leaf("faultstring", text)
		}
		if !e.noDetail {
			x.in(detail, func() {
				x.open("ns1:serviceException", `xmlns:ns1="`+mktows+`"`)
				x.leaf("name", "mktServiceException")
				x.open("message")
				for d.room() {
					x.w.WriteString(filler)
				}
				x.text(message)
				x.w.WriteString("</message>")
				x.depth--
				x.leaf("code", f.code)
				if f.cause || e.noCode {
					x.leaf("cause", "")
				}
				x.close("ns1:serviceException")
			})
		}
		x.close("SOAP-ENV:Fault")
		x.close("SOAP-ENV:Body")
		x.close("SOAP-ENV:Envelope")
		return x.flush()
	}}
}

func (e *effects) pick(server, client string) string {
	if e.server {
		return server
	}
	return client
}
