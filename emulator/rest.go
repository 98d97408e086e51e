package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"marketo-proxy/classify"
)

// Bounds of a REST request (Adobe, "Error Codes", HTTP level).
const (
	maxURI      = 8 << 10
	maxBody     = 1 << 20
	maxBulkBody = 10 << 20
)

// restHandler carries out one endpoint. An error is a *restError.
type restHandler func(c *call, q url.Values) (restReply, error)

// route is an endpoint under its operationId in Adobe's API description. A path segment in braces is a variable.
type route struct {
	method, path, operation string
	handle                  restHandler
}

func restRoutes() []route {
	return []route{
		{"GET", "/rest/v1/lead/{id}.json", "getLeadByIdUsingGET", restLead},
		{"GET", "/rest/v1/leads.json", "getLeadsByFilterUsingGET", restLeads},
		{"POST", "/rest/v1/leads.json", "syncLeadUsingPOST", restSyncLeads},
		{"POST", "/rest/v1/leads/delete.json", "deleteLeadsUsingPOST", restDeleteLeads},
		{"GET", "/rest/v1/leads/describe.json", "describeUsingGET_2", restDescribe},
		{"GET", "/rest/v1/leads/describe2.json", "describeUsingGET_6", restDescribe2},
		{"POST", "/rest/v1/leads/{id}/merge.json", "mergeLeadsUsingPOST", restMergeLeads},
		{"GET", "/rest/v1/lists.json", "getListsUsingGET", restLists},
		{"GET", "/rest/v1/lists/{id}.json", "getListByIdUsingGET", restList},
		{"GET", "/rest/v1/lists/{id}/leads.json", "getLeadsByListIdUsingGET_1", restListLeads},
		{"GET", "/rest/v1/list/{id}/leads.json", "getLeadsByListIdUsingGET", restListLeads},
		{"POST", "/rest/v1/lists/{id}/leads.json", "addLeadsToListUsingPOST", restAddToList},
		{"DELETE", "/rest/v1/lists/{id}/leads.json", "removeLeadsFromListUsingDELETE", restRemoveFromList},
		{"GET", "/rest/v1/lists/{id}/leads/ismember.json", "areLeadsMemberOfListUsingGET", restIsMember},
		{"GET", "/rest/v1/activities/types.json", "getAllActivityTypesUsingGET", restActivityTypes},
		{"GET", "/rest/v1/activities/pagingtoken.json", "getActivitiesPagingTokenUsingGET", restPagingToken},
		{"GET", "/rest/v1/activities.json", "getLeadActivitiesUsingGET", restActivities},
		{"GET", "/rest/v1/activities/leadchanges.json", "getLeadChangesUsingGET", restLeadChanges},
		{"GET", "/rest/v1/activities/deletedleads.json", "getDeletedLeadsUsingGET", restDeletedLeads},
		{"GET", "/rest/v1/campaigns.json", "getCampaignsUsingGET", restCampaigns},
		{"GET", "/rest/v1/campaigns/{id}.json", "getCampaignByIdUsingGET", restCampaign},
		{"POST", "/rest/v1/campaigns/{id}/schedule.json", "scheduleCampaignUsingPOST", restScheduleCampaign},
		{"POST", "/rest/v1/campaigns/{id}/trigger.json", "triggerCampaignUsingPOST", restTriggerCampaign},
		{"GET", "/rest/v1/stats/usage.json", "getDailyUsageUsingGET", restUsage},
		{"GET", "/rest/v1/stats/usage/last7days.json", "getLast7DaysUsageUsingGET", restUsage},
		{"GET", "/rest/v1/stats/errors.json", "getDailyErrorsUsingGET", restErrors},
		{"GET", "/rest/v1/stats/errors/last7days.json", "getLast7DaysErrorsUsingGET", restErrors},
		{"GET", "/bulk/v1/leads/export.json", "getExportLeadsUsingGET", restExports},
		{"POST", "/bulk/v1/leads/export/create.json", "createExportLeadsUsingPOST", restCreateExport},
		{"POST", "/bulk/v1/leads/export/{id}/enqueue.json", "enqueueExportLeadsUsingPOST", restEnqueueExport},
		{"POST", "/bulk/v1/leads/export/{id}/cancel.json", "cancelExportLeadsUsingPOST", restCancelExport},
		{"GET", "/bulk/v1/leads/export/{id}/status.json", "getExportLeadsStatusUsingGET", restExportStatus},
		{"GET", "/bulk/v1/leads/export/{id}/file.json", "getExportLeadsFileUsingGET", restExportFile},
		{"GET", "/bulk/v1/activities/export.json", "getExportActivitiesUsingGET", restExports},
		{"POST", "/bulk/v1/activities/export/create.json", "createExportActivitiesUsingPOST", restCreateExport},
		{"POST", "/bulk/v1/activities/export/{id}/enqueue.json", "enqueueExportActivitiesUsingPOST", restEnqueueExport},
		{"POST", "/bulk/v1/activities/export/{id}/cancel.json", "cancelExportActivitiesUsingPOST", restCancelExport},
		{"GET", "/bulk/v1/activities/export/{id}/status.json", "getExportActivitiesStatusUsingGET", restExportStatus},
		{"GET", "/bulk/v1/activities/export/{id}/file.json", "getExportActivitiesFileUsingGET", restExportFile},
		{"POST", "/bulk/v1/leads.json", "importLeadUsingPOST", restImport},
		{"GET", "/bulk/v1/leads/batch/{id}.json", "getImportLeadStatusUsingGET", restImportStatus},
		{"GET", "/bulk/v1/leads/batch/{id}/failures.json", "getImportLeadFailuresUsingGET", restImportFailures},
		{"GET", "/bulk/v1/leads/batch/{id}/warnings.json", "getImportLeadWarningsUsingGET", restImportWarnings},
		{"GET", "/identity/oauth/token", "identityUsingGET", nil},
		{"POST", "/identity/oauth/token", "identityUsingPOST", nil},
	}
}

