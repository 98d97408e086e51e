package classify

import "strings"

// retiredNotice begins the message of a call that found nobody behind the SOAP API.
const retiredNotice = "Adobe switched the SOAP API off on 31 July 2026"

// Retire returns the verdict on a call to host with a notice put before its message if it shows that nobody is there any more: a
// call to the SOAP API on a host of Marketo's that got no answer at all, or one that is not SOAP. What the hosts of the removed
// API do is not documented, so no difference is made between a name that is gone, a refusal, HTTP 404 or 410, and a page.
// Explain knows such a verdict by its message.
func Retire(v Verdict, api API, host string) Verdict {
	if v.Outcome != Success && api == SOAP && unserved(v) && SOAPHost(host) {
		v.Message = retiredNotice + " (" + v.Message + ")"
	}
	return v
}

// Retired tells that a verdict has been through Retire, and shows that nobody is there.
func Retired(v Verdict, api API) bool {
	return api == SOAP && strings.HasPrefix(v.Message, retiredNotice)
}

// SOAPHost tells whether a host was one of Marketo's for the SOAP API: 123-ABC-456.mktoapi.com, and na-c.marketo.com before that.
func SOAPHost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return strings.HasSuffix(host, ".mktoapi.com") || strings.HasSuffix(host, ".marketo.com")
}

// unserved tells whether a failure may mean that nobody is there. An answer that was cut off means somebody, and a call that the
// proxy did not send means nothing; the first word of the proxy's reason tells these apart.
func unserved(v Verdict) bool {
	switch v.Outcome {
	case HTTP, Malformed:
		return v.Code == ""
	case Transport:
		switch reason, _, _ := strings.Cut(v.Message, ":"); reason {
		case "dns", "refused", "tls", "timeout", "reset", "protocol":
			return true
		}
	}
	return false
}

// retired explains it.
var retired = Code{
	API: SOAP, Class: ClassUnknown,
	Message: "The SOAP API is gone", Notes: "Adobe removed Marketo's SOAP API on 31 July 2026. What answers at its address now, if anything, does not speak SOAP.",
	Turn: TurnApplication, Advice: "Move the application to the REST API; `marketo-proxy captures ls --api soap --by user` lists what still calls SOAP.",
	Source: "Adobe, SOAP API FAQ (2026)",
}

// ExplainCall is Explain with advice for the operation that was called.
func ExplainCall(v Verdict, c Call) Code {
	code := Explain(v, c.API)
	if rest := RESTCounterpart(c.Operation); rest != "" && Retired(v, c.API) {
		code.Advice += " In REST, " + c.Operation + " is: " + rest + "."
	}
	return code
}

// RESTCounterpart is what the REST API has in place of an operation of SOAP: methods and paths, the nearest first, "nothing" for
// the one that has no counterpart, or "" for what is no operation of SOAP. The source is Adobe's page on migrating from SOAP to
// REST (2026), with the paths of Adobe's OpenAPI files.
func RESTCounterpart(operation string) string {
	if i, ok := findSOAP(operation); ok {
		return restCounterparts[i]
	}
	return ""
}

// restCounterparts are in the order of soapOperations.
var restCounterparts = [len(soapOperations)]string{
	"POST /rest/v1/customobjects/{customObjectName}/delete.json",
	"POST /rest/v1/opportunities/delete.json, POST /rest/v1/opportunities/roles/delete.json",
	"GET /rest/v1/opportunities/describe.json, GET /rest/v1/opportunities/roles/describe.json",
	"GET /rest/asset/v1/smartCampaigns.json",
	"GET /rest/asset/v1/channels.json",
	"GET /rest/v1/customobjects/{customObjectName}.json",
	"GET /bulk/v1/leads/batch/{batchId}.json",
	"GET /rest/v1/leads.json, GET /rest/v1/lead/{leadId}.json",
	"GET /rest/v1/activities.json, POST /bulk/v1/activities/export/create.json",
	"GET /rest/v1/activities/leadchanges.json, POST /bulk/v1/activities/export/create.json",
	"GET /rest/v1/opportunities.json, GET /rest/v1/opportunities/roles.json",
	"GET /rest/v1/leads.json, GET /rest/v1/lists/{listId}/leads.json, POST /bulk/v1/leads/export/create.json",
	"GET /rest/asset/v1/tagTypes.json",
	"POST /bulk/v1/leads.json, POST /rest/v1/lists/{listId}/leads.json",
	"nothing",
	"POST or DELETE /rest/v1/lists/{listId}/leads.json, GET /rest/v1/lists/{listId}/leads/ismember.json",
	"POST /rest/v1/leads/{leadId}/merge.json",
	"POST /rest/v1/campaigns/{campaignId}/trigger.json",
	"POST /rest/v1/campaigns/{campaignId}/schedule.json",
	"POST /rest/v1/customobjects/{customObjectName}.json",
	"POST /rest/v1/leads.json, POST /rest/v1/leads/{leadId}/associate.json",
	"POST /rest/v1/opportunities.json, POST /rest/v1/opportunities/roles.json",
	"POST /rest/v1/leads.json, POST /bulk/v1/leads.json",
}
