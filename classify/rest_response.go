package classify

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"marketo-proxy/jsonscan"
)

// restResponse reads an answer of the REST APIs in one pass: Marketo's envelope, the errors of the identity service, which
// are HTTP failures with words of their own, and those of the Data Ingestion API, which are faults with a code.
//
// A failure that was read stands, whatever comes after it.
type restResponse struct {
	scanner jsonscan.Scanner
	answer  Answer
	judged  bool // the body has to be JSON
	jobs    bool // the answer is the status of a bulk job
	file    bool // the body may be a file of any format
	reads   bool // the call was a GET, or a POST that says it is one
	mark    int  // bytes of a byte order mark read
	space   bool // white space was read
	begun   bool // something else was read
	read    int64
	stopped bool // nothing that follows is read
	skims   bool // only the end of what follows is read
	tail    tail // of it
	reason  string

	levels [maxLevels]level

	success   bool   // said so
	failure   bool   // success is false, or there are errors
	data      bool   // the result has content
	code      string // of the first error
	message   string
	words     string // of an answer that is no envelope of Marketo's
	requestID string

	failed      int
	records     []Record
	shared      string // the code of all failed records, if it is the same
	item        Record // the one being read
	itemFailed  bool
	itemMessage string
}

// newRESTResponse decides by status, operation and Content-Type whether a body has to be JSON. An operation that nobody
// documents is judged by the Content-Type alone. A bulk file is whatever its job's format says, in spite of its name; but
// when it can't be had the envelope comes in its place, so a body that begins as an object and is not declared as anything
// but JSON is looked at, and never called malformed.
func newRESTResponse(a Answer) *restResponse {
	r := &restResponse{answer: a, file: IsFile(a.Call.Operation), jobs: strings.HasSuffix(a.Call.Operation, "StatusUsingGET")}
	r.reads = a.Method == http.MethodGet || strings.Contains(a.Call.Operation, "UsingGET")
	declared := strings.Contains(strings.ToLower(a.ContentType), "json")
	known := a.Call.Operation != Other && a.Call.Operation != ""
	wanted := declared || known && !r.file || r.file && a.ContentType == ""
	r.stopped = !wanted || hasNoBody(a)
	r.judged = wanted && !r.stopped && !r.file && a.Status < http.StatusMultipleChoices &&
		a.Status != http.StatusAccepted && a.Status != http.StatusResetContent
	return r
}

// IsFile tells the operations that answer with a file: bulk extracts, and the failures and warnings of bulk imports.
func IsFile(operation string) bool {
	for _, suffix := range []string{"FileUsingGET", "FailuresUsingGET", "WarningsUsingGET"} {
		if strings.HasSuffix(operation, suffix) {
			return true
		}
	}
	return false
}

func hasNoBody(a Answer) bool {
	return a.Method == http.MethodHead || a.Status == http.StatusNoContent || a.Status == http.StatusNotModified
}

func (r *restResponse) Write(p []byte) (int, error) {
	if r.stopped {
		return len(p), nil
	}
	if r.begin(p); r.stopped {
		return len(p), nil
	}
	if r.skims {
		r.tail.add(p)
		return len(p), nil
	}
	r.read += int64(len(p))
	r.scanner.Feed(p)
	if end := r.tokens(); r.skims {
		r.scanner.Drop()
		r.tail.add(p[max(0, int64(len(p))-(r.read-end)):])
	}
	if !r.scanner.Valid() {
		r.malformed(syntaxError(&r.scanner))
		r.scanner = jsonscan.Scanner{} // lets p go
	}
	return len(p), nil
}

// tokens reads what was fed, and returns where it ended if the rest is only skimmed.
func (r *restResponse) tokens() (end int64) {
	var t jsonscan.Token
	for {
		if name, n := r.scanner.Member(); n > 0 && keyOf(name) == otherKey {
			if depth := r.scanner.Depth(); depth <= maxLevels {
				r.levels[depth-1].key = otherKey
			}
			r.scanner.Skip(n)
			continue
		}
		if !r.scanner.Scan(&t) || !r.scanner.Valid() {
			return 0
		}
		r.token(&t)
		if r.skimmable(&t) {
			r.skims = true
			return t.Offset + int64(len(t.Raw))
		}
	}
}

