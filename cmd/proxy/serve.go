package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"marketo-proxy/admin"
	"marketo-proxy/capture"
	"marketo-proxy/downstream"
	"marketo-proxy/journal"
	"marketo-proxy/metrics"
	"marketo-proxy/pretty"
	"marketo-proxy/proxy"
	"marketo-proxy/ticket"
)

type serveCommand struct {
	serveFlags
}

// Run serves until the world's context ends, then drains. A failed listener or an unusable capture directory ends it at once.
func (c *serveCommand) Run(w *world) error {
	log, closeLog, err := newLog(&c.serveFlags, w)
	if err != nil {
		return usageError{err}
	}
	defer closeLog()
	tuneMemory(w.env, "/")
	p, err := c.start(w, log)
	if err != nil {
		return err
	}
	log.Info("serving", zap.Object("at", p), zap.String("captures", absolute(c.CaptureDir)), zap.String("version", build().Version))
	select {
	case <-w.ctx.Done():
		log.Info("stopping", zap.Int64("in_flight", p.transport.InFlight()))
	case err = <-p.failed:
		log.Error("a listener failed", zap.Error(err))
	}
	err = errors.Join(err, p.stop(c.ShutdownTimeout))
	log.Info("stopped", zap.Error(err))
	return err
}

// process is a running proxy with its listeners.
type process struct {
	log       *zap.Logger
	losses    *losses
	transport *proxy.Transport
	doors     *proxy.Proxy
	journal   *journal.Journal
	servers   []*server
	failed    chan error
	ready     atomic.Bool
	cancel    context.CancelFunc // ends what runs beside the servers
}

type httpServer interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

type server struct {
	flag     string // that names its address
	listener net.Listener
	http     httpServer
	last     bool // stays up until the calls in flight are done
}

