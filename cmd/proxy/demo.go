package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"go.uber.org/zap"

	"marketo-proxy/capture"
	"marketo-proxy/emulator"
	"marketo-proxy/sign"
	"marketo-proxy/xmlscan"
)

type demoCommand struct {
	Once bool `help:"Exit after the traffic in place of waiting for Ctrl-C; the captures stay on disk."`
}

// demoCall is one call of the demo's application.
type demoCall struct {
	what      string
	operation string
	params    string        // content of the request element
	age       time.Duration // of the signature
	fail      string        // what the emulator is asked to do
}

// demoTraffic has a success, and each kind of failure that the proxy knows.
var demoTraffic = []demoCall{
	{"create a lead", "SyncLead", `<leadRecord><Email>ada@example.com</Email><leadAttributeList><attribute><attrName>FirstName</attrName><attrValue>Ada</attrValue></attribute></leadAttributeList></leadRecord><returnLead>false</returnLead>`, 0, ""},
	{"read it back", "GetLead", leadKey("ada@example.com"), 0, ""},
	{"read a lead that is not there", "GetLead", leadKey("nobody@example.com"), 0, ""},
	{"an hour old signature", "GetLead", leadKey("ada@example.com"), time.Hour, ""},
	{"a batch, some of it fails", "SyncMultipleLeads", `<leadRecordList>` + strings.Repeat(`<leadRecord><Email>batch@example.com</Email></leadRecord>`, 4) + `</leadRecordList><dedupEnabled>true</dedupEnabled>`, 0, "partial"},
	{"Marketo has an internal error", "GetMultipleLeads", `<leadSelector xsi:type="ns1:LeadKeySelector" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><keyType>EMAIL</keyType><keyValues><stringItem>ada@example.com</stringItem></keyValues></leadSelector><batchSize>10</batchSize>`, 0, "20011"},
	{"too many calls in 20 s", "GetLead", leadKey("ada@example.com"), 0, "20023"},
	{"a gateway's error page", "GetLead", leadKey("ada@example.com"), 0, "html502"},
	{"the connection breaks", "GetLead", leadKey("ada@example.com"), 0, "reset"},
	{"the answer is cut off", "GetLead", leadKey("ada@example.com"), 0, "cut"},
}

func leadKey(email string) string {
	return `<leadKey><keyType>EMAIL</keyType><keyValue>` + email + `</keyValue></leadKey>`
}

// Run shows the main job on one machine with nothing else.
func (c *demoCommand) Run(w *world) error {
	dir, err := os.MkdirTemp("", "marketo-proxy-demo-")
	if err != nil {
		return err
	}
	if !c.Once {
		defer os.RemoveAll(dir)
	}
	e, err := emulator.New(emulator.Options{Users: map[string]string{sampleUser: sampleKey}})
	if err != nil {
		return err
	}
	defer e.Close()
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(w.ctx)
	emulated := make(chan error, 1)
	go func() { emulated <- serveUntil(ctx, upstream, e) }()
	defer func() { cancel(); <-emulated }()

	serve, err := demoFlags(dir, upstream.Addr().String())
	if err != nil {
		return err
	}
	p, err := serve.start(w, zap.NewNop())
	if err != nil {
		return err
	}
	fmt.Fprintf(w.stdout, "An emulated Marketo runs at http://%s, the proxy in front of it at http://%s.\nAn application makes %d calls through the proxy:\n\n",
		upstream.Addr(), p.addr("listen"), len(demoTraffic))
	err = errors.Join(demoRun(w, p.addr("listen")), demoReport(w, filepath.Join(dir, "captures")))
	if err == nil && !c.Once {
		fmt.Fprintf(w.stdout, "  curl -s http://%s/metrics | grep marketo_proxy_faults_total\n  open http://%s in a browser\n", p.addr("metrics-listen"), p.addr("admin-listen"))
		fmt.Fprintf(w.stdout, "\nCtrl-C ends the demo and removes its captures.\n")
		<-w.ctx.Done()
	}
	return errors.Join(err, p.stop(serve.ShutdownTimeout))
}

