package classify

// NewRequestReader returns a reader for the body of a request. What it knows of the call at once comes from the method, the
// path (with or without query) and the SOAPAction header, which is a hint only.
func NewRequestReader(api API, method, path, soapAction string) RequestReader {
	if api == REST {
		return restRequest{call: Call{API: REST, Operation: RESTOperation(method, path)}}
	}
	return newSOAPRequest(soapAction)
}

// NewResponseReader returns a reader for the body of an answer.
func NewResponseReader(a Answer) ResponseReader {
	if a.Call.API == REST {
		return newRESTResponse(a)
	}
	return newSOAPResponse(a)
}

// restRequest knows everything from the start.
type restRequest struct{ call Call }

func (restRequest) Write(p []byte) (int, error) { return len(p), nil }
func (r restRequest) Call() Call                { return r.call }
func (restRequest) Done() bool                  { return true }
