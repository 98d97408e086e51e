package emulator

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"marketo-proxy/sign"
)

// TestPublishedRequests sends what Adobe published. Most samples verify with the published keys; the others are 20014 as they
// stand, and are answered once they are signed.
func TestPublishedRequests(t *testing.T) {
	files, err := filepath.Glob("testdata/requests/*.xml")
	if err != nil || len(files) != 26 {
		t.Fatalf("%d requests, %v", len(files), err)
	}
	operations := map[string]bool{}
	good := 0
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b := newBench(t, func(o *Options) { o.AnyAge = true })
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text := string(raw)
			if strings.Contains(text, "blog") || !strings.Contains(text, ":Envelope") { // the blog shows the inside only
				b.wantFault(b.post(text), "20012")
				_, inside, _ := strings.Cut(text, "?>")
				text = signed(inside, b.clock.Now())
			}
			a := b.post(text)
			if a.status != 200 {
				b.wantFault(a, "20014")
				a = b.post(resign(text))
			} else {
				good++
			}
			b.want(a, "<ns1:success")
			for k := range b.e.Counts() {
				if k.Outcome == "ok" {
					operations[k.Operation] = true
				}
			}
			if strings.Contains(text, "IsMember") {
				return
			}
			if strings.Contains(flatten(a.body), "<status>FAILED</status>") {
				t.Errorf("failed:\n%s", a.body)
			}
		})
	}
	if len(operations) != 23 || good != 20 {
		t.Errorf("%d operations, %d signatures that verify", len(operations), good)
	}
}

// resign signs a sample for testUser.
func resign(text string) string {
	timestamp := "2013-08-01T18:22:30-07:00"
	for element, value := range map[string]string{"mktowsUserId": testUser, "requestTimestamp": timestamp,
		"requestSignature": sign.Signature(testKey, timestamp, testUser)} {
		text = regexp.MustCompile("<"+element+">[^<]*").ReplaceAllString(text, "<"+element+">"+value)
	}
	return text
}

func TestAuthentication(t *testing.T) {
	b := newBench(t)
	at := b.clock.Now()
	call := params("getLead", joe)
	good := signed(call, at)
	b.want(b.post(good), "<count>1</count>")
	for name, text := range map[string]string{
		"another user":  strings.Replace(good, testUser, "nobody", 1),
		"bad signature": regexp.MustCompile("<requestSignature>.").ReplaceAllString(good, "<requestSignature>x"),
		"no header":     regexp.MustCompile("<SOAP-ENV:Header>.*</SOAP-ENV:Header>").ReplaceAllString(good, ""),
		"no timestamp":  regexp.MustCompile("<requestTimestamp>.*</requestTimestamp>").ReplaceAllString(good, ""),
	} {
		if f := b.wantFault(b.post(text), "20014"); t.Failed() {
			t.Fatalf("%s: %+v", name, f)
		}
	}
	b.want(b.post(signed(call, at.Add(-5*time.Minute))))
	b.want(b.post(signed(call, at.Add(5*time.Minute))))
	b.wantFault(b.post(signed(call, at.Add(-5*time.Minute-time.Second))), "20016")
	b.wantFault(b.post(signed(call, at.Add(5*time.Minute+time.Second))), "20016")
	// any prefix or none, siblings, spaces, upper-case hex
	text := strings.NewReplacer("ns1:AuthenticationHeader>", "AuthenticationHeader>",
		"<mktowsUserId>", "<partnerId>p</partnerId><x:mktowsUserId xmlns:x='y'>\n  ", "</mktowsUserId>", " </x:mktowsUserId>").Replace(good)
	b.want(b.post(text))
	b.want(b.post(regexp.MustCompile("<requestSignature>[^<]*").ReplaceAllStringFunc(good, func(s string) string {
		return "<requestSignature>" + strings.ToUpper(strings.TrimPrefix(s, "<requestSignature>"))
	})))
}

func TestTimestampForms(t *testing.T) {
	at := time.Date(2014, 10, 7, 12, 0, 0, 0, time.UTC)
	for _, text := range []string{"2014-10-07T12:00:00.000Z", "2014-10-07T05:00:00-07:00", "2014-10-07 21:00:00 +0900", "2014-10-07 12:00:00 UTC",
		"2014-10-07T12:00:00.000000", "2014-10-07T12:00:00", "2014-10-07T21:00:00+0900"} {
		if got, ok := parseTimestamp(text); !ok || !got.Equal(at) {
			t.Errorf("%s: %v, %v", text, got, ok)
		}
	}
	if _, ok := parseTimestamp("yesterday"); ok {
		t.Error("yesterday was understood")
	}
	// vectors of such forms
	for timestamp, signature := range map[string]string{
		"2013-08-01T18:22:30.000Z":  "2979ccd9dbce1682bef8e46debbb9db861e97ec8",
		"2013-08-02 01:22:30 +0000": "f10cc977910cdc8afd6b4230aa4008ba4bcf79bd",
	} {
		b := newBench(t, func(o *Options) { o.AnyAge = true })
		text := signed(params("getLead", joe), b.clock.Now())
		text = regexp.MustCompile("<requestTimestamp>[^<]*").ReplaceAllString(text, "<requestTimestamp>"+timestamp)
		text = regexp.MustCompile("<requestSignature>[^<]*").ReplaceAllString(text, "<requestSignature>"+signature)
		b.want(b.post(text))
	}
}

