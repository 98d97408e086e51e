package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseByteSize(t *testing.T) {
	for text, want := range map[string]byteSize{
		"0": 0, "4096": 4096, "64MiB": 64 << 20, "1GiB": 1 << 30, "1.5 KiB": 1536, "1GB": 1e9, "10k": 10 << 10, "2Ti": 2 << 40, "7B": 7,
	} {
		if got, err := parseByteSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1XB", "1e3", "NaN", "0x10", "1 2", "9999999999TiB"} {
		if got, err := parseByteSize(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
	for size, want := range map[byteSize]string{1 << 30: "1GiB", 64 << 20: "64MiB", 1536: "1536", 0: "0"} {
		if size.String() != want {
			t.Errorf("%d is written %s, want %s", size, size, want)
		}
	}
}

// command runs the program in this process.
func command(env []string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(context.Background(), args, env, &out, &errs)
	return code, out.String(), errs.String()
}

func TestWrongSettings(t *testing.T) {
	dir := t.TempDir()
	home := "HOME=" + dir
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	clients := filepath.Join(dir, "clients")
	if err := os.Mkdir(clients, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"6f1d2c3b-4a59-4e77-8c21-0d9b1f3e5a70", "6f1d2c3b-4a59-4e77-8c21-0d9b1f3e5a71", "demo17"} {
		if err := os.WriteFile(filepath.Join(clients, id), []byte("secret-of-it"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		env  []string
		args []string
		want []string // parts of the one line
	}{
		{"nowhere to go", nil, nil, []string{"--instance"}},
		{"not an instance", nil, []string{"--instance", "acme"}, []string{"--instance", `"acme"`, "123-ABC-456"}},
		{"plain http", nil, []string{"--soap-upstream", "http://marketo.example"}, []string{"--soap-upstream", "loopback"}},
		{"a password in the URL", nil, []string{"--rest-upstream", "https://u:hunter2@h"}, []string{"--rest-upstream", "--credentials-dir"}},
		{"a query in the URL", nil, []string{"--rest-upstream", "https://h?a=b"}, []string{"--rest-upstream"}},
		{"not a URL", nil, []string{"--rest-upstream", "h:x:y"}, []string{"--rest-upstream"}},
		{"several at once", nil, []string{"--instance", "x", "--listen", "y", "--capture-skip", "z", "--upstream-timeout", "0s"}, []string{"--instance", "--listen", "--capture-skip", "--upstream-timeout"}},
		{"no keys to sign with", nil, []string{"--instance", "123-ABC-456", "--sign", "always"}, []string{"--credentials-dir"}},
		{"a client without a secret", nil, []string{"--instance", "123-ABC-456", "--rest-client", "x"}, []string{"--rest-client", `"x"`, "--credentials-dir"}},
		{"two clients", nil, []string{"--instance", "123-ABC-456", "--sign", "always", "--credentials-dir", clients}, []string{"--sign=always", "2 clients", "--rest-client"}},
		{"no such mode", nil, []string{"--instance", "123-ABC-456", "--sign", "often"}, []string{"--sign", "often"}},
		{"no such flag", nil, []string{"--frob"}, []string{"--frob"}},
		{"no such command", nil, []string{"frob"}, []string{"frob"}},
		{"a bad variable", []string{"MARKETO_PROXY_CAPTURE_MAX_SIZE=big", "MARKETO_PROXY_INSTANCE=123-ABC-456"}, nil, []string{"capture-max-size", "big"}},
		{"a secret in the environment", []string{"MARKETO_PROXY_ENCRYPTION_KEY=k"}, nil, []string{"MARKETO_PROXY_ENCRYPTION_KEY", "--credentials-dir"}},
		{"a certificate without its key", nil, []string{"--instance", "123-ABC-456", "--tls-cert", file}, []string{"--tls-key"}},
		{"an authority that is none", nil, []string{"--instance", "123-ABC-456", "--upstream-ca", file}, []string{"--upstream-ca", file}},
		{"credentials that are not there", nil, []string{"--instance", "123-ABC-456", "--credentials-dir", dir + "/none"}, []string{"none"}},
		{"a short token", nil, []string{"--instance", "123-ABC-456", "--admin-token-file", file}, []string{"--admin-token-file", "16"}},
		{"captures in a file", nil, []string{"--instance", "123-ABC-456", "--capture-dir", file}, []string{"--capture-dir", file}},
	} {
		code, stdout, stderr := command(append(c.env, home), append([]string{"serve"}, c.args...)...)
		if c.name == "no such command" {
			code, stdout, stderr = command([]string{home}, c.args...)
		}
		if code != exitUsage || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", c.name, code, stdout, stderr)
		}
		for _, want := range c.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: %q does not say %q", c.name, stderr, want)
			}
		}
		if strings.Contains(stderr, "hunter2") {
			t.Errorf("%s: the error shows a password", c.name)
		}
	}
}

func TestFlagWinsOverEnvironment(t *testing.T) {
	env := []string{"HOME=" + t.TempDir(), "MARKETO_PROXY_INSTANCE=from-env"}
	if _, _, stderr := command(env, "serve"); !strings.Contains(stderr, "from-env") {
		t.Errorf("the variable is not read: %s", stderr)
	}
	if _, _, stderr := command(env, "serve", "--instance", "from-flag"); !strings.Contains(stderr, "from-flag") || strings.Contains(stderr, "from-env") {
		t.Errorf("the flag does not win: %s", stderr)
	}
	if _, _, stderr := command([]string{"HOME=/", "MARKETO_PROXY_INSTANCE="}, "serve"); !strings.Contains(stderr, "where is Marketo") {
		t.Errorf("an empty variable is not an unset one: %s", stderr)
	}
}

func TestCAIsMadeOnce(t *testing.T) {
	env := []string{"XDG_STATE_HOME=" + t.TempDir()}
	code, first, stderr := command(env, "ca")
	if code != exitDone || !strings.HasPrefix(first, "-----BEGIN CERTIFICATE-----") {
		t.Fatalf("exit %d, %s %s", code, first, stderr)
	}
	if _, second, _ := command(env, "ca"); second != first {
		t.Error("the second time it is another one")
	}
}

// What is open to others without a secret is said.
func TestExposed(t *testing.T) {
	for _, c := range []struct {
		listen, admin, sign, token string
		want                       int
	}{
		{"127.0.0.1:8080", "127.0.0.1:8081", "always", "", 0},
		{"localhost:8080", "[::1]:8081", "always", "", 0},
		{":8080", "", "expired", "", 0},
		{":8080", "127.0.0.1:8081", "always", "", 1},
		{"127.0.0.1:8080", "0.0.0.0:8081", "expired", "", 1},
		{"127.0.0.1:8080", ":8081", "expired", "0123456789abcdef", 0},
		{"10.0.0.1:8080", "admin:8081", "always", "", 2},
	} {
		f := serveFlags{Listen: c.listen, AdminListen: c.admin, Sign: c.sign}
		if got := f.exposed(&settings{adminToken: c.token}); len(got) != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
