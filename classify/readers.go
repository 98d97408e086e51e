package classify

import "net/http"

// NewRequestReader returns a reader for the body of a request. What it knows of the call at once comes from the method, the
// path (with or without query), and the header: SOAPAction, which is a hint only, and Content-Type.
func NewRequestReader(api API, method, path string, header http.Header) RequestReader {
	if api == REST {
		return newRESTRequest(method, path, header.Get("Content-Type"))
	}
	return newSOAPRequest(header.Get("Soapaction"))
}

// NewResponseReader returns a reader for the body of an answer.
func NewResponseReader(a Answer) ResponseReader {
	if a.Call.API == REST {
		return newRESTResponse(a)
	}
	return newSOAPResponse(a)
}
