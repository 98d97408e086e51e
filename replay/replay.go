// Package replay sends a captured request again, once, with a fresh credential and the same bytes otherwise, and tells what became
// of its failure.
package replay

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"marketo-proxy/capture"
	"marketo-proxy/classify"
	"marketo-proxy/redact"
	"marketo-proxy/sign"
)

// Keys has the encryption key of each mktowsUserId, and the client secret of each client_id.
type Keys interface {
	Lookup(user string) (key string, ok bool)
}

// Options say how to send a capture again.
type Options struct {
	SOAP, REST  *url.URL       // base URLs to send to; nil: where the captured call went, if that is a host of Marketo's
	Roots       *x509.CertPool // trusted besides Marketo's own; nil: those of the system
	Keys        Keys
	User        string        // mktowsUserId or client_id to call as; empty: the capture's
	AllowWrites bool          // else an operation that may change something is refused
	Timeout     time.Duration // of the whole replay
	Now         time.Time     // for the signature
}

// Proof tells how sure it is that a body is the captured one, byte for byte but for its credential.
type Proof string

// The proofs.
const (
	ProofHash    Proof = "sha256"  // with the captured credential it has the captured SHA-256
	ProofGzip    Proof = "gzip"    // compressed anew, so that only the content is the same
	ProofUnknown Proof = "unknown" // the captured secret is not the one that is known, so it can't be put back to compare
	ProofNone    Proof = ""        // there is no body
)

// Request is a captured request, ready to be sent again.
type Request struct {
	Call    classify.Call // read from the request itself; a capture's head is not relied upon
	Writes  bool
	Method  string
	URL     *url.URL    // with the client secret, for a call to the identity service
	Header  http.Header // without the token of a REST call
	User    string      // whose credential it gets; empty: it gets none
	Size    int64       // of the body on the wire; -1: known only when it is sent
	Proof   Proof
	Notes   []string // what is not as it was captured, besides the credential
	Secrets []string // values that must not be shown

	options Options
	origin  string // base URL of the identity service
	bearer  bool   // needs a token
	text    content
	filled  bool // a masked secret of the body was put back
	body    content
	before  Answer
}

// errRefused begins every reason not to send.
var errRefused = errors.New("not sent")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errRefused, fmt.Errorf(format, args...))
}

// Prepare builds the request of an attempt anew. It sends nothing. Its error is one line that says why the request can't or won't be
// sent.
func Prepare(d *capture.Detail, attempt int, o Options) (*Request, error) {
	if attempt < 0 || attempt >= len(d.Attempts) {
		return nil, refuse("the capture has %d attempts", len(d.Attempts))
	}
	a := &d.Attempts[attempt]
	r := &Request{Method: a.Request.Method, options: o, before: captured(d, attempt)}
	if err := r.aim(d.API, a.Request.URL); err != nil {
		return nil, err
	}
	if err := r.takeHeader(d.API, a.Request.Headers); err != nil {
		return nil, err
	}
	if err := r.takeBody(d, attempt); err != nil {
		return nil, err
	}
	r.User = strings.TrimSpace(r.User)
	r.Writes = r.Method != http.MethodGet && r.Method != http.MethodHead && classify.Writes(d.API, r.Call.Operation) && !r.Call.MemberCheck
	if r.Writes && !o.AllowWrites {
		return nil, refuse("%s may change something in Marketo: add --allow-writes if it may be done again", r.Call.Operation)
	}
	if err := r.takeAnswer(d, attempt); err != nil {
		return nil, err
	}
	return r, nil
}

// key is the secret of the user that the request is sent for.
func (r *Request) key(user, what string) (string, error) {
	if user == "" {
		return "", refuse("nothing tells whose call it was: name the %s with --user", what)
	}
	if r.options.Keys != nil {
		if key, ok := r.options.Keys.Lookup(user); ok {
			r.Secrets = append(r.Secrets, key)
			return key, nil
		}
	}
	return "", refuse("no key is known for the %s %q: put it into a file of that name in --credentials-dir", what, user)
}

// Redactor masks what must not be shown of the request and its answer.
func (r *Request) Redactor() *redact.Redactor { return redact.New(r.Secrets...) }

// Shown is the URL and the header as they may be shown, with the token that Send will fetch.
func (r *Request) Shown() (url string, header http.Header) {
	redactor := r.Redactor()
	header = r.Header.Clone()
	if r.bearer {
		header.Set("Authorization", "Bearer "+redact.Marker)
	}
	if header.Get("User-Agent") == "" {
		header.Del("User-Agent")
	}
	return redactor.URL(r.URL.String()), redactor.Header(header)
}

// ShowBody writes the content of the body, before it is encoded and compressed, as it may be shown.
func (r *Request) ShowBody(w io.Writer) error {
	body, err := r.text()
	if err != nil {
		return err
	}
	return errors.Join(r.Redactor().Body(w, body), body.Close())
}

// sameUser is the user to call as.
func (r *Request) sameUser(captured string) string {
	if r.options.User != "" {
		return r.options.User
	}
	return captured
}

// newSignature is the fresh pair for a user.
func (r *Request) newSignature(key, user string) (timestamp, signature string) {
	timestamp = sign.Timestamp(r.options.Now)
	signature = sign.Signature(key, timestamp, user)
	r.Secrets = append(r.Secrets, signature)
	return timestamp, signature
}
