package upstream

import "time"

// Trace tells when the phases of a call were. A zero time: it did not happen. Its times are set by the goroutine that calls Do, before
// Do returns. After a call was sent again they are those of the second time, but for GetConn.
type Trace struct {
	GetConn, GotConn          time.Time // the call asked for a connection, and had one
	DNSStart, DNSDone         time.Time // as the dialer reports them through net/http/httptrace, as net.Dialer does
	ConnectStart, ConnectDone time.Time
	TLSStart, TLSDone         time.Time
	Sent                      time.Time // the whole request was written; zero if the answer came before that
	FirstByte                 time.Time // of the answer, be it a 1xx
	Reused                    bool      // the connection had served a call before

	// WroteRequest, if set, is called once the whole request was written: perhaps by another goroutine, and after Do returned.
	WroteRequest func()
}

func (t *Trace) wrote() {
	if t.WroteRequest != nil {
		t.WroteRequest()
	}
}
