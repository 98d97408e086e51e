package emulator

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fieldsOf are the wanted fields of leads; an unknown one is an error.
func fieldsOf(q url.Values) ([]string, error) {
	fields := listParameter(q, "fields")
	if len(fields) == 0 {
		return defaultFields, nil
	}
	for _, name := range fields {
		if !slices.Contains(defaultFields, name) && !isRESTField(name) {
			return nil, &restError{code: "1006", message: "Field '" + name + "' not found"}
		}
	}
	if !slices.Contains(fields, "id") {
		fields = append(fields, "id")
	}
	return fields, nil
}

func isRESTField(name string) bool {
	f := fieldNamed(name)
	return f != nil && f.rest == name
}

// restTime is the form of times in REST answers.
func restTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// restRecord is a lead in a REST answer.
func (l *lead) restRecord(fields []string) map[string]any {
	record := map[string]any{}
	for _, name := range fields {
		switch name {
		case "id":
			record[name] = l.id
		case "email":
			record[name] = l.email
		case "createdAt":
			record[name] = restTime(l.created)
		case "updatedAt":
			record[name] = restTime(l.updated)
		default:
			f := fieldNamed(name)
			value, ok := l.attributes[f.soap]
			switch n, err := strconv.Atoi(value); {
			case !ok:
				record[name] = nil
			case f.kind == "integer" && err == nil:
				record[name] = n
			case f.kind == "boolean":
				record[name] = value == "true" || value == "1"
			default:
				record[name] = value
			}
		}
	}
	return record
}

func restLead(c *call, q url.Values) (restReply, error) {
	id, err := pathID(q)
	if err != nil {
		return restReply{}, err
	}
	fields, err := fieldsOf(q)
	if err != nil {
		return restReply{}, err
	}
	reply := restReply{leads: true}
	if l := c.emulator.store.lead(id); l != nil {
		reply.result = append(reply.result, l.restRecord(fields))
	}
	return reply, nil
}

// leadPage answers with a page of the leads that match.
func (c *call) leadPage(q url.Values, match func(*lead) bool) (restReply, error) {
	fields, err := fieldsOf(q)
	if err != nil {
		return restReply{}, err
	}
	size, err := pageSize(q)
	if err != nil {
		return restReply{}, err
	}
	var after int64
	if token := q.Get("nextPageToken"); token != "" {
		if err := readPageToken(token, "lead", &after); err != nil {
			return restReply{}, err
		}
	}
	found, more := c.emulator.store.leadsWhere(int(after), size, match)
	reply := restReply{leads: true}
	for _, l := range found {
		reply.result = append(reply.result, l.restRecord(fields))
	}
	if more > 0 {
		reply.next = pageToken("lead", int64(found[len(found)-1].id))
	}
	return reply, nil
}

// leadValue is a lead's value under a REST name.
func (l *lead) leadValue(name string) (value string, known bool) {
	switch name {
	case "id":
		return strconv.Itoa(l.id), true
	case "email":
		return strings.ToLower(l.email), true
	}
	if f := fieldNamed(name); f != nil && f.rest == name {
		return strings.ToLower(l.attributes[f.soap]), true
	}
	return "", false
}

func restLeads(c *call, q url.Values) (restReply, error) {
	filter, values := q.Get("filterType"), listParameter(q, "filterValues")
	if filter == "" {
		return restReply{}, &restError{code: "1003", message: "filterType not specified"}
	}
	if _, known := (&lead{}).leadValue(filter); !known {
		return restReply{}, &restError{code: "1003", message: "Invalid filterType '" + filter + "'"}
	}
	if len(values) == 0 {
		return restReply{}, &restError{code: "1003", message: "filterValues not specified"}
	}
	if len(values) > restPage {
		return restReply{}, &restError{code: "1003", message: "Too many values specified. Maximum number of values is 300"}
	}
	wanted := map[string]bool{}
	for _, value := range values {
		wanted[strings.ToLower(value)] = true
	}
	return c.leadPage(q, func(l *lead) bool {
		value, _ := l.leadValue(filter)
		return wanted[value]
	})
}

func restSyncLeads(c *call, _ url.Values) (restReply, error) {
	var body struct {
		Action string           `json:"action"`
		Lookup string           `json:"lookupField"`
		Input  []map[string]any `json:"input"`
	}
	if err := c.readJSON(&body); err != nil {
		return restReply{}, err
	}
	if body.Action == "" {
		body.Action = "createOrUpdate"
	}
	if !slices.Contains([]string{"createOnly", "updateOnly", "createOrUpdate", "createDuplicate"}, body.Action) {
		return restReply{}, invalid(body.Action, "action")
	}
	if body.Lookup == "" {
		body.Lookup = "email"
	}
	if _, known := (&lead{}).leadValue(body.Lookup); !known {
		return restReply{}, &restError{code: "1006", message: "Field '" + body.Lookup + "' not found"}
	}
	if len(body.Input) == 0 {
		return restReply{}, &restError{code: "1002", message: "Missing value for the required parameter 'input'"}
	}
	if len(body.Input) > restPage {
		return restReply{}, &restError{code: "1003", message: "Too many records in input. Maximum is 300"}
	}
	var reply restReply
	for _, input := range body.Input {
		reply.result = append(reply.result, c.restSync(body.Action, body.Lookup, input))
	}
	return reply, nil
}

