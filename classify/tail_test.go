package classify

import (
	"fmt"
	"net/http"
	"reflect"
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
					n := min(len(rest), 10_000)
					if len(rest) < 500 {
						n = min(len(rest), rapid.IntRange(1, 200).Draw(t, "piece"))
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

// TestLongRESTAnswers gives for a list that was asked for, of which only the end is read, what reading all of it gives.
func TestLongRESTAnswers(t *testing.T) {
	var items []string
	for i := range 1500 {
		items = append(items, fmt.Sprintf(`{"id":%d,"tags":["a]","b}"],"name":"Ada ],\"success\":false} \\","more":[[1],{"x":[]}]}`, i))
	}
	head := `{"requestId":"a#1","result":[` + strings.Join(items, ",")
	for name, end := range map[string]string{
		"whole":               `],"success":true}`,
		"with a page token":   `],"nextPageToken":"ABC]}=","moreResult":true,"success":true}`,
		"white space":         "\n]\n,\n\"success\" : true\n}" + strings.Repeat("\n", 3*maxTail),
		"warnings":            `],"warnings":[{"code":"1","message":"]"}],"success":true}`,
		"one more item":       `,{"id":1,"tags":[1]}],"success":true}`,
		"no success":          `],"success":false,"errors":[{"code":"606","message":"Max rate limit"}]}`,
		"cut":                 ``,
		"cut behind the list": `]`,
		"cut in a member":     `],"success":tr`,
		"HTML behind":         `],"success":true}<html>`,
	} {
		t.Run(name, func(t *testing.T) {
			read := func(method string, pieces func(rest int) int) Verdict {
				r := NewResponseReader(Answer{Call: Call{API: REST, Operation: "getLeadsByFilterUsingGET"}, Method: method, Status: 200, ContentType: "application/json"})
				for rest := head + end; rest != ""; {
					n := min(pieces(len(rest)), len(rest))
					_, _ = r.Write([]byte(rest[:n]))
					rest = rest[n:]
				}
				v := r.Verdict()
				if v.Outcome == Malformed {
					v.Message = "" // where it is wrong is not always known
				}
				return v
			}
			want := read(http.MethodPost, func(int) int { return 1 << 20 })
			if r := NewResponseReader(restGet()).(*restResponse); true {
				_, _ = r.Write([]byte(head))
				if !r.skims {
					t.Fatal("it is not skimmed: the test tests nothing")
				}
			}
			rapid.Check(t, func(t *rapid.T) {
				got := read(http.MethodGet, func(rest int) int {
					if rest > 500 {
						return 10_000
					}
					return rapid.IntRange(1, 200).Draw(t, "piece")
				})
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("got  %+v\nwant %+v", got, want)
				}
			})
		})
	}
}

func restGet() Answer {
	return Answer{Call: Call{API: REST, Operation: "getLeadsByFilterUsingGET"}, Method: http.MethodGet, Status: 200, ContentType: "application/json"}
}
