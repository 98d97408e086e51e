package main

import "testing"

// The page's commands name the directory of the captures where they would not find it by themselves.
func TestAdminOptions(t *testing.T) {
	w := &world{env: environment{"HOME": "/home/x"}}
	for dir, want := range map[string]string{"/home/x/.local/state/marketo-proxy/captures": "", "/captures": "/captures"} {
		var c serveCommand
		c.CaptureDir = dir
		if o := c.adminOptions(w, &settings{adminToken: "t"}, nil); o.CommandDir != want || o.Dir != dir || o.Token != "t" {
			t.Errorf("%s: %+v", dir, o)
		}
	}
	var c serveCommand
	c.CredentialsDir, c.SOAPUpstream, c.UpstreamCA = "/my keys", "http://127.0.0.1:9080", "/ca.pem"
	if got := c.adminOptions(w, &settings{}, nil).ReplayFlags; got != "--credentials-dir '/my keys' --soap-upstream http://127.0.0.1:9080 --upstream-ca /ca.pem" {
		t.Error(got)
	}
}
