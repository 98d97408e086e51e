package emulator

import (
	"fmt"
	"strings"
	"time"
)

// newStore makes the sample data: what Adobe's published requests ask for, so that each of them finds something.
func newStore(now time.Time) *store {
	s := &store{
		leads:   map[int]*lead{},
		byEmail: map[string][]int{},
		objects: map[string]*objectType{},
		lastAct: 1_000_000,
	}
	yesterday := now.Add(-24 * time.Hour).Truncate(time.Second)
	for i, sample := range [...]struct {
		id                          int
		email, first, last, company string
	}{
		{2, "ada@example.com", "Ada", "Brook", "Example Ltd"},
		{15, "ada.brook@example.com", "Ada", "Brook", "Example Ltd"},
		{16, "a.brook@example.com", "A.", "Brook", "Example Ltd"},
		{65835, "formtest1@marketo.com", "Fay", "Former", "Form Test Inc"},
		{67508, "joe@marketo.com", "Joe", "Sample", "Marketo"},
		{87710, "nils@example.org", "Nils", "Ohm", "Ohm & Söhne"},
		{318815, "leademail@company.com", "Lea", "Dale", "Company"},
		{318816, "lead@company.com", "Leo", "Dale", "Company"},
		{318817, "anotherlead@company.com", "Lou", "Dale", "Company"},
		{1089946, "dana@example.net", "Dana", "Reed", "Reed <& Co>"},
		{1089965, "rufus@marketo.com", "Rufus", "Field", "Marketo"},
		{1090177, "roadie@example.com", "Ro", "Adie", "Road Shows"},
		{1090178, "twin@example.com", "Tweedle", "Dum", "Twins"},
		{1090179, "twin@example.com", "Tweedle", "Dee", "Twins"},
	} {
		at := yesterday.Add(time.Duration(i) * time.Minute)
		s.insert(&lead{id: sample.id, email: sample.email, created: at, updated: at, attributes: map[string]string{
			"FirstName": sample.first, "LastName": sample.last, "Company": sample.company, "LeadScore": fmt.Sprint(10 + i),
		}})
		s.log(activity{at: at, kind: "New Lead", lead: sample.id, attributes: [][2]string{{"Source Type", "Web service API"}}})
		for j, page := range [...]string{"Pricing", "Contact"} {
			s.log(activity{at: at.Add(time.Duration(j+1) * time.Second), kind: "Visit Webpage", asset: page, lead: sample.id,
				attributes: [][2]string{{"Webpage URL", "/" + strings.ToLower(page) + ".html"}, {"User Agent", "Mozilla/5.0"}}})
		}
	}
	s.seeded = len(s.order)
	s.lastLead = 1_090_200

	s.lists = []*list{
		{id: 1001, name: "Trav-Test-List", program: "Trav-Demo-Program", created: yesterday, members: map[int]bool{1089946: true},
			imported: &imported{started: yesterday, rows: 2}},
		{id: 1002, name: "Newsletter", program: "Default", created: yesterday, members: map[int]bool{2: true, 67508: true, 318815: true}},
	}
	s.campaigns = []campaign{
		{4496, "Welcome Trigger", "Trav-Demo-Program", true, yesterday},
		{4497, "Webinar Trigger Campaign", "Default", true, yesterday},
		{4498, "Sales Follow-up", "Default", true, yesterday},
		{4501, "Batch Campaign Example", "Trav-Demo-Program", false, yesterday},
		{4502, "Monthly Newsletter", "Default", false, yesterday},
	}
	s.objects["roadshow"] = &objectType{name: "Roadshow", keys: []string{"MKTOID", "rid"}, attributes: []string{"city", "zip", "state"},
		objects: []customObject{
			sampleObject("1090177", "123456", "Utrecht", "3511"),
			sampleObject("1090177", "rid0", "Ghent", "9000"),
			sampleObject("318815", "rid7", "Basel", "4001"),
		}}
	s.mobjects = map[string][]mobject{
		"Opportunity":           {sampleMObject("Opportunity", 4, "Big Deal", yesterday), sampleMObject("Opportunity", 7, "Small Deal", yesterday)},
		"OpportunityPersonRole": {sampleMObject("OpportunityPersonRole", 11, "Decision Maker", yesterday)},
		"OpportunityLeadRole":   nil,
		"Program": {
			sampleMObject("Program", 1001, "Trav-Demo-Program", yesterday),
			sampleMObject("Program", 1002, "Coffee Round", yesterday),
			sampleMObject("Program", 1970, "Spring Webinar", yesterday),
		},
	}
	s.lastMObj = 2000
	return s
}

func sampleObject(lead, rid, city, zip string) customObject {
	return customObject{
		keys:       []attribute{{"MKTOID", lead}, {"rid", rid}},
		attributes: []attribute{{"city", city}, {"state", "NN"}, {"zip", zip}},
	}
}

func sampleMObject(kind string, id int, name string, at time.Time) mobject {
	o := mobject{kind: kind, id: id, created: at, updated: at, attributes: []pair{{"Name", name}}}
	switch kind {
	case "Program":
		o.attributes = append(o.attributes, pair{"Type", "Marketing Program"}, pair{"Workspace Id", "1"}, pair{"Workspace Name", "Default"},
			pair{"Tree Path", "/Marketing Activities/Default/" + name}, pair{"Is Archived", "false"})
		o.typed = []typedPairs{{"Tag", []pair{{"Type", "Channel"}, {"Value", "Content"}}}}
	case "Opportunity":
		o.key = &pair{"Opportunity External Key", fmt.Sprint("opp-", id)}
		o.attributes = append(o.attributes, pair{"Amount", "2000"}, pair{"Stage", "Proposal"})
		o.associations = []association{{Type: "Company", ID: "1"}}
	}
	return o
}
