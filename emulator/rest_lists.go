package emulator

import (
	"net/url"
	"slices"
	"strconv"
	"time"
)

func (l *list) restRecord() map[string]any {
	return map[string]any{"id": l.id, "name": l.name, "programName": l.program, "workspaceName": "Default",
		"createdAt": restTime(l.created), "updatedAt": restTime(l.created)}
}

func restLists(c *call, q url.Values) (restReply, error) {
	ids, names := listParameter(q, "id"), listParameter(q, "name")
	var reply restReply
	c.emulator.store.findList(func(l *list) bool {
		wanted := (len(ids) == 0 || slices.Contains(ids, strconv.Itoa(l.id))) && (len(names) == 0 || slices.Contains(names, l.name))
		if wanted && len(reply.result) < restPage {
			reply.result = append(reply.result, l.restRecord())
		}
		return false // go on
	})
	return reply, nil
}

// pathList is the list in the path.
func (c *call) pathList(q url.Values) (*list, error) {
	id, err := pathID(q)
	if err != nil {
		return nil, err
	}
	found := c.emulator.store.findList(func(l *list) bool { return l.id == id })
	if found == nil {
		return nil, &restError{code: "1013", message: "List " + q.Get("{id}") + " not found"}
	}
	return found, nil
}

func restList(c *call, q url.Values) (restReply, error) {
	l, err := c.pathList(q)
	if err != nil {
		return restReply{}, err
	}
	return restReply{result: []any{l.restRecord()}}, nil
}

func restListLeads(c *call, q url.Values) (restReply, error) {
	l, err := c.pathList(q)
	if err != nil {
		return restReply{}, err
	}
	return c.leadPage(q, func(lead *lead) bool { return l.members[lead.id] }) // runs with the store locked
}

func restAddToList(c *call, q url.Values) (restReply, error) { return c.changeList(q, true, "added") }

func restRemoveFromList(c *call, q url.Values) (restReply, error) {
	return c.changeList(q, false, "removed")
}

func (c *call) changeList(q url.Values, member bool, status string) (restReply, error) {
	l, err := c.pathList(q)
	if err != nil {
		return restReply{}, err
	}
	return c.eachLead(q, func(lead *lead) string {
		c.emulator.store.setMember(l, lead.id, member, c.now)
		return status
	})
}

func restIsMember(c *call, q url.Values) (restReply, error) {
	l, err := c.pathList(q)
	if err != nil {
		return restReply{}, err
	}
	return c.eachLead(q, func(lead *lead) string {
		if c.emulator.store.isMember(l, lead.id) {
			return "memberof"
		}
		return "notmemberof"
	})
}

func (k *campaign) restRecord() map[string]any {
	kind := "batch"
	if k.trigger {
		kind = "trigger"
	}
	return map[string]any{"id": k.id, "name": k.name, "type": kind, "programName": k.program, "workspaceName": "Default",
		"active": k.trigger, "createdAt": restTime(k.created), "updatedAt": restTime(k.created)}
}

func restCampaigns(c *call, q url.Values) (restReply, error) {
	ids, names := listParameter(q, "id"), listParameter(q, "name")
	var reply restReply
	for i := range c.emulator.store.campaigns {
		k := &c.emulator.store.campaigns[i]
		if (len(ids) == 0 || slices.Contains(ids, strconv.Itoa(k.id))) && (len(names) == 0 || slices.Contains(names, k.name)) {
			reply.result = append(reply.result, k.restRecord())
		}
	}
	return reply, nil
}

// pathCampaign is the campaign in the path.
func (c *call) pathCampaign(q url.Values) (*campaign, error) {
	id, err := pathID(q)
	if err != nil {
		return nil, err
	}
	found := c.emulator.store.findCampaign(func(k campaign) bool { return k.id == id })
	if found == nil {
		return nil, &restError{code: "1013", message: "Campaign not found"}
	}
	return found, nil
}

func restCampaign(c *call, q url.Values) (restReply, error) {
	k, err := c.pathCampaign(q)
	if err != nil {
		return restReply{}, err
	}
	return restReply{result: []any{k.restRecord()}}, nil
}

// campaignInput is the body of schedule and trigger.
type campaignInput struct {
	Input struct {
		RunAt string `json:"runAt"`
		Leads []struct {
			ID int `json:"id"`
		} `json:"leads"`
	} `json:"input"`
}

func restScheduleCampaign(c *call, q url.Values) (restReply, error) {
	k, err := c.pathCampaign(q)
	if err != nil {
		return restReply{}, err
	}
	var body campaignInput
	if err := c.readJSON(&body); err != nil {
		return restReply{}, err
	}
	if k.trigger {
		return restReply{}, &restError{code: "1003", message: "Campaign is a trigger campaign"}
	}
	if at := body.Input.RunAt; at != "" {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return restReply{}, invalid(at, "datetime")
		}
		if t.Sub(c.now) < 5*time.Minute || t.Sub(c.now) > 2*365*24*time.Hour {
			return restReply{}, &restError{code: "1042"}
		}
	}
	return restReply{result: []any{map[string]any{"id": k.id}}}, nil
}

func restTriggerCampaign(c *call, q url.Values) (restReply, error) {
	k, err := c.pathCampaign(q)
	if err != nil {
		return restReply{}, err
	}
	var body campaignInput
	if err := c.readJSON(&body); err != nil {
		return restReply{}, err
	}
	switch n := len(body.Input.Leads); {
	case !k.trigger:
		return restReply{}, &restError{code: "1003", message: "Campaign is not a trigger campaign"}
	case n == 0:
		return restReply{}, missing("leads")
	case n > 100:
		return restReply{}, &restError{code: "1003", message: "Too many leads in input. Maximum is 100"}
	}
	for _, l := range body.Input.Leads {
		if c.emulator.store.lead(l.ID) == nil {
			return restReply{}, &restError{code: "1004", message: "Lead [" + strconv.Itoa(l.ID) + "] not found"}
		}
	}
	for _, l := range body.Input.Leads {
		c.emulator.store.record(activity{at: c.now, kind: "Request Campaign", asset: k.name, campaign: k.name, lead: l.ID})
	}
	return restReply{result: []any{map[string]any{"id": k.id}}}, nil
}
