package emulator

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// activityTypes are the names in activity records. A filter of getLeadActivity uses the same names without spaces.
var activityTypes = []string{
	"Visit Webpage", "Fill Out Form", "Click Link", "Send Email", "Email Delivered", "Email Bounced", "Unsubscribe Email", "Open Email",
	"Click Email", "New Lead", "Change Data Value", "Lead Assigned", "New SFDC Opprtnty", "Wait", "Run Subflow", "Remove from Flow",
	"Push Lead to Sales", "Create Task", "Convert Lead", "Change Score", "Change Owner", "Add to List", "Remove from List", "SFDC Activity",
	"Email Bounced Soft", "Push Lead Updates to Sales", "Delete Lead from Sales", "SFDC Activity Updated", "SFDC Merge Leads",
	"Merge Leads", "Resolve Conflicts", "Assoc With Opprtnty in Sales", "Dissoc From Opprtnty in Sales", "Update Opprtnty in Sales",
	"Delete Lead", "Send Alert", "Send Sales Email", "Open Sales Email", "Click Sales Email", "Add to SFDC Campaign",
	"Remove From SFDC Campaign", "Change Status in SFDC Campaign", "Receive Sales Email", "Interesting Moment", "Request Campaign",
	"Sales Email Bounced", "Change Lead Partition", "Change Revenue Stage", "Change Revenue Stage Manually", "Compute Data Value",
	"Change Status in Progression", "Change Field in Program", "Enrich with Datacom", "Change Segment", "Resolve Ruleset",
	"Smart Campaign Test", "Smart Campaign Test Trigger",
}

// squeeze makes "Add to List" and "AddToList" the same.
func squeeze(name string) string { return strings.ToLower(strings.ReplaceAll(name, " ", "")) }

// activityFilter wants the included types, or all, without the excluded.
type activityFilter struct {
	Include []string `xml:"includeTypes>activityType"`
	Exclude []string `xml:"excludeTypes>activityType"`
}

// test makes a test of a type's name; an unknown name is a fault.
func (f *activityFilter) test(names ...string) (func(kind string) bool, error) {
	include, exclude := names, []string(nil)
	if f != nil {
		include, exclude = append(slices.Clone(names), f.Include...), f.Exclude
	}
	known := map[string]bool{}
	for _, t := range activityTypes {
		known[squeeze(t)] = true
	}
	set := func(list []string) (map[string]bool, error) {
		s := map[string]bool{}
		for _, name := range list {
			if !known[squeeze(name)] {
				return nil, &fault{code: "20107", message: "Activity type " + name + " is not valid"}
			}
			s[squeeze(name)] = true
		}
		return s, nil
	}
	in, err := set(include)
	if err != nil {
		return nil, err
	}
	out, err := set(exclude)
	if err != nil {
		return nil, err
	}
	return func(kind string) bool { return (len(in) == 0 || in[squeeze(kind)]) && !out[squeeze(kind)] }, nil
}

// startPosition is a StreamPosition.
type startPosition struct {
	Latest   string `xml:"latestCreatedAt"`
	Oldest   string `xml:"oldestCreatedAt"`
	Activity string `xml:"activityCreatedAt"`
	Offset   string `xml:"offset"`
}

// test reads the position: behind which activity, and between which times.
func (p *startPosition) test() (after int, between func(time.Time) bool, err error) {
	if p == nil {
		p = &startPosition{}
	}
	latest, err := dateTime("latestCreatedAt", p.Latest)
	if err != nil {
		return 0, nil, err
	}
	oldest, err := dateTime("oldestCreatedAt", p.Oldest)
	if err != nil {
		return 0, nil, err
	}
	if offset := strings.TrimSpace(p.Offset); offset != "" {
		after, err = strconv.Atoi(strings.TrimPrefix(offset, "ID:"))
		if err != nil || after < 0 {
			return 0, nil, &fault{code: "20122"}
		}
	}
	return after, func(at time.Time) bool {
		return (oldest.IsZero() || !at.Before(oldest)) && (latest.IsZero() || !at.After(latest))
	}, nil
}