// start makes everything that serve needs. When it returns without an error, the listeners accept.
func (c *serveCommand) start(w *world, log *zap.Logger) (_ *process, err error) {
	s, err := c.resolve()
	if err != nil {
		return nil, err
	}
	if s.noCA != nil {
		log.Warn("interception is off: its CA can't be made, set --ca-cert and --ca-key", zap.Error(s.noCA))
	}
	for _, what := range c.exposed(s) {
		log.Warn("open to others", zap.String("what", what))
	}
	if s.roots == nil {
		go x509.SystemCertPool() // crypto/x509 keeps it: the first call should not wait until it is read
	}
	j, err := journal.Open(journal.Options{
		Dir: c.CaptureDir, MaxSize: int64(c.CaptureMaxSize), MaxAge: c.CaptureMaxAge,
		Log: func(event string, err error) { log.Warn(event, zap.Error(err)) },
	})
	if err != nil {
		return nil, usageError{fmt.Errorf("--capture-dir: %w", err)}
	}
	p := &process{log: log, journal: j, failed: make(chan error, 4)}
	defer func() {
		if err != nil {
			_ = p.stop(c.ShutdownTimeout)
		}
	}()

	b := build()
	store := capture.NewStore(j, capture.Proxy{
		Version: b.Version, Host: hostName(), Pod: w.env["POD_NAME"], Namespace: w.env["POD_NAMESPACE"],
	}, int64(c.CaptureBodyLimit), s.credentials.Keys)
	registry := prometheus.NewRegistry()
	observer := newLosses(log, metrics.New(registry, metrics.Options{
		Version: b.Version, Revision: b.Revision, GoVersion: b.Go,
		SOAP:   metrics.Limits{Day: c.SOAPDayLimit, Window: c.WindowLimit, Concurrent: c.ConcurrentLimit},
		REST:   metrics.Limits{Day: c.RESTDayLimit, Window: c.WindowLimit, Concurrent: c.ConcurrentLimit},
		Stored: func() (bytes, captures int64) { stats := j.Stats(); return stats.Bytes, stats.Records },
	}))
	p.losses = observer
	cfg := proxy.Config{
		SOAP: s.soap, REST: s.rest, Instance: c.Instance, ForwardHosts: c.ForwardHosts, UpstreamCAs: s.roots,
		Timeout: c.UpstreamTimeout, Sign: proxy.SignMode(c.Sign),
		RESTClient: s.restClient, MoveToken: c.MoveAccessToken,
		Recorder: store.Recorder(int64(c.CaptureMemory)), Keeper: store, Skip: s.skip, Observer: observer, Log: log,
	}
	if s.credentials != nil {
		cfg.Keys = s.credentials
	}
	p.transport = proxy.NewTransport(cfg)
	p.doors = proxy.New(cfg, p.transport, s.authority)

	onPage := c.adminOptions(w, s, observer.SOAPCallers)
	onPage.Appended = func() int64 { return j.Stats().Appended }
	doors := &downstream.Server{Handler: p.doors, Log: log}
	pages := admin.New(onPage)
	page := newServer(pages, log)
	page.RegisterOnShutdown(pages.Close) // Shutdown waits for streams of events, which end by this
	err = errors.Join(
		p.listen("listen", c.Listen, doors, nil, false),
		p.listen("tls-listen", c.TLSListen, doors, serverTLS(s, p.doors, log), false),
		p.listen("metrics-listen", c.MetricsListen, newServer(p.observe(observer.Handler()), log), nil, true),
		p.listen("admin-listen", c.AdminListen, page, nil, true),
	)
	if err != nil {
		return nil, usageError{err}
	}
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(context.Background())
	if s.credentials != nil {
		go s.credentials.Watch(ctx, time.Second, func(users []string, err error) {
			if err != nil {
				log.Warn("credentials could not be read, the last good ones stay", zap.Error(err))
				return
			}
			log.Info("credentials reloaded", zap.Strings("users", users))
		})
	}
	for _, srv := range p.servers {
		go func() {
			if err := srv.http.Serve(srv.listener); !errors.Is(err, http.ErrServerClosed) {
				p.failed <- fmt.Errorf("--%s %s: %w", srv.flag, srv.listener.Addr(), err)
			}
		}()
	}
	go giveBack(ctx)
	p.ready.Store(true)
	return p, nil
}

func serverTLS(s *settings, doors *proxy.Proxy, log *zap.Logger) *tls.Config {
	config := doors.TLSConfig()
	if s.certificate != nil {
		report := func(err error) {
			if err != nil {
				log.Warn("the certificate could not be read, the last good one stays", zap.Error(err))
				return
			}
			log.Info("certificate reloaded")
		}
		config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.certificate.current(time.Now(), report), nil
		}
	}
	return config
}

// listen opens the listener of a flag; an empty address is none.
func (p *process) listen(flag, addr string, srv httpServer, config *tls.Config, last bool) error {
	if addr == "" {
		return nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("--%s: %w", flag, err)
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	p.servers = append(p.servers, &server{flag, l, srv, last})
	return nil
}

// newServer returns an http.Server with this program's limits: clients that do not finish their head, or stay silent between
// requests, are sent away, and none can make the process buffer a large head.
func newServer(h http.Handler, log *zap.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 20 * time.Second,
		IdleTimeout:       2 * time.Minute,
		WriteTimeout:      24 * time.Hour, // makes net/http put the deadline of a handler back for the next request
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          zap.NewStdLog(log.WithOptions(zap.IncreaseLevel(zap.ErrorLevel))),
	}
}

