// The program reverseproxy is httputil.ReverseProxy with nothing around it: the yardstick for what a Go proxy usually costs.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "where to listen")
	upstream := flag.String("upstream", "", "base URL of the upstream")
	roots := flag.String("roots", "", "PEM file of the authorities to trust")
	flag.Parse()
	if err := serve(*listen, *upstream, *roots); err != nil {
		fmt.Fprintln(os.Stderr, "reverseproxy:", err)
		os.Exit(1)
	}
}

func serve(listen, upstream, roots string) error {
	target, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(roots)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no certificate", roots)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	// With Go's default of 2 nearly every call at 64 connections would dial and shake hands: 30 times nginx. Whoever runs
	// a proxy finds this setting first, and a comparison without it would flatter.
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 256
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
		},
	}
	return http.ListenAndServe(listen, proxy)
}
