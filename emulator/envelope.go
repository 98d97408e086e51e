package emulator

import (
	"bufio"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const (
	soap11 = "http://schemas.xmlsoap.org/soap/envelope/"
	soap12 = "http://www.w3.org/2003/05/soap-envelope"
	mktows = "http://www.marketo.com/mktows/"
)

// maxRequest bounds a request body after decompression, maxItem what of it is held at once: the head of an envelope and
// the plain parameters, or one record of a list.
const (
	maxRequest = 4 << 30
	maxItem    = 8 << 20
)

var (
	errTooLarge = errors.New("more than 8 MiB in one piece")
	errDoctype  = errors.New("a document type declaration is not allowed")
)

// budget is a byte reader that ends with errTooLarge when too much was read since the last Reset. An xml.Decoder reads it
// without a buffer of its own, so memory stays bounded whatever a token's length.
type budget struct {
	r    *bufio.Reader
	left int
}

func newBudget(r io.Reader) *budget { return &budget{bufio.NewReaderSize(r, 32<<10), maxItem} }

func (b *budget) reset() { b.left = maxItem }

func (b *budget) ReadByte() (byte, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	b.left--
	return b.r.ReadByte()
}

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// authentication is the AuthenticationHeader.
type authentication struct {
	User      string `xml:"mktowsUserId"`
	Signature string `xml:"requestSignature"`
	Timestamp string `xml:"requestTimestamp"`
}

// envelope is a SOAP request, read up to the first element in its Body.
type envelope struct {
	decoder   *xml.Decoder
	budget    *budget
	auth      authentication
	workspace string // of the MktowsContextHeader, or empty
	operation string // of the params element, or empty
	params    xml.StartElement
}

// plainBody is the body of a request, decompressed and bounded.
func plainBody(r *http.Request) (io.Reader, error) {
	body := io.LimitReader(r.Body, maxRequest)
	switch coding := strings.ToLower(r.Header.Get("Content-Encoding")); coding {
	case "", "identity":
		return body, nil
	case "gzip":
		zip, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		return io.LimitReader(zip, maxRequest), nil
	default:
		return nil, fmt.Errorf("content encoding %q is not supported", coding)
	}
}

// openEnvelope reads up to the parameters. Clients use any prefix, or none, for the headers; only local names count.
// The error is about XML that can't be understood.
func openEnvelope(r *http.Request) (*envelope, error) {
	body, err := plainBody(r)
	if err != nil {
		return nil, err
	}
	body, was16 := utf16Reader(body)
	e := &envelope{budget: newBudget(body)}
	e.decoder = xml.NewDecoder(e.budget)
	e.decoder.CharsetReader = func(name string, input io.Reader) (io.Reader, error) {
		if was16 {
			return input, nil
		}
		decoded, err := charsetReader(name, input)
		if err == nil {
			e.budget = newBudget(decoded) // an io.ByteReader again
			return e.budget, nil
		}
		return nil, err
	}
	root, err := e.child()
	if err != nil {
		return nil, err
	}
	if root == nil || root.Name.Local != "Envelope" || root.Name.Space != soap11 && root.Name.Space != soap12 {
		return nil, errors.New("no SOAP envelope")
	}
	return e, e.open()
}

// open reads the headers and finds the parameters.
func (e *envelope) open() error {
	for {
		part, err := e.child()
		if err != nil {
			return err
		}
		if part == nil {
			return errors.New("no Body in the envelope")
		}
		switch part.Name.Local {
		case "Header":
			if err := e.headers(); err != nil {
				return err
			}
		case "Body":
			params, err := e.child()
			if err != nil || params == nil {
				return errors.Join(err, errors.New("nothing in the Body"))
			}
			e.params = *params
			e.operation, _ = operationOf(params.Name.Local)
			return nil
		default:
			return fmt.Errorf("element %q in the envelope", part.Name.Local)
		}
	}
}

func (e *envelope) headers() error {
	for {
		header, err := e.child()
		if err != nil || header == nil {
			return err
		}
		switch header.Name.Local {
		case "AuthenticationHeader":
			err = e.decoder.DecodeElement(&e.auth, header)
		case "MktowsContextHeader":
			var context struct {
				Workspace string `xml:"targetWorkspace"`
			}
			err = e.decoder.DecodeElement(&context, header)
			e.workspace = strings.TrimSpace(context.Workspace)
		default:
			err = e.decoder.Skip()
		}
		if err != nil {
			return err
		}
		e.auth.User = strings.TrimSpace(e.auth.User)
		e.auth.Signature = strings.TrimSpace(e.auth.Signature)
		e.auth.Timestamp = strings.TrimSpace(e.auth.Timestamp)
	}
}

// child is the next element of the one that is open, or nil at its end.
func (e *envelope) child() (*xml.StartElement, error) {
	for {
		token, err := e.decoder.Token()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			return &t, nil
		case xml.EndElement:
			return nil, nil
		case xml.Directive:
			return nil, errDoctype
		}
	}
}

// finish reads what is left behind the parameters, and tells whether all of it was XML.
func (e *envelope) finish() error {
	for {
		token, err := e.decoder.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, ok := token.(xml.Directive); ok {
			return errDoctype
		}
		e.budget.reset()
	}
}

// decode reads the parameters into p, a pointer to a struct.
func (e *envelope) decode(p any) error {
	e.budget.reset()
	return e.decoder.DecodeElement(p, &e.params)
}

// records is a list of elements handed on one by one as they are read, so that a request of any size needs little memory.
type records[T any] struct {
	seen     bool
	envelope *envelope
	each     func(T) error
}

// UnmarshalXML implements xml.Unmarshaler.
func (r *records[T]) UnmarshalXML(d *xml.Decoder, _ xml.StartElement) error {
	r.seen = true
	for {
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			r.envelope.budget.reset()
			var record T
			if err := d.DecodeElement(&record, &t); err != nil {
				return err
			}
			if err := r.each(record); err != nil {
				return err
			}
		case xml.EndElement:
			r.envelope.budget.reset()
			return nil
		}
	}
}
