package classify

import (
	"bytes"
	"fmt"
	"net/http"

	"marketo-proxy/xmlscan"
)

// soapResponse reads an answer of the SOAP API in one pass.
//
// A failure that was read entirely (a Fault with its end tag, a failed record) stands, whatever comes after it. An HTTP
// status of 400 or more comes before anything but a Fault.
type soapResponse struct {
	scanner xmlscan.Scanner
	answer  Answer
	judged  bool // the body has to be a SOAP envelope
	stopped bool // nothing that follows can change the verdict
	skims   bool // nothing but the end of what follows can
	read    int64
	tail    tail // of a long body

	walker  walker
	nesting nesting
	begun   bool // something else than white space was read
	root    rootState
	inBody  bool
	bodies  int
	child   childState // of the first child of Body

	encoding    encoding
	declaration declaration
	utf8        utf8Check

	fields  [fieldCount]text
	current *text // the text of the innermost element is wanted

	reason    string // why the body is malformed, the first reason
	operation string
	index     int // of the record being read
	records   []Record
	failed    int
}

type rootState uint8

const (
	rootMissing rootState = iota
	rootOpen
	rootClosed
)

type childState uint8

const (
	childMissing childState = iota
	childOther
	childFault
	childFaultRead
)

func newSOAPResponse(a Answer) *soapResponse {
	r := &soapResponse{answer: a, encoding: newEncoding(contentCharset(a.ContentType))}
	r.stopped = hasNoBody(a)
	r.judged = a.Method != http.MethodGet && !r.stopped && a.Status < http.StatusBadRequest
	return r
}

func (r *soapResponse) Write(p []byte) (int, error) {
	if r.stopped {
		return len(p), nil
	}
	if !r.encoding.foreign {
		r.utf8.check(p)
	}
	if r.read += int64(len(p)); r.read > skimAfter/2 {
		r.tail.add(p)
	}
	if r.skims {
		r.skim()
		return len(p), nil
	}
	r.scanner.Feed(p)
	var t xmlscan.Token
	for {
		if r.aside() {
			if name, end, ok := r.scanner.Skim(); ok {
				if r.skimmed(name, end); r.stopped {
					r.scanner = xmlscan.Scanner{}
					return len(p), nil
				}
				continue
			}
		}
		if !r.scanner.Scan(&t) {
			break
		}
		if r.utf8.invalid && r.reason == "" {
			r.checkUTF8(&t)
		}
		if r.token(&t); r.stopped {
			r.scanner = xmlscan.Scanner{} // lets p go
			return len(p), nil
		}
	}
	if r.read > skimAfter && r.child == childOther && successTree(r.operation) == nil {
		r.skims = true
		r.scanner = xmlscan.Scanner{}
		r.skim()
	}
	return len(p), nil
}

// skim judges what came without reading its tags.
func (r *soapResponse) skim() {
	if r.utf8.invalid {
		r.reason = invalidUTF8
		r.settle()
	}
}

// aside tells that what follows lies in an element of which nothing is wanted but that its tags match.
func (r *soapResponse) aside() bool {
	return r.walker.depth > 2 && !r.walker.onPath() && r.current == nil && !r.utf8.invalid && r.nesting.depth < maxNesting
}

// skimmed follows the nesting aside.
func (r *soapResponse) skimmed(name []byte, end bool) {
	switch {
	case !end:
		r.walker.open(nil)
		r.nesting.push(name)
	case r.nesting.pop(name):
		r.walker.close()
	default:
		r.mismatch(name)
	}
}

func (r *soapResponse) mismatch(name []byte) {
	r.malformed(fmt.Sprintf("not well-formed XML: </%.64s> closes another element", name))
}

// checkUTF8 notes if the token reaches to invalid UTF-8. What is wrong from its first piece on gets its own reason.
func (r *soapResponse) checkUTF8(t *xmlscan.Token) {
	wrong := t.Kind == xmlscan.Doctype || r.walker.depth == 0 && (t.Kind == xmlscan.Text || t.Kind == xmlscan.CDATA)
	if !wrong && !r.encoding.foreign && r.utf8.within(t.Offset+int64(len(t.Raw))) {
		r.reason = invalidUTF8
		r.settle()
	}
}

func (r *soapResponse) token(t *xmlscan.Token) {
	if !r.declaration.done {
		r.declare(t)
	}
	switch t.Kind {
	case xmlscan.Text:
		r.text(t)
		return
	case xmlscan.CDATA:
		r.cdata(t)
		return
	}
	if r.current != nil {
		r.current.flush()
	}
	switch t.Kind {
	case xmlscan.Start:
		r.start(t)
	case xmlscan.End:
		r.end(t)
	case xmlscan.Doctype:
		r.malformed("not a SOAP envelope: it has a DOCTYPE, as HTML pages have")
	default:
		r.begun = true
	}
}

func (r *soapResponse) declare(t *xmlscan.Token) {
	if name, known := r.declaration.token(t); known && name != "" {
		r.encoding = newEncoding(name)
	}
}

func (r *soapResponse) text(t *xmlscan.Token) {
	if t.Raw[0] == '<' {
		r.begun = true
		r.malformed("not well-formed XML: a stray <")
		return
	}
	if r.walker.depth == 0 {
		r.outside(t)
		return
	}
	if r.current != nil && r.walker.onPath() {
		r.current.addXML(t.Data, r.encoding.charset)
	}
}

const invalidUTF8 = "invalid UTF-8"

const byteOrderMark = "\xef\xbb\xbf"