// match tells whether path has the route's form, and what its variable is. Words win over variables by their order.
func (r *route) match(path string) (id string, ok bool) {
	wanted, got := strings.Split(r.path, "/"), strings.Split(path, "/")
	if len(wanted) != len(got) {
		return "", false
	}
	for i, w := range wanted {
		suffix, variable := strings.CutPrefix(w, "{id}")
		switch {
		case !variable && w != got[i]:
			return "", false
		case variable:
			if id, ok = strings.CutSuffix(got[i], suffix); !ok || id == "" {
				return "", false
			}
		}
	}
	return id, true
}

// restReply is what goes into the envelope of a success.
type restReply struct {
	result []any
	noList bool   // no result member at all
	next   string // nextPageToken
	more   *bool  // moreResult
	leads  bool   // the result is a list of leads, which may be made as long as one likes
	file   *bulkFile
}

// restError is a failed REST call.
type restError struct {
	code    string
	message string // empty is what Adobe documents
	status  int    // HTTP status; 0 is 200
}

// Error implements error.
func (e *restError) Error() string { return e.code + " " + e.text() }

func (e *restError) text() string {
	if e.message != "" {
		return e.message
	}
	return restText(e.code)
}

// restText is the documented message of a code.
func restText(code string) string {
	if known, ok := classify.Lookup(classify.REST, code); ok {
		return known.Message
	}
	return "System error"
}

func (c *call) serveREST() {
	if len(c.r.RequestURI) > maxURI {
		c.send(page("http414"))
		return
	}
	a := c.restAnswer()
	io.Copy(io.Discard, io.LimitReader(c.r.Body, maxRequest))
	c.send(a)
}

func (c *call) restAnswer() answer {
	q := c.r.URL.Query()
	method, err := c.restMethod(q)
	if err != nil {
		return c.restFailure(err)
	}
	found, id, err := findRoute(method, c.r.URL.Path)
	if found != nil {
		c.operation = found.operation
	}
	if err := c.choose(); err != nil {
		return c.restFailure(&restError{code: "1003", message: err.Error()})
	}
	switch code := c.effects.code; {
	case code == "413" || code == "414":
		return page("http" + code)
	case found != nil && found.handle == nil:
		return c.identity(q)
	case code != "":
		return c.restFailure(&restError{code: code})
	case err != nil:
		return c.restFailure(err)
	}
	if err := c.authorize(q); err != nil {
		return c.restFailure(err)
	}
	limits := c.emulator.options.RESTLimits
	switch c.emulator.restUse.begin(c.now) {
	case dayLimit:
		return c.restFailure(&restError{code: "607"})
	case windowLimit:
		return c.restFailure(&restError{code: "606", message: fmt.Sprintf("Max rate limit '%d' exceeded with in '20' secs", limits.Window)})
	case concurrentLimit:
		return c.restFailure(&restError{code: "615"})
	}
	defer c.emulator.restUse.end()
	if slow := c.effects.slow; slow > 0 { // a slow call holds its place among the concurrent ones
		c.effects.slow = 0
		if !c.wait(slow) {
			c.count("client")
			panic(http.ErrAbortHandler)
		}
	}
	q.Set("{id}", id)
	reply, err := found.handle(c, q)
	if err != nil {
		return c.restFailure(err)
	}
	return c.restSuccess(reply)
}

// findRoute says 610 if no endpoint has the path, 605 if none of those with the path has the method.
func findRoute(method, path string) (*route, string, error) {
	code := "610"
	for _, r := range restRoutes() {
		if id, ok := r.match(path); ok {
			if r.method == method {
				return &r, id, nil
			}
			code = "605"
		}
	}
	return nil, "", &restError{code: code}
}

