package emulator

import (
	"io"
	"strings"
	"testing"

	"marketo-proxy/classify"
)

// verdict reads an answer as the proxy does.
func verdict(t *testing.T, operation string, a answered) classify.Verdict {
	t.Helper()
	reader := classify.NewResponseReader(classify.Answer{
		Call:        classify.Call{API: classify.SOAP, Operation: operation},
		Method:      "POST",
		Status:      a.status,
		ContentType: a.header.Get("Content-Type"),
	})
	if _, err := io.Copy(reader, strings.NewReader(a.body)); err != nil {
		t.Fatal(err)
	}
	return reader.Verdict()
}

// TestAgreementOnOutcomes compares what the emulator counts with what a reader of its answers makes of them.
func TestAgreementOnOutcomes(t *testing.T) {
	type call struct{ operation, inside, effects string }
	calls := []call{
		{"getLead", joe, "oneline"}, {"getLead", joe, "20011+oneline"}, {"getLead", joe, "20011+nocode"}, {"getLead", joe, "20011+soap12"},
		{"getLead", joe, "20011+server"}, {"getLead", joe, "20011+status=200"}, {"getLead", joe, "20014+nodetail"},
		{"getMultipleLeads", "", "chunked"}, {"syncLead", record("<Email>p@example.com</Email>"), "partial"},
		{"syncMultipleLeads", "<leadRecordList>" + record("<Email>p@example.com</Email>") + record("<Email>bad</Email>") + "</leadRecordList>", "chunked"},
		{"listOperation", listCall("ADDTOLIST", key("IDNUM", "15")+key("IDNUM", "1")), "chunked"},
		{"requestCampaign", "<source>MKTOWS</source><campaignId>4496</campaignId><leadList>" + joe + "</leadList>", "partial"},
		{"importToList", importCall("LISTONLY", "") + "<listName>L</listName>", "partial=CANCELED"},
		{"syncMObjects", "<mObjectList><mObject><type>Opportunity</type><id>4</id></mObject></mObjectList><operation>INSERT</operation>", "chunked"},
		{"getLead", joe, "html502"}, {"getLead", joe, "malformed"}, {"getLead", joe, "http503"}, {"getLead", joe, "empty"},
	}
	for _, code := range classify.Codes(classify.SOAP) {
		calls = append(calls, call{"getLead", joe, code.Code})
	}
	for _, call := range calls {
		b := newBench(t)
		v := verdict(t, call.operation, b.soap(call.operation, call.inside, FailHeader+": identity, "+call.effects))
		got := string(v.Outcome)
		switch {
		case v.Outcome == classify.Success:
			got = "ok"
		case v.Outcome == classify.Fault:
			got = v.Code
		case v.Outcome == classify.HTTP && strings.HasPrefix(call.effects, "html"), v.Outcome == classify.HTTP && strings.HasPrefix(call.effects, "http"),
			v.Outcome == classify.Malformed && call.effects == "empty":
			got = call.effects
		}
		if b.e.Counts()[Count{"soap", call.operation, got}] != 1 {
			t.Errorf("%s with %s: the reader says %+v, the emulator %v", call.operation, call.effects, v, b.e.Counts())
		}
	}
}
