package main

import (
	"fmt"
	"net/http"
	"sync"
)

// The headers that the proxy adds.
const (
	captureHeader  = "Marketo-Proxy-Capture"
	attemptsHeader = "Marketo-Proxy-Attempts"
)

// seen is what an application saw of one call.
type seen struct {
	kind    kind
	status  int // 0: no answer
	header  http.Header
	err     error // of the call, or of reading the answer
	left    bool  // the application hung up, on purpose
	own     bool  // the answer is the proxy's own
	differs bool  // from what Marketo sent
}

// ledger is what all applications saw. Its methods may be called concurrently.
type ledger struct {
	mu        sync.Mutex
	calls     map[string]int // by API
	ids       map[string]int // of captures, by answers that named them
	twice     map[string]int // calls that took two attempts, by operation
	recovered int            // of these, those that succeeded
	stranger  int            // expired calls of a user without a key
	forged    int            // expired calls whose signature is not by the key
	left      map[string]int // by API
	own       int
	cut       int
	problems  []string
}

func newLedger() *ledger {
	return &ledger{calls: map[string]int{}, ids: map[string]int{}, twice: map[string]int{}, left: map[string]int{}}
}

func (l *ledger) wrong(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

func (l *ledger) add(s seen) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := s.kind
	l.calls[k.api]++
	wrong := func(what string) {
		l.problems = append(l.problems, fmt.Sprintf("%s %s %s: %s (status %d, %v)", k.api, k.operation, k.fail, what, s.status, s.err))
	}
	if s.left {
		if l.left[k.api]++; !k.hangUp {
			wrong("no answer in time")
		}
		return
	}
	if s.status == 0 {
		wrong("no answer")
		return
	}
	id := s.header.Get(captureHeader)
	if id != "" {
		l.ids[id]++
	}
	switch {
	case s.own:
		l.own++
	case s.err != nil:
		l.cut++
	case s.differs:
		wrong("the answer is not what Marketo sent")
	}
	if s.status >= http.StatusBadRequest && id == "" {
		wrong("a failure without " + captureHeader)
	}
	if s.header.Get(attemptsHeader) == "2" {
		l.twice[k.operation]++
		if s.status == http.StatusOK {
			l.recovered++
		}
	}
	switch {
	case k.user == stranger:
		l.stranger++
	case k.key == "wrong" && k.fail == "20016":
		l.forged++
	}
}
