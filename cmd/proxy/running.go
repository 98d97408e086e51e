package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"marketo-proxy/journal"
)

// occupancy is what a process would find that wants the directory and the addresses of serve.
type occupancy struct {
	dir     error // why the directory can't be had; journal.ErrLocked: another process has it
	listens []occupied
}

type occupied struct {
	listenFlag
	err  error // why it can't be listened on
	ours bool  // a marketo-proxy answers there
}

// occupancy tries to have everything that serve needs, and lets go of it again.
func (c *checkCommand) occupancy(w *world) occupancy {
	o := occupancy{dir: c.tryCaptures(w)}
	for _, listen := range c.listens() {
		l, err := net.Listen("tcp", listen.addr)
		if err == nil {
			l.Close()
		}
		ours := errors.Is(err, syscall.EADDRINUSE) && isProxy(w.ctx, listen.addr, listen.flag == "tls-listen")
		o.listens = append(o.listens, occupied{listen, err, ours})
	}
	return o
}

// served tells that marketo-proxy already runs with these settings: it has the directory, and answers at every address.
func (o occupancy) served() bool {
	for _, l := range o.listens {
		if !l.ours {
			return false
		}
	}
	return errors.Is(o.dir, journal.ErrLocked)
}

// tryCaptures opens the journal as serve does, but without bounds, since a look must not make room, and closes it again.
func (c *checkCommand) tryCaptures(w *world) error {
	j, err := journal.Open(journal.Options{Dir: c.CaptureDir, MaxSize: 1 << 62})
	if err != nil {
		return err
	}
	return j.Close(w.ctx)
}

// isProxy tells whether a marketo-proxy answers at an address of serve: each of its listeners says its name at "/".
func isProxy(ctx context.Context, addr string, secure bool) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	host, err := reachable(addr)
	if err != nil {
		return false
	}
	scheme := "http"
	if secure {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+host+"/", nil)
	if err != nil {
		return false
	}
	resp, err := (&http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // whoever it is, it is on this machine and gets nothing
	}}).Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	page, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	return bytes.Contains(page, []byte("marketo-proxy"))
}

// reachable is the address by which this machine reaches one that is listened on: a wildcard is none to connect to.
func reachable(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// tryDisk writes a file into the directory and removes it, which is possible beside the process that has it. Its journal removes one
// that is left over.
func tryDisk(dir string) (err error) {
	f, err := os.CreateTemp(dir, "check-*.tmp")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if _, err := f.Write(make([]byte, 64<<10)); err != nil {
		return err
	}
	return f.Sync()
}

// checkRunning looks at the marketo-proxy that runs with these settings.
func (c *checkCommand) checkRunning(o occupancy, ok func(string, ...any), bad func(error)) {
	switch {
	case o.dir == nil:
		bad(fmt.Errorf("--capture-dir: no process has %s: none runs, or with another directory", absolute(c.CaptureDir)))
	case !errors.Is(o.dir, journal.ErrLocked):
		bad(fmt.Errorf("--capture-dir: %w", o.dir))
	default:
		if err := tryDisk(c.CaptureDir); err != nil {
			bad(fmt.Errorf("--capture-dir: %w", err))
			break
		}
		ok("captures: %s is in use and writable", absolute(c.CaptureDir))
	}
	for _, l := range o.listens {
		switch {
		case l.ours:
			ok("%s: marketo-proxy answers at %s", l.flag, l.addr)
		case l.err == nil:
			bad(fmt.Errorf("--%s: nobody listens on %s: none runs, or with another address", l.flag, l.addr))
		default:
			bad(fmt.Errorf("--%s: %w, and not by a marketo-proxy that answers", l.flag, l.err))
		}
	}
}

// checkFree looks whether serve can have what it needs.
func (c *checkCommand) checkFree(o occupancy, ok func(string, ...any), bad func(error)) {
	if o.dir != nil {
		bad(fmt.Errorf("--capture-dir: %w", o.dir))
	} else {
		ok("captures: %s is writable", absolute(c.CaptureDir))
	}
	for _, l := range o.listens {
		switch {
		case l.ours:
			bad(fmt.Errorf("--%s: %w, by another marketo-proxy", l.flag, l.err))
		case l.err != nil:
			bad(fmt.Errorf("--%s: %w", l.flag, l.err))
		default:
			ok("%s: %s is free", l.flag, l.addr)
		}
	}
}
