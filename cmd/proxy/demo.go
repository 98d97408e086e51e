package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"marketo-proxy/capture"
	"marketo-proxy/emulator"
)

type demoCommand struct {
	Once bool `help:"Exit after the traffic in place of waiting for Ctrl-C; the captures stay on disk."`
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
	e, err := emulator.New(emulator.Options{Users: map[string]string{sampleUser: sampleKey}, Clients: map[string]string{demoClient: demoSecret}})
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
	fmt.Fprintf(w.stdout, "An emulated Marketo runs at http://%s, the proxy in front of it at http://%s.\nAn application makes %d calls through the proxy, of SOAP and of REST:\n\n",
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
	for name, secret := range map[string]string{sampleUser: sampleKey, demoClient: demoSecret} {
		if err := os.WriteFile(filepath.Join(credentials, name), []byte(secret+"\n"), 0o600); err != nil {
			return nil, err
		}
	}
	c := &serveCommand{serveFlags{
		Listen: freeAddress("127.0.0.1:8080"), MetricsListen: freeAddress("127.0.0.1:9464"), AdminListen: freeAddress("127.0.0.1:8081"),
		Sign: "expired", CaptureMaxSize: 64 << 20, CaptureMaxAge: 24 * time.Hour, CaptureBodyLimit: 1 << 20, CaptureMemory: 1 << 20,
		UpstreamTimeout: 10 * time.Second, ShutdownTimeout: 5 * time.Second,
		MoveAccessToken: true, SOAPDayLimit: 10_000, RESTDayLimit: 50_000, WindowLimit: 100, ConcurrentLimit: 10,
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
  %s codes 606
  %s ticket --code 20011 -o ticket.zip
`, captures, program, demoExample(w.ctx, captures), program, program, program)
	return nil
}

// demoExample is the id of the capture that is the most worth to see.
func demoExample(ctx context.Context, dir string) string {
	if archive, err := capture.OpenArchive(dir); err == nil {
		for stored, err := range archive.Search(ctx, capture.Query{Codes: []string{"20016", "602"}, Limit: 1}) {
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