// outside reads text before and after the root element.
func (r *soapResponse) outside(t *xmlscan.Token) {
	b := bytes.TrimLeft(t.Data, " \t\r\n")
	switch {
	case len(b) == 0, t.Offset == 0 && string(t.Raw) == byteOrderMark:
	case r.root == rootClosed:
		r.malformed("not well-formed XML: text follows the root element")
	case b[0] == '{' || b[0] == '[':
		r.malformed("not a SOAP envelope: it looks like JSON")
	default:
		r.malformed("not a SOAP envelope: it is no XML")
	}
}

func (r *soapResponse) cdata(t *xmlscan.Token) {
	if r.walker.depth == 0 {
		r.malformed("not well-formed XML: a CDATA section outside the root element")
		return
	}
	if r.current != nil && r.walker.onPath() {
		r.current.addVerbatim(t.Data, r.encoding.charset)
	}
}

func (r *soapResponse) start(t *xmlscan.Token) {
	if len(t.Name) == 0 {
		r.malformed("a tag is longer than 64 KiB")
		return
	}
	n := r.element(t)
	if r.stopped {
		return
	}
	if r.nesting.depth == maxNesting {
		r.malformed("nested more than 10,000 deep")
		return
	}
	r.walker.open(n)
	if n != nil {
		r.enter(n)
	}
	if t.SelfClosing {
		r.leave()
		return
	}
	r.nesting.push(t.Name)
}

// element judges the place of an element that starts here and returns its node, if it has one.
func (r *soapResponse) element(t *xmlscan.Token) *node {
	switch r.walker.depth {
	case 0:
		return r.rootElement(t.Local())
	case 1:
		if string(t.Local()) != "Body" {
			return nil
		}
		if r.bodies++; r.bodies > 1 {
			r.malformed("not a SOAP envelope: it has two Body elements")
			return nil
		}
		r.inBody = true
		return &bodyNode
	case 2:
		if r.inBody && r.child == childMissing {
			return r.firstChild(t.Local())
		}
		return nil
	}
	if !r.walker.onPath() {
		return nil
	}
	return r.walker.child(t.Local())
}

func (r *soapResponse) rootElement(local []byte) *node {
	switch {
	case r.root == rootClosed:
		r.malformed("not well-formed XML: an element follows the root element")
		return nil
	case string(local) != "Envelope":
		r.malformed(fmt.Sprintf("not a SOAP envelope: root element is %.64s", local))
		return nil
	}
	r.root = rootOpen
	return &envelopeNode
}

func (r *soapResponse) firstChild(local []byte) *node {
	if string(local) == "Fault" {
		r.child = childFault
		return &faultTree
	}
	r.child = childOther
	r.operation = soapOperation("success", local)
	r.settle()
	return successTree(r.operation)
}

// settle stops reading where only a Fault could have changed the verdict, and there is none. Invalid UTF-8 alone does not
// make a Fault unreadable.
func (r *soapResponse) settle() {
	if r.child == childOther && (!r.judged || r.reason != "") {
		r.stopped = true
	}
}

func (r *soapResponse) end(t *xmlscan.Token) {
	if t.More {
		r.malformed("a tag is longer than 64 KiB")
		return
	}
	if !r.nesting.pop(t.Name) {
		r.mismatch(t.Name)
		return
	}
	r.leave()
}

func (r *soapResponse) enter(n *node) {
	if n.record {
		r.fields[fieldStatus].reset()
		r.fields[fieldError].reset()
	}
	if n.field != noField && !r.fields[n.field].done {
		r.current = &r.fields[n.field]
	}
}

// leave ends the innermost element.
func (r *soapResponse) leave() {
	n := r.walker.close()
	switch r.walker.depth {
	case 0:
		r.root = rootClosed
		if r.bodies == 0 {
			r.malformed("not a SOAP envelope: it has no Body")
		}
	case 1:
		if r.inBody && r.child == childMissing {
			r.malformed("not a SOAP envelope: its Body is empty")
		}
		r.inBody = false
	case 2:
		if r.inBody && r.child == childFault {
			r.child = childFaultRead
			r.stopped = true
		}
	}
	if n == nil {
		return
	}
	if n.field != noField && r.current != nil {
		r.current.flush()
		r.current.done = true
		r.current = nil
	}
	if n.record {
		r.record()
	}
}

// record judges the record that was just read.
func (r *soapResponse) record() {
	if s := r.fields[fieldStatus].short(); failedStatus(s) {
		if r.failed++; len(r.records) < MaxRecords {
			r.records = append(r.records, Record{Index: r.index, Status: s, Error: r.fields[fieldError].String()})
		}
	}
	r.index++
}

// malformed notes why the body is not what it should be. Nothing that follows is read.
func (r *soapResponse) malformed(reason string) {
	if r.reason == "" {
		r.reason = reason
	}
	r.stopped = true
}

func (r *soapResponse) Early() bool {
	return r.child == childOther || r.stopped && r.child != childFaultRead
}

func (r *soapResponse) Failing() bool {
	return r.answer.Status >= http.StatusBadRequest || r.child >= childFault || r.partial() || r.judged && r.reason != ""
}

func (r *soapResponse) Abort(reason string) {
	if !r.stopped {
		r.malformed(reason)
	}
}

// partial tells that a failed record was read. A list operation's records count only if the whole did not succeed.
func (r *soapResponse) partial() bool {
	if r.operation == listOperation {
		return !r.answer.Call.MemberCheck && isFalse(r.fields[fieldSuccess].short())
	}
	return r.failed > 0
}
