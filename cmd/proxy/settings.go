package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"marketo-proxy/ca"
	"marketo-proxy/proxy"
	"marketo-proxy/sign"
)

// captureFlags say where captures are.
type captureFlags struct {
	CaptureDir string `help:"Directory of the captures." default:"${state}/captures" placeholder:"DIR"`
}

// upstreamFlags say where Marketo is.
type upstreamFlags struct {
	Instance     string `help:"Munchkin id of the Marketo instance, like 123-ABC-456." placeholder:"ID"`
	SOAPUpstream string `name:"soap-upstream" help:"Base URL of the SOAP API; from --instance if not given." placeholder:"URL"`
	RESTUpstream string `name:"rest-upstream" help:"Base URL of the REST API; from --instance if not given." placeholder:"URL"`
	UpstreamCA   string `name:"upstream-ca" help:"PEM file of authorities to trust for the upstreams besides the system's." placeholder:"FILE"`
}

// credentialFlags say where the keys are.
type credentialFlags struct {
	CredentialsDir string `help:"Directory with one file per user: its name is the mktowsUserId (or REST client_id), its content the key." placeholder:"DIR"`
}

// authorityFlags say where the interception CA is.
type authorityFlags struct {
	CACert string `name:"ca-cert" help:"Certificate of the interception CA, made at the first start." default:"${state}/ca.pem" placeholder:"FILE"`
	CAKey  string `name:"ca-key" help:"Its private key." default:"${state}/ca.key" placeholder:"FILE"`
}

// serveFlags are all flags of serve.
type serveFlags struct {
	Listen        string `help:"Where applications connect: reverse and forward proxy on one port." default:"127.0.0.1:8080" placeholder:"ADDR"`
	MetricsListen string `help:"Where /metrics and the health probes are." default:"127.0.0.1:9464" placeholder:"ADDR"`
	AdminListen   string `help:"Where the captures are: a page for a browser, and its API." default:"127.0.0.1:8081" placeholder:"ADDR"`
	TLSListen     string `name:"tls-listen" help:"As --listen over TLS, for clients that insist on https." placeholder:"ADDR"`
	TLSCert       string `name:"tls-cert" help:"Certificate for --tls-listen in place of one from the interception CA." placeholder:"FILE"`
	TLSKey        string `name:"tls-key" help:"Its private key." placeholder:"FILE"`

	upstreamFlags
	credentialFlags
	captureFlags
	authorityFlags

	Sign             string        `help:"When to sign, or to fetch an access token: after a call expired, always, or never." enum:"expired,always,never" default:"expired" placeholder:"MODE"`
	RESTClient       string        `name:"rest-client" help:"The client_id whose token --sign=always gives to REST calls; the only UUID in --credentials-dir if not given." placeholder:"ID"`
	MoveAccessToken  bool          `help:"Move access_token from the query, where Marketo ignores it since 31 August 2026, into Authorization." negatable:"" default:"true"`
	CaptureMaxSize   byteSize      `help:"Bytes of all captures together; the oldest go first." default:"1GiB" placeholder:"SIZE"`
	CaptureMaxAge    time.Duration `help:"Age of captures." default:"168h" placeholder:"TIME"`
	CaptureBodyLimit byteSize      `help:"Bytes of a body that are kept." default:"64MiB" placeholder:"SIZE"`
	CaptureMemory    byteSize      `help:"A larger body goes to a temporary file until its call is decided." default:"1MiB" placeholder:"SIZE"`
	CaptureSkip      []string      `help:"Codes that are counted but not captured." placeholder:"CODE"`
	ForwardHosts     []string      `help:"Hosts that the forward proxy serves and intercepts." default:"*.mktoapi.com,*.mktorest.com,*.marketo.com" placeholder:"HOST"`
	AdminTokenFile   string        `help:"File with the token that the admin page and its API ask for." placeholder:"FILE"`
	UpstreamTimeout  time.Duration `help:"From the sent request to the end of the answer." default:"5m" placeholder:"TIME"`
	ShutdownTimeout  time.Duration `help:"How long calls in flight may take to finish after SIGTERM." default:"30s" placeholder:"TIME"`

	SOAPDayLimit    int `name:"soap-day-limit" help:"Calls a day that the subscription allows (SOAP)." default:"10000" placeholder:"N"`
	RESTDayLimit    int `name:"rest-day-limit" help:"Calls a day that the subscription allows (REST)." default:"50000" placeholder:"N"`
	WindowLimit     int `help:"Calls in 20 s that Marketo allows." default:"100" placeholder:"N"`
	ConcurrentLimit int `help:"Calls at once that Marketo allows." default:"10" placeholder:"N"`

	LogLevel  string `help:"debug, info, warn or error." enum:"debug,info,warn,error" default:"info" placeholder:"LEVEL"`
	LogFormat string `help:"json or console." enum:"json,console" default:"json" placeholder:"FORMAT"`
	LogFile   string `help:"File for the log, rotated; standard error if not given." placeholder:"FILE"`
}

