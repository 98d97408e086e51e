package classify

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
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
		for _, piece := range tailPieces {
			r := NewResponseReader(Answer{Call: Call{API: SOAP, Operation: "getLead"}, Method: http.MethodPost, Status: 200, ContentType: "text/xml"})
			writeLong(r, c.body, piece)
			if v := r.Verdict(); v.Outcome != c.want {
				t.Errorf("%s in pieces of %d: %s %q, want %s", name, piece, v.Outcome, v.Message, c.want)
			}
		}
	}
}

// tailPieces are the sizes in which the ends of long answers come.
var tailPieces = []int{1, 7, 200, 10_000}

func writeLong(r ResponseReader, body string, piece int) {
	for len(body) > 0 {
		n := min(len(body), 10_000)
		if len(body) < 500 {
			n = min(len(body), piece)
		}
		_, _ = r.Write([]byte(body[:n]))
		body = body[n:]
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
		"whole":                       `],"success":true}`,
		"with a page token":           `],"nextPageToken":"ABC]}=","moreResult":true,"success":true}`,
		"white space":                 "\n]\n,\n\"success\" : true\n}" + strings.Repeat("\n", 3*maxTail),
		"warnings":                    `],"warnings":[{"code":"1","message":"]"}],"success":true}`,
		"one more item":               `,{"id":1,"tags":[1]}],"success":true}`,
		"no success":                  `],"success":false,"errors":[{"code":"606","message":"Max rate limit"}]}`,
		"cut":                         ``,
		"cut behind the list":         `]`,
		"cut in a member":             `],"success":tr`,
		"HTML behind":                 `],"success":true}<html>`,
		"much behind, and no success": `],"x":{"y":"` + strings.Repeat("z", 2*maxTail) + `"},"success" : false}`,
		"much behind, and success":    `],"x":{"y":"` + strings.Repeat("z", 2*maxTail) + `"},"success" : true}`,
	} {
		t.Run(name, func(t *testing.T) {
			read := func(a Answer, piece int) Verdict {
				r := NewResponseReader(a)
				writeLong(r, head+end, piece)
				v := r.Verdict()
				if v.Outcome == Malformed {
					v.Message = "" // where it is wrong is not always known
				}
				return v
			}
			r := NewResponseReader(restGet()).(*restResponse)
			if _, _ = r.Write([]byte(head)); !r.skims {
				t.Fatal("it is not skimmed: the test tests nothing")
			}
			whole := restGet()
			whole.Method, whole.Call.Operation = http.MethodPost, Other
			want := read(whole, 10_000)
			overridden := restGet() // a POST with _method=GET
			overridden.Method = http.MethodPost
			for _, piece := range tailPieces {
				for _, a := range []Answer{restGet(), overridden} {
					if got := read(a, piece); !reflect.DeepEqual(got, want) {
						t.Errorf("%s in pieces of %d: got  %+v\nwant %+v", a.Method, piece, got, want)
					}
				}
			}
		})
	}
}

func restGet() Answer {
	return Answer{Call: Call{API: REST, Operation: "getLeadsByFilterUsingGET"}, Method: http.MethodGet, Status: 200, ContentType: "application/json"}
}
