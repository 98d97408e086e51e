package proxy

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// A document keeps everything but the addresses that are replaced, and replacing them again changes nothing.
func FuzzReplaceLocations(f *testing.F) {
	f.Add([]byte(`<definitions><service><port><soap:address location="https://a.example/x"/></port></service></definitions>`))
	f.Add([]byte(`<port><address location='a' b="c" location="d"></address></port><address location="stays"/>`))
	f.Add([]byte(`<!-- <port><address location="x"/></port> --><port><![CDATA[<address location="x"/>]]><address location=x`))
	f.Fuzz(func(t *testing.T, wsdl []byte) {
		const address = "http://127.0.0.1:8080/soap/?a=b&c"
		before := bytes.Clone(wsdl)
		once := replaceLocations(wsdl, address)
		switch {
		case !bytes.Equal(wsdl, before):
			t.Error("it changed what it was given")
		case !bytes.Contains(wsdl, []byte("location")) && !bytes.Equal(once, wsdl):
			t.Errorf("without a location, it became %q", once)
		case !bytes.Equal(replaceLocations(once, address), once):
			t.Errorf("%q became %q the second time", once, replaceLocations(once, address))
		}
	})
}

// In a query only the parameters that carry the token change, whatever else it has.
func FuzzToken(f *testing.F) {
	f.Add("access_token=a&b=c", "t")
	f.Add("b=access_token=x&access_token=%zz&&access_token=", "a b&c=d")
	f.Fuzz(func(t *testing.T, query, token string) {
		others := func(query string) []string {
			return slices.DeleteFunc(strings.Split(query, "&"), func(p string) bool { return strings.HasPrefix(p, "access_token=") })
		}
		_, found := queryToken(query)
		without, with := withToken(query, ""), withToken(query, token)
		if _, still := queryToken(without); still || !slices.Equal(others(without), others(query)) && len(others(query)) > 0 {
			t.Errorf("%q without a token is %q", query, without)
		}
		if token == "" {
			return
		}
		raw, now := queryToken(with)
		if is, err := url.QueryUnescape(raw); now != found || found && (err != nil || is != token) || !slices.Equal(others(with), others(query)) {
			t.Errorf("%q with %q is %q", query, token, with)
		}
	})
}