// settings are flags that made sense.
type settings struct {
	soap, rest  *url.URL
	roots       *x509.CertPool
	credentials *sign.Credentials
	restClient  string        // "": none
	authority   *ca.Authority // nil: no interception
	noCA        error         // why there is none
	certificate *certificate  // for --tls-listen; nil: from the authority
	skip        map[string]bool
	adminToken  string
}

// munchkin is the shape of an instance's id: three digits, three letters, three digits.
var munchkin = regexp.MustCompile(`^[0-9]{3}-[A-Za-z]{3}-[0-9]{3}$`)

// resolve reads all that the flags name, and reports every problem at once. It makes the CA if there is none, and nothing else.
func (f *serveFlags) resolve() (*settings, error) {
	s := &settings{skip: map[string]bool{}}
	var problems []error
	report := func(err error) {
		if err != nil {
			problems = append(problems, err)
		}
	}
	var err error
	s.soap, s.rest, err = f.upstreams()
	report(err)
	s.roots, err = f.trust()
	report(err)
	if f.CredentialsDir != "" {
		s.credentials, err = sign.OpenCredentials(f.CredentialsDir)
		report(err)
	} else if f.Sign == string(proxy.SignAlways) {
		report(errors.New("--sign=always needs keys: set --credentials-dir"))
	}
	if err == nil {
		s.restClient, err = f.chooseClient(s.credentials)
		report(err)
	}
	s.certificate, err = f.ownCertificate()
	report(err)
	s.authority, err = ca.LoadOrCreate(f.CACert, f.CAKey)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		// A sidecar with a read-only root file system serves the reverse proxy well without an authority.
		s.noCA = err
		if f.TLSListen != "" && s.certificate == nil {
			report(fmt.Errorf("--tls-listen needs a certificate: set --tls-cert and --tls-key, or --ca-cert and --ca-key to writable files: %w", err))
		}
	default:
		report(err)
	}
	for _, code := range f.CaptureSkip {
		if code = strings.TrimSpace(code); !digits.MatchString(code) {
			report(fmt.Errorf("--capture-skip: %q is not a code: give numbers like 20103", code))
		}
		s.skip[code] = true
	}
	s.adminToken, err = readToken(f.AdminTokenFile)
	report(err)
	report(f.sane())
	for _, listen := range f.listens() {
		if _, _, err := net.SplitHostPort(listen.addr); err != nil {
			report(fmt.Errorf("--%s: %q is not an address: give host:port, like 127.0.0.1:8080", listen.flag, listen.addr))
		}
	}
	if len(problems) > 0 {
		return nil, usageError{errors.Join(problems...)}
	}
	return s, nil
}

// clientID is the shape of a REST client_id.
var clientID = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// chooseClient returns the client whose token the proxy gives to REST calls. Where nobody asks for it, a choice that is not clear is none.
func (f *serveFlags) chooseClient(credentials *sign.Credentials) (string, error) {
	users := credentials.Users()
	if f.RESTClient != "" {
		if !slices.Contains(users, f.RESTClient) {
			return "", fmt.Errorf("--rest-client: there is no secret of %q: put a file of that name into --credentials-dir", f.RESTClient)
		}
		return f.RESTClient, nil
	}
	clients := slices.DeleteFunc(users, func(user string) bool { return !clientID.MatchString(user) })
	switch {
	case len(clients) == 1:
		return clients[0], nil
	case len(clients) > 1 && f.Sign == string(proxy.SignAlways):
		return "", fmt.Errorf("--sign=always: whose token is for REST calls? --credentials-dir has %d clients: choose one with --rest-client", len(clients))
	}
	return "", nil
}

type listenFlag struct{ flag, addr string }

// listens are the addresses that are not switched off.
func (f *serveFlags) listens() []listenFlag {
	all := []listenFlag{{"listen", f.Listen}, {"tls-listen", f.TLSListen}, {"metrics-listen", f.MetricsListen}, {"admin-listen", f.AdminListen}}
	return slices.DeleteFunc(all, func(l listenFlag) bool { return l.addr == "" && l.flag != "listen" })
}

