package redact

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"
)

func body(t *testing.T, r *Redactor, in string) string {
	t.Helper()
	var one, many bytes.Buffer
	if err := r.Body(&one, strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	if err := r.Body(&many, iotest.OneByteReader(strings.NewReader(in))); err != nil {
		t.Fatal(err)
	}
	if one.String() != many.String() {
		t.Errorf("in one piece: %s\nbyte by byte: %s", one.String(), many.String())
	}
	return one.String()
}

// In the tables every § stands for a secret; without another wish, all that is wanted is the marker in its place.
func TestBody(t *testing.T) {
	for _, test := range bodies {
		t.Run(test.name, func(t *testing.T) {
			in := strings.ReplaceAll(test.in, "§", "5ecreT-value_1.~+/=")
			want := strings.ReplaceAll(test.in, "§", Marker)
			if test.want != "" {
				want = strings.ReplaceAll(test.want, "§", Marker)
			}
			if got := body(t, New(), in); got != want {
				t.Errorf("in:   %s\ngot:  %s\nwant: %s", in, got, want)
			}
		})
	}
}

var bodies = []struct{ name, in, want string }{
	{"empty", "", ""},
	{"element", `<a><requestSignature>§</requestSignature><b>x</b></a>`, ""},
	{"prefix", `<ns1:requestSignature xmlns:ns1="u">§</ns1:requestSignature>`, ""},
	{"case", `<REQUESTSIGNATURE>§</REQUESTSIGNATURE>`, ""},
	{"empty element", `<requestSignature/><requestSignature></requestSignature><b>x</b>`, ""},
	{"nested", `<requestSignature>a<b>c</b><requestSignature>§</requestSignature><![CDATA[d]]><!-- e -->f</requestSignature>g`,
		`<requestSignature>§</requestSignature>g`},
	{"unclosed inside", `<requestSignature>a<b></requestSignature><c>d</c>`, `<requestSignature>§</requestSignature><c>d</c>`},
	{"CDATA", `<requestSignature><![CDATA[§]]></requestSignature>`, `<requestSignature>§</requestSignature>`},
	{"in CDATA", `<a><![CDATA[<x:requestSignature a='b'>§</x:requestSignature><b>c</b>]]></a>`, ""},
	{"in comment", `<a><!-- <x:requestSignature>§</x:requestSignature> --><b>c</b></a>`, ""},
	{"over CDATA sections", `<a><![CDATA[<id_token>§]]>§<![CDATA[§</id_token>]]>b<![CDATA[c]]></a>`, `<a><![CDATA[<id_token>§]]><![CDATA[</id_token>]]>b<![CDATA[c]]></a>`},
	{"CDATA in CDATA", `<a><![CDATA[<id_token><![CDATA[§]]]]><![CDATA[></id_token>b]]></a>`, `<a><![CDATA[<id_token>§]]><![CDATA[</id_token>b]]></a>`},
	{"open in CDATA", `<a><![CDATA[<id_token>§]]></a><b>c<![CDATA[d]]></b>`, ""},
	{"open in comment", `<a><!-- <x:requestSignature>§--><b>c</b></a>`, ""},
	{"CDATA in comment", `<!-- <![CDATA[<access_token>§</access_token>]]> --><a/>`, ""},
	{"attribute", `<a access_token="§" b='c' x:Client_Secret = '§'/>`, ""},
	{"attribute with spaces", `<a Cookie="a=§; b=§" c="d">e</a>`, `<a Cookie="§" c="d">e</a>`},
	{"attribute names", `<element name="requestSignature" type="string"/><element name='access_token'>x</element>`, ""},
	{"URL in text", `<a>see https://h/p?access_token=§&amp;x=1 there</a>`, ""},
	{"URL in attribute", `<a href="https://h/p?access_token=§&amp;x=1#f">y</a>`, ""},
	{"character reference", `<a>access_token=ab&#99;d&amp;x=1</a>`, `<a>access_token=§&amp;x=1</a>`},
	{"escaped markup", `<a>&lt;requestSignature&gt;§ §&lt;/requestSignature&gt;&lt;b&gt;c&lt;/b&gt;</a>`,
		`<a>&lt;requestSignature&gt;§&lt;/requestSignature&gt;&lt;b&gt;c&lt;/b&gt;</a>`},
	{"twice escaped", `<a>&amp;lt;requestSignature&amp;gt;§&amp;lt;/requestSignature&amp;gt;c</a>`, ""},
	{"cut in element", `<a><requestSignature>§`, ""},
	{"cut in attribute", `<a b="c" access_token="§`, ""},
	{"cut in CDATA", `<requestSignature><![CDATA[§`, `<requestSignature>§`},
	{"cut in comment", `<a><!-- <requestSignature>§`, ""},
	{"open quote", `<requestSignature a="b>§</requestSignature><c>d</c>`, `<requestSignature §`},
	{"cut in name", `<a><requestSignature`, ""},
	{"open quote, cut", `<requestSignature a="b>§`, `<requestSignature §`},
	{"doctype", `<!DOCTYPE a [<!ENTITY b "access_token=§">]><a/>`, ""},
	{"long tag", `<a b="` + strings.Repeat("c", 70_000) + `" access_token="§" d="e"><c/></a>`, ""},
	{"long secret tag", `<access_token b="` + strings.Repeat("c", 70_000) + `">§</access_token><c/>`, ""},
	{"split by CDATA", `<a>access_token=<![CDATA[§]]></a>`, ""},
	{"not secret", `<a><signature>x</signature><marketoCookie>id:287&amp;token:_mch-x</marketoCookie><requestTimestamp>y</requestTimestamp></a>`, ""},

	{"JSON", `{"a":1,"access_token":"§","b":{"client_secret" : "§"},"c":[{"Refresh-Token":"§"}]}`, ""},
	{"JSON escaped key", `{"access\u005ftoken":"§","x":"y"}`, ""},
	{"JSON number", `{"access_token":12345,"b":[1,2]}`, `{"access_token":"§","b":[1,2]}`},
	{"JSON object", `{"access_token":{"a":["x",{"b":1}]},"b":2}`, `{"access_token":"§","b":2}`},
	{"JSON array", "[{\"access_token\": [1,\"x\"] ,\n\"b\":2}]", "[{\"access_token\": \"§\" ,\n\"b\":2}]"},
	{"JSON nothing", `{"access_token":null,"client_secret":"","id_token":true,"x":"access_token"}`, ""},
	{"JSON as value", `{"a":"access_token","b":["client_secret","x"]}`, ""},
	{"JSON long", `{"access_token":"` + strings.Repeat(`5\"\ud83d\ude00`, 5000) + `","b":"c"}`, `{"access_token":"§","b":"c"}`},
	{"JSON escapes", `{"access_token":"a\"b\\","b":"c"}`, `{"access_token":"§","b":"c"}`},
	{"JSON in JSON", `{"a":"{\"access_token\":\"§\",\"b\":\"c\"}","d":"e"}`, ""},
	{"JSON in JSON in JSON", `{"a":"{\"b\":\"{\\\"access_token\\\":\\\"§\\\\\\\\\\\\\\\"§\\\",\\\"c\\\":1}\"}"}`,
		`{"a":"{\"b\":\"{\\\"access_token\\\":\\\"§\\\",\\\"c\\\":1}\"}"}`},
	{"XML in JSON", `{"a":"<x:requestSignature>§<\/x:requestSignature><b>c<\/b>"}`, ""},
	{"XML in JSON escaped", `{"a":"\u003crequestSignature\u003e§ §\u003c/requestSignature\u003e\u003cb\u003e"}`,
		`{"a":"\u003crequestSignature\u003e§\u003c/requestSignature\u003e\u003cb\u003e"}`},
	{"XML with attribute in JSON", `{"a":"<requestSignature b=\"c\">§</requestSignature>d"}`, ""},
	{"URL in JSON", `{"a":"https:\/\/h\/p?access_token=§\u0026x=1","b":"GET /x?access_token=§&y=2"}`, ""},
	{"header in JSON", `{"a":"GET / HTTP/1.1\r\nAuthorization: Bearer §\r\nCookie: a=§; b=§\r\nX: y"}`,
		`{"a":"GET / HTTP/1.1\r\nAuthorization: Bearer §\r\nCookie: §\r\nX: y"}`},
	{"JSON cut", `{"access_token":"§`, ""},
	{"JSON cut in object", `{"access_token":{"a":"§`, `{"access_token":"§"`},
	{"JSON lines", `{"access_token":"§"}` + "\n" + `{"access_token":"§","b":"c"}`, ""},
	{"no JSON", `{access_token: '§', b: "c", 'client_secret':"§"}`, ""},
	{"no JSON, value for key", `{"a":"client_secret" : "§", "b": "id_token" , "c"}`, ""},
	{"broken declaration", `<!a <id_token>§</id_token>`, ""},
	{"no JSON, keys", `{a:b, "access_token": {"c":"§"}, "d": 1}`, `{a:b, "access_token": "§", "d": 1}`},

	{"form", `grant_type=client_credentials&client_id=x&client_secret=§&y=z`, ""},
	{"form end", "client_secret=§\r\n", ""},
	{"form escaped name", `a=b&client%5Fsecret=§&c=d`, ""},
	{"form brackets", `a=b&auth[access_token]=§&c=d`, ""},
	{"form URL", `a=b&redirect=https%3A%2F%2Fh%2Fp%3Faccess_token%3D§2%26x%3D1&c=d`, `a=b&redirect=https%3A%2F%2Fh%2Fp%3Faccess_token%3D§%26x%3D1&c=d`},
	{"form JSON", `a=%7B%22access_token%22%3A%22x%2By%22%2C%22b%22%3A1%7D`, `a=%7B%22access_token%22%3A%22§%22%2C%22b%22%3A1%7D`},
	{"form empty", `access_token=&b=c`, ""},

	{"multipart", "--x\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\n§\r\n§\r\n--x\r\n" +
		"Content-Disposition: form-data; name=\"file\"; filename=\"access_token\"\r\nAuthorization: Bearer §\r\n\r\na,b\r\nc,d\r\n--x--\r\n",
		"--x\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\n§\r\n--x\r\n" +
			"Content-Disposition: form-data; name=\"file\"; filename=\"access_token\"\r\nAuthorization: Bearer §\r\n\r\na,b\r\nc,d\r\n--x--\r\n"},
	{"multipart XML", "--x\nContent-Type: text/xml\n\n<a><access_token>§</access_token></a>\n--x--", ""},
	{"multipart cut", "--x\r\nContent-Disposition: form-data; name=client_secret\r\n\r\n§", ""},
	{"multipart empty part", "\r\n--x\r\n\r\n\r\n--x\r\n\r\n{\"access_token\":\"§\"}\r\n--x--", ""},

	{"prose", `the access_token is invalid, the requestSignature too; Cookies are fine`, ""},
	{"quoted header in a query", `x&Cookie: "§", ?Authorization: '§' &Cookie> "a": "§"`, `x&Cookie: "§", ?Authorization: '§' &Cookie> "§": "§"`},
	{"prose value", `bad access_token "§", client_secret=§, id_token: §; refresh_token=§)`,
		`bad access_token "5ecreT-value_1.~+/=", client_secret=§, id_token: §; refresh_token=§)`},
	{"header", "x\nAuthorization: Bearer §\nProxy-Authorization: Digest username=\"§\", response=\"§\"\nSet-Cookie: a=\"§\"; b\nHost: h",
		"x\nAuthorization: Bearer §\nProxy-Authorization: Digest §\nSet-Cookie: §\nHost: h"},
	{"curl", `curl -H "Authorization: Bearer §" -H 'Cookie: §' --access_token=§ https://h/`, ""},
	{"environment", "MARKETO_CLIENT_SECRET=§\nPATH=/bin", ""},
	{"Python", `{'Authorization': 'Bearer §', b'access_token': b'§', 'x': 'y'}`, ""},
	{"PHP", `Array ( [access_token] => § [x] => y )`, ""},
	{"Go", `map[Authorization:[Bearer §] Host:[h]]`, `map[Authorization:§ Host:[h]]`},
	{"object in text", `> access_token = {"a": [1, "§"]}, x`, `> access_token = §, x`},
	{"element in text", "> <a:Authorization b='c'>Bearer § §</a:Authorization> <d>", "> <a:Authorization b='c'>§</a:Authorization> <d>"},
	{"attribute of secret element", `> <Cookie a="b" id_token="§">§</Cookie> c`, ""},
	{"no tag", "> a <cookie policy and access_token=§, b", ""},
	{"script", `<script>var access_token = "§", x = "y"; </script>`, ""},
}
