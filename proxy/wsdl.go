package proxy

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"strings"

	"marketo-proxy/xmlscan"
)

// maxWSDL bounds what is read to be rewritten; Marketo's own has 85 KB.
const maxWSDL = 8 << 20

// wantsWSDL tells whether the request asks for the description of the service. Marketo insists on upper case, toolkits do not.
func wantsWSDL(r *http.Request) bool {
	if r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, "/soap/") {
		return false
	}
	for param := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, _, _ := strings.Cut(param, "=")
		if strings.EqualFold(name, "wsdl") {
			return true
		}
	}
	return false
}

// rewriteWSDL reads the answer and puts address in place of every soap:address location, so that a toolkit which reads the WSDL
// first stays on the proxy. An answer that ends early, or is no WSDL that can be read, stays as it is.
func rewriteWSDL(resp *http.Response, address string) {
	if e := resp.Header.Get("Content-Encoding"); e != "" {
		return
	}
	original, err := io.ReadAll(io.LimitReader(resp.Body, maxWSDL))
	if err != nil || len(original) == maxWSDL {
		resp.Body = readCloser{io.MultiReader(bytes.NewReader(original), failedReader{resp.Body, err}), resp.Body}
		return
	}
	rewritten := replaceLocations(original, address)
	resp.Body = readCloser{bytes.NewReader(rewritten), resp.Body}
	resp.ContentLength = int64(len(rewritten))
	resp.Header.Set("Content-Length", strconv.Itoa(len(rewritten)))
	resp.TransferEncoding = nil
}

// failedReader repeats an error that reading has already met.
type failedReader struct {
	r   io.Reader
	err error
}

func (f failedReader) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.r.Read(p)
}

func replaceLocations(wsdl []byte, address string) []byte {
	var escaped bytes.Buffer
	_ = xml.EscapeText(&escaped, []byte(address)) // a bytes.Buffer does not fail
	var out []byte
	var s xmlscan.Scanner
	s.Feed(wsdl)
	finished := false
	at := 0
	inPort := false
	for {
		t, ok := s.Next()
		if !ok {
			if finished {
				break
			}
			s.Finish()
			finished = true
			continue
		}
		local := string(t.Local())
		switch {
		case t.Kind == xmlscan.Start && local == "port":
			inPort = !t.SelfClosing
		case t.Kind == xmlscan.End && local == "port":
			inPort = false
		case t.Kind == xmlscan.Start && local == "address" && inPort:
			for a := range t.Attrs() {
				if string(a.Name) == "location" {
					out = append(out, wsdl[at:int(t.Offset)+a.Start]...)
					out = append(out, escaped.Bytes()...)
					at = int(t.Offset) + a.End
				}
			}
		}
	}
	return append(out, wsdl[at:]...)
}
