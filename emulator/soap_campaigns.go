package emulator

import (
	"strconv"
	"strings"
)

func getCampaignsForSource(c *call, e *envelope) (reply, error) {
	var p struct {
		Source *string `xml:"source"`
		Name   string  `xml:"name"`
		Exact  string  `xml:"exactName"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	if err := checkSource(p.Source); err != nil {
		return nil, err
	}
	name := strings.TrimSpace(p.Name)
	var found []campaign
	for _, k := range c.emulator.store.campaigns {
		if !k.trigger || isTrue(p.Exact) && k.name != name || !strings.Contains(strings.ToLower(k.name), strings.ToLower(name)) {
			continue
		}
		found = append(found, k)
	}
	return func(x *xmlWriter) {
		x.in("result", func() {
			x.number("returnCount", len(found))
			if len(found) == 0 {
				x.null("campaignRecordList")
				return
			}
			x.open("campaignRecordList")
			for _, k := range found {
				x.in("campaignRecord", func() {
					x.number("id", k.id)
					x.leaf("name", k.name)
					x.leaf("description", "")
				})
			}
			x.close("campaignRecordList")
		})
	}, nil
}

func checkSource(source *string) error {
	if err := required("source", source); err != nil {
		return err
	}
	return enumerated("source", strings.TrimSpace(*source), "MKTOWS", "SALES")
}

func requestCampaign(c *call, e *envelope) (reply, error) {
	var p struct {
		Source   *string   `xml:"source"`
		ID       string    `xml:"campaignId"`
		Leads    []leadKey `xml:"leadList>leadKey"`
		Program  string    `xml:"programName"`
		Campaign string    `xml:"campaignName"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	if err := checkSource(p.Source); err != nil {
		return nil, err
	}
	id, name := strings.TrimSpace(p.ID), strings.TrimSpace(p.Campaign)
	if id == "" && name == "" {
		return nil, &fault{code: "20109", message: "Either campaignId, or programName and campaignName, must be given"}
	}
	found := c.emulator.store.findCampaign(func(k campaign) bool {
		return k.trigger && (strconv.Itoa(k.id) == id || id == "" && k.name == name && k.program == strings.TrimSpace(p.Program))
	})
	if found == nil {
		return nil, &fault{code: "20113", message: "Campaign " + id + name + " does not exist"}
	}
	if len(p.Leads) == 0 {
		return nil, &fault{code: "20101"}
	}
	if len(p.Leads) > 100 {
		return nil, badParameter("more than 100 lead keys")
	}
	var ids []int
	for _, key := range p.Leads {
		leads, err := c.leadsByKey(key)
		if err != nil {
			return nil, err
		}
		if len(leads) == 0 {
			return nil, notFound(key)
		}
		ids = append(ids, leads[0].id)
	}
	if c.failNext() {
		c.failed++
		return successReply(false), nil
	}
	for _, id := range ids {
		c.emulator.store.record(activity{at: c.now, kind: "Request Campaign", asset: found.name, campaign: found.name, lead: id,
			attributes: [][2]string{{"Source", *p.Source}}})
	}
	return successReply(true), nil
}

func scheduleCampaign(c *call, e *envelope) (reply, error) {
	var p struct {
		Program  *string `xml:"programName"`
		Campaign *string `xml:"campaignName"`
		RunAt    string  `xml:"campaignRunAt"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	if err := required("programName", p.Program); err != nil {
		return nil, err
	}
	if err := required("campaignName", p.Campaign); err != nil {
		return nil, err
	}
	if _, err := dateTime("campaignRunAt", p.RunAt); err != nil {
		return nil, err
	}
	found := c.emulator.store.findCampaign(func(k campaign) bool {
		return !k.trigger && k.name == strings.TrimSpace(*p.Campaign) && k.program == strings.TrimSpace(*p.Program)
	})
	if found == nil {
		return nil, &fault{code: "20113", message: "Campaign " + *p.Campaign + " does not exist in program " + *p.Program}
	}
	if c.failNext() {
		c.failed++
		return successReply(false), nil
	}
	return successReply(true), nil
}

func successReply(success bool) reply {
	return func(x *xmlWriter) { x.in("result", func() { x.boolean("success", success) }) }
}
