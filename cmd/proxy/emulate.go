package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"

	"marketo-proxy/emulator"
	"marketo-proxy/sign"
)

// The user and key of Adobe's own samples: public, and of use with an emulator only.
const (
	sampleUser = "demo17_1_809934544BFABAE58E5D27"
	sampleKey  = "27272727aa"
)

type emulateCommand struct {
	Listen         string        `help:"Where the emulated Marketo listens." default:"127.0.0.1:9080" placeholder:"ADDR"`
	CredentialsDir string        `help:"Its users and keys, one file each as for serve; Adobe's sample user if not given." placeholder:"DIR"`
	Fail           []string      `help:"Make calls fail: getLead=20011:0.1, *=slow=3s, syncLead=cut#1; may be repeated." placeholder:"RULE" sep:"none"`
	MaxAge         time.Duration `help:"How old a signature may be." default:"5m" placeholder:"TIME"`
	AnyAge         bool          `help:"Accept signatures of any age."`
	TokenLife      time.Duration `help:"How long an access token is valid." default:"1h" placeholder:"TIME"`
	QueryToken     bool          `help:"Accept access_token in the query, as Marketo did until 31 August 2026."`
	ClockSkew      time.Duration `help:"How far its clock is ahead of the local one." default:"0s" placeholder:"TIME"`
	DayLimit       int           `help:"Calls a day, 0 for no limit." default:"10000" placeholder:"N"`
	WindowLimit    int           `help:"Calls in 20 s, 0 for no limit." default:"100" placeholder:"N"`
	ConcurrentCall int           `name:"concurrent-limit" help:"Calls at once, 0 for no limit." default:"10" placeholder:"N"`
	TLSCert        string        `name:"tls-cert" help:"Serve https with this certificate." placeholder:"FILE"`
	TLSKey         string        `name:"tls-key" help:"Its private key." placeholder:"FILE"`
}

// Run serves until the world's context ends.
func (c *emulateCommand) Run(w *world) error {
	options, err := c.options()
	if err != nil {
		return usageError{err}
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return usageError{fmt.Errorf("--listen: %w", err)}
	}
	scheme := "http"
	if c.TLSCert != "" || c.TLSKey != "" {
		pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return usageError{errors.Join(fmt.Errorf("--tls-cert: %w", err), l.Close())}
		}
		l, scheme = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}}), "https"
	}
	base := scheme + "://" + l.Addr().String()
	options.PublicURL = base // the address in the WSDL
	e, err := emulator.New(options)
	if err != nil {
		return usageError{errors.Join(err, l.Close())}
	}
	defer e.Close()
	fmt.Fprintf(w.stdout, "an emulated Marketo serves at %s\n  SOAP  %s/soap/mktows/3_1 (WSDL: ?WSDL)\n  REST  %s/rest, identity at %s/identity\n", base, base, base, base)
	if c.CredentialsDir == "" {
		fmt.Fprintf(w.stdout, "  user  %s with key %s (Adobe's published sample)\n", sampleUser, sampleKey)
	}
	fmt.Fprintf(w.stdout, "  proxy marketo-proxy --soap-upstream %s --rest-upstream %s\n", base, base)
	return serveUntil(w.ctx, l, e)
}

// serveUntil serves until ctx ends.
func serveUntil(ctx context.Context, l net.Listener, h http.Handler) error {
	server := newServer(h, zap.NewNop())
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := server.Shutdown(end); err != nil {
		return server.Close()
	}
	return nil
}

func (c *emulateCommand) options() (emulator.Options, error) {
	o := emulator.Options{
		MaxAge: c.MaxAge, AnyAge: c.AnyAge, ClockSkew: c.ClockSkew,
		TokenTTL: c.TokenLife, QueryToken: c.QueryToken,
		Limits:     emulator.Limits{Day: c.DayLimit, Window: c.WindowLimit, Concurrent: c.ConcurrentCall},
		RESTLimits: emulator.Limits{Day: c.DayLimit, Window: c.WindowLimit, Concurrent: c.ConcurrentCall},
		Users:      map[string]string{sampleUser: sampleKey},
	}
	if c.CredentialsDir != "" {
		credentials, err := sign.OpenCredentials(c.CredentialsDir)
		if err != nil {
			return o, err
		}
		o.Users = map[string]string{}
		for _, user := range credentials.Users() {
			o.Users[user], _ = credentials.Lookup(user)
		}
	}
	o.Clients = o.Users // a file serves either API, as for serve
	for _, text := range c.Fail {
		rule, err := emulator.ParseRule(text)
		if err != nil {
			return o, err
		}
		o.Rules = append(o.Rules, rule)
	}
	return o, nil
}
