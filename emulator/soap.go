package emulator

import (
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"marketo-proxy/sign"
)

// reply writes the inside of a success element.
type reply func(*xmlWriter)

// soapHandler reads the parameters of one operation and carries it out. An error is a *fault, or from reading XML.
type soapHandler func(c *call, e *envelope) (reply, error)

// soapOperations are the 23 operations of the WSDL.
func soapOperations() map[string]soapHandler {
	return map[string]soapHandler{
		"deleteCustomObjects":   deleteCustomObjects,
		"deleteMObjects":        deleteMObjects,
		"describeMObject":       describeMObject,
		"getCampaignsForSource": getCampaignsForSource,
		"getChannels":           getChannels,
		"getCustomObjects":      getCustomObjects,
		"getImportToListStatus": getImportToListStatus,
		"getLead":               getLead,
		"getLeadActivity":       getLeadActivity,
		"getLeadChanges":        getLeadChanges,
		"getMObjects":           getMObjects,
		"getMultipleLeads":      getMultipleLeads,
		"getTags":               getTags,
		"importToList":          importToList,
		"listMObjects":          listMObjects,
		"listOperation":         listOperation,
		"mergeLeads":            mergeLeads,
		"requestCampaign":       requestCampaign,
		"scheduleCampaign":      scheduleCampaign,
		"syncCustomObjects":     syncCustomObjects,
		"syncLead":              syncLead,
		"syncMObjects":          syncMObjects,
		"syncMultipleLeads":     syncMultipleLeads,
	}
}

// knownOperations are the names that a rule may use.
func knownOperations() []string {
	names := []string{"other"}
	for name := range soapOperations() {
		names = append(names, name)
	}
	for _, route := range restRoutes() {
		names = append(names, route.operation)
	}
	slices.Sort(names)
	return names
}

// operationOf turns "paramsGetLead" into "getLead".
func operationOf(element string) (string, bool) {
	name, ok := strings.CutPrefix(element, "params")
	if !ok || name == "" {
		return "", false
	}
	return strings.ToLower(name[:1]) + name[1:], true
}

func (c *call) serveSOAP() {
	switch c.r.Method {
	case http.MethodGet:
		if strings.EqualFold(c.r.URL.RawQuery, "wsdl") {
			c.serveWSDL()
			return
		}
		fallthrough
	default:
		c.w.Header().Set("Allow", "POST, GET")
		http.Error(c.w, "emulator: POST a SOAP envelope here, or GET ?WSDL", http.StatusMethodNotAllowed)
	case http.MethodPost:
		a := c.soapAnswer()
		io.Copy(io.Discard, io.LimitReader(c.r.Body, maxRequest)) // as a server does that reads a request before it answers
		c.send(a)
	}
}

// soapAnswer reads the request, which is carried out as it is read.
func (c *call) soapAnswer() answer {
	e, err := openEnvelope(c.r)
	if err == nil && c.emulator.soapOps[e.operation] != nil {
		c.operation = e.operation
	}
	if err := c.choose(); err != nil {
		return faultAnswer(c, &fault{code: "20110", message: err.Error()})
	}
	var reply reply
	switch {
	case c.effects.code != "":
		err = &fault{code: c.effects.code}
	case err != nil:
		err = &fault{code: "20012", message: err.Error()}
	default:
		reply, err = c.carryOut(e)
	}
	if err != nil {
		return faultAnswer(c, asFault(err))
	}
	outcome := "ok"
	if c.failed > 0 {
		outcome = "partial"
	}
	return answer{status: http.StatusOK, contentType: "text/xml", outcome: outcome, body: func(d *document) error {
		x := newXMLWriter(d, c.effects.oneLine)
		name := "ns1:success" + strings.ToUpper(c.operation[:1]) + c.operation[1:]
		x.open("SOAP-ENV:Envelope", `xmlns:SOAP-ENV="`+soap11+`"`,
			`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`, `xmlns:ns1="`+mktows+`"`)
		x.in("SOAP-ENV:Body", func() { x.in(name, func() { reply(x) }) })
		x.close("SOAP-ENV:Envelope")
		return x.flush()
	}}
}

// carryOut checks who calls and how often, then does what the call says.
func (c *call) carryOut(e *envelope) (reply, error) {
	if f := c.authenticate(e.auth); f != nil {
		return nil, f
	}
	switch c.emulator.soapUse.begin(c.now) {
	case dayLimit:
		return nil, &fault{code: "20015"}
	case windowLimit:
		return nil, &fault{code: "20023"}
	case concurrentLimit:
		return nil, &fault{code: "20024"}
	}
	defer c.emulator.soapUse.end()
	operation := c.emulator.soapOps[e.operation]
	if operation == nil {
		return nil, &fault{code: "20019", message: "Unsupported operation: " + e.params.Name.Local}
	}
	if slow := c.effects.slow; slow > 0 { // a slow call holds its place among the concurrent ones
		c.effects.slow = 0
		if !c.wait(slow) {
			c.count("client")
			panic(http.ErrAbortHandler)
		}
	}
	reply, err := operation(c, e)
	if err != nil {
		return nil, err
	}
	return reply, e.finish()
}

// authenticate checks user, signature and age, in this order.
func (c *call) authenticate(a authentication) *fault {
	key, known := c.emulator.options.Users[a.User]
	expected := sign.Signature(key, a.Timestamp, a.User)
	if !known || subtle.ConstantTimeCompare([]byte(expected), []byte(strings.ToLower(a.Signature))) != 1 {
		return &fault{code: "20014"}
	}
	if c.emulator.options.AnyAge {
		return nil
	}
	made, ok := parseTimestamp(a.Timestamp)
	if !ok {
		return &fault{code: "20014"}
	}
	// What a timestamp in the future gives is documented nowhere; it gives 20016 here.
	if age := c.now.Sub(made); age > c.emulator.options.MaxAge || -age > c.emulator.options.MaxAge {
		return &fault{code: "20016"}
	}
	return nil
}

// parseTimestamp reads all that clients were seen to send. A time without a zone is taken as UTC.
func parseTimestamp(text string) (time.Time, bool) {
	for _, layout := range [...]string{
		time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", // with any fraction
		"2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05",
	} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// asFault turns an error from reading a request into a fault.
func asFault(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	return &fault{code: "20012", message: err.Error()}
}
