package main

import (
	"encoding/json"
	"strings"
	"testing"

	"marketo-proxy/classify"
)

func TestCodes(t *testing.T) {
	golden(t, "codes-soap", must(t, "codes", "--api", "soap"))
	golden(t, "codes-20011", must(t, "codes", "20011"))
	golden(t, "codes-20018", must(t, "codes", "20018"))
	all := must(t, "codes")
	if got, want := strings.Count(all, "\n"), 1+len(classify.Codes(classify.SOAP))+len(classify.Codes(classify.REST)); got != want {
		t.Errorf("%d lines, want %d", got, want)
	}
	for line := range strings.Lines(must(t, "codes", "--class", "Throttled", "--json")) {
		var k classify.Code
		if err := json.Unmarshal([]byte(line), &k); err != nil || k.Class != classify.ClassThrottled || k.Code == "" {
			t.Errorf("%s: %v", line, err)
		}
	}
	if got := must(t, "codes", "20103", "--json"); !strings.HasPrefix(got, `{"api":"soap","code":"20103"`) || strings.Count(got, "\n") != 1 {
		t.Error(got)
	}
}

func TestCodesOfOperation(t *testing.T) {
	if got, want := must(t, "codes", "mergeLeads"), "mergeLeads\n  api         soap\n  in REST     POST /rest/v1/leads/{leadId}/merge.json\n"; got != want {
		t.Errorf("%q", got)
	}
	if got, want := must(t, "codes", "mergeLeads", "--json"), `{"api":"soap","operation":"mergeLeads","rest":"POST /rest/v1/leads/{leadId}/merge.json"}`+"\n"; got != want {
		t.Errorf("%q", got)
	}
}

func TestCodesMistakes(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"20112", exitFailed, "20112 is not documented: read the message of its captures (marketo-proxy captures ls --code 20112), and open a ticket"},
		{"20011 --api rest", exitFailed, "20011 is not documented for the REST API"},
		{"--class answer --api soup", exitUsage, "--api"},
		{"--class sour", exitUsage, "--class"},
		{"twenty", exitUsage, `"twenty" is not a code`},
	} {
		code, out, errs := call(t, append([]string{"codes"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 || out != "" {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", c.args, code, out, errs)
		}
	}
}
