package metrics

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
)

// maxCallers bounds the pairs of operation and user that are told apart. Calls of further ones count for the user other.
const maxCallers = 200

// SOAPCaller is a user who still calls an operation of the SOAP API, and what the REST API has in its place.
type SOAPCaller struct {
	User, Operation, REST string
	Calls                 int64
	Last                  time.Time // when the last call began
}

// callers counts the calls of SOAP by who makes them, so that they can be brought to zero.
type callers struct {
	total *prometheus.CounterVec // operation, user

	mu    sync.Mutex
	table map[callerKey]*caller
}

type callerKey struct{ operation, user string }

type caller struct {
	counter prometheus.Counter
	calls   int64
	last    time.Time
}

func newCallers() *callers {
	return &callers{
		total: counters("soap_callers_total", "Calls to the SOAP API, which Adobe switched off on 31 July 2026, by who still makes them.", "operation", "user"),
		table: map[callerKey]*caller{},
	}
}

// count counts a call to a documented operation, or Other. It allocates for a new pair only.
func (c *callers) count(operation string, e *capture.Exchange) {
	key := callerKey{operation, e.Call.User}
	c.mu.Lock()
	defer c.mu.Unlock()
	who := c.table[key]
	if who == nil && len(c.table) >= maxCallers {
		key.user = other // at most one more pair for each operation
		who = c.table[key]
	}
	if who == nil {
		key = callerKey{strings.Clone(key.operation), strings.Clone(key.user)} // they may be parts of a request
		who = &caller{counter: c.total.WithLabelValues(key.operation, strings.ToValidUTF8(key.user, "\uFFFD"))}
		c.table[key] = who
	}
	who.counter.Inc()
	who.calls++
	if e.Started.After(who.last) {
		who.last = e.Started
	}
}

// SOAPCallers returns who has called the SOAP API since the start of the process, the busiest first: at most 200 pairs of operation
// and user, and for each operation what is beyond these.
func (m *Metrics) SOAPCallers() []SOAPCaller {
	m.callers.mu.Lock()
	all := make([]SOAPCaller, 0, len(m.callers.table))
	for key, c := range m.callers.table {
		all = append(all, SOAPCaller{User: key.user, Operation: key.operation, REST: classify.RESTCounterpart(key.operation), Calls: c.calls, Last: c.last})
	}
	m.callers.mu.Unlock()
	slices.SortFunc(all, func(a, b SOAPCaller) int {
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), strings.Compare(a.User, b.User), strings.Compare(a.Operation, b.Operation))
	})
	return all
}