// begin judges the first byte that is neither white space nor of a byte order mark.
func (r *restResponse) begin(p []byte) {
	for _, c := range p {
		switch {
		case r.begun:
			return
		case r.mark < len(byteOrderMark) && c == byteOrderMark[r.mark] && !r.space:
			r.mark++
			continue
		case r.mark > 0 && r.mark < len(byteOrderMark):
			r.malformed(noObject)
		case c == ' ', c == '\t', c == '\r', c == '\n':
			r.space = true
			continue
		case c == '<':
			r.malformed("not JSON: it looks like HTML or XML")
		case c == '[':
			r.malformed("not an answer of Marketo: a JSON array")
		case c != '{':
			r.malformed(noObject)
		}
		r.begun = true
	}
}

const noObject = "not an answer of Marketo: no JSON object"

func syntaxError(s *jsonscan.Scanner) string {
	return "not JSON: " + strings.TrimPrefix(s.Err().Error(), "jsonscan: ")
}

func (r *restResponse) token(t *jsonscan.Token) {
	switch t.Kind {
	case jsonscan.Sep:
	case jsonscan.ObjectStart, jsonscan.ArrayStart:
		r.element(t.Depth)
		r.open(t)
	case jsonscan.ObjectEnd, jsonscan.ArrayEnd:
		r.close(t)
	case jsonscan.Key:
		r.key(t)
	default:
		if !t.Cont {
			r.element(t.Depth)
		}
		r.value(t)
	}
}

// element counts the elements of an array.
func (r *restResponse) element(depth int) {
	if depth == 0 || depth > maxLevels {
		return
	}
	l := &r.levels[depth-1]
	if !l.array {
		return
	}
	l.index = l.next
	l.next++
	if depth != 2 {
		return
	}
	switch r.levels[0].key {
	case keyErrors:
		r.failure = true
	case keyResult:
		r.data = true
	}
}

func (r *restResponse) open(t *jsonscan.Token) {
	if t.Depth < maxLevels {
		r.levels[t.Depth] = level{array: t.Kind == jsonscan.ArrayStart}
	}
	if t.Depth == 2 && r.inResult() {
		r.item, r.itemFailed, r.itemMessage = Record{Index: r.levels[1].index}, false, ""
	}
}

// inResult tells, inside an element of an array, that the array is the result.
func (r *restResponse) inResult() bool { return r.levels[0].key == keyResult && r.levels[1].array }

func (r *restResponse) close(t *jsonscan.Token) {
	if t.Depth == 2 && r.inResult() && r.itemFailed {
		r.record()
	}
}

func (r *restResponse) record() {
	if r.failed++; len(r.records) < MaxRecords {
		if r.item.Error == "" {
			r.item.Error = r.itemMessage
		}
		r.item.Error = clip(r.item.Error)
		r.records = append(r.records, r.item)
	}
	if r.failed == 1 {
		r.shared = r.item.Code
	} else if r.shared != r.item.Code {
		r.shared = ""
	}
}

func (r *restResponse) key(t *jsonscan.Token) {
	if t.Depth < 1 || t.Depth > maxLevels {
		return
	}
	k := otherKey
	if t.Whole() && len(t.Data) < 128 {
		if k = keyOf(t.Data); k == otherKey && strings.IndexByte(string(t.Data), '\\') >= 0 {
			k = keyOf(jsonscan.Unquote(nil, t.Data))
		}
	}
	r.levels[t.Depth-1].key = k
}

// value reads a string, number or literal at its place.
func (r *restResponse) value(t *jsonscan.Token) {
	switch t.Depth {
	case 1:
		r.topValue(t)
	case 3:
		switch {
		case r.levels[0].key == keyErrors && r.levels[1].array && r.levels[1].index == 0:
			r.problem(t, r.levels[2].key, &r.code, &r.message)
		case r.inResult():
			r.itemValue(t)
		}
	case 5:
		in := r.levels[2].key
		if r.inResult() && (in == keyReasons || in == keyErrors) && r.levels[3].array && r.levels[3].index == 0 {
			r.problem(t, r.levels[4].key, &r.item.Code, &r.item.Error)
		}
	}
}

