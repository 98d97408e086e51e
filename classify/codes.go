package classify

import (
	"slices"
	"sort"
	"strings"
)

// Class groups the codes by what can be done about them.
type Class string

// The classes.
const (
	ClassRenew     Class = "renew"     // the signature or token expired: a new one heals it
	ClassThrottled Class = "throttled" // too many calls at the moment
	ClassQuota     Class = "quota"     // too many calls today
	ClassMarketo   Class = "marketo"   // a fault on Marketo's side
	ClassAccess    Class = "access"    // credentials or permissions
	ClassCaller    Class = "caller"    // the call itself is wrong
	ClassAnswer    Class = "answer"    // an answer in the shape of an error: there is no such lead, no more records
	ClassUnknown   Class = "unknown"   // no code, or one that nobody documents
)

// Who has to act on a failure.
const (
	TurnProxy         = "proxy"         // this proxy: it renews the credential and sends the call again
	TurnApplication   = "application"   // whoever wrote or runs the application that called
	TurnAdministrator = "administrator" // whoever administers the Marketo instance, or this proxy's host and network
	TurnMarketo       = "marketo"       // Marketo: wait, and open a ticket if it lasts
	TurnNobody        = "nobody"        // it is an answer, not an incident
)

// Code explains a failure.
type Code struct {
	API     API    `json:"api"`
	Code    string `json:"code"`    // number as text; empty for a failure that has none
	Message string `json:"message"` // Adobe's name for it, in short
	Notes   string `json:"notes"`   // what Adobe says about it
	Class   Class  `json:"class"`
	// Retryable tells that the same call can succeed if it is sent again within minutes and nothing else changes but the
	// signature or token. So a used-up daily quota is not retryable. It says nothing on whether a repeated write is safe.
	Retryable bool   `json:"retryable"`
	Turn      string `json:"turn"`   // one of the Turn constants
	Advice    string `json:"advice"` // what to do, in one line
	Source    string `json:"source"` // where the code is documented
}

// Codes returns the known codes of an API in the order of their numbers.
func Codes(api API) []Code { return slices.Clone(table(api)) }

// Lookup finds a known code.
func Lookup(api API, code string) (Code, bool) {
	t := table(api)
	i := sort.Search(len(t), func(i int) bool { return compareCodes(t[i].Code, code) >= 0 })
	if i == len(t) || t[i].Code != code {
		return Code{}, false
	}
	return t[i], true
}

func table(api API) []Code {
	if api == REST {
		return restCodes[:]
	}
	return soapCodes[:]
}

// compareCodes orders numbers without leading zeros.
func compareCodes(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
