package classify

const (
	sourceSOAP    = "Adobe, SOAP API, Error Codes (2026)"
	sourceClients = "constant ERR_BAD_ENCODING of PHP clients in the wild; Adobe does not document it"
)

// soapCodes has Adobe's 27 codes, and one that only clients know, in the order of their numbers.
var soapCodes = [...]Code{
	{
		API: SOAP, Code: "10001", Message: "Internal Error", Notes: "Severe system failure.",
		Class: ClassMarketo, Retryable: true, Turn: TurnMarketo, Source: sourceSOAP,
		Advice: "Read the message first: a caller's mistake can carry this code (\"Parameter required\"); else retry with back-off and open a ticket if it lasts.",
	}, {
		API: SOAP, Code: "20011", Message: "Internal Error", Notes: "API service failure.",
		Class: ClassMarketo, Retryable: true, Turn: TurnMarketo, Source: sourceSOAP,
		Advice: "Retry reads with exponential back-off, check whether a write took effect before repeating it, and open a ticket if it lasts.",
	}, {
		API: SOAP, Code: "20012", Message: "Request Not Understood", Notes: "Unexpected SOAP message.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Compare the captured request with the WSDL: envelope, namespaces and the name of the Body's first element.",
	}, {
		API: SOAP, Code: "20013", Message: "Access Denied", Notes: "The client is blocked from API access.",
		Class: ClassAccess, Turn: TurnAdministrator, Source: sourceSOAP,
		Advice: "Check in Marketo's Admin that API access is enabled and that this host's outgoing IP address is on the allow-list.",
	}, {
		API: SOAP, Code: "20014", Message: "Authentication Failed", Notes: "The client did not provide valid credentials.",
		Class: ClassAccess, Turn: TurnAdministrator, Source: sourceSOAP,
		Advice: "Check user id and encryption key against Admin > SOAP API, and that the signature covers the exact timestamp sent plus the user id.",
	}, {
		API: SOAP, Code: "20015", Message: "Request Limit Exceeded",
		Notes: "The number of calls today exceeded the subscription's quota. The default quota is 10,000 calls a day.",
		Class: ClassQuota, Turn: TurnAdministrator, Source: sourceSOAP,
		Advice: "Stop batch jobs until the reset at 00:00 America/Chicago, find who uses up the shared quota, or ask the account manager for more.",
	}, {
		API: SOAP, Code: "20016", Message: "Request Expired",
		Notes: "The request signature is too old: the given timestamp and signature are in the past and no longer valid. " +
			"The request can be retried with a new timestamp and signature.",
		Class: ClassRenew, Retryable: true, Turn: TurnProxy, Source: sourceSOAP,
		Advice: "Give the proxy this user's key so that it signs again, or sign each call just before sending it; check the clock of the signing host.",
	}, {
		API: SOAP, Code: "20017", Message: "Invalid Request", Notes: "The request is missing an expected parameter.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Compare the captured request with the operation's parameters in the WSDL and add what is missing.",
	}, {
		API: SOAP, Code: "20018", Message: "Bad Encoding", Notes: "Seen only as a constant in clients; presumably the request's character encoding.",
		Class: ClassUnknown, Turn: TurnApplication, Source: sourceClients,
		Advice: "Send UTF-8, check that header, XML declaration and bytes agree, and keep the capture: nobody has documented this code.",
	}, {
		API: SOAP, Code: "20019", Message: "Unsupported Operation", Notes: "The operation invoked is not defined in the Marketo API WSDL.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Check the name of the Body's first element and whether the API version in the endpoint's path has this operation.",
	}, {
		API: SOAP, Code: "20022", Message: "Time Range Specified in Query Filter Exceeded Limit",
		Notes: "The number of days between the \"oldestUpdatedAt\" and \"latestUpdatedAt\" fields was greater than 30.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Split the query into ranges of at most 30 days.",
	}, {
		API: SOAP, Code: "20023", Message: "Rate Limit Exceeded", Notes: "The number of calls in the past 20 seconds was greater than 100.",
		Class: ClassThrottled, Retryable: true, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Wait 20 seconds, then send at a slower rate; the limit is shared by every client of the instance.",
	}, {
		API: SOAP, Code: "20024", Message: "Concurrency Limit Exceeded", Notes: "The number of concurrent calls was greater than 10.",
		Class: ClassThrottled, Retryable: true, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Retry after a few seconds and run fewer calls at once; the limit of 10 is shared by every client of the instance.",
	}, {
		API: SOAP, Code: "20101", Message: "Lead Key Required", Notes: "LeadKey is required but was not provided.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Send a leadKey with both keyType and keyValue.",
	}, {
		API: SOAP, Code: "20102", Message: "Lead Key Bad", Notes: "LeadKeyType is not valid.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Use a keyType of the WSDL's LeadKeyRef (IDNUM, COOKIE, EMAIL, …), spelled and capitalised exactly so.",
	}, {
		API: SOAP, Code: "20103", Message: "Lead Not Found", Notes: "The LeadKey value did not match any lead.",
		Class: ClassAnswer, Turn: TurnNobody, Source: sourceSOAP,
		Advice: "Treat it as an empty result; look further only if the lead is known to exist, e.g. in another partition.",
	}, {
		API: SOAP, Code: "20104", Message: "Lead Detail Required", Notes: "LeadRecord is required but was not provided.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Send a leadRecord with the lead's key and attributes.",
	}, {
		API: SOAP, Code: "20105", Message: "Lead Attribute Bad", Notes: "LeadRecord contains an attribute with a bad name.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Compare attrName values with the field names in Marketo (describeMObject LeadRecord); look for a renamed or hidden field.",
	}, {
		API: SOAP, Code: "20106", Message: "Lead Sync Failed", Notes: "LeadRecord could not be updated or created.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Read the fault's message for the field, and check the record's values, key and partition.",
	}, {
		API: SOAP, Code: "20107", Message: "Activity Key Bad", Notes: "LeadActivityFilter contains a bad activity type.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Use only activity types of the WSDL's ActivityType in activityFilter.",
	}, {
		API: SOAP, Code: "20108", Message: "Lead Owner Not Found", Notes: "LeadKey specifies a lead owner that does not exist.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Check the LEADOWNEREMAIL key against the lead owners in Marketo.",
	}, {
		API: SOAP, Code: "20109", Message: "Parameter Required", Notes: "A parameter's value was null or missing.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Find the parameter that the fault's message names and send it with a value.",
	}, {
		API: SOAP, Code: "20110", Message: "Bad Parameter", Notes: "A parameter's value is bad.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Read serviceException/message for the parameter (\"Input error\" alone says nothing) and correct its value.",
	}, {
		API: SOAP, Code: "20111", Message: "List Not Found", Notes: "ListKey specifies a list that does not exist.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Check the listKey's name, program and workspace: lists in a program are named Program.List.",
	}, {
		API: SOAP, Code: "20113", Message: "Campaign Not Found", Notes: "The campaign does not exist.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Check campaign id or name with getCampaignsForSource, and that its trigger \"Campaign is Requested\" is active.",
	}, {
		API: SOAP, Code: "20114", Message: "Bad Parameter", Notes: "A parameter's value is bad.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Read serviceException/message for the parameter and correct its value.",
	}, {
		API: SOAP, Code: "20122", Message: "Bad Stream Position", Notes: "The stream position is bad.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceSOAP,
		Advice: "Start the paging again without a position, and pass each newStreamPosition back unchanged.",
	}, {
		API: SOAP, Code: "20123", Message: "Stream at End", Notes: "The stream position indicates that no more records are available.",
		Class: ClassAnswer, Turn: TurnNobody, Source: sourceSOAP,
		Advice: "Treat it as the end of the paging: stop when remainingCount is 0 or hasMore is false.",
	},
}
