package classify

import (
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestLongAnswers are judged by their end, however the stream is cut into pieces.
func TestLongAnswers(t *testing.T) {
	const head = `<?xml version="1.0"?><S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body><m:successGetLead><a>`
	const end = "</a></m:successGetLead></S:Body></S:Envelope>"
	fill := strings.Repeat("<b>text</b>", skimAfter/8)
	for name, c := range map[string]struct {
		body string
		want Outcome
	}{
		"whole":                      {head + fill + end, Success},
		"white space behind":         {head + fill + end + strings.Repeat("\n", 3*maxTail), Success},
		"white space in the end tag": {head + fill + "</a></m:successGetLead></S:Body></S:Envelope" + strings.Repeat(" ", 100) + ">", Success},
		"a comment behind":           {head + fill + end + "<!-- served by </node> 7 --><?done?>\n", Success},
		"cut in a tag":               {head + fill + end[:len(end)-1], Malformed},
		"cut in the middle":          {head + fill, Malformed},
		"Body only":                  {head + fill + "</a></m:successGetLead></S:Body>", Malformed},
		"a page of a gateway behind": {head + fill + end + "<html>504 Gateway Time-out</html>", Malformed},
		"text behind":                {head + fill + end + "oops", Malformed},
		"an open comment behind":     {head + fill + end + "<!-- oops", Malformed},
		"invalid UTF-8":              {head + fill + "\xff" + end, Malformed},
		"half a character":           {head + fill + end + "\xc3", Malformed},
		"a later Fault is text":      {head + fill + "<Fault><detail/></Fault>" + end, Success},
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				r := NewResponseReader(Answer{Call: Call{API: SOAP, Operation: "getLead"}, Method: http.MethodPost, Status: 200, ContentType: "text/xml"})
				for rest := c.body; rest != ""; {
					n := min(len(rest), rapid.OneOf(rapid.IntRange(1, 64), rapid.IntRange(1, 100_000)).Draw(t, "piece"))
					if len(rest) < len(c.body)-len(head) && len(rest) > len(end)+3*maxTail+64 {
						n = max(n, len(rest)-(len(end)+3*maxTail+64)) // the middle in one piece, so that it takes no minutes
					}
					_, _ = r.Write([]byte(rest[:n]))
					rest = rest[n:]
				}
				if v := r.Verdict(); v.Outcome != c.want {
					t.Fatalf("%s %q, want %s", v.Outcome, v.Message, c.want)
				}
			})
		})
	}
}

// TestLongPartialAnswers are read to their end: a failed record may stand anywhere.
func TestLongPartialAnswers(t *testing.T) {
	body := `<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body><m:successSyncMultipleLeads><result><syncStatusList>` +
		strings.Repeat("<syncStatus><leadId>1</leadId><status>UPDATED</status></syncStatus>", skimAfter/20) +
		"<syncStatus><leadId>0</leadId><status>FAILED</status><error>bad</error></syncStatus>" +
		"</syncStatusList></result></m:successSyncMultipleLeads></S:Body></S:Envelope>"
	r := NewResponseReader(Answer{Call: Call{API: SOAP, Operation: "syncMultipleLeads"}, Method: http.MethodPost, Status: 200, ContentType: "text/xml"})
	_, _ = r.Write([]byte(body))
	if v := r.Verdict(); v.Outcome != Partial || v.RecordsFailed != 1 || v.Records[0].Index != skimAfter/20 {
		t.Errorf("%+v", v)
	}
}
