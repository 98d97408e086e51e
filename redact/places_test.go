package redact

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func TestURL(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"*", ""},
		{"h:443", ""},
		{"https://123-ABC-456.mktorest.com/identity/oauth/token?grant_type=client_credentials&client_id=x&client_secret=§&y", ""},
		{"/rest/v1/leads.json?access_token=§", ""},
		{"/x?ACCESS_TOKEN=§&access%5Ftoken=§&access%5ftoken=§#f", ""},
		{"/x?a[access_token]=§&access_token=&access_token&b", ""},
		{"/x?access_token=a?b=c/d#f", "/x?access_token=§#f"},
		{"/x?r=https://h/?access_token=§&y=z", ""},
		{"/x?r=https%3A%2F%2Fh%2F%3Faccess_token%3D§%26x%3D1&y=z", ""},
		{"/x?r=https%253A%252F%252Fh%252F%253Faccess_token%253D§%2526x%253D1%26z&y=z", ""},
		{"https://h/cb#access_token=§&token_type=bearer", ""},
		{"https://h/cb#/route?access_token=§&x=y", ""},
		{"https://user:§@h/p?a=b", ""},
		{"https://user@h/p:a@b", ""},
		{"https://user:p@§:@h:1/@", "https://user:§@h:1/@"},
		{"/x;access_token=§;a=b/c", "/x;access_token=§;a=b/c"},
		{"//h/p?a=//x:y@z", ""},
		{"/x?token=a&cookies=b&signature=c&%zz=%", ""},
	} {
		want := strings.ReplaceAll(test.want, "§", Marker)
		if test.want == "" {
			want = strings.ReplaceAll(test.in, "§", Marker)
		}
		if got := New().URL(strings.ReplaceAll(test.in, "§", "5ecretV4lue")); got != want {
			t.Errorf("%s: got %s, want %s", test.in, got, want)
		}
	}
}

func TestHeader(t *testing.T) {
	in := http.Header{
		"Authorization":            {"Bearer abc", "bearer  abc def", "abc", "", "key with spaces"},
		"Proxy-Authorization":      {"Basic dXNlcjpwYXNz"},
		"Cookie":                   {"a=b; c=d"},
		"Set-Cookie":               {"a=b", "c=d; Path=/"},
		"X-Mkto-User-Token":        {"abc"},
		"X-Forwarded-Access-Token": {"abc"},
		"X-Original_Authorization": {"Bearer abc"},
		"X-Valid-Token":            {"abc"},
		"X-Marketo-Cookie":         {"abc"},
		"x-mkto-user-token":        {"abc"},
		"Location":                 {"https://u:abc@h/?access%5Ftoken=abc&x=y"},
		"Link":                     {`<https://h/?access_token=abc&x=y>; rel="next"`},
		"Soapaction":               {"http://www.marketo.com/mktows/getLead"},
		"Www-Authenticate":         {"Bearer realm=x"},
		"Empty":                    nil,
	}
	want := http.Header{
		"Authorization":            {"Bearer REDACTED", "bearer REDACTED", Marker, "", Marker},
		"Proxy-Authorization":      {"Basic REDACTED"},
		"Cookie":                   {Marker},
		"Set-Cookie":               {Marker, Marker},
		"X-Mkto-User-Token":        {Marker},
		"X-Forwarded-Access-Token": {Marker},
		"X-Original_Authorization": {"Bearer " + Marker},
		"X-Valid-Token":            {"abc"},
		"X-Marketo-Cookie":         {"abc"},
		"x-mkto-user-token":        {Marker},
		"Location":                 {"https://u:REDACTED@h/?access%5Ftoken=REDACTED&x=y"},
		"Link":                     {`<https://h/?access_token=REDACTED&x=y>; rel="next"`},
		"Soapaction":               {"http://www.marketo.com/mktows/getLead"},
		"Www-Authenticate":         {"Bearer realm=x"},
		"Empty":                    {},
	}
	before := in.Clone()
	r := New()
	if got := r.Header(in); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !reflect.DeepEqual(in, before) {
		t.Error("the header was changed")
	}
	if r.Header(nil) != nil {
		t.Error("no header became one")
	}
	counts := map[string]int{
		"Authorization": 5, "Proxy-Authorization": 1, "Cookie": 1, "Set-Cookie": 2, "X-Mkto-User-Token": 2, "access_token": 3, Password: 1,
	}
	if got := r.Counts(); !maps.Equal(got, counts) {
		t.Errorf("counts %v, want %v", got, counts)
	}
}

func TestText(t *testing.T) {
	r := New("5ecretV4lue")
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{`Get "https://h/identity/oauth/token?client_id=a&client_secret=abc": EOF`, `Get "https://h/identity/oauth/token?client_id=a&client_secret=REDACTED": EOF`},
		{"no lead with EMAIL = a@b.c (20103)", "no lead with EMAIL = a@b.c (20103)"},
		{"token 5ECRETv4lue!", "token REDACTED!"},
		{"Authorization: Bearer", "Authorization: REDACTED"},
		{"X-Authorization: abc", "X-Authorization: REDACTED"},
		{"preauthorization: abc", "preauthorization: abc"},
		{"marketo_cookie=abc", "marketo_cookie=abc"},
		{"?Authorization=abc&x=y", "?Authorization=REDACTED&x=y"},
		{"Cookie=a&b=c", "Cookie=REDACTED"},
		{`\naccess_token=abc\n`, `\naccess_token=REDACTED\n`},
		{"%26access_token%3Dabc%26", "%26access_token%3DREDACTED%26"},
		{"access_token=a%26b&c", "access_token=REDACTED&c"},
		{"access_token: Bearer abc def", "access_token: Bearer REDACTED def"},
		{"access_token:", "access_token:"},
		{"access_token=\nabc", "access_token=\nabc"},
		{"</access_token> abc <access_token/> def", "</access_token> abc <access_token/> def"},
	} {
		if got := r.Text(test.in); got != test.want {
			t.Errorf("%q: got %q, want %q", test.in, got, test.want)
		}
	}
}

