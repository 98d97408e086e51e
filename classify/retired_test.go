package classify

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestRetire(t *testing.T) {
	const host = "123-ABC-456.mktoapi.com"
	for _, c := range []struct {
		name string
		api  API
		host string
		v    Verdict
		want bool
	}{
		{"name is gone", SOAP, host, Verdict{Outcome: Transport, Message: "dns: the host name of Marketo does not exist"}, true},
		{"refused", SOAP, host, Verdict{Outcome: Transport, Message: "refused: x"}, true},
		{"no certificate", SOAP, host, Verdict{Outcome: Transport, Message: "tls: x"}, true},
		{"no answer", SOAP, host, Verdict{Outcome: Transport, Message: "timeout: x"}, true},
		{"404", SOAP, host, Verdict{Outcome: HTTP, Message: "404 Not Found"}, true},
		{"410", SOAP, host, Verdict{Outcome: HTTP, Message: "410 Gone"}, true},
		{"page", SOAP, host, Verdict{Outcome: Malformed, Message: "not a SOAP envelope"}, true},
		{"old host", SOAP, "na-c.marketo.com", Verdict{Outcome: HTTP, Message: "404 Not Found"}, true},
		{"case and dot", SOAP, "123-abc-456.MktoAPI.com.", Verdict{Outcome: HTTP, Message: "404 Not Found"}, true},
		{"REST", REST, "123-ABC-456.mktorest.com", Verdict{Outcome: HTTP, Message: "404 Not Found"}, false},
		{"an emulator", SOAP, "127.0.0.1", Verdict{Outcome: HTTP, Message: "404 Not Found"}, false},
		{"another domain", SOAP, "notmktoapi.com", Verdict{Outcome: HTTP, Message: "404 Not Found"}, false},
		{"somebody answers SOAP", SOAP, host, Verdict{Outcome: Fault, Code: "20014", Message: "Authentication failed"}, false},
		{"a fault without code", SOAP, host, Verdict{Outcome: Fault, Message: "Bad Request"}, false},
		{"somebody began to", SOAP, host, Verdict{Outcome: Transport, Message: "cut off: x"}, false},
		{"not sent", SOAP, host, Verdict{Outcome: Transport, Message: "too many calls are in flight, this one was not sent"}, false},
		{"no files", SOAP, host, Verdict{Outcome: Transport, Message: "files: the proxy has too many open files"}, false},
		{"hung up", SOAP, host, Verdict{Outcome: Client, Message: "the application hung up"}, false},
		{"success", SOAP, host, Verdict{}, false},
	} {
		got := Retire(c.v, c.api, c.host)
		if Retired(got, c.api) != c.want || got.Outcome != c.v.Outcome || got.Code != c.v.Code || !strings.Contains(got.Message, c.v.Message) {
			t.Errorf("%s: %+v", c.name, got)
		}
		if !c.want && got.Message != c.v.Message {
			t.Errorf("%s: changed to %+v", c.name, got)
		}
		e := ExplainCall(got, Call{API: c.api, Operation: "getLead"})
		if said := strings.Contains(e.Advice, "GET /rest/v1/leads.json"); said != c.want || c.want && (e.Retryable || e.Turn != TurnApplication || e.Class != ClassUnknown) {
			t.Errorf("%s: explained as %+v", c.name, e)
		}
	}
}

var pathOf = regexp.MustCompile(`((?:GET|POST|DELETE)(?: or (?:GET|POST|DELETE))?) (\S+?)(?:, |$)`)

// Each operation has a counterpart among the endpoints that Adobe documents, but for the one that has none.
func TestRESTCounterparts(t *testing.T) {
	for _, operation := range Operations(SOAP) {
		text := RESTCounterpart(operation)
		if operation == "listMObjects" {
			if text != "nothing" {
				t.Errorf("%s: %q", operation, text)
			}
			continue
		}
		found, all := pathOf.FindAllStringSubmatch(text, -1), ""
		for _, match := range found {
			all += match[0]
			for method := range strings.SplitSeq(match[1], " or ") {
				i := slices.IndexFunc(restEndpoints[:], func(e endpoint) bool { return e.method == method && e.path == match[2] })
				switch {
				case i < 0:
					t.Errorf("%s: %s %s is no endpoint", operation, method, match[2])
				case Writes(SOAP, operation) != Writes(REST, restEndpoints[i].operation) && !strings.Contains(match[2], "/export/create") && operation != "listOperation":
					t.Errorf("%s and %s: only one of them writes", operation, restEndpoints[i].operation)
				}
			}
		}
		if len(found) == 0 || all != text {
			t.Errorf("%s: %q is no list of methods and paths", operation, text)
		}
	}
	for operation, part := range map[string]string{"syncLead": "POST /rest/v1/leads.json", "getTags": "tagTypes", "mergeLeads": "merge", "importToList": "POST /bulk/v1/leads.json", "requestCampaign": "trigger", "describeMObject": "describe"} {
		if !strings.Contains(RESTCounterpart(operation), part) {
			t.Errorf("%s: %s", operation, RESTCounterpart(operation))
		}
	}
	if RESTCounterpart(Other) != "" || RESTCounterpart("syncLeadUsingPOST") != "" {
		t.Error("what is no operation of SOAP has a counterpart")
	}
}