// exposed says what others than this machine's users can get at, where nothing but the network stands before it.
func (f *serveFlags) exposed(s *settings) (all []string) {
	for _, l := range f.listens() {
		host, _, _ := net.SplitHostPort(l.addr)
		switch {
		case isLoopback(host):
		case l.flag == "admin-listen" && s.adminToken == "":
			all = append(all, fmt.Sprintf("--%s %s: whoever reaches it can read all captures: set --admin-token-file, or listen on 127.0.0.1", l.flag, l.addr))
		case (l.flag == "listen" || l.flag == "tls-listen") && f.Sign == string(proxy.SignAlways):
			all = append(all, fmt.Sprintf("--%s %s: whoever reaches it can call Marketo with your keys, by --sign=always: let a network policy say who may", l.flag, l.addr))
		}
	}
	return all
}

var digits = regexp.MustCompile(`^[0-9]{1,10}$`)

func (f *serveFlags) sane() error {
	var problems []error
	for _, d := range []struct {
		name string
		is   time.Duration
	}{{"upstream-timeout", f.UpstreamTimeout}, {"shutdown-timeout", f.ShutdownTimeout}, {"capture-max-age", f.CaptureMaxAge}} {
		if d.is <= 0 {
			problems = append(problems, fmt.Errorf("--%s: %s is not a time to wait: give a positive one, like 30s", d.name, d.is))
		}
	}
	if f.CaptureMaxSize < 1<<20 {
		problems = append(problems, fmt.Errorf("--capture-max-size: %s is too little to keep captures: give at least 1MiB", f.CaptureMaxSize))
	}
	return errors.Join(problems...)
}

func (f *upstreamFlags) upstreams() (soap, rest *url.URL, err error) {
	var badInstance error
	soapURL, restURL := f.SOAPUpstream, f.RESTUpstream
	if f.Instance != "" && !munchkin.MatchString(f.Instance) {
		badInstance = fmt.Errorf("--instance: %q is not a Munchkin id: it looks like 123-ABC-456", f.Instance)
	} else if f.Instance != "" {
		if soapURL == "" {
			soapURL = "https://" + f.Instance + ".mktoapi.com"
		}
		if restURL == "" {
			restURL = "https://" + f.Instance + ".mktorest.com"
		}
	}
	if soapURL == "" && restURL == "" && badInstance == nil {
		return nil, nil, errors.New("where is Marketo? set --instance to your Munchkin id, like 123-ABC-456, or --soap-upstream or --rest-upstream")
	}
	soap, err1 := parseUpstream("soap-upstream", soapURL)
	rest, err2 := parseUpstream("rest-upstream", restURL)
	return soap, rest, errors.Join(badInstance, err1, err2)
}

// parseUpstream returns nil for an empty address.
func parseUpstream(flag, address string) (*url.URL, error) {
	if address == "" {
		return nil, nil
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("--%s: not a base URL: give one like https://123-ABC-456.mktoapi.com", flag)
	case u.User != nil:
		return nil, fmt.Errorf("--%s: no user or password belongs into the URL: keys go into --credentials-dir", flag)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("--%s: a base URL has no query and no fragment", flag)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("--%s: http is allowed for loopback hosts only: use https", flag)
	}
	return u, nil
}

func isLoopback(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// trust returns the system's roots with those of --upstream-ca.
func (f *upstreamFlags) trust() (*x509.CertPool, error) {
	if f.UpstreamCA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(f.UpstreamCA)
	if err != nil {
		return nil, fmt.Errorf("--upstream-ca: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--upstream-ca: %s holds no PEM certificate", f.UpstreamCA)
	}
	return pool, nil
}

func (f *serveFlags) ownCertificate() (*certificate, error) {
	if f.TLSCert == "" && f.TLSKey == "" {
		return nil, nil
	}
	if f.TLSCert == "" || f.TLSKey == "" {
		return nil, errors.New("--tls-cert and --tls-key go together")
	}
	return openCertificate(f.TLSCert, f.TLSKey)
}

func readToken(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("--admin-token-file: %w", err)
	}
	token := strings.TrimSpace(string(content))
	if len(token) < 16 {
		return "", fmt.Errorf("--admin-token-file: %s holds %d characters: a token has at least 16", file, len(token))
	}
	return token, nil
}

// hostName is the name of this machine, for captures.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}
