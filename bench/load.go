package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// load is what the load generator is told to do.
type load struct {
	Dir      string // of the messages
	Address  string
	TLS      bool // the upstream itself
	Active   int  // connections with a call always under way
	Idle     int  // connections that made one call and stay open
	Call     message
	Other    message // every Every-th call is this one
	Every    int     // 0: none
	Warm     time.Duration
	Duration time.Duration
	PIDs     []int // whose CPU is measured meanwhile
}

// outcome is what came of it.
type outcome struct {
	Calls   int           // answered rightly in the measured time
	Faults  int           // faults among all calls, the time of warming up included
	Wrong   int           // broken or wrong answers, the time of warming up included
	Reason  string        // why the first of these was wrong
	Elapsed time.Duration // measured
	CPU     time.Duration
	P50     time.Duration
	P99     time.Duration
	First50 time.Duration // median time to the first byte of the body
}

// generateLoad reads a load from in and writes the outcome to out, both as JSON.
func generateLoad(in io.Reader, out io.Writer) error {
	var l load
	if err := json.NewDecoder(in).Decode(&l); err != nil {
		return err
	}
	o, err := l.run()
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(o)
}

// The phases of a run.
const (
	warming = iota
	measuring
	over
)

// worker makes calls on one connection.
type worker struct {
	client client
	took   []time.Duration
	first  []time.Duration
	faults int
	wrong  int
	reason error
}

func (l *load) run() (outcome, error) {
	requests, err := l.requests()
	if err != nil {
		return outcome{}, err
	}
	newClient, err := l.clients()
	if err != nil {
		return outcome{}, err
	}
	idle, err := l.openIdle(newClient, requests[0])
	if err != nil {
		return outcome{}, err
	}
	defer closeAll(idle)
	var phase atomic.Int32
	var wg sync.WaitGroup
	workers := make([]*worker, l.Active)
	for i := range workers {
		w := &worker{client: newClient()}
		workers[i] = w
		wg.Go(func() { w.run(l, &phase, requests, i) })
	}
	time.Sleep(l.Warm)
	cpu, err := cpuTime(l.PIDs)
	began := time.Now()
	phase.Store(measuring)
	time.Sleep(l.Duration)
	phase.Store(over)
	elapsed := time.Since(began)
	after, err2 := cpuTime(l.PIDs)
	wg.Wait()
	if err := errors.Join(err, err2); err != nil {
		return outcome{}, err
	}
	o := outcome{Elapsed: elapsed, CPU: after - cpu}
	var took, first []time.Duration
	for _, w := range workers {
		took, first = append(took, w.took...), append(first, w.first...)
		o.Faults += w.faults
		o.Wrong += w.wrong
		if w.reason != nil {
			o.Reason = w.reason.Error()
		}
	}
	o.Calls = len(took)
	o.P50, o.P99, o.First50 = quantile(took, 0.5), quantile(took, 0.99), quantile(first, 0.5)
	return o, nil
}

func (w *worker) run(l *load, phase *atomic.Int32, requests [2][]byte, offset int) {
	defer w.client.close()
	for n := offset; ; n++ {
		now := phase.Load()
		if now == over {
			return
		}
		request, want := requests[0], l.Call
		if l.Every > 0 && n%l.Every == 0 {
			request, want = requests[1], l.Other
		}
		took, first, err := w.client.call(request, want)
		switch {
		case err != nil:
			w.reason = err
			if w.wrong++; w.wrong > 100 {
				return // whatever it is, it will not get better
			}
			continue
		case want.Name == caseFault:
			w.faults++
		}
		if now == measuring && phase.Load() == measuring {
			w.took, w.first = append(w.took, took), append(w.first, first)
		}
	}
}

func (l *load) requests() (r [2][]byte, err error) {
	for i, m := range []message{l.Call, l.Other} {
		if m.Name == "" {
			continue
		}
		if r[i], err = os.ReadFile(filepath.Join(l.Dir, m.Name+".request")); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (l *load) clients() (func() client, error) {
	var config *tls.Config
	if l.TLS {
		pem, err := os.ReadFile(filepath.Join(l.Dir, certFile))
		if err != nil {
			return nil, err
		}
		config = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: hostName}
		config.RootCAs.AppendCertsFromPEM(pem)
	}
	return func() client { return client{address: l.Address, tls: config} }, nil
}

// openIdle opens connections that make one call and then stay.
func (l *load) openIdle(newClient func() client, request []byte) ([]client, error) {
	idle := make([]client, l.Idle)
	for i := range idle {
		idle[i] = newClient()
		if _, _, err := idle[i].call(request, l.Call); err != nil {
			return nil, fmt.Errorf("an idle connection: %w", err)
		}
		idle[i].in = nil // 2,000 buffers would weigh on the machine
	}
	return idle, nil
}

func closeAll(clients []client) {
	for i := range clients {
		clients[i].close()
	}
}

func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(len(d)-1, int(float64(len(d))*q))]
}