// restFailure is the envelope with success false. Nearly all failures come with HTTP status 200.
func (c *call) restFailure(err error) answer {
	var failure *restError
	if !errors.As(err, &failure) {
		failure = &restError{code: "611", message: err.Error()}
	}
	if failure.code == "413" {
		return page("http413")
	}
	status := max(http.StatusOK, failure.status, c.effects.status)
	message := failure.text()
	if c.effects.message != "" {
		message = c.effects.message
	}
	code := any(failure.code)
	if c.effects.numbers {
		code = json.Number(failure.code)
	}
	return answer{status: status, contentType: "application/json", outcome: failure.code, body: func(d *document) error {
		for first := true; d.room(); first = false {
			if first {
				message += " "
			}
			if _, err := io.WriteString(d, strings.Repeat("\n", 1024)); err != nil { // white space before the value
				return err
			}
		}
		return writeJSON(d, struct {
			RequestID string `json:"requestId"`
			Success   bool   `json:"success"`
			Errors    []any  `json:"errors"`
		}{c.requestID(), false, []any{map[string]any{"code": code, "message": message}}})
	}}
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

func (c *call) restSuccess(reply restReply) answer {
	if reply.file != nil {
		return c.fileAnswer(reply.file)
	}
	outcome := "ok"
	if c.failed > 0 {
		outcome = "partial"
	}
	return answer{status: http.StatusOK, contentType: "application/json", outcome: outcome, body: func(d *document) error {
		if reply.leads && d.size > 0 {
			return c.writeFillingLeads(d)
		}
		if reply.result == nil {
			reply.result = []any{}
		}
		result := &reply.result
		if reply.noList {
			result = nil
		}
		return writeJSON(d, struct {
			RequestID string `json:"requestId"`
			Result    *[]any `json:"result,omitempty"`
			Success   bool   `json:"success"`
			Next      string `json:"nextPageToken,omitempty"`
			More      *bool  `json:"moreResult,omitempty"`
		}{c.requestID(), result, true, reply.next, reply.more})
	}}
}

// writeFillingLeads writes as many made-up leads as make the wanted size.
func (c *call) writeFillingLeads(d *document) error {
	sample, err := json.Marshal(map[string]any{"id": json.Number(fillID), "email": "lead" + fillID + "@example.com",
		"firstName": "Filla", "lastName": "Number" + fillID, "company": "Filler & Sons", "updatedAt": "2026-01-01T00:00:00Z"})
	if err != nil {
		return err
	}
	filling := bytes.Split(append(sample, ',', '\n'), []byte(fillID))
	w := newBuffered(d)
	fmt.Fprintf(w, `{"requestId":%q,"result":[`, c.requestID())
	for i := range d.fit(len(sample) + 2) {
		writeFilling(w, filling, i)
	}
	w.WriteString(`{"id":1}],"success":true}`)
	return w.Flush()
}

// restMethod is the method that counts. A POST may say that it is a GET, which is the way around long URIs, in its query or, as
// node-marketo does it, in its form. The parameters of a form are added to q.
func (c *call) restMethod(q url.Values) (string, error) {
	if c.r.Method != http.MethodPost {
		return c.r.Method, nil
	}
	said := q.Get("_method")
	form := mediaType(c.r) == "application/x-www-form-urlencoded" && c.r.URL.Path != "/identity/oauth/token"
	if said == "" && form || strings.EqualFold(said, http.MethodGet) {
		if err := c.formBody(q); err != nil {
			return "", err
		}
	}
	if strings.EqualFold(q.Get("_method"), http.MethodGet) {
		return http.MethodGet, nil
	}
	return c.r.Method, nil
}

func mediaType(r *http.Request) string {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(media))
}

// formBody adds the parameters in the form of the body.
func (c *call) formBody(q url.Values) error {
	raw, err := c.readBody(maxBody)
	if err != nil {
		return err
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return &restError{code: "1003", message: "The form in the body can not be read"}
	}
	for name, values := range form {
		q[name] = append(q[name], values...)
	}
	return nil
}

// readBody reads a whole body of bounded size.
func (c *call) readBody(limit int64) ([]byte, error) {
	body, err := plainBody(c.r)
	if err != nil {
		return nil, &restError{code: "612", message: err.Error()}
	}
	raw, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, &restError{code: "609", message: "The body ended early"}
	}
	if int64(len(raw)) > limit {
		return nil, &restError{code: "413"}
	}
	return raw, nil
}

// readJSON reads the body into v.
func (c *call) readJSON(v any) error {
	if mediaType(c.r) != "application/json" {
		return &restError{code: "612"}
	}
	raw, err := c.readBody(maxBody)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(v); err != nil {
		return &restError{code: "609"}
	}
	return nil
}
