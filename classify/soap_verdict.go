package classify

import (
	"net/http"
	"strconv"

	"marketo-proxy/xmlscan"
)

func (r *soapResponse) Verdict() Verdict {
	switch {
	case r.child == childFaultRead:
		return r.fault()
	case r.answer.Status >= http.StatusBadRequest:
		return httpVerdict(r.answer.Status)
	case r.partial():
		return r.partialVerdict()
	case !r.judged:
		return Verdict{}
	}
	if reason := r.defect(); reason != "" {
		return Verdict{Outcome: Malformed, Message: clip(reason)}
	}
	return Verdict{}
}

func httpVerdict(status int) Verdict {
	message := strconv.Itoa(status)
	if t := http.StatusText(status); t != "" {
		message += " " + t
	}
	return Verdict{Outcome: HTTP, Message: message}
}

// defect is what is wrong with the body if nothing follows.
func (r *soapResponse) defect() string {
	if r.reason != "" {
		return r.reason
	}
	if r.skims {
		return r.tailDefect()
	}
	rest := r.scanner // a copy: a Verdict before the end changes nothing
	rest.Finish()
	t, pending := rest.Next()
	switch {
	case !r.encoding.foreign && !r.utf8.complete():
		return invalidUTF8
	case pending && t.Kind != xmlscan.Text, pending && t.Raw[0] == '<', r.scanner.Inside():
		return "not well-formed XML: it ends inside a tag or comment"
	case r.root == rootOpen:
		return "not well-formed XML: it ends before </Envelope>"
	case r.root == rootMissing && r.begun || pending:
		return "not a SOAP envelope: it has no root element"
	case r.root == rootMissing:
		return "empty body"
	}
	return ""
}

func (r *soapResponse) tailDefect() string {
	switch {
	case !r.encoding.foreign && !r.utf8.complete():
		return invalidUTF8
	case !r.tail.closes():
		return "not well-formed XML: it ends before </Envelope>"
	}
	return ""
}

func (r *soapResponse) fault() Verdict {
	v := Verdict{Outcome: Fault, Message: r.fields[fieldMessage].String()}
	if v.Message == "" {
		v.Message = r.fields[fieldFaultString].String()
	}
	v.Code = r.fields[fieldCode].short()
	if !isNumber(v.Code) {
		v.Code = leadingCode(r.fields[fieldFaultString].String())
	}
	if v.Code == "" {
		v.Code = trailingCode(r.fields[fieldMessage].ending())
	}
	return v
}

func (r *soapResponse) partialVerdict() Verdict {
	v := Verdict{Outcome: Partial, Records: r.records, RecordsFailed: r.failed}
	if r.failed == 0 {
		v.Records, v.RecordsFailed = []Record{{Status: r.fields[fieldSuccess].short()}}, 1
	}
	if v.Message = v.Records[0].Error; v.Message == "" {
		v.Message = v.Records[0].Status
	}
	return v
}