// problem reads a member of an error or reason.
func (r *restResponse) problem(t *jsonscan.Token, key jsonKey, code, message *string) {
	switch key {
	case keyCode:
		*code = codeOf(t)
	case keyMessage:
		readString(message, t)
	}
}

func (r *restResponse) topValue(t *jsonscan.Token) {
	switch r.levels[0].key {
	case keySuccess:
		r.success = t.Kind == jsonscan.True || string(t.Data) == "true"
		r.failure = r.failure || t.Kind == jsonscan.False || string(t.Data) == "false"
	case keyRequestID:
		readString(&r.requestID, t)
	case keyError, keyErrorDescription, keyMessage:
		r.addWords(t)
	case keyErrorCode: // the Data Ingestion API
		if c := codeOf(t); c != "" && r.answer.Status >= http.StatusBadRequest {
			r.code, r.failure = c, true
		}
	}
}

func (r *restResponse) addWords(t *jsonscan.Token) {
	if t.Kind != jsonscan.String {
		return
	}
	if !t.Cont && r.words != "" {
		r.words += ": "
	}
	appendString(&r.words, t)
}

func (r *restResponse) itemValue(t *jsonscan.Token) {
	switch r.levels[2].key {
	case keyStatus:
		if t.Kind != jsonscan.String || !t.Whole() {
			return
		}
		switch s := string(t.Data); {
		case strings.EqualFold(s, "skipped"), r.jobs && strings.EqualFold(s, "failed"):
			r.item.Status, r.itemFailed = s, true
		}
	case keyMessage, keyErrorMessage:
		readString(&r.itemMessage, t)
	}
}

func (r *restResponse) malformed(reason string) {
	r.reason = reason
	r.stopped = true
}

// Early is true from success:true or a result with content on. Marketo sends neither with an error, and in many answers
// success comes last, behind a result of any size. Should it happen, the Verdict is a Fault all the same.
func (r *restResponse) Early() bool {
	return !r.failure && (r.stopped || r.success || r.data)
}

func (r *restResponse) Failing() bool {
	return r.answer.Status >= http.StatusBadRequest || r.failure || r.failed > 0 || r.judged && r.reason != ""
}

func (r *restResponse) Abort(reason string) {
	if !r.stopped {
		r.malformed(reason)
	}
}

func (r *restResponse) Verdict() Verdict {
	if r.skims {
		r = r.withTail()
	}
	v := Verdict{RequestID: clip(cmp.Or(r.requestID, r.answer.RequestID))}
	switch {
	case r.failure:
		v.Outcome, v.Code, v.Message = Fault, r.code, clip(r.message)
		if v.Message == "" {
			v.Message = clip(r.words)
		}
	case r.answer.Status >= http.StatusBadRequest:
		r.httpFailure(&v)
	case r.failed > 0:
		v.Outcome, v.Code, v.Records, v.RecordsFailed = Partial, r.shared, r.records, r.failed
		if v.Message = r.records[0].Error; v.Message == "" {
			v.Message = r.records[0].Status
		}
	case r.judged:
		if reason := r.defect(); reason != "" {
			v.Outcome, v.Message = Malformed, clip(reason)
		}
	}
	return v
}

// httpFailure takes the status as the code if Adobe documents it as one, and the words of the identity service if there
// are any.
func (r *restResponse) httpFailure(v *Verdict) {
	v.Outcome, v.Message = HTTP, httpVerdict(r.answer.Status).Message
	if r.words != "" {
		v.Message = clip(r.words)
	}
	if status := strconv.Itoa(r.answer.Status); r.answer.Status < 600 {
		if c, ok := Lookup(REST, status); ok {
			v.Code = c.Code
		}
	}
}

// defect is what is wrong with the body if nothing follows.
func (r *restResponse) defect() string {
	if r.reason != "" {
		return r.reason
	}
	if !r.begun {
		return "empty body"
	}
	if r.skims {
		return ""
	}
	rest := r.scanner // a copy: a Verdict before the end changes nothing
	rest.Finish()
	for {
		if _, ok := rest.Next(); !ok {
			break
		}
	}
	if !rest.Valid() {
		return syntaxError(&rest)
	}
	return ""
}
