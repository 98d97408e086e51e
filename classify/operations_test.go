package classify

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestOperations(t *testing.T) {
	for api, n := range map[API]int{SOAP: 23, REST: 367} {
		ops := Operations(api)
		if len(ops) != n || !slices.IsSorted(ops) || slices.Contains(ops, Other) || len(slices.Compact(slices.Clone(ops))) != n {
			t.Errorf("%s: %d operations: %v", api, len(ops), ops)
		}
	}
}

func TestEveryEndpoint(t *testing.T) {
	table := rows(t, "rest-endpoints.tsv")
	if len(table) != len(restEndpoints) {
		t.Fatalf("%d rows, %d endpoints", len(table), len(restEndpoints))
	}
	for _, row := range table {
		method, path, operation := row[1], row[2], row[3]
		for _, value := range []string{"12", "abc_c", "1001.2", "ID-é"} {
			parts := strings.Split(path, "/")
			for i, p := range parts {
				if j := strings.IndexByte(p, '}'); strings.HasPrefix(p, "{") {
					parts[i] = value + p[j+1:]
				}
			}
			if got := RESTOperation(method, strings.Join(parts, "/")); got != operation {
				t.Errorf("%s %s: got %s, want %s", method, strings.Join(parts, "/"), got, operation)
			}
		}
	}
}

func TestRESTOperation(t *testing.T) {
	tests := []struct{ method, path, want string }{
		{"GET", "/rest/v1/leads.json", "getLeadsByFilterUsingGET"},
		{"POST", "/rest/v1/leads.json", "syncLeadUsingPOST"},
		{"HEAD", "/rest/v1/leads.json", "getLeadsByFilterUsingGET"},
		{"POST", "/rest/v1/leads.json?_method=GET", "getLeadsByFilterUsingGET"},
		{"POST", "/rest/v1/leads.json?a=b&_method=GET&c=d", "getLeadsByFilterUsingGET"},
		{"POST", "/rest/v1/leads.json?x_method=GET", "syncLeadUsingPOST"},
		{"POST", "/rest/v1/leads.json?_method=PUT&_method=GET", "syncLeadUsingPOST"},
		{"GET", "/rest/v1/leads.json?filterType=email", "getLeadsByFilterUsingGET"},
		{"GET", "//rest//v1/leads.json", "getLeadsByFilterUsingGET"},
		{"GET", "/rest/v1/lists/1001/leads.json", "getLeadsByListIdUsingGET_1"},
		{"GET", "/rest/v1/customobjects/schema.json", "listCustomObjectTypesUsingGET"},
		{"GET", "/rest/v1/customobjects/car_c.json", "getCustomObjectsUsingGET"},
		{"GET", "/rest/v1/customobjects/schema/describe.json", "describeUsingGET_1"},
		{"DELETE", "/rest/v1/lists/1/leads.json", "removeLeadsFromListUsingDELETE"},
		{"GET", "/identity/oauth/token", "identityUsingGET"},
		{"POST", "/identity/oauth/token?grant_type=client_credentials", "identityUsingPOST"},
		{"POST", "/subscriptions/123-ABC-456/persons", "syncPersons"},
		{"GET", "/rest/asset/v2/email/12", "getContentUsingGET_email"},
		{"GET", "/rest/asset/v2/email/filter", "filterContentUsingGET_email"},

		{"PUT", "/rest/v1/leads.json", Other},
		{"GET", "/rest/v1/leads", Other},
		{"GET", "/rest/v1/leads.jsonx", Other},
		{"GET", "/rest/v1/lead/.json", Other},
		{"GET", "/rest/v1/lead/1/2.json", Other},
		{"GET", "/rest/v2/leads.json", Other},
		{"GET", "/rest/v1/{leadId}.json", Other},
		{"GET", "/", Other},
		{"GET", "", Other},
		{"", "?", Other},
	}
	for _, test := range tests {
		if got := RESTOperation(test.method, test.path); got != test.want {
			t.Errorf("%s %s: got %s, want %s", test.method, test.path, got, test.want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { RESTOperation("POST", "/rest/v1/lists/1001/leads.json?x=1&_method=GET") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestAnyPath: a label is always a documented operation or Other, whatever the path.
func TestAnyPath(t *testing.T) {
	known := append(Operations(REST), Other)
	rapid.Check(t, func(t *rapid.T) {
		segment := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"rest", "v1", "leads.json", "leads", "lists", "1", "asset", "bulk", ".json", "?"}))
		path := "/" + strings.Join(rapid.SliceOfN(segment, 0, 8).Draw(t, "segments"), "/")
		method := rapid.SampledFrom([]string{"GET", "POST", "DELETE", "HEAD", "x"}).Draw(t, "method")
		if got := RESTOperation(method, path); !slices.Contains(known, got) {
			t.Fatalf("%s %q: %q", method, path, got)
		}
	})
}

func TestWrites(t *testing.T) {
	reads := []string{
		"describeMObject", "getCampaignsForSource", "getChannels", "getCustomObjects", "getImportToListStatus", "getLead", "getLeadActivity",
		"getLeadChanges", "getMObjects", "getMultipleLeads", "getTags", "listMObjects",
	}
	for _, op := range append(Operations(SOAP), Other, "", "getNothing") {
		if got, want := Writes(SOAP, op), !slices.Contains(reads, op); got != want {
			t.Errorf("%s: %v", op, got)
		}
	}
	for op, want := range map[string]bool{
		"syncLeadUsingPOST": true, "getLeadsByFilterUsingGET": false, "removeLeadsFromListUsingDELETE": true, "identityUsingPOST": false,
		"bulkGetUsingPOST_email": false, "bulkDeleteUsingPOST_email": true, "getContentUsedByUsingPOST_fragment": false, "syncPersons": true, Other: true,
	} {
		if got := Writes(REST, op); got != want {
			t.Errorf("%s: %v", op, got)
		}
	}
	for _, e := range restEndpoints {
		if e.method == http.MethodGet && Writes(REST, e.operation) {
			t.Errorf("%s writes", e.operation)
		}
	}
}

func BenchmarkRESTOperation(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		RESTOperation("GET", "/rest/v1/lists/1001/leads.json")
	}
}
