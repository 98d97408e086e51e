package emulator

import (
	"strings"
	"testing"

	"marketo-proxy/classify"
)

func TestEveryCode(t *testing.T) {
	b := newBench(t)
	for _, code := range classify.Codes(classify.SOAP) {
		f := b.wantFault(b.soap("getLead", joe, FailHeader+": "+code.Code), code.Code)
		if f.String != code.Code+" - "+code.Message {
			t.Errorf("%s: %q", code.Code, f.String)
		}
		b.wantCount("soap", "getLead", code.Code, 1)
	}
	b.wantFault(b.soap("getLead", joe, FailHeader+": 20999"), "20999")
}

func TestFaultShapes(t *testing.T) {
	b := newBench(t)
	call := func(effects string) answered { return b.soap("getLead", joe, FailHeader+": "+effects) }
	if a := call("20011"); strings.Count(a.body, "\n") < 10 || !strings.HasPrefix(a.body, "<?xml ") ||
		!strings.HasPrefix(a.header.Get("Content-Type"), "text/xml") {
		t.Errorf("canonical:\n%s", a.body)
	}
	if a := call("20011+oneline"); strings.Contains(a.body, "\n") || strings.HasPrefix(a.body, "<?xml") {
		t.Errorf("oneline:\n%s", a.body)
	}
	a := call("10001+nocode")
	if f := readFault(t, a); f.String != "Internal Error" || f.Message != "Internal Error" || f.Number != "10001" || !strings.Contains(a.body, "<cause/>") {
		t.Errorf("nocode:\n%s", a.body)
	}
	if f := readFault(t, call("20014+nodetail")); f.String != "20014 - Authentication Failed" || f.Number != "" || f.Message != "" {
		t.Errorf("nodetail: %+v", f)
	}
	if f := readFault(t, call("20011+server")); f.Code != "SOAP-ENV:Server" {
		t.Errorf("server: %+v", f)
	}
	a = call("20011+soap12")
	if flat := flatten(a.body); !strings.Contains(flat, `xmlns:SOAP-ENV="`+soap12+`"`) || !strings.Contains(flat, "<SOAP-ENV:Value>SOAP-ENV:Sender</SOAP-ENV:Value>") ||
		!strings.Contains(flat, `<SOAP-ENV:Text xml:lang="en">20011 - Internal Error</SOAP-ENV:Text>`) || !strings.Contains(flat, "<code>20011</code>") {
		t.Errorf("soap12:\n%s", a.body)
	}
	if f := readFault(t, call("20110+message=Input <error>")); f.String != "20110 - Input <error>" || f.Message != "Input <error> (20110)" {
		t.Errorf("message: %+v", f)
	}
	// the one real fault whose texts carry no code
	f := readFault(t, b.soap("getMultipleLeads", ""))
	if f.Number != "10001" || f.String != "Parameter required" || f.Message != "No selection criteria found in request" {
		t.Errorf("no criteria: %+v", f)
	}
}