func TestClockSkew(t *testing.T) {
	b := newBench(t, func(o *Options) { o.ClockSkew = 10 * time.Minute })
	a := b.soap("getLead", joe)
	b.wantFault(a, "20016")
	date, err := time.Parse(time.RFC1123, a.header.Get("Date"))
	if err != nil || !date.Equal(b.clock.Now().Add(10*time.Minute)) {
		t.Errorf("Date %v, %v", date, err)
	}
	b.want(b.post(signed(params("getLead", joe), date)))
}

func TestEnvelopes(t *testing.T) {
	b := newBench(t)
	good := signed(params("getLead", joe), b.clock.Now())
	for name, text := range map[string]string{
		"empty":      "",
		"not XML":    "hello",
		"JSON":       `{"a":1}`,
		"cut":        good[:len(good)-20],
		"tags":       strings.Replace(good, "</leadKey>", "</leadKex>", 1),
		"more":       good + "<more/>x</more>",
		"doctype":    strings.Replace(good, "?>", "?><!DOCTYPE x [<!ENTITY y 'z'>]>", 1),
		"no SOAP":    "<html><body/></html>",
		"namespace":  strings.Replace(good, soap11, "urn:other", 1),
		"no body":    strings.Replace(good, "SOAP-ENV:Body", "SOAP-ENV:Bode", 2),
		"empty body": signed("", b.clock.Now()),
		"charset":    strings.Replace(good, "UTF-8", "EBCDIC-DK", 1),
		"huge token": strings.Replace(good, "joe@", strings.Repeat("x", maxItem+1), 1),
	} {
		if b.wantFault(b.post(text), "20012"); t.Failed() {
			t.Fatal(name)
		}
	}
	b.wantFault(b.post(good, "Content-Encoding: gzip"), "20012")
	b.wantFault(b.post(good, "Content-Encoding: br"), "20012")
	b.wantFault(b.post(signed("<ns1:paramsGetLeeds/>", b.clock.Now())), "20019")
	b.wantFault(b.post(signed("<ns1:somethingElse/>", b.clock.Now())), "20019")
	b.wantCount("soap", "other", "20019", 2)

	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	zip.Write([]byte(good)) // into memory
	zip.Close()
	b.want(b.post(zipped.String(), "Content-Encoding: gzip"), "<count>1</count>")
	b.want(b.post("\xef\xbb\xbf"+good), "<count>1</count>")

	umlaut := params("syncLead", `<leadRecord><Email>ENC@example.com</Email><leadAttributeList><attribute><attrName>City</attrName>`+
		`<attrValue>Zürich</attrValue></attribute></leadAttributeList></leadRecord><returnLead>true</returnLead>`)
	whole := signed(umlaut, b.clock.Now())
	latin, err := charmap.ISO8859_1.NewEncoder().String(strings.Replace(whole, "UTF-8", "ISO-8859-1", 1))
	if err != nil {
		t.Fatal(err)
	}
	b.want(b.post(latin), "<attrValue>Zürich</attrValue>")
	for _, order := range []unicode.Endianness{unicode.LittleEndian, unicode.BigEndian} {
		for _, mark := range []unicode.BOMPolicy{unicode.UseBOM, unicode.IgnoreBOM} {
			wide, err := unicode.UTF16(order, mark).NewEncoder().String(strings.Replace(whole, "UTF-8", "UTF-16", 1))
			if err != nil {
				t.Fatal(err)
			}
			b.want(b.post(wide), "<attrValue>Zürich</attrValue>", "UPDATED")
		}
	}
}

func TestSOAPLimits(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits = Limits{Day: 7, Window: 5, Concurrent: 2} })
	for range 5 {
		b.want(b.soap("listMObjects", ""))
	}
	b.wantFault(b.soap("listMObjects", ""), "20023")
	b.wantFault(b.soap("unknown", ""), "20023") // 20019 only if there was room
	b.clock.advance(20 * time.Second)

	done := make(chan answered)
	for range 2 {
		go func() { done <- b.soap("listMObjects", "", FailHeader+": slow=1h") }()
	}
	b.until(func() bool { return b.inFlight(b.e.soapUse) == 2 })
	b.wantFault(b.soap("listMObjects", ""), "20024")
	b.e.Close() // ends the waiting
	for range 2 {
		b.want(<-done)
	}
	b.wantFault(b.soap("listMObjects", ""), "20015")
	b.clock.advance(24 * time.Hour)
	b.want(b.soap("listMObjects", ""))
	b.wantFault(b.soap("getLead", `<leadKey><keyType>EMAIL</keyType><keyValue>no@example.com</keyValue></leadKey>`), "20103")
	b.wantCount("soap", "listMObjects", "ok", 8)
}

func TestWorkspace(t *testing.T) {
	b := newBench(t)
	text := signed(params("syncLead", `<leadRecord><Email>w@example.com</Email></leadRecord><returnLead>false</returnLead>`), b.clock.Now())
	header := func(name string) string {
		return strings.Replace(text, "</SOAP-ENV:Header>", "<ns1:MktowsContextHeader><targetWorkspace>"+name+"</targetWorkspace></ns1:MktowsContextHeader></SOAP-ENV:Header>", 1)
	}
	b.want(b.post(header("Default")), "CREATED")
	b.wantFault(b.post(header("Mars")), "20110")
}