func TestValues(t *testing.T) {
	r := New("cdf01657-110d:int", `q"u<o>t&e/d`, "short", "REDACTED-value", strings.Repeat("long", 500))
	in := "cdf01657-110d:int CDF01657-110D%3aINT short REDACTED-value " +
		`q"u<o>t&e/d q%22u%3Co%3Et%26e%2Fd q\"u<o>t&e\/d q\"u\u003co\u003et\u0026e/d q&quot;u&lt;o&gt;t&amp;e/d q"u&lt;o&gt;t&amp;e/d ` +
		strings.Repeat("long", 501)
	want := "REDACTED REDACTED short REDACTED-value REDACTED REDACTED REDACTED REDACTED REDACTED REDACTED REDACTEDlong"
	if got := r.Text(in); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if n := r.Counts()[KnownValue]; n != 9 {
		t.Errorf("counted %d", n)
	}
	r.Values("another value")
	if got := r.URL("/x?a=another%20value&b=another+value&c=cdf01657-110d:int"); got != "/x?a=REDACTED&b=REDACTED&c=REDACTED" {
		t.Error(got)
	}
}

func TestCounts(t *testing.T) {
	r := New("a known value")
	body(t, r, `<a b:ACCESS_token="x">a known value<requestSignature>x</requestSignature>id_token=x</a>`)
	want := map[string]int{"access_token": 2, "requestSignature": 2, "id_token": 2, KnownValue: 2} // read twice by body
	if got := r.Counts(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Documents without secrets, and those with a signature: the rest of them is not touched.
func TestSamples(t *testing.T) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil || len(files) < 5 {
		t.Fatal("no samples", err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		in := string(raw)
		want := in
		const open, shut = "<requestSignature>", "</requestSignature>"
		if head, rest, ok := strings.Cut(in, open); ok {
			_, tail, _ := strings.Cut(rest, shut)
			want = head + open + Marker + shut + tail
		}
		if got := body(t, New(), in); got != want {
			t.Errorf("%s becomes %s", name, got)
		}
	}
}

func TestBodyErrors(t *testing.T) {
	broken := errors.New("broken")
	var out strings.Builder
	err := New().Body(&out, io.MultiReader(strings.NewReader("<a><id_token>x"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || out.String() != "<a><id_token>REDACTED" {
		t.Errorf("%v after %q", err, out.String())
	}
	err = New().Body(failing{broken}, strings.NewReader(strings.Repeat("x", 3*chunk)))
	if !errors.Is(err, broken) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// What a body can make the masker hold is bounded, and so is what it allocates: for 640 kB less than 400.
func TestBoundedMemory(t *testing.T) {
	for _, test := range []struct{ start, unit string }{
		{"", "x"}, {"", " "}, {"<", "a"}, {"<a ", `b="c" `}, {"<a b='", "c"}, {"<!--", "x"}, {"<a><![CDATA[", "<![CDATA["},
		{"<!--<a ", "x"}, {"<id_token>", "<id_token>"}, {"<!DOCTYPE ", "["}, {"<?", "x"}, {"<a>", "<a>x</b>"}, {"<a>", "<![CDATA[<id_token>]]>"},
		{"[", "["}, {`{"`, "a"}, {`{"id_token":"`, "a"}, {"[", "1"}, {`{"id_token":`, "["}, {"{", `"id_token":1,`},
		{"a=b&", "c"}, {"a=b&", "id_token=d&"}, {"id_token=", "b"}, {"> id_token=", `\`}, {"> id_token", " "}, {"> id_token=&", "amp;"},
		{"> id_token=%", "25"}, {"> ", "id_token="}, {"> id_token={", "{"},
		{"--x\n", "y"}, {"--x\n\n", "\n--"}, {"--x\nContent-Disposition: form-data; name=", "y"}, {"--", "x"},
	} {
		unit := strings.Repeat(test.unit, chunk/len(test.unit))
		parts := []io.Reader{strings.NewReader(test.start)}
		for range 20 {
			parts = append(parts, strings.NewReader(unit))
		}
		var before, after runtime.MemStats
		r := New("a known value", strings.Repeat("long", 100))
		runtime.ReadMemStats(&before)
		err := r.Body(io.Discard, io.MultiReader(parts...))
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 400_000 || err != nil {
			t.Errorf("%q and many %q: %d bytes allocated, %v", test.start, test.unit, n, err)
		}
	}
}

func TestURLProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := new(doc)
		g := gen{t, d, rapid.StringMatching(`[0-9a-zA-Z]{13,40}`).Draw(t, "value")}
		d.plain(g.pick("", "https://h", "https://u@h:80"), "/", g.pick("", "a%3Fb", "cookies"))
		if g.n(1) == 0 {
			d.plain("?")
			g.form()
		}
		if g.n(1) == 0 {
			d.plain("#")
			g.form()
		}
		if got := New().URL(d.in.String()); got != d.want.String() {
			t.Fatalf("in:   %s\ngot:  %s\nwant: %s", d.in.String(), got, d.want.String())
		}
	})
}
