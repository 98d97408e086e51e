package classify

const (
	sourceREST  = "Adobe, REST API, Error Codes (2026)"
	sourceBlog  = "Marketo developer blog; no longer in Adobe's table"
	sourceNotes = "Marketo Engage release notes, July 2026"
)

// restCodes has the codes of Adobe's table, those that it leaves out, and the HTTP statuses that Adobe documents, in the
// order of their numbers.
var restCodes = [...]Code{
	{
		API: REST, Code: "401", Message: "Unauthorized",
		Notes: "The identity service did not accept the client id and secret, or a gateway did not accept the token.",
		Class: ClassAccess, Turn: TurnAdministrator, Source: sourceREST,
		Advice: "Compare client id and secret with Admin > LaunchPoint, and check that the service and its API-only user still exist.",
	}, {
		API: REST, Code: "413", Message: "Request Entity Too Large",
		Notes: "The payload exceeded the limit of 1 MB (10 MB for bulk imports).",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Send fewer records per call, or use bulk import.",
	}, {
		API: REST, Code: "414", Message: "Request-URI Too Long",
		Notes: "The URI of the request exceeded 8 KB. The request should be sent as a POST with the parameter " +
			"_method=GET in the URL and the rest of the query string in the body.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Send it as POST with _method=GET in the URL and the other parameters as a form in the body.",
	}, {
		API: REST, Code: "500", Message: "Internal Server Error",
		Notes: "The server met an unexpected condition that prevented it from fulfilling the request. Within Marketo " +
			"this includes malformed REST request URLs.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Check the request's URL for a wrong path or bad escaping first; if it is right, open a ticket with the requestId.",
	}, {
		API: REST, Code: "502", Message: "Bad Gateway",
		Notes: "The remote server returned an error, likely a timeout. The request should be retried with " +
			"exponential back-off.",
		Class: ClassMarketo, Retryable: true, Turn: TurnMarketo, Source: sourceREST,
		Advice: "Retry with exponential back-off, check whether a write took effect before repeating it, and open a ticket if it lasts.",
	}, {
		API: REST, Code: "600", Message: "Empty access token",
		Notes: "The request had no access token. Newer answers use 603 instead.",
		Class: ClassAccess, Turn: TurnApplication, Source: sourceBlog,
		Advice: "Send the token in the header: Authorization: Bearer TOKEN.",
	}, {
		API: REST, Code: "601", Message: "Access token invalid",
		Notes: "The request had an access token, but its value is not a valid one.",
		Class: ClassRenew, Retryable: true, Turn: TurnProxy, Source: sourceREST,
		Advice: "Let the proxy hold the client secret so that it renews the token, or fetch a new token and retry once; if it stays, check that the token is of this instance.",
	}, {
		API: REST, Code: "602", Message: "Access token expired",
		Notes: "The access token in the call is no longer valid because it expired.",
		Class: ClassRenew, Retryable: true, Turn: TurnProxy, Source: sourceREST,
		Advice: "Let the proxy hold the client secret so that it renews the token, or fetch a new token and retry once.",
	}, {
		API: REST, Code: "603", Message: "Access denied",
		Notes: "Authentication succeeded, but the user has no permission to call this API. The user's role may need " +
			"more permissions, or an allow-list for API access by IP address may be in force.",
		Class: ClassAccess, Turn: TurnAdministrator, Source: sourceREST,
		Advice: "Check the permissions of the API-only user's role, and that this host's outgoing IP address is on the allow-list.",
	}, {
		API: REST, Code: "604", Message: "Request time-out",
		Notes: "The request ran too long, for example because of database contention, or exceeded the time-out given " +
			"in the call's header.",
		Class: ClassMarketo, Retryable: true, Turn: TurnMarketo, Source: sourceREST,
		Advice: "Split the batch or narrow the query and retry with back-off; check whether a write took effect before repeating it.",
	}, {
		API: REST, Code: "605", Message: "HTTP method not supported",
		Notes: "The endpoint does not support the method, for example GET where Sync Leads needs POST.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Compare method and path with the endpoint's reference.",
	}, {
		API: REST, Code: "606", Message: "Max rate limit exceeded",
		Notes: "The number of calls in the past 20 seconds was greater than 100.",
		Class: ClassThrottled, Retryable: true, Turn: TurnApplication, Source: sourceREST,
		Advice: "Wait 20 seconds, then send at a slower rate (50 calls in 20 s per integration); the limit is shared by every client of the instance.",
	}, {
		API: REST, Code: "607", Message: "Daily quota reached",
		Notes: "The number of calls today exceeded the subscription's quota, which resets daily at 12:00 AM Central " +
			"Time. The quota is shown under Admin > Web Services; the account manager can increase it.",
		Class: ClassQuota, Turn: TurnAdministrator, Source: sourceREST,
		Advice: "Stop batch jobs until the reset at 00:00 America/Chicago, find the heaviest caller in /rest/v1/stats/usage.json, or ask for a larger quota.",
	}, {
		API: REST, Code: "608", Message: "API temporarily unavailable",
		Notes: "The API is temporarily unavailable.",
		Class: ClassMarketo, Retryable: true, Turn: TurnMarketo, Source: sourceREST,
		Advice: "Retry with exponential back-off, look at Marketo's status page, and open a ticket if it lasts.",
	}, {
		API: REST, Code: "609", Message: "Invalid JSON",
		Notes: "The body of the request is not valid JSON.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Validate the captured request body; look for a missing quote, a trailing comma or a wrong charset.",
	}, {
		API: REST, Code: "610", Message: "Requested resource not found",
		Notes: "The URI of the call did not match a REST API resource, often because it is misspelled or badly formatted.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Compare the path with the endpoint's reference, letter by letter, up to the .json at its end.",
	}, {
		API: REST, Code: "611", Message: "System error",
		Notes: "An exception that Marketo did not handle.",
		Class: ClassMarketo, Retryable: true, Turn: TurnMarketo, Source: sourceREST,
		Advice: "Retry once; if it fails the same way, do not go on retrying: open a ticket with the requestId.",
	}, {
		API: REST, Code: "612", Message: "Invalid content type",
		Notes: "The request lacks a Content-Type header that specifies JSON, such as application/json.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Set Content-Type: application/json on the request.",
	}, {
		API: REST, Code: "613", Message: "Invalid multipart request",
		Notes: "The multipart content of the POST was not formatted correctly.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Check boundary, part names and file name of the captured multipart body.",
	}, {
		API: REST, Code: "614", Message: "Invalid subscription",
		Notes: "The destination subscription cannot be found or is unreachable. This usually indicates that it is " +
			"temporarily inaccessible.",
		Class: ClassMarketo, Retryable: true, Turn: TurnMarketo, Source: sourceREST,
		Advice: "Check the Munchkin id in the host name, then retry with back-off and open a ticket if it lasts.",
	}, {
		API: REST, Code: "615", Message: "Concurrent access limit reached",
		Notes: "A subscription processes at most 10 requests at a time, and 10 were already in progress.",
		Class: ClassThrottled, Retryable: true, Turn: TurnApplication, Source: sourceREST,
		Advice: "Retry after a few seconds and run fewer calls at once; the limit of 10 is shared by every client of the instance.",
	}, {
		API: REST, Code: "616", Message: "Invalid subscription type",
		Notes: "The Custom Object Metadata API needs a certain Marketo subscription type.",
		Class: ClassAccess, Turn: TurnAdministrator, Source: sourceREST,
		Advice: "Ask the customer success manager whether the subscription includes this API.",
	}, {
		API: REST, Code: "701", Message: "A field cannot be blank",
		Notes: "The reported field must not be empty in the request.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Give the field that the message names a value.",
	}, {
		API: REST, Code: "702", Message: "No data found",
		Notes: "No records matched the given search parameters. Many searches without a result return success " +
			"instead, with a warning.",
		Class: ClassAnswer, Turn: TurnNobody, Source: sourceREST,
		Advice: "Treat it as an empty result.",
	}, {
		API: REST, Code: "703", Message: "Feature not enabled",
		Notes: "The feature, possibly a beta, is not enabled for the subscription.",
		Class: ClassAccess, Turn: TurnAdministrator, Source: sourceREST,
		Advice: "Ask the customer success manager to enable the feature.",
	}, {
		API: REST, Code: "704", Message: "Invalid date format",
		Notes: "A date was not in the correct format, or an invalid dynamic content id was specified.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Send dates as ISO 8601 (2026-01-31T00:00:00Z), and check any dynamic content id.",
	}, {
		API: REST, Code: "709", Message: "Business rule violation",
		Notes: "The call would violate a requirement for creating or updating an asset, for example an email without " +
			"a template. Also for content of landing pages with social content, for cloning programs with certain " +
			"asset types, and for approving an asset without a draft.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Read the message for the rule, and check the asset's state in Marketo before repeating the call.",
	}, {
		API: REST, Code: "710", Message: "Parent folder not found",
		Notes: "The specified parent folder could not be found.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Check folder id and type (Folder or Program) with a folder query.",
	}, {
		API: REST, Code: "711", Message: "Incompatible folder type",
		Notes: "The specified folder was not of the correct type for the request.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Choose a folder whose type can hold this kind of asset.",
	}, {
		API: REST, Code: "712", Message: "Merge of person accounts is invalid",
		Notes: "Merge Leads was called for Salesforce person accounts, which must be merged in Salesforce.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Merge these records in Salesforce.",
	}, {
		API: REST, Code: "713", Message: "Transient error",
		Notes: "A system resource was temporarily unavailable at the time of the call. Wait for a time and retry.",
		Class: ClassMarketo, Retryable: true, Turn: TurnMarketo, Source: sourceREST,
		Advice: "Retry with exponential back-off, and open a ticket if it lasts.",
	}, {
		API: REST, Code: "714", Message: "Unable to find the default record type",
		Notes: "Merge Leads failed because it could not find a default record type.",
		Class: ClassCaller, Turn: TurnAdministrator, Source: sourceREST,
		Advice: "Check the default record types in the connected CRM, then open a ticket.",
	}, {
		API: REST, Code: "718", Message: "ExternalSalesPersonID not found",
		Notes: "Sync Opportunities was called with an externalSalesPersonId that does not exist.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Create the sales person first, or correct the id.",
	}, {
		API: REST, Code: "719", Message: "Lock wait timeout",
		Notes: "Clone Program timed out waiting for a lock.",
		Class: ClassMarketo, Retryable: true, Turn: TurnMarketo, Source: sourceREST,
		Advice: "Retry after a minute with one clone at a time, and check that the first attempt did not create the program.",
	}, {
		API: REST, Code: "1001", Message: "Invalid value for the required type",
		Notes: "A parameter's value has the wrong type, for example a string for an integer parameter.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Convert the value that the message names to the type that it names.",
	}, {
		API: REST, Code: "1002", Message: "Missing value for a required parameter",
		Notes: "A required parameter is missing from the request.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Add the parameter that the message names.",
	}, {
		API: REST, Code: "1003", Message: "Invalid data",
		Notes: "The data are not valid for the endpoint or mode, for example an id with action createOnly, or " +
			"Request Campaign on a batch campaign; also when too many results match a filter.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Read the message, and check the record against the action or filter used; narrow the filter if too many results match.",
	}, {
		API: REST, Code: "1004", Message: "Lead not found",
		Notes: "Sync Leads with action updateOnly did not find the lead.",
		Class: ClassAnswer, Turn: TurnNobody, Source: sourceREST,
		Advice: "Treat it as an answer: there is no such lead; use createOrUpdate if it should be made.",
	}, {
		API: REST, Code: "1005", Message: "Lead already exists",
		Notes: "Sync Leads with action createOnly found that the lead exists already.",
		Class: ClassAnswer, Turn: TurnNobody, Source: sourceREST,
		Advice: "Treat it as an answer: the lead is there already; use createOrUpdate if it should be updated.",
	}, {
		API: REST, Code: "1006", Message: "Field not found",
		Notes: "A field in the call is not a valid field.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Compare the field's name with describe2.json; look for a renamed or hidden field.",
	}, {
		API: REST, Code: "1007", Message: "Multiple leads match the lookup criteria",
		Notes: "Several leads match. Updates can be made only if the key matches a single record.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Look the lead up by id, or merge the duplicates.",
	}, {
		API: REST, Code: "1008", Message: "Access denied to partition",
		Notes: "The user of the custom service has no access to a workspace with the record's partition.",
		Class: ClassCaller, Turn: TurnAdministrator, Source: sourceREST,
		Advice: "Give the API-only user's role access to that workspace.",
	}, {
		API: REST, Code: "1009", Message: "Partition name must be specified",
		Notes: "The request must name a partition.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Send partitionName with the request.",
	}, {
		API: REST, Code: "1010", Message: "Partition update not allowed",
		Notes: "The record already exists in another lead partition.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Leave partitionName out or send the lead's own one; move leads with Update Lead Partition.",
	}, {
		API: REST, Code: "1011", Message: "Field not supported",
		Notes: "The lookup field or filterType is a standard field that cannot be used so, such as firstName.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Use a field that describe2.json lists as searchable.",
	}, {
		API: REST, Code: "1012", Message: "Invalid cookie value",
		Notes: "Associate Lead, or Get Leads by Filter Type with filterType=cookies, was called with an invalid cookie.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Send the whole value of the _mkto_trk cookie, URL-encoded once.",
	}, {
		API: REST, Code: "1013", Message: "Object not found",
		Notes: "There is no object (list, campaign) with this id.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Check the id, and that the API-only user's workspace contains the object.",
	}, {
		API: REST, Code: "1014", Message: "Failed to create object",
		Notes: "The object (list) could not be created.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Check name and folder of the object, and whether it exists already.",
	}, {
		API: REST, Code: "1015", Message: "Lead not in list",
		Notes: "The lead is not a member of the target list.",
		Class: ClassAnswer, Turn: TurnNobody, Source: sourceREST,
		Advice: "Treat it as an answer: there was nothing to remove.",
	}, {
		API: REST, Code: "1016", Message: "Too many imports",
		Notes: "Too many imports are queued. At most 10 are allowed.",
		Class: ClassCaller, Retryable: true, Turn: TurnApplication, Source: sourceREST,
		Advice: "Wait until a queued import is finished, and queue fewer at once.",
	}, {
		API: REST, Code: "1017", Message: "Object already exists",
		Notes: "Creation failed because the record already exists.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Update the existing record instead.",
	}, {
		API: REST, Code: "1018", Message: "CRM enabled",
		Notes: "The action cannot be carried out because the instance has a native CRM integration.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Make the change in the CRM, or leave this call out for this instance.",
	}, {
		API: REST, Code: "1019", Message: "Import in progress",
		Notes: "The target list is being imported to already.",
		Class: ClassCaller, Retryable: true, Turn: TurnApplication, Source: sourceREST,
		Advice: "Wait until the running import is finished, then retry.",
	}, {
		API: REST, Code: "1020", Message: "Too many clones to program",
		Notes: "The subscription has used up its cloneToProgramName allowance in Schedule Program for the day.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Wait for the next day, or schedule without cloneToProgramName.",
	}, {
		API: REST, Code: "1021", Message: "Company update not allowed",
		Notes: "Sync Leads may not update the company.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Leave the company fields out, or use Sync Companies.",
	}, {
		API: REST, Code: "1022", Message: "Object in use",
		Notes: "An object cannot be deleted while another object uses it.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Find what uses the object and release it first.",
	}, {
		API: REST, Code: "1025", Message: "Program status not found",
		Notes: "The status does not belong to the program's channel.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Choose one of the statuses of the program's channel (channels.json).",
	}, {
		API: REST, Code: "1026", Message: "Custom object not enabled",
		Notes: "The instance has no custom object integration enabled.",
		Class: ClassCaller, Turn: TurnAdministrator, Source: sourceREST,
		Advice: "Ask the customer success manager to enable custom objects.",
	}, {
		API: REST, Code: "1027", Message: "Max activity type limit reached",
		Notes: "The subscription has reached the maximum number of custom activity types.",
		Class: ClassCaller, Turn: TurnAdministrator, Source: sourceREST,
		Advice: "Delete custom activity types that are no longer needed.",
	}, {
		API: REST, Code: "1028", Message: "Max field limit reached",
		Notes: "Custom activities have at most 20 secondary attributes.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Use at most 20 secondary attributes.",
	}, {
		API: REST, Code: "1029", Message: "Export daily quota exceeded, too many jobs in queue, or job already queued",
		Notes: "At most 10 bulk extract jobs can be queued at a time. By default extract jobs are limited to 500 MB " +
			"a day, which resets daily at 12:00 AM Central Time. Or the export id has already been queued.",
		Class: ClassQuota, Turn: TurnApplication, Source: sourceREST,
		Advice: "Read the message: a used-up export quota resets at 00:00 America/Chicago, a full queue (10 jobs) drains by itself, a job already queued needs nothing.",
	}, {
		API: REST, Code: "1035", Message: "Unsupported filter type",
		Notes: "Some subscriptions do not support the bulk lead extract filters updatedAt, smartListId and smartListName.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Filter by createdAt or staticListId, or ask support to enable the filter.",
	}, {
		API: REST, Code: "1036", Message: "Duplicate object found in input",
		Notes: "Two or more records of the call have the same key, for example one externalCompanyId twice.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Remove duplicates from each batch before sending it.",
	}, {
		API: REST, Code: "1037", Message: "Lead was skipped",
		Notes: "The lead was skipped because it is already in or past this status.",
		Class: ClassAnswer, Turn: TurnNobody, Source: sourceREST,
		Advice: "Treat it as an answer: the lead is already at or past this status.",
	}, {
		API: REST, Code: "1042", Message: "Invalid runAt date",
		Notes: "The runAt date of Schedule Campaign is too far in the future (at most 2 years).",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Choose a runAt within the next two years.",
	}, {
		API: REST, Code: "1048", Message: "Discarding the custom object's draft failed",
		Notes: "A call was made to discard the draft version of a custom object.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Check that the custom object has a draft.",
	}, {
		API: REST, Code: "1049", Message: "Failed to create activity",
		Notes: "The record's array of attributes exceeded the maximum of 65,536 bytes.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Shorten the activity's attributes to less than 64 KB together.",
	}, {
		API: REST, Code: "1076", Message: "Merge Leads with mergeInCRM would create a duplicate",
		Notes: "The mergeInCRM flag is 4: a duplicate record would be created, use an existing record instead. This " +
			"is what Marketo received when merging in Salesforce.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Merge into the existing Salesforce record.",
	}, {
		API: REST, Code: "1077", Message: "Merge Leads failed due to an SFDC field's length",
		Notes: "With mergeInCRM true, an SFDC field exceeded the allowed number of characters. Shorten the field or " +
			"set mergeInCRM to false.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Shorten the field, or merge with mergeInCRM=false.",
	}, {
		API: REST, Code: "1078", Message: "Merge Leads failed in the CRM",
		Notes: "The entity is deleted, is neither lead nor contact, or does not match the field filter criteria, so " +
			"the merge could not be made in the natively synchronised CRM.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Check both records in Salesforce: deleted, of another type, or outside the sync filter.",
	}, {
		API: REST, Code: "1079", Message: "Merge Leads failed due to a personalised URL conflict",
		Notes: "Several of the leads to merge have the same personalised URL. Use the Marketo Engage user interface " +
			"to merge these records.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceREST,
		Advice: "Merge these records in the Marketo user interface.",
	}, {
		API: REST, Code: "1080", Message: "Too many leads to merge",
		Notes: "Merge Leads accepts at most 25 ids in a call.",
		Class: ClassCaller, Turn: TurnApplication, Source: sourceNotes,
		Advice: "Merge at most 25 leads in a call.",
	},
}
