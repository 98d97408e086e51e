package main

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// A burst ends by itself when it has been quiet for a while, and the next event begins another.
func TestBursts(t *testing.T) {
	type ended struct {
		kind  string
		count int
	}
	over := make(chan ended, 10)
	b := bursts{gap: 20 * time.Millisecond, end: func(kind string, count int) { over <- ended{kind, count} }}
	var all sync.WaitGroup
	firsts := make(chan bool, 100)
	for range 100 {
		all.Go(func() { firsts <- b.add("a") })
	}
	all.Wait()
	close(firsts)
	begun := 0
	for first := range firsts {
		if first {
			begun++
		}
	}
	counted := 0
	for range begun { // one, unless this machine paused for longer than the gap
		counted += (<-over).count
	}
	if begun == 0 || counted != 100 {
		t.Errorf("%d bursts of %d events", begun, counted)
	}
	if !b.add("a") {
		t.Error("the burst goes on")
	}
	b.close()
	b.close()
	if e := <-over; e.kind != "a" || e.count != 1 || len(over) > 0 {
		t.Errorf("ended: %v, and %d more", e, len(over))
	}
}

// However many kinds there are, few are told apart.
func TestBurstsAreBounded(t *testing.T) {
	ended := map[string]int{}
	b := bursts{gap: time.Hour, end: func(kind string, count int) { ended[kind] = count }}
	firsts := 0
	for i := range 1000 {
		if b.add(fmt.Sprint("host", i)) {
			firsts++
		}
	}
	b.close()
	if firsts != maxBursts+1 || len(ended) != maxBursts+1 || ended[otherKinds] != 1000-maxBursts {
		t.Errorf("%d bursts, %d ended, %d others", firsts, len(ended), ended[otherKinds])
	}
}
