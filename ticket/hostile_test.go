package ticket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

// leaves visits every text in a JSON value; set replaces it.
func leaves(path string, v any, set func(any), visit func(path string, old any, set func(any))) {
	switch v := v.(type) {
	case string:
		visit(path, v, set)
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			leaves(path+"."+key, v[key], func(with any) { v[key] = with }, visit)
		}
	case []any:
		for i := range v {
			leaves(path, v[i], func(with any) { v[i] = with }, visit)
		}
	}
}

// eachText calls try with captures that have text in place of one text of c, place by place.
func eachText(t *testing.T, c capture.Capture, text string, try func(place string, c capture.Capture)) {
	t.Helper()
	var tree any
	if err := json.Unmarshal(encoded(t, c), &tree); err != nil {
		t.Fatal(err)
	}
	leaves("", tree, nil, func(path string, old any, set func(any)) {
		set(text)
		defer set(old)
		line, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		var changed capture.Capture
		if json.Unmarshal(line, &changed) == nil { // else it is a time
			try(strings.TrimPrefix(path, "."), changed)
		}
	})
}

// traffic is where what a capture says comes from clients and servers. In all other places only a forged capture has anything of theirs.
var traffic = []string{
	"user", "message", "request_id", "records.status", "records.error", "attempts.error", "attempts.request.url", "attempts.request.headers.value",
	"attempts.request.body.text", "attempts.response.statusText", "attempts.response.headers.value", "attempts.response.body.text",
}

// Wherever an address stands in a capture, it is in no ticket; and where calls can bring it, there is a ticket all the same.
func TestAddressAnywhere(t *testing.T) {
	addresses := []string{"jane.doe@corp.org", "<a>jane.doe&#64;corp.org</a>", `{"a":"\u006aane.doe\u0040corp.org"}`, "jane.doe%40corp.org", `"Jane" <jane.doe@corp.org>`}
	if underRace {
		addresses = addresses[:3]
	}
	tried := map[string]bool{}
	for _, c := range []capture.Capture{
		change(rest(1, "1004", classify.ClassCaller, "Lead not found"), func(c *capture.Capture) {
			c.Outcome, c.Records = classify.Partial, []classify.Record{{Index: 3, Status: "skipped", Code: "1004", Error: "Lead not found"}}
		}),
		change(soap(1, "20011", classify.ClassMarketo, "x"), func(c *capture.Capture) { c.Attempts[0].Error = "cut: the answer was cut off" }),
	} {
		for _, address := range addresses {
			eachText(t, c, address, func(place string, c capture.Capture) {
				if strings.ContainsAny(address, "{;") && !strings.HasSuffix(place, "body.text") {
					return // escapes of XML and JSON are none elsewhere
				}
				tried[place] = true
				o := options(t, dirOf(t, c))
				var out bytes.Buffer
				_, err := Write(context.Background(), &out, o)
				var leak *LeakError
				switch {
				case errors.As(err, &leak) && (!slices.Contains(traffic, place) || strings.Contains(leak.What, "secret")): // in Authorization, say
					return
				case err != nil:
					t.Errorf("%s in %s: %v", address, place, err)
					return
				}
				content, names := files(t, out.Bytes())
				wantNot(t, "the names", strings.Join(names, "\n"), "corp.org")
				for name, text := range content {
					if strings.Contains(text, "jane.doe") || strings.Contains(text, "corp.org") {
						t.Errorf("%s in %s: left in %s:\n%s", address, place, name, text)
					}
				}
			})
		}
	}
	for _, place := range traffic {
		if !tried[place] {
			t.Errorf("%s was not tried", place)
		}
	}
}