// demoFlags are those of a serve on the usual ports, or on free ones where they are taken.
func demoFlags(dir, upstream string) (*serveCommand, error) {
	credentials := filepath.Join(dir, "credentials")
	if err := os.Mkdir(credentials, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(credentials, sampleUser), []byte(sampleKey+"\n"), 0o600); err != nil {
		return nil, err
	}
	c := &serveCommand{serveFlags{
		Listen: freeAddress("127.0.0.1:8080"), MetricsListen: freeAddress("127.0.0.1:9464"), AdminListen: freeAddress("127.0.0.1:8081"),
		Sign: "expired", CaptureMaxSize: 64 << 20, CaptureMaxAge: 24 * time.Hour, CaptureBodyLimit: 1 << 20, CaptureMemory: 1 << 20,
		UpstreamTimeout: 10 * time.Second, ShutdownTimeout: 5 * time.Second,
		SOAPDayLimit: 10_000, RESTDayLimit: 50_000, WindowLimit: 100, ConcurrentLimit: 10,
	}}
	c.SOAPUpstream, c.RESTUpstream = "http://"+upstream, "http://"+upstream
	c.CredentialsDir, c.CaptureDir = credentials, filepath.Join(dir, "captures")
	c.CACert, c.CAKey = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key")
	return c, nil
}

func freeAddress(wanted string) string {
	l, err := net.Listen("tcp", wanted)
	if err != nil {
		return "127.0.0.1:0"
	}
	l.Close()
	return wanted
}

func demoRun(w *world, addr string) error {
	client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	table := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
	for _, call := range demoTraffic {
		answer, err := call.send(w.ctx, client, "http://"+addr+"/soap/mktows/3_1")
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", call.what, call.operation, answer)
	}
	return table.Flush()
}

// send makes the call and says what the application saw.
func (c demoCall) send(ctx context.Context, client *http.Client, url string) (string, error) {
	timestamp := sign.Timestamp(time.Now().Add(-c.age))
	body := `<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://www.marketo.com/mktows/">
  <SOAP-ENV:Header><ns1:AuthenticationHeader><mktowsUserId>` + sampleUser + `</mktowsUserId><requestSignature>` +
		sign.Signature(sampleKey, timestamp, sampleUser) + `</requestSignature><requestTimestamp>` + timestamp +
		`</requestTimestamp></ns1:AuthenticationHeader></SOAP-ENV:Header>
  <SOAP-ENV:Body><ns1:params` + c.operation + `>` + c.params + `</ns1:params` + c.operation + `></SOAP-ENV:Body>
</SOAP-ENV:Envelope>`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	if c.fail != "" {
		req.Header.Set(emulator.FailHeader, c.fail)
	}
	resp, err := client.Do(req)
	if err != nil {
		return "no answer: " + err.Error(), ctx.Err()
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	saw := fmt.Sprintf("HTTP %d", resp.StatusCode)
	if _, rest, ok := bytes.Cut(answer, []byte("<faultstring>")); ok {
		text, _, _ := bytes.Cut(rest, []byte("</faultstring>"))
		saw += ", fault: " + string(xmlscan.Unescape(nil, text))
	}
	if err != nil {
		saw += ", cut off after " + fmt.Sprint(len(answer)) + " bytes"
	}
	if n := resp.Header.Get("Marketo-Proxy-Attempts"); n != "" {
		saw += ", after " + n + " attempts: the proxy renewed the signature"
	}
	return saw, nil
}

func demoReport(w *world, captures string) error {
	fmt.Fprintf(w.stdout, "\nWhat went wrong is on disk, request and response, before the application saw the end of it:\n\n")
	list := capturesLs{}
	list.CaptureDir = captures
	list.Limit = len(demoTraffic)
	if err := list.Run(w); err != nil {
		return err
	}
	program := programName()
	fmt.Fprintf(w.stdout, `
Look further:
  export MARKETO_PROXY_CAPTURE_DIR=%s
  %s captures show %s
  %s captures ls --by code
  %s codes 20011
`, captures, program, demoExample(w.ctx, captures), program, program)
	return nil
}

// demoExample is the id of the capture that is the most worth to see.
func demoExample(ctx context.Context, dir string) string {
	if archive, err := capture.OpenArchive(dir); err == nil {
		for stored, err := range archive.Search(ctx, capture.Query{Codes: []string{"20016"}, Limit: 1}) {
			if err == nil {
				return stored.ID
			}
		}
	}
	return "ID"
}

// programName is how the reader of a hint calls this program.
func programName() string {
	exe, err := os.Executable()
	if err == nil && strings.Contains(exe, string(filepath.Separator)+"go-build") {
		return "go run ./cmd/proxy"
	}
	return "marketo-proxy"
}
