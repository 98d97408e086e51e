package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// program is one of the proxies that are compared. Start runs it in a fresh directory, listening at address.
type program struct {
	name    string
	command func(dir, address string) (*exec.Cmd, error)
}

// running is a program that serves.
type running struct {
	program
	address string
	dir     string
	cmd     *exec.Cmd
	began   time.Time
	served  time.Duration // from its start to the end of its first call
	pids    []int
	ended   chan error
}

// startPatience is how long a program may take to serve its first call.
const startPatience = 20 * time.Second

// start runs a program and waits until it has served one call.
func (b *bench) start(p program) (*running, error) {
	dir, err := os.MkdirTemp(b.dir, p.name+"-")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	cmd, err := p.command(dir, address)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	r := &running{program: p, address: address, dir: dir, cmd: cmd, began: time.Now(), ended: make(chan error, 1)}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { r.ended <- cmd.Wait() }()
	if err := r.serves(b); err != nil {
		r.stop()
		said, _ := os.ReadFile(log.Name()) // for people
		return nil, fmt.Errorf("%s: %w\n%s", p.name, err, said)
	}
	r.pids, err = family(cmd.Process.Pid)
	return r, err
}

// serves waits for the first call that is answered rightly.
func (r *running) serves(b *bench) error {
	want := b.messages[caseSmall]
	request, err := os.ReadFile(filepath.Join(b.dir, want.Name+".request"))
	if err != nil {
		return err
	}
	c := &client{address: r.address}
	defer c.close()
	for {
		_, _, err := c.call(request, want)
		if err == nil {
			r.served = time.Since(r.began)
			return nil
		}
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Since(r.began) > startPatience {
			return fmt.Errorf("no first call: %w", err)
		}
		select {
		case err := <-r.ended:
			r.ended <- err
			return fmt.Errorf("ended: %v", err)
		case <-time.After(500 * time.Microsecond):
		}
	}
}

// stop ends it, by force if it takes too long.
func (r *running) stop() {
	_ = r.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-r.ended:
	case <-time.After(10 * time.Second):
		_ = r.cmd.Process.Kill()
		<-r.ended
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// The names of the programs.
const (
	ours         = "marketo-proxy"
	reverseProxy = "ReverseProxy"
	nginx        = "nginx"
)

// programs are what is compared.
func (b *bench) programs() []program {
	return []program{
		{ours, func(dir, address string) (*exec.Cmd, error) {
			cmd := exec.Command(b.proxy, "--listen", address, "--metrics-listen", b.metrics, "--admin-listen", "127.0.0.1:0",
				"--soap-upstream", "https://"+b.upstream, "--upstream-ca", filepath.Join(b.dir, certFile))
			// Everything else is as it comes: the state goes where the default puts it.
			cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+dir)
			return cmd, nil
		}},
		{reverseProxy, func(_, address string) (*exec.Cmd, error) {
			return exec.Command(b.yardstick, "-listen", address, "-upstream", "https://"+b.upstream, "-roots", filepath.Join(b.dir, certFile)), nil
		}},
		{nginx, func(dir, address string) (*exec.Cmd, error) {
			conf := filepath.Join(dir, "nginx.conf")
			if err := os.WriteFile(conf, []byte(b.nginxConfig(dir, address)), 0o600); err != nil {
				return nil, err
			}
			return exec.Command(b.nginx, "-p", dir, "-c", conf, "-e", filepath.Join(dir, "error.log")), nil
		}},
	}
}

// nginxConfig is nginx with upstream connections that are kept, and its defaults.
func (b *bench) nginxConfig(dir, address string) string {
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;" // the directory is ours alone
	}
	return strings.NewReplacer("DIR", dir, "USER", user, "LISTEN", address, "UPSTREAM", b.upstream, "NAME", hostName,
		"ROOTS", filepath.Join(b.dir, certFile)).Replace(`USER
daemon off;
pid DIR/pid;
worker_processes auto;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
  access_log off;
  client_max_body_size 0;
  client_body_temp_path DIR/body;
  proxy_temp_path DIR/proxy;
  fastcgi_temp_path DIR/fastcgi;
  uwsgi_temp_path DIR/uwsgi;
  scgi_temp_path DIR/scgi;
  keepalive_requests 1000000000;
  upstream marketo {
    server UPSTREAM;
    keepalive 256;
    keepalive_requests 1000000000;
  }
  server {
    listen LISTEN backlog=4096;
    location / {
      proxy_pass https://marketo;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_ssl_protocols TLSv1.2 TLSv1.3;
      proxy_ssl_session_reuse on;
      proxy_ssl_verify on;
      proxy_ssl_name NAME;
      proxy_ssl_server_name on;
      proxy_ssl_trusted_certificate ROOTS;
    }
  }
}
`)
}

// startUpstream runs the upstream in a process of its own.
func (b *bench) startUpstream(ctx context.Context) (stop func(), err error) {
	cmd := exec.CommandContext(ctx, b.self, roleUpstream, b.dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe() // it ends when this closes, however we end
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the upstream did not start: %w", err)
	}
	b.upstream = strings.TrimSpace(line)
	return func() {
		stdin.Close()
		_ = cmd.Wait() // whatever became of it, the figures are there
	}, nil
}

// drive runs a load in a process of its own.
func (b *bench) drive(ctx context.Context, l load) (o outcome, err error) {
	l.Dir = b.dir
	spec, err := json.Marshal(l)
	if err != nil {
		return o, err
	}
	cmd := exec.CommandContext(ctx, b.self, roleLoad)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(spec), &stderr
	result, err := cmd.Output()
	if err != nil {
		return o, fmt.Errorf("load: %w: %s", err, &stderr)
	}
	return o, json.Unmarshal(result, &o)
}

// buildPrograms compiles the two Go programs, the proxy as it is shipped.
func (b *bench) buildPrograms(ctx context.Context) error {
	if b.proxy == "" {
		b.proxy = filepath.Join(b.dir, ours)
		if err := build(ctx, b.proxy, "marketo-proxy/cmd/proxy"); err != nil {
			return err
		}
	}
	b.yardstick = filepath.Join(b.dir, "reverseproxy")
	return build(ctx, b.yardstick, "marketo-proxy/bench/reverseproxy")
}

func build(ctx context.Context, output, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", output, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// kept reads the proxy's own counters of captures.
func (b *bench) kept() (captured, lost float64, err error) {
	resp, err := http.Get("http://" + b.metrics + "/metrics")
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		var n float64
		if _, err := fmt.Sscan(value, &n); err != nil {
			continue // a comment
		}
		switch name, _, _ := strings.Cut(name, "{"); name {
		case "marketo_proxy_captures_total":
			captured += n
		case "marketo_proxy_captures_lost_total":
			lost += n
		}
	}
	return captured, lost, nil
}
