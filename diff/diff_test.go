package diff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func document(text string) *Document {
	d := &Document{}
	_, _ = d.Write([]byte(text))
	return d
}

// lines are the changes as text: path, and the two values.
func lines(r Result) (all []string) {
	for _, c := range r.Changes {
		line := c.Path
		if c.Before != nil {
			line += " -" + *c.Before
		}
		if c.After != nil {
			line += " +" + *c.After
		}
		all = append(all, line)
	}
	return all
}

func TestCompare(t *testing.T) {
	const envelope = `<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body>%s</SOAP-ENV:Body></SOAP-ENV:Envelope>`
	fault := fmt.Sprintf(envelope, `<SOAP-ENV:Fault><faultcode>SOAP-ENV:Client</faultcode><faultstring>20011 - Internal error</faultstring></SOAP-ENV:Fault>`)
	for _, c := range []struct {
		name, a, b string
		want       []string
	}{
		{"nothing", "", "", nil},
		{"prefix, space, declaration, attribute order, CDATA",
			`<a:x xmlns:a="u" p="1" q='2'><a:y>1 &lt; 2</a:y><e/></a:x>`,
			"<?xml version=\"1.0\"?>\n<!-- c --><x q=\"2\" p=\"1\">\r\n  <e></e><y><![CDATA[1 < 2]]></y>\n</x>", nil},
		{"xsi:type", `<x xmlns:n="u" i:type="n:Lead"/>`, `<x i:type="m:Lead"/>`, nil},
		{"key order, white space", `{"a":1,"b":[1,{"c":null}]}`, "{ \"b\": [1, {\"c\": null}],\n \"a\": 1 }", nil},
		{"escapes", `{"a":"\u00e9\/"}`, `{"a":"é/"}`, nil},
		{"ids of the call and time", `{"requestId":"a#1","t":"2026-11-24T12:00:00Z+0000"}`, `{"requestId":"b#2","t":"2026-11-25T12:00:01Z+0000"}`, nil},
		{"a value", `<r><count>1</count></r>`, `<r><count>2</count></r>`, []string{"r/count -1 +2"}},
		{"type of a value", `{"a":1}`, `{"a":"1"}`, []string{`a -1 +"1"`}},
		{"empty", `{"a":[]}`, `{"a":{}}`, []string{"a -[] +{}"}},
		{"filled", `{"a":[]}`, `{"a":[1]}`, []string{"a[0] +1"}},
		{"value to object", `{"a":"x"}`, `{"a":{"b":1}}`, []string{`a -"x"`, "a/b +1"}},
		{"a date is a value", `{"a":"2026-11-24"}`, `{"a":"2026-11-25"}`, []string{`a -"2026-11-24" +"2026-11-25"`}},
		{"a time that is gone", `{"a":"2026-11-24T12:00:00Z"}`, `{"a":null}`, []string{`a -"2026-11-24T12:00:00Z" +null`}},
		{"fault to success", fault, fmt.Sprintf(envelope, `<ns1:successGetLead><result><count>1</count></result></ns1:successGetLead>`), []string{
			"Envelope/Body/Fault/faultcode -SOAP-ENV:Client", "Envelope/Body/Fault/faultstring -20011 - Internal error",
			"Envelope/Body/successGetLead/result/count +1"}},
		{"records by id", `{"result":[{"id":1,"a":"x"},{"id":2,"a":"y"}]}`, `{"result":[{"id":2,"a":"z"},{"id":1,"a":"x"},{"id":3}]}`,
			[]string{`result[id=2]/a -"y" +"z"`, "result[id=3]/id +3"}},
		{"attributes by name", `<l><attribute><attrName>A</attrName><attrValue>1</attrValue></attribute><attribute><attrName>B</attrName><attrValue>2</attrValue></attribute></l>`,
			`<l><attribute><attrName>B</attrName><attrValue>2</attrValue></attribute><attribute><attrName>A</attrName><attrValue>3</attrValue></attribute></l>`,
			[]string{"l/attribute[attrName=A]/attrValue -1 +3"}},
		{"statuses by position", `<l><s><status>CREATED</status></s><s><status>FAILED</status></s></l>`, `<l><s><status>FAILED</status></s><s><status>CREATED</status></s></l>`,
			[]string{"l/s[0]/status -CREATED +FAILED", "l/s[1]/status -FAILED +CREATED"}},
		{"one item more in front", `["a","b","c"]`, `["x","a","b","c"]`, []string{`[0] +"x"`}},
		{"mixed content", `<a>x<b/>y</a>`, `<a>x<b/>z</a>`, []string{"a/#text -xy +xz"}},
		{"text", "one\ntwo\n", "one\r\nthree\n", []string{"line[1] -two +three"}},
		{"other form", "Bad Gateway", `{"a":1}`, []string{"line -Bad Gateway", "a +1"}},
		{"html", "<html><br><p>a</html>", "<html><br><p>b</html>", []string{"line -<html><br><p>a</html> +<html><br><p>b</html>"}},
		{"cut off", `<a><b>1</b><c>2</c></a>`, `<a><b>1</b><c>`, []string{"a/c -2 +"}},
		{"not JSON", `{"a":1`, `{"a":1}`, []string{`line -{"a":1`, "a +1"}},
		{"to nothing", `{"a":1}`, "", []string{"a -1"}},
		{"long", `{"a":"` + strings.Repeat("x", 5000) + `1"}`, `{"a":"` + strings.Repeat("x", 5000) + `2"}`,
			[]string{`a -…` + strings.Repeat("x", 20) + `1" +…` + strings.Repeat("x", 20) + `2"`}},
	} {
		got := Compare(document(c.a), document(c.b))
		if !slices.Equal(lines(got), c.want) || got.Total != len(c.want) || got.Note != "" {
			t.Errorf("%s: %d %q %s, want %q", c.name, got.Total, lines(got), got.Note, c.want)
		}
	}
}