// page writes what getLeadActivity and getLeadChanges have in common.
func (x *xmlWriter) page(p *startPosition, list, record string, after int, found []activity, more int, each func(activity)) {
	if p == nil {
		p = &startPosition{}
	}
	if len(found) > 0 {
		after = found[len(found)-1].id
	}
	x.number("returnCount", len(found))
	x.number("remainingCount", more)
	x.in("newStartPosition", func() {
		x.optional("latestCreatedAt", strings.TrimSpace(p.Latest))
		x.optional("oldestCreatedAt", strings.TrimSpace(p.Oldest))
		x.null("activityCreatedAt")
		x.leaf("offset", "ID:"+strconv.Itoa(after))
	})
	if len(found) == 0 {
		x.null(list)
		return
	}
	x.open(list)
	for _, a := range found {
		x.in(record, func() { each(a) })
	}
	x.close(list)
}

// activity writes the elements that both kinds of records begin with.
func (x *xmlWriter) activity(a activity) {
	x.number("id", a.id)
	x.time("activityDateTime", a.at)
	x.leaf("activityType", a.kind)
	x.leaf("mktgAssetName", a.asset)
	x.open("activityAttributes")
	for _, p := range a.attributes {
		x.attribute(p[0], "", p[1])
	}
	x.attribute("Lead ID", "", strconv.Itoa(a.lead))
	x.close("activityAttributes")
	x.leaf("campaign", a.campaign)
}

func getLeadActivity(c *call, e *envelope) (reply, error) {
	var p struct {
		Key       *leadKey        `xml:"leadKey"`
		Filter    *activityFilter `xml:"activityFilter"`
		Start     *startPosition  `xml:"startPosition"`
		BatchSize string          `xml:"batchSize"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	if p.Key == nil {
		return nil, &fault{code: "20101"}
	}
	leads, err := c.leadsByKey(*p.Key)
	if err != nil {
		return nil, err
	}
	if len(leads) == 0 {
		return nil, notFound(*p.Key)
	}
	wanted, err := p.Filter.test()
	if err != nil {
		return nil, err
	}
	after, between, err := p.Start.test()
	if err != nil {
		return nil, err
	}
	size, err := batch(p.BatchSize, 100)
	if err != nil {
		return nil, err
	}
	l := leads[0]
	found, more := c.emulator.store.activitiesWhere(after, size, func(a *activity) bool {
		return a.lead == l.id && between(a.at) && wanted(a.kind)
	})
	name := strings.TrimSpace(l.attributes["FirstName"] + " " + l.attributes["LastName"])
	return func(x *xmlWriter) {
		x.in("leadActivityList", func() {
			x.page(p.Start, "activityRecordList", "activityRecord", after, found, more, func(a activity) {
				x.activity(a)
				x.optional("personName", name)
				x.number("mktPersonId", a.lead)
				x.null("foreignSysId")
				x.optional("orgName", l.attributes["Company"])
				x.null("foreignSysOrgId")
			})
		})
	}, nil
}

func getLeadChanges(c *call, e *envelope) (reply, error) {
	var p struct {
		Start     *startPosition  `xml:"startPosition"`
		Filter    *activityFilter `xml:"activityFilter"`
		Names     []string        `xml:"activityNameFilter>stringItem"`
		BatchSize string          `xml:"batchSize"`
		Selector  *leadSelector   `xml:"leadSelector"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	if p.Start == nil {
		return nil, &fault{code: "20017", message: "Parameter startPosition is missing"}
	}
	wanted, err := p.Filter.test(p.Names...)
	if err != nil {
		return nil, err
	}
	after, between, err := p.Start.test()
	if err != nil {
		return nil, err
	}
	size, err := batch(p.BatchSize, 100)
	if err != nil {
		return nil, err
	}
	selected := func(int) bool { return true }
	if p.Selector != nil {
		match, err := c.selection(p.Selector, "")
		if err != nil {
			return nil, err
		}
		store := c.emulator.store
		selected = func(id int) bool { l := store.leads[id]; return l != nil && match(l) } // runs with the store locked
	}
	found, more := c.emulator.store.activitiesWhere(after, size, func(a *activity) bool {
		return between(a.at) && wanted(a.kind) && selected(a.lead)
	})
	return func(x *xmlWriter) {
		x.in("result", func() {
			x.page(p.Start, "leadChangeRecordList", "leadChangeRecord", after, found, more, func(a activity) {
				x.activity(a)
				x.number("mktPersonId", a.lead)
			})
		})
	}, nil
}
