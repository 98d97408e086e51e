package classify

import (
	"strings"

	"marketo-proxy/xmlscan"
)

// soapRequest reads the start of a call to the SOAP API.
type soapRequest struct {
	scanner xmlscan.Scanner
	call    Call
	done    bool
	walker  walker
	user    text
	list    text
	current *text
	inBody  bool
}

// newSOAPRequest begins with the operation that the SOAPAction names. It is a hint: Marketo answers to the body, and some
// clients send an empty one.
func newSOAPRequest(soapAction string) *soapRequest {
	return &soapRequest{call: Call{API: SOAP, Operation: actionOperation(soapAction)}}
}

func actionOperation(soapAction string) string {
	name := strings.Trim(soapAction, "\" \t")
	name = name[strings.LastIndexByte(name, '/')+1:]
	if i, ok := findSOAP(name); ok {
		return soapOperations[i]
	}
	return Other
}

func (r *soapRequest) Call() Call { return r.call }
func (r *soapRequest) Done() bool { return r.done }

func (r *soapRequest) Write(p []byte) (int, error) {
	if r.done {
		return len(p), nil
	}
	r.scanner.Feed(p)
	var t xmlscan.Token
	for r.scanner.Scan(&t) {
		if r.token(&t); r.done {
			r.scanner = xmlscan.Scanner{} // lets p go
			break
		}
	}
	return len(p), nil
}

func (r *soapRequest) token(t *xmlscan.Token) {
	wanted := r.current != nil && r.walker.onPath()
	switch t.Kind {
	case xmlscan.Text:
		if wanted {
			r.current.addXML(t.Data, nil)
		}
		return
	case xmlscan.CDATA:
		if wanted {
			r.current.addVerbatim(t.Data, nil)
		}
		return
	}
	if r.current != nil {
		r.current.flush()
	}
	switch t.Kind {
	case xmlscan.Start:
		r.start(t)
	case xmlscan.End:
		r.leave()
	}
}

func (r *soapRequest) start(t *xmlscan.Token) {
	if len(t.Name) == 0 {
		r.done = true
		return
	}
	n := r.element(t.Local())
	if r.done {
		return
	}
	r.walker.open(n)
	if n != nil {
		r.enter(n)
	}
	if t.SelfClosing {
		r.leave()
	}
}

func (r *soapRequest) enter(n *node) {
	switch n.field {
	case fieldUser:
		r.current = &r.user
	case fieldListOperation:
		r.current = &r.list
	}
}

func (r *soapRequest) element(local []byte) *node {
	switch depth := r.walker.depth; {
	case depth == 0 && string(local) == "Envelope":
		return &envelopeNode
	case depth == 0:
		r.done = true
		return nil
	case depth == 1 && string(local) == "Body":
		r.inBody = true
		return &bodyNode
	case depth == 2 && r.inBody:
		r.call.Operation = soapOperation("params", local)
		if r.call.Operation != listOperation {
			r.done = true
			return nil
		}
		return &listOperationRequest
	}
	return r.walker.child(local)
}

func (r *soapRequest) leave() {
	if r.walker.depth == 0 { // an end tag without a start
		r.done = true
		return
	}
	n := r.walker.close()
	if r.walker.depth == 0 || r.inBody && r.walker.depth <= 2 {
		r.done = true
	}
	if n == nil {
		return
	}
	switch n.field {
	case fieldUser:
		if r.call.User == "" {
			r.call.User = r.user.short()
		}
	case fieldListOperation:
		r.call.MemberCheck = r.list.short() == "ISMEMBEROFLIST"
		r.done = true
	}
	r.current = nil
}