func TestCompareIsBounded(t *testing.T) {
	large := strings.Repeat("<a/>", maxNodes+1)
	for name, pair := range map[string][2]string{
		"size":     {strings.Repeat("x", MaxSize+1), strings.Repeat("y", MaxSize+1)},
		"elements": {"<r>" + large + "</r>", "<r/>"},
		"lines":    {strings.Repeat("a\n", maxNodes+1), "a"},
	} {
		got := Compare(document(pair[0]), document(pair[1]))
		if got.Total != 1 || got.Note == "" || got.Changes[0].Path != "" || !strings.Contains(*got.Changes[0].Before, "sha256 ") {
			t.Errorf("%s: %+v", name, got)
		}
		if same := Compare(document(pair[0]), document(pair[0])); same.Total != 0 {
			t.Errorf("%s: not the same as itself", name)
		}
	}
	if d := document(strings.Repeat("x", MaxSize+1)); d.content != nil || d.Size() != MaxSize+1 {
		t.Error("what is too large is kept")
	}
	var a, b []string
	for n := range 1000 {
		a, b = append(a, fmt.Sprintf(`"a%d":1`, n)), append(b, fmt.Sprintf(`"a%d":2`, n))
	}
	got := Compare(document("{"+strings.Join(a, ",")+"}"), document("{"+strings.Join(b, ",")+"}"))
	if got.Total != 1000 || len(got.Changes) != MaxChanges {
		t.Errorf("%d of %d", len(got.Changes), got.Total)
	}
	for _, hostile := range []string{strings.Repeat("<a>", 1<<20), strings.Repeat("[", 1<<20), strings.Repeat("<", MaxSize), "<a>" + strings.Repeat("<", MaxSize-3)} {
		Compare(document(hostile), document("<a/>")) // comes to an end
	}
}

// value is a JSON value whose lists of objects have ids.
func value(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 5).Draw(t, "kind")
	if depth == 0 {
		kind %= 3
	}
	switch kind {
	case 0:
		return rapid.SampledFrom([]string{"", "x", "é\"\\", "2026-11-24", "<&>"}).Draw(t, "text")
	case 1:
		return rapid.IntRange(-3, 3).Draw(t, "number")
	case 2:
		return rapid.SampledFrom([]any{nil, true, false, []any{}, map[string]any{}}).Draw(t, "constant")
	case 3:
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) any { return value(t, depth-1) }), 0, 4).Draw(t, "list")
	case 4:
		records := []any{}
		for id := range rapid.IntRange(0, 4).Draw(t, "records") {
			records = append(records, map[string]any{"id": id, "v": value(t, depth-1)})
		}
		return records
	}
	object := map[string]any{}
	for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "name", "@x"}), 0, 4, rapid.ID).Draw(t, "keys") {
		object[key] = value(t, depth-1)
	}
	return object
}

func root(t *rapid.T) map[string]any { return map[string]any{"root": value(t, 4)} }

// shuffled writes a value with the members of objects, and the items that have an id, in any order.
func shuffled(r *rand.Rand, v any) string {
	var parts []string
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			k, _ := json.Marshal(key)
			parts = append(parts, string(k)+" :"+shuffled(r, member))
		}
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		return "{" + strings.Join(parts, ",\n") + " }"
	case []any:
		records := true
		for _, item := range v {
			parts = append(parts, shuffled(r, item))
			object, ok := item.(map[string]any)
			_, hasID := object["id"]
			records = records && ok && hasID
		}
		if records {
			r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		}
		return "[" + strings.Join(parts, " , ") + "]"
	}
	text, _ := json.Marshal(v)
	return string(text)
}

func marshal(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestOrderOfNoMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := root(t)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		if got := Compare(document(marshal(v)), document(shuffled(r, v))); got.Total != 0 {
			t.Fatalf("%s\n%s", marshal(v), lines(got))
		}
	})
}

// The same changes come out, with the sides swapped; and none only if the values are the same.
func TestSymmetry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, w := root(t), root(t)
		a, b := marshal(v), marshal(w)
		there, back := Compare(document(a), document(b)), Compare(document(b), document(a))
		for i, c := range back.Changes {
			back.Changes[i].Before, back.Changes[i].After = c.After, c.Before
		}
		one, other := lines(there), lines(back)
		slices.Sort(one)
		slices.Sort(other)
		if there.Total != back.Total || there.Total <= MaxChanges && !slices.Equal(one, other) {
			t.Fatalf("%s\n%s\n%q\n%q", a, b, one, other)
		}
		if (there.Total == 0) != (a == b) {
			t.Fatalf("%d changes of\n%s\n%s", there.Total, a, b)
		}
	})
}

func FuzzCompare(f *testing.F) {
	for _, seed := range []string{`<a b="c">d<e/><![CDATA[f]]></a>`, `{"a":[{"id":1},"x",null]}`, "one\ntwo", "<a><a>", `[[]`, "<?xml?><!DOCTYPE x>"} {
		f.Add([]byte(seed), []byte(`<a b="d"><e>1</e></a>`))
		f.Add([]byte(seed), []byte(`{"a":[{"id":2}]}`))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		there, back := Compare(document(string(a)), document(string(b))), Compare(document(string(b)), document(string(a)))
		if there.Total != back.Total {
			t.Fatalf("%d there, %d back\n%q\n%q", there.Total, back.Total, lines(there), lines(back))
		}
		if spaced := append(bytes.Clone(a), '\n'); Compare(document(string(a)), document(string(spaced))).Total != 0 && !bytes.Contains(a, []byte("<")) {
			t.Fatal("a line end at the end makes a difference")
		}
	})
}
