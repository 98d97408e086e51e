package classify

// faultTree is what a Fault says, from its children on: SOAP 1.1 with Marketo's serviceException, and SOAP 1.2.
var faultTree = node{kids: []node{
	{name: "faultstring", field: fieldFaultString},
	{name: "Reason", kids: []node{{name: "Text", field: fieldFaultString}}},
	{name: "detail", kids: serviceException},
	{name: "Detail", kids: serviceException},
}}

var serviceException = []node{{name: "serviceException", kids: []node{
	{name: "code", field: fieldCode},
	{name: "message", field: fieldMessage},
}}}

// successTree is where an operation reports failed records, from the children of success<Op> on; nil for an operation
// that does not. The paths are those of Marketo's WSDL 2_2.
func successTree(operation string) *node {
	switch operation {
	case "syncLead":
		return &syncLeadTree
	case "syncMultipleLeads":
		return &syncMultipleLeadsTree
	case "syncMObjects", "deleteMObjects":
		return &mObjectsTree
	case "syncCustomObjects":
		return &syncCustomObjectsTree
	case "deleteCustomObjects":
		return &deleteCustomObjectsTree
	case "mergeLeads":
		return &mergeLeadsTree
	case "importToList":
		return &importToListTree
	case "getImportToListStatus":
		return &importStatusTree
	case listOperation:
		return &listOperationTree
	case "requestCampaign", "scheduleCampaign":
		return &campaignTree
	}
	return nil
}

const listOperation = "listOperation"

var (
	syncLeadTree            = resultTree(recordNode("syncStatus"))
	syncMultipleLeadsTree   = resultTree(node{name: "syncStatusList", kids: []node{recordNode("syncStatus")}})
	mObjectsTree            = resultTree(node{name: "mObjStatusList", kids: []node{recordNode("mObjStatus")}})
	syncCustomObjectsTree   = resultTree(node{name: "syncCustomObjStatusList", kids: []node{recordNode("syncCustomObjStatus")}})
	deleteCustomObjectsTree = resultTree(node{name: "deleteCustomObjStatusList", kids: []node{recordNode("syncCustomObjStatus")}})
	mergeLeadsTree          = resultTree(recordNode("mergeStatus"))
	listOperationTree       = resultTree(
		node{name: "success", field: fieldSuccess},
		node{name: "statusList", kids: []node{recordNode("leadStatus")}})

	// Here the result is the only record.
	importToListTree = node{kids: []node{{name: "result", record: true, kids: []node{
		{name: "importStatus", field: fieldStatus},
	}}}}
	importStatusTree = node{kids: []node{{name: "result", record: true, kids: []node{
		{name: "status", field: fieldStatus},
		{name: "importSummary", field: fieldError},
	}}}}
	campaignTree = node{kids: []node{{name: "result", record: true, kids: []node{
		{name: "success", field: fieldStatus},
	}}}}
)

func resultTree(kids ...node) node { return node{kids: []node{{name: "result", kids: kids}}} }

func recordNode(name string) node {
	return node{name: name, record: true, kids: []node{
		{name: "status", field: fieldStatus},
		{name: "error", field: fieldError},
	}}
}

// failedStatus tells which values of a status are failures; UNCHANGED, among others, is none.
func failedStatus(status string) bool {
	switch status {
	case "FAILED", "CANCELED", "SKIPPED":
		return true
	}
	return isFalse(status)
}

// isFalse knows both spellings of xs:boolean.
func isFalse(s string) bool { return s == "false" || s == "0" }

var (
	envelopeNode = node{name: "Envelope", kids: []node{headerNode}}
	bodyNode     = node{name: "Body"}
	headerNode   = node{name: "Header", kids: []node{
		{name: "AuthenticationHeader", kids: []node{{name: "mktowsUserId", field: fieldUser}}},
	}}
	listOperationRequest = node{kids: []node{{name: "listOperation", field: fieldListOperation}}}
)
