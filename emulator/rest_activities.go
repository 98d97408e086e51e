package emulator

import (
	"net/url"
	"slices"
	"strconv"
	"time"
)

// activityIDs are the ids of types that the emulator logs, or that are asked for often.
var activityIDs = []struct {
	id   int
	name string
}{
	{1, "Visit Webpage"}, {2, "Fill Out Form"}, {3, "Click Link"}, {6, "Send Email"}, {7, "Email Delivered"}, {8, "Email Bounced"},
	{9, "Unsubscribe Email"}, {10, "Open Email"}, {11, "Click Email"}, {12, "New Lead"}, {13, "Change Data Value"}, {24, "Add to List"},
	{25, "Remove from List"}, {32, "Merge Leads"}, {37, "Delete Lead"}, {47, "Request Campaign"},
}

func activityID(name string) int {
	for _, t := range activityIDs {
		if t.name == name {
			return t.id
		}
	}
	return 0
}

func restActivityTypes(*call, url.Values) (restReply, error) {
	var reply restReply
	for _, t := range activityIDs {
		reply.result = append(reply.result, map[string]any{"id": t.id, "name": t.name, "description": t.name, "attributes": []any{}})
	}
	return reply, nil
}

// A paging token of activities holds the id of the last activity, and the Unix time from which on activities count.

func restPagingToken(_ *call, q url.Values) (restReply, error) {
	text := q.Get("sinceDatetime")
	if text == "" {
		return restReply{}, missing("sinceDatetime")
	}
	since, ok := parseTimestamp(text)
	if !ok {
		if day, err := time.Parse(time.DateOnly, text); err == nil {
			since = day
		} else {
			return restReply{}, invalid(text, "datetime")
		}
	}
	return restReply{noList: true, next: pageToken("activity", 0, since.Unix())}, nil
}

// activityPage answers with a page of the activities of some types.
func (c *call) activityPage(q url.Values, kinds []string, record func(activity) map[string]any) (restReply, error) {
	token := q.Get("nextPageToken")
	if token == "" {
		return restReply{}, missing("nextPageToken")
	}
	var after, since int64
	if err := readPageToken(token, "activity", &after, &since); err != nil {
		return restReply{}, err
	}
	size, err := pageSize(q)
	if err != nil {
		return restReply{}, err
	}
	leads := listParameter(q, "leadIds")
	found, more := c.emulator.store.activitiesWhere(int(after), size, func(a *activity) bool {
		return a.at.Unix() >= since && slices.Contains(kinds, a.kind) &&
			(len(leads) == 0 || slices.Contains(leads, strconv.Itoa(a.lead)))
	})
	reply := restReply{more: new(bool)}
	*reply.more = more > 0
	for _, a := range found {
		after = int64(a.id)
		reply.result = append(reply.result, record(a))
	}
	reply.next = pageToken("activity", after, since)
	return reply, nil
}

func restActivities(c *call, q url.Values) (restReply, error) {
	ids := listParameter(q, "activityTypeIds")
	if len(ids) == 0 {
		return restReply{}, missing("activityTypeIds")
	}
	var kinds []string
	for _, text := range ids {
		id, err := strconv.Atoi(text)
		i := slices.IndexFunc(activityIDs, func(t struct {
			id   int
			name string
		}) bool {
			return t.id == id
		})
		if err != nil || i < 0 {
			return restReply{}, invalid(text, "activityTypeId")
		}
		kinds = append(kinds, activityIDs[i].name)
	}
	return c.activityPage(q, kinds, func(a activity) map[string]any {
		attributes := []any{}
		for _, p := range a.attributes {
			attributes = append(attributes, map[string]any{"name": p[0], "value": p[1]})
		}
		return a.restRecord(map[string]any{"primaryAttributeValue": a.asset, "attributes": attributes})
	})
}

// restRecord adds what all kinds of activities have.
func (a *activity) restRecord(record map[string]any) map[string]any {
	record["id"], record["marketoGUID"] = a.id, strconv.Itoa(a.id)
	record["leadId"], record["activityDate"], record["activityTypeId"] = a.lead, restTime(a.at), activityID(a.kind)
	return record
}

func restLeadChanges(c *call, q url.Values) (restReply, error) {
	fields := listParameter(q, "fields")
	if len(fields) == 0 {
		return restReply{}, missing("fields")
	}
	return c.activityPage(q, []string{"New Lead", "Change Data Value"}, func(a activity) map[string]any {
		changes := []any{}
		if f := fieldNamed(a.asset); f != nil && slices.Contains(fields, f.rest) {
			values := map[string]string{}
			for _, p := range a.attributes {
				values[p[0]] = p[1]
			}
			changes = append(changes, map[string]any{"id": a.id, "name": f.rest, "newValue": values["New Value"], "oldValue": values["Old Value"]})
		}
		return a.restRecord(map[string]any{"fields": changes, "attributes": []any{}})
	})
}

func restDeletedLeads(c *call, q url.Values) (restReply, error) {
	return c.activityPage(q, []string{"Delete Lead"}, func(a activity) map[string]any {
		return a.restRecord(map[string]any{"primaryAttributeValueId": a.lead, "primaryAttributeValue": "", "attributes": []any{}})
	})
}

func restUsage(c *call, _ url.Values) (restReply, error) {
	total := 0
	users := []any{}
	used := c.emulator.tokens.used()
	clients := make([]string, 0, len(used))
	for client := range used {
		clients = append(clients, client)
	}
	slices.Sort(clients)
	for _, client := range clients {
		total += used[client]
		users = append(users, map[string]any{"userId": "api-" + client + "@example.com", "count": used[client]})
	}
	return restReply{result: []any{map[string]any{"date": c.day(), "total": total, "users": users}}}, nil
}

func restErrors(c *call, _ url.Values) (restReply, error) {
	counts := map[string]int{}
	total := 0
	for k, n := range c.emulator.Counts() {
		if k.API == "rest" && isCode(k.Outcome) {
			counts[k.Outcome] += n
			total += n
		}
	}
	codes := make([]string, 0, len(counts))
	for code := range counts {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	list := []any{}
	for _, code := range codes {
		list = append(list, map[string]any{"errorCode": code, "count": counts[code]})
	}
	return restReply{result: []any{map[string]any{"date": c.day(), "total": total, "errors": list}}}, nil
}

func (c *call) day() string { return c.now.In(c.emulator.restUse.zone).Format(time.DateOnly) }
