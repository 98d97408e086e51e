package proxy

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"marketo-proxy/classify"
)

// repeat reads s n times.
func repeat(s string, n int) io.Reader {
	block := strings.Repeat(s, max(1, 64<<10/len(s)))
	times := n * len(s) / len(block)
	readers := make([]io.Reader, 0, times+1)
	for range times {
		readers = append(readers, strings.NewReader(block))
	}
	return io.MultiReader(append(readers, strings.NewReader(strings.Repeat(s, n-times*len(block)/len(s))))...)
}

// A hostile body passes through byte for byte, is called what it is, and costs bounded memory and time.
func TestHostileBodies(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = io.Copy(z, io.MultiReader(strings.NewReader("<e:Envelope><e:Body><x>"), repeat("0123456789", 7_500_000)))
	_ = z.Close()
	const open, end = "<e:Envelope><e:Body><x>", "</x></e:Body></e:Envelope>"
	for _, c := range []struct {
		name     string
		body     func() io.Reader
		encoding string
		want     classify.Outcome
		message  string
	}{
		{"gzip bomb", func() io.Reader { return bytes.NewReader(bomb.Bytes()) }, "gzip", classify.Malformed, "expands"},
		{"deep nesting", func() io.Reader {
			return io.MultiReader(strings.NewReader(open), repeat("<a>", 100_000), repeat("</a>", 100_000), strings.NewReader(end))
		}, "", classify.Malformed, "nested"},
		{"long tag name", func() io.Reader {
			return io.MultiReader(strings.NewReader(open+"<"), repeat("a", 16<<20), strings.NewReader("/>"+end))
		}, "", classify.Malformed, ""},
		{"long comment", func() io.Reader {
			return io.MultiReader(strings.NewReader(open+"<!--"), repeat("-a", 8<<20), strings.NewReader("-->"+end))
		}, "", "", ""},
		{"invalid UTF-8", func() io.Reader { return strings.NewReader(open + "\xff\xfe" + end) }, "", classify.Malformed, "UTF-8"},
		{"doctype", func() io.Reader {
			return strings.NewReader(`<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;&a;&a;&a;&a;">]>` + open + "&c;" + end)
		}, "", classify.Malformed, ""},
		{"codes everywhere but where they count", func() io.Reader {
			return strings.NewReader(open + `<message>x (20011)</message><code>20012</code><faultstring>20013 - x</faultstring><!-- 20014 --><![CDATA[20015]]><a code="20016"/><e:Fault><detail><serviceException><code>20017</code></serviceException></detail></e:Fault>` + end)
		}, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				_, _ = io.Copy(io.Discard, req.Body)
				w.Header().Set("Content-Type", "text/xml")
				if c.encoding != "" {
					w.Header().Set("Content-Encoding", c.encoding)
				}
				_, _ = io.Copy(w, c.body())
			}))
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			req, _ := http.NewRequest(http.MethodPost, r.front.URL+"/soap/mktows/3_1", strings.NewReader(signedAt(0)))
			resp, err := r.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			got, want := sha256.New(), sha256.New()
			n, err := io.Copy(got, resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			m, _ := io.Copy(want, c.body())
			if n != m || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
				t.Errorf("%d bytes arrived of %d, or others", n, m)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
				t.Errorf("the heap grew by %d bytes", grown)
			}
			if v := r.last().Verdict; v.Outcome != c.want || !strings.Contains(v.Message, c.message) {
				t.Errorf("verdict %+v, want %s %s", v, c.want, c.message)
			}
		})
	}
}

// Each write operation's partial failure, from an answer as Marketo shapes it.
func TestPartialFailures(t *testing.T) {
	answer := func(op, result string) string {
		return `<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/"><SOAP-ENV:Body><ns1:success` + op + `><result>` + result + `</result></ns1:success` + op + `></SOAP-ENV:Body></SOAP-ENV:Envelope>`
	}
	for _, c := range []struct {
		op, result string
		indexes    string
	}{
		{"SyncLead", "<leadId>1</leadId><syncStatus><leadId>1</leadId><status>FAILED</status><error>x</error></syncStatus>", "[0]"},
		{"SyncMultipleLeads", "<syncStatusList><syncStatus><status>CREATED</status></syncStatus><syncStatus><status>SKIPPED</status></syncStatus><syncStatus><status>FAILED</status></syncStatus></syncStatusList>", "[1 2]"},
		{"SyncMObjects", "<mObjStatusList><mObjStatus><status>UNCHANGED</status></mObjStatus><mObjStatus><status>FAILED</status></mObjStatus></mObjStatusList>", "[1]"},
		{"DeleteMObjects", "<mObjStatusList><mObjStatus><status>FAILED</status></mObjStatus></mObjStatusList>", "[0]"},
		{"SyncCustomObjects", "<syncCustomObjStatusList><syncCustomObjStatus><status>FAILED</status><error>Unknown</error></syncCustomObjStatus></syncCustomObjStatusList>", "[0]"},
		{"DeleteCustomObjects", "<deleteCustomObjStatusList><syncCustomObjStatus><status>FAILED</status></syncCustomObjStatus></deleteCustomObjStatusList>", "[0]"},
		{"MergeLeads", "<mergeStatus><status>FAILED</status><error>gone</error></mergeStatus>", "[0]"},
		{"ImportToList", "<importStatus>CANCELED</importStatus>", "[0]"},
		{"ListOperation", "<success>false</success><statusList><leadStatus><status>true</status></leadStatus><leadStatus><status>false</status></leadStatus></statusList>", "[1]"},
		{"RequestCampaign", "<success>false</success>", "[0]"},
		{"ScheduleCampaign", "<success>false</success>", "[0]"},
	} {
		r := newRig(t, reply(200, answer(c.op, c.result)))
		request := strings.ReplaceAll(signedAt(0), "paramsGetLead", "params"+c.op)
		resp, body, err := r.post(request)
		if err != nil || resp.StatusCode != 200 || body != answer(c.op, c.result) {
			t.Fatalf("%s: %v %v", c.op, err, resp)
		}
		got := r.only()
		var indexes []int
		for _, record := range got.Records {
			indexes = append(indexes, record.Index)
		}
		if got.Outcome != classify.Partial || fmt.Sprint(indexes) != c.indexes || got.Code != "" {
			t.Errorf("%s: %s, records %+v", c.op, got.Outcome, got.Records)
		}
	}
	member := strings.NewReplacer("paramsGetLead", "paramsListOperation", "<leadKey>", "<listOperation>ISMEMBEROFLIST</listOperation><leadKey>").Replace(signedAt(0))
	r := newRig(t, reply(200, answer("ListOperation", "<success>false</success>")))
	if _, _, err := r.post(member); err != nil || len(r.captures()) != 0 {
		t.Errorf("ISMEMBEROFLIST: %v, an answer was captured", err)
	}
}