// adminOptions are those of the admin page. Its commands name the directory of the captures where it is not the usual one, and what a
// replay needs to reach the same Marketo.
func (c *serveCommand) adminOptions(w *world, s *settings, callers func() []metrics.SOAPCaller) admin.Options {
	o := admin.Options{
		Dir: c.CaptureDir, Token: s.adminToken, Version: build().Version,
		Ticket: func(ctx context.Context, out io.Writer, q capture.Query, ids []string) error {
			archive, err := capture.OpenArchive(c.CaptureDir)
			if err != nil {
				return err
			}
			o := ticket.Options{
				Archive: archive, Query: q, IDs: ids, Secrets: s.credentials.Keys(), Dir: c.CaptureDir,
				Version: build().Version, Now: time.Now().UTC(), Random: rand.Reader,
			}
			_, err = ticket.Write(ctx, out, o)
			return explainTicket(err, c.CaptureDir, o, false)
		},
		SOAPCallers: func() (all []admin.SOAPCaller) {
			for _, c := range callers() {
				all = append(all, admin.SOAPCaller(c))
			}
			return all
		},
	}
	if c.CaptureDir != filepath.Join(w.env.stateDir(), "captures") {
		o.CommandDir = absolute(c.CaptureDir)
	}
	var flags []string
	add := func(name, value string) {
		if value != "" {
			flags = append(flags, "--"+name+" "+pretty.ShellWord(value))
		}
	}
	if c.CredentialsDir != "" {
		add("credentials-dir", absolute(c.CredentialsDir))
	}
	add("soap-upstream", c.SOAPUpstream) // other hosts than Marketo's own must be named
	add("rest-upstream", c.RESTUpstream)
	if c.UpstreamCA != "" {
		add("upstream-ca", absolute(c.UpstreamCA))
	}
	o.ReplayFlags = strings.Join(flags, " ")
	return o
}

// addr is where the listener of a flag is, or "".
func (p *process) addr(flag string) string {
	for _, s := range p.servers {
		if s.flag == flag {
			return s.listener.Addr().String()
		}
	}
	return ""
}

// observe is the handler of the metrics port.
func (p *process) observe(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	alive := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }
	mux.HandleFunc("GET /livez", alive)
	readiness := func(w http.ResponseWriter, r *http.Request) {
		// Neither Marketo nor the disk counts here: the proxy does not take the application down with them.
		if !p.ready.Load() {
			http.Error(w, "not serving", http.StatusServiceUnavailable)
			return
		}
		alive(w, r)
	}
	mux.HandleFunc("GET /readyz", readiness)
	mux.HandleFunc("GET /startupz", readiness)
	mux.HandleFunc("GET /{$}", landing(build().Version))
	return mux
}

// settleTime is how long calls that were cut may take to hand their captures over.
const settleTime = 3 * time.Second

// stop ends it in the order that loses nothing: no new calls, the calls in flight to their end, then what they wrote, and last
// the port where one can see it happen.
func (p *process) stop(patience time.Duration) error {
	p.ready.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	done := make(chan error)
	waiting := 0
	shut := func(f func(context.Context) error) {
		waiting++
		go func() { done <- f(ctx) }()
	}
	for _, s := range p.servers {
		if !s.last {
			shut(s.shutdown)
		}
	}
	if p.doors != nil {
		shut(p.doors.Shutdown)
	}
	var cut error
	for range waiting {
		cut = errors.Join(cut, <-done)
	}
	if cut != nil {
		cut = fmt.Errorf("calls were cut off, they took longer than --shutdown-timeout %s", patience)
	}
	for deadline := time.Now().Add(settleTime); p.transport != nil && p.transport.InFlight() > 0 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond) // calls that were cut are written down, too
	}
	flush, cancelFlush := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancelFlush()
	err := p.journal.Close(flush)
	if p.transport != nil {
		p.transport.Close()
	}
	if p.losses != nil {
		p.losses.close()
	}
	if p.cancel != nil {
		p.cancel()
	}
	for _, s := range p.servers {
		if s.last {
			_ = s.shutdown(flush) // a scrape that hangs is nobody's loss
		}
	}
	return errors.Join(cut, err)
}

func (s *server) shutdown(ctx context.Context) error {
	defer s.listener.Close() // also of a server that never served
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}