// restSync creates or updates one lead, and says what became of it.
func (c *call) restSync(action, lookup string, input map[string]any) map[string]any {
	if c.failNext() {
		return c.skipped(0, c.forced(), "")
	}
	l := lead{attributes: map[string]string{}}
	for name, value := range input {
		text := ""
		if value != nil {
			text = fmt.Sprint(value)
		}
		switch {
		case name == "id":
		case name == "email":
			l.email = text
		case !isRESTField(name):
			return c.skipped(0, "1006", "Field '"+name+"' not found")
		default:
			l.attributes[fieldNamed(name).soap] = text
		}
	}
	if key := input[lookup]; key == nil || key == "" {
		return c.skipped(0, "1003", "Value for the lookup field '"+lookup+"' is missing")
	}
	wanted := strings.ToLower(fmt.Sprint(input[lookup]))
	found, more := c.emulator.store.leadsWhere(0, 1, func(l *lead) bool {
		value, _ := l.leadValue(lookup)
		return value == wanted
	})
	switch {
	case action == "createDuplicate":
	case len(found) > 0 && action == "createOnly":
		return c.skipped(0, "1005", "")
	case len(found) == 0 && (action == "updateOnly" || lookup == "id"):
		return c.skipped(0, "1004", "")
	case more > 0:
		return c.skipped(0, "1007", "Multiple leads match the lookup criteria")
	case len(found) > 0:
		l.id = found[0].id
	}
	saved, created := c.emulator.store.save(l, c.now, "REST API")
	return map[string]any{"id": saved.id, "status": strings.ToLower(createdOrUpdated(created))}
}

// inputIDs are lead ids from the body's input, or from the parameter id.
func (c *call) inputIDs(q url.Values) ([]int, error) {
	var ids []int
	for _, text := range listParameter(q, "id") {
		id, err := strconv.Atoi(text)
		if err != nil {
			return nil, invalid(text, "Integer")
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 && c.r.ContentLength != 0 {
		var body struct {
			Input []struct {
				ID int `json:"id"`
			} `json:"input"`
		}
		if err := c.readJSON(&body); err != nil {
			return nil, err
		}
		for _, input := range body.Input {
			ids = append(ids, input.ID)
		}
	}
	if len(ids) == 0 {
		return nil, missing("id")
	}
	if len(ids) > restPage {
		return nil, &restError{code: "1003", message: "Too many records in input. Maximum is 300"}
	}
	return ids, nil
}

// eachLead does something to each lead that a call names, and says what became of it.
func (c *call) eachLead(q url.Values, do func(*lead) (status string)) (restReply, error) {
	ids, err := c.inputIDs(q)
	if err != nil {
		return restReply{}, err
	}
	var reply restReply
	for _, id := range ids {
		l := c.emulator.store.lead(id)
		switch {
		case c.failNext():
			reply.result = append(reply.result, c.skipped(id, c.forced(), ""))
		case l == nil:
			reply.result = append(reply.result, c.skipped(id, "1004", ""))
		default:
			reply.result = append(reply.result, map[string]any{"id": id, "status": do(l)})
		}
	}
	return reply, nil
}

func restDeleteLeads(c *call, q url.Values) (restReply, error) {
	return c.eachLead(q, func(l *lead) string {
		c.emulator.store.remove(l.id, c.now, "Delete Lead")
		return "deleted"
	})
}

func restMergeLeads(c *call, q url.Values) (restReply, error) {
	winner, err := pathID(q)
	if err != nil {
		return restReply{}, err
	}
	losers := append(listParameter(q, "leadId"), listParameter(q, "leadIds")...)
	switch {
	case len(losers) == 0:
		return restReply{}, missing("leadId")
	case len(losers) > 25:
		return restReply{}, &restError{code: "1080"}
	case c.emulator.store.lead(winner) == nil:
		return restReply{}, &restError{code: "1004"}
	}
	var ids []int
	for _, text := range losers {
		id, err := strconv.Atoi(text)
		if err != nil {
			return restReply{}, invalid(text, "Integer")
		}
		if id == winner || c.emulator.store.lead(id) == nil {
			return restReply{}, &restError{code: "1004"}
		}
		ids = append(ids, id)
	}
	for _, id := range ids {
		c.emulator.store.remove(id, c.now, "Merge Leads")
	}
	return restReply{noList: true}, nil
}

func restDescribe(*call, url.Values) (restReply, error) {
	reply := restReply{result: []any{
		describedField(1, "Id", "id", "Id", "integer", 0, true), describedField(2, "Email", "email", "Email Address", "email", 255, false),
	}}
	for i, f := range leadFields {
		reply.result = append(reply.result, describedField(i+3, f.soap, f.rest, f.display, f.kind, f.length, f.readOnly))
	}
	return reply, nil
}

func describedField(id int, soapName, restName, display, kind string, length int, readOnly bool) map[string]any {
	field := map[string]any{"id": id, "displayName": display, "dataType": kind,
		"rest": map[string]any{"name": restName, "readOnly": readOnly},
		"soap": map[string]any{"name": soapName, "readOnly": readOnly}}
	if length > 0 {
		field["length"] = length
	}
	return field
}

func restDescribe2(*call, url.Values) (restReply, error) {
	fields := []any{}
	for _, f := range leadFields {
		fields = append(fields, map[string]any{"name": f.rest, "displayName": f.display, "dataType": f.kind, "updateable": !f.readOnly,
			"crmManaged": false})
	}
	return restReply{result: []any{map[string]any{
		"name":             "API Lead",
		"searchableFields": [][]string{{"email"}, {"id"}, {"cookies"}},
		"fields":           fields,
	}}}, nil
}
