package classify

import (
	"slices"
	"strings"
)

// Other stands for any operation that is not documented.
const Other = "other"

// soapOperations has the 23 operations of Marketo's WSDL, sorted.
var soapOperations = [...]string{
	"deleteCustomObjects",
	"deleteMObjects",
	"describeMObject",
	"getCampaignsForSource",
	"getChannels",
	"getCustomObjects",
	"getImportToListStatus",
	"getLead",
	"getLeadActivity",
	"getLeadChanges",
	"getMObjects",
	"getMultipleLeads",
	"getTags",
	"importToList",
	"listMObjects",
	"listOperation",
	"mergeLeads",
	"requestCampaign",
	"scheduleCampaign",
	"syncCustomObjects",
	"syncLead",
	"syncMObjects",
	"syncMultipleLeads",
}

// Operations returns the documented operations of an API, sorted; Other is not among them.
func Operations(api API) []string {
	if api == REST {
		return restOperations()
	}
	return slices.Clone(soapOperations[:])
}

// Writes tells whether an operation changes something in Marketo, so that repeating it needs thought. It is true for Other,
// to be careful, and for listOperation, of which a MemberCheck only reads.
func Writes(api API, operation string) bool {
	if api == REST {
		return restWrites(operation)
	}
	if _, ok := findSOAP(operation); !ok {
		return true
	}
	for _, prefix := range []string{"get", "describe", "listMObjects"} {
		if strings.HasPrefix(operation, prefix) {
			return false
		}
	}
	return true
}

func findSOAP(operation string) (int, bool) {
	return slices.BinarySearch(soapOperations[:], operation)
}

// soapOperation is the operation of an element of the Body: its local name without the prefix, params or success, and with
// a small first letter.
func soapOperation(prefix string, local []byte) string {
	if len(local) <= len(prefix) || string(local[:len(prefix)]) != prefix {
		return Other
	}
	first, rest := local[len(prefix)], local[len(prefix)+1:]
	for _, op := range soapOperations {
		if op[0]-'a'+'A' == first && op[1:] == string(rest) {
			return op
		}
	}
	return Other
}