// Wherever a secret stands in a forged capture, in no ticket is it: masked or not, there is none then, or the secret is out of it.
func TestSecretAnywhere(t *testing.T) {
	const key = "899756834129871744AAEE88DDCC77"
	secrets := []string{"key " + key, "https://x/?access_token=t0psecret", "Authorization: Bearer t0psecret", "<requestSignature>t0psecret</requestSignature>"}
	if underRace {
		secrets = secrets[:1]
	}
	c := soap(1, "20011", classify.ClassMarketo, "x")
	c.Attempts[0].Error = "cut: the answer was cut off"
	for _, secret := range secrets {
		eachText(t, c, secret, func(place string, c capture.Capture) {
			for _, unmasked := range []bool{false, true} {
				o := options(t, dirOf(t, c))
				o.Unmasked, o.Secrets = unmasked, []string{key}
				var out bytes.Buffer
				if _, err := Write(context.Background(), &out, o); err != nil {
					var leak *LeakError
					if !errors.As(err, &leak) || strings.Contains(err.Error(), "t0psecret") || strings.Contains(err.Error(), key) {
						t.Errorf("%s in %s: %v", secret, place, err)
					}
					continue
				}
				content, names := files(t, out.Bytes())
				for name, text := range content {
					if strings.Contains(name+text, "t0psecret") || strings.Contains(name+text, key) {
						t.Errorf("%s in %s, unmasked %t: left in %s (of %v):\n%s", secret, place, unmasked, name, names, text)
					}
				}
			}
		})
	}
}

// The files of SOAP's bodies are called .xml and those of REST's answers .json, whatever type a client or server gives them.
func TestFileNames(t *testing.T) {
	for _, c := range []struct {
		made              capture.Capture
		request, response string // Content-Type
		want              string
	}{
		{soap(1, "20011", classify.ClassMarketo, "x"), "application/x-www-form-urlencoded", "", "request.xml response.xml"},
		{soap(1, "20011", classify.ClassMarketo, "x"), "", "text/plain", "request.xml response.xml"},
		{change(soap(1, "", "", "Bad Gateway"), func(c *capture.Capture) { c.Outcome, c.Attempts[0].Outcome = classify.HTTP, classify.HTTP }), "text/xml", "text/html", "request.xml response.txt"},
		{rest(1, "611", classify.ClassMarketo, "x"), "application/json", "text/plain", "request.json response.json"},
		{rest(1, "611", classify.ClassMarketo, "x"), "multipart/form-data; boundary=x", "application/json", "request.txt response.json"},
	} {
		made1 := change(c.made, func(m *capture.Capture) {
			a := &m.Attempts[0]
			for _, h := range []struct {
				headers []capture.HeaderLine
				value   string
			}{{a.Request.Headers, c.request}, {a.Response.Headers, c.response}} {
				for i := range h.headers {
					if h.headers[i].Name == "Content-Type" {
						h.headers[i].Value = h.value
					}
				}
			}
		})
		_, content := made(t, options(t, dirOf(t, made1)))
		for _, name := range strings.Fields(c.want) {
			if path := fmt.Sprintf("exchanges/%s/attempt-1/%s", id(1), name); content[path] == "" {
				t.Errorf("%q and %q: there is no %s in %v", c.request, c.response, path, slices.Sorted(maps.Keys(content)))
			}
		}
	}
}

var hostileFile = regexp.MustCompile(`^exchanges/[A-Za-z0-9_-]+/attempt-1/(request|response)\.(http|xml)$`)

// The id of a forged capture names no file outside of the folder of the exchanges.
func TestHostileID(t *testing.T) {
	for _, id := range []string{"../../../../etc/cron.d/x", `..\..\x`, "/abs", "C:x", "a/../../b", "x\x00y", strings.Repeat("é", 40), ".."} {
		c := soap(1, "20011", classify.ClassMarketo, "x")
		c.ID = id
		_, content := made(t, options(t, dirOf(t, c)))
		inside := 0
		for name := range content {
			if hostileFile.MatchString(name) {
				inside++
			}
		}
		if inside != 4 || len(content) != 8 {
			t.Errorf("%q: %v", id, slices.Sorted(maps.Keys(content)))
		}
	}
}
