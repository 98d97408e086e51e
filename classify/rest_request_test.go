package classify

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const formType = "application/x-www-form-urlencoded; charset=utf-8"

// readForm is the operation of a POST with a form that comes in pieces, and whether the reader had enough.
func readForm(path, contentType, body string, cuts ...int) (operation string, done bool) {
	r := NewRequestReader(REST, http.MethodPost, path, http.Header{"Content-Type": {contentType}})
	last := 0
	for _, cut := range append(slices.Clone(cuts), len(body)) {
		p := []byte(body[last:cut])
		if n, err := r.Write(p); n != len(p) || err != nil {
			panic("short write")
		}
		clear(p)
		last = cut
	}
	return r.Call().Operation, r.Done()
}

func TestRESTRequest(t *testing.T) {
	const leads, get, post = "/rest/v1/leads.json", "getLeadsByFilterUsingGET", "syncLeadUsingPOST"
	long := "filterValues=" + strings.Repeat("a%40example.com,", 30_000)
	for _, c := range []struct {
		name, path, contentType, body, want string
		done                                bool
	}{
		{"first", leads, formType, "_method=GET&filterType=id", get, true},
		{"last", leads, formType, "filterType=id&filterValues=1&_method=GET", get, false},
		{"behind a long list", leads, formType, long + "&_method=GET", get, false},
		{"alone", leads, "APPLICATION/x-www-form-urlencoded", "_method=GET", get, false},
		{"none", leads, formType, "filterType=id&filterValues=1", post, false},
		{"nothing", leads, formType, "", post, false},
		{"too late", leads, formType, strings.Repeat("x", maxForm) + "&_method=GET", post, true},
		{"not begun", leads, formType, "_method=GE", post, false},
		{"another method", leads, formType, "_method=PUT&_method=GET", post, true},
		{"a longer one", leads, formType, "_method=GETS", post, true},
		{"another name", leads, formType, "x_method=GET&_methods=GET&_metho&d=GET", post, false},
		{"in a value", leads, formType, "a=_method=GET", post, false},
		{"empty parameters", leads, formType, "&&_method=GET&&", get, true},
		{"the query has it", leads + "?_method=GET", formType, "_method=PUT", get, true},
		{"the query has another", leads + "?_method=PUT", formType, "_method=GET", post, true},
		{"the query has others", leads + "?a=b", formType, "_method=GET&", get, true},
		{"a list", "/rest/v1/list/1001/leads.json", formType, "listId=1001&_method=GET", "getLeadsByListIdUsingGET", false},
		{"nothing to get", "/rest/v1/leads/delete.json", formType, "_method=GET", "deleteLeadsUsingPOST", true},
		{"JSON", leads, "application/json", "_method=GET", post, true},
		{"multipart", leads, "multipart/form-data; boundary=x", "_method=GET", post, true},
		{"no type", leads, "", "_method=GET", post, true},
	} {
		if got, done := readForm(c.path, c.contentType, c.body); got != c.want || done != c.done {
			t.Errorf("%s: %s, done %v", c.name, got, done)
		}
	}
	if got := NewRequestReader(REST, http.MethodGet, leads, http.Header{"Content-Type": {formType}}); !got.Done() || got.Call() != (Call{API: REST, Operation: get}) {
		t.Errorf("a GET: %+v", got)
	}
}

func TestRESTRequestAnySplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		atom := rapid.SampledFrom([]string{"_method=GET", "_method", "=", "GET", "_method=PUT", "&", "&", "a=b", "G", "_"})
		body := strings.Join(rapid.SliceOfN(atom, 0, 12).Draw(t, "body"), "")
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(body)), 0, 6).Draw(t, "cuts")
		slices.Sort(cuts)
		want := "syncLeadUsingPOST"
		if said, _ := methodParameter(body); said == http.MethodGet {
			want = "getLeadsByFilterUsingGET"
		}
		if got, _ := readForm("/rest/v1/leads.json", formType, body, cuts...); got != want {
			t.Fatalf("%q at %v: %s, want %s", body, cuts, got, want)
		}
	})
}

// What asks for something by GET is told by its name, whatever the method on the wire.
func TestOperationsOfGET(t *testing.T) {
	for _, e := range restEndpoints {
		if strings.Contains(e.operation, "UsingGET") && e.method != http.MethodGet {
			t.Errorf("%s is a %s", e.operation, e.method)
		}
	}
}

func BenchmarkRESTForm(b *testing.B) {
	body := []byte("filterType=email&filterValues=" + strings.Repeat("a%40example.com,", 300) + "&_method=GET")
	header := http.Header{"Content-Type": {formType}}
	b.ReportAllocs()
	for b.Loop() {
		r := NewRequestReader(REST, http.MethodPost, "/rest/v1/leads.json", header)
		_, _ = r.Write(body)
		if r.Call().Operation != "getLeadsByFilterUsingGET" {
			b.Fatal(r.Call())
		}
	}
}

// Whatever a path, a type and a form are, and however the form is cut, the operation is the same and one of those that are known.
func FuzzRESTRequest(f *testing.F) {
	f.Add("/rest/v1/leads.json", formType, "filterType=id&_method=GET", uint16(20))
	f.Add("//rest/asset/v1/email/1.json/content.json?_method=GET", "text/plain", "_method=POST&_method=GET", uint16(9))
	f.Fuzz(func(t *testing.T, path, contentType, form string, cut uint16) {
		want, wantDone := readForm(path, contentType, form)
		if got, done := readForm(path, contentType, form, int(cut)%(len(form)+1)); got != want || done != wantDone {
			t.Fatalf("got %s %v, want %s %v", got, done, want, wantDone)
		}
		if want != Other && !slices.ContainsFunc(restEndpoints[:], func(e endpoint) bool { return e.operation == want }) {
			t.Fatalf("%q is no operation", want)
		}
	})
}
