package emulator

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// metadata describes a type of objects.
type metadata struct {
	name, description string
	virtual           bool
	fields            []metadataField
}

type metadataField struct {
	name, kind string
	size       int // 0 is nil
	key        bool
	readOnly   bool
}

// described are the types that describeMObject and listMObjects know.
func described() []metadata {
	leads := metadata{name: "LeadRecord", description: "A person", virtual: true,
		fields: []metadataField{{"Id", "integer", 10, true, true}, {"Email", "string", 255, false, false}}}
	for _, f := range leadFields {
		leads.fields = append(leads.fields, metadataField{f.soap, f.kind, f.length, false, f.readOnly})
	}
	return []metadata{
		{name: "ActivityRecord", description: "An entry in the activity log of a lead", virtual: true, fields: []metadataField{
			{"id", "integer", 10, true, true}, {"activityDateTime", "dateTime", 0, false, true}, {"activityType", "string", 255, false, true},
			{"mktgAssetName", "string", 255, false, true}, {"mktPersonId", "integer", 10, false, true},
		}},
		leads,
		{name: "Opportunity", description: "A deal that may be made", fields: []metadataField{
			{"Id", "integer", 10, true, true}, {"Name", "string", 255, false, false}, {"Amount", "currency", 0, false, false},
			{"Stage", "string", 255, false, false}, {"CloseDate", "date", 0, false, false},
		}},
		{name: "OpportunityPersonRole", description: "What a person is to an opportunity", fields: []metadataField{
			{"Id", "integer", 10, true, true}, {"OpportunityId", "integer", 10, false, false}, {"PersonId", "integer", 10, false, false},
			{"Role", "string", 50, false, false},
		}},
	}
}

func listMObjects(_ *call, e *envelope) (reply, error) {
	var p struct{}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	return func(x *xmlWriter) {
		x.in("result", func() {
			for _, m := range described() {
				x.leaf("objects", m.name)
			}
		})
	}, nil
}

func describeMObject(_ *call, e *envelope) (reply, error) {
	var p struct {
		Name *string `xml:"objectName"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	if err := required("objectName", p.Name); err != nil {
		return nil, err
	}
	types := described()
	i := slices.IndexFunc(types, func(m metadata) bool { return m.name == strings.TrimSpace(*p.Name) })
	if i < 0 {
		return nil, badParameter("Object name is not valid")
	}
	m, changed := types[i], time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)
	return func(x *xmlWriter) {
		x.open("result")
		x.open("metadata")
		x.leaf("name", m.name)
		x.leaf("description", m.description)
		x.boolean("isCustom", false)
		x.boolean("isVirtual", m.virtual)
		x.open("fieldList")
		for _, f := range m.fields {
			x.in("field", func() {
				x.leaf("name", f.name)
				x.null("description")
				x.leaf("displayName", displayName(f.name))
				x.leaf("sourceObject", m.name)
				x.leaf("dataType", f.kind)
				if f.size == 0 {
					x.null("size")
				} else {
					x.number("size", f.size)
				}
				x.boolean("isReadonly", f.readOnly)
				x.boolean("isUpdateBlocked", f.readOnly)
				x.boolean("isName", f.name == "Name")
				x.boolean("isPrimaryKey", f.key)
				x.boolean("isCustom", false)
				x.boolean("isDynamic", false)
				x.null("dynamicFieldRef")
				x.time("updatedAt", changed)
			})
		}
		x.close("fieldList")
		x.time("updatedAt", changed)
		x.close("metadata")
		x.close("result")
	}, nil
}

// tagValues is a tag with its values.
type tagValues struct {
	Type   string   `xml:"type"`
	Values []string `xml:"values>stringItem"`
}

var sampleTags = []tagValues{
	{"Content Channel", []string{"Email", "SEM", "Print"}},
	{"Regions", []string{"North", "East", "South", "West"}},
	{"Products", []string{"Proxy", "Emulator"}},
}

func getTags(_ *call, e *envelope) (reply, error) {
	var p struct {
		Tags []tagValues `xml:"tagList>tag"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	found := sampleTags
	if len(p.Tags) > 0 {
		found = nil
		for _, wanted := range p.Tags {
			i := slices.IndexFunc(sampleTags, func(t tagValues) bool { return t.Type == strings.TrimSpace(wanted.Type) })
			if i < 0 {
				return nil, badParameter("Tag type %q is not valid", wanted.Type)
			}
			tag := tagValues{Type: wanted.Type}
			for _, value := range sampleTags[i].Values {
				if len(wanted.Values) == 0 || slices.Contains(wanted.Values, value) {
					tag.Values = append(tag.Values, value)
				}
			}
			found = append(found, tag)
		}
	}
	return func(x *xmlWriter) {
		x.in("result", func() {
			x.in("tagList", func() {
				for _, t := range found {
					x.in("tag", func() {
						x.leaf("type", t.Type)
						x.in("values", func() {
							for _, value := range t.Values {
								x.leaf("stringItem", value)
							}
						})
					})
				}
			})
		})
	}, nil
}

// step is one status in the progression of a channel.
type step struct {
	status  string
	number  int
	success bool
}

var sampleChannels = []struct {
	name  string
	steps []step
}{
	{"Blog", []step{{"Visited", 10, false}, {"Engaged", 20, true}, {"Subscribed", 30, true}}},
	{"Tradeshow", []step{{"Invited", 10, false}, {"Registered", 20, false}, {"Attended", 30, true}}},
	{"Webinar", []step{{"Invited", 10, false}, {"Registered", 20, false}, {"Attended", 40, true}, {"Attended On-demand", 50, true}}},
}

func getChannels(_ *call, e *envelope) (reply, error) {
	var p struct {
		Tag *tagValues `xml:"tag"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	return func(x *xmlWriter) {
		x.open("result")
		x.open("tags")
		for _, channel := range sampleChannels {
			if p.Tag != nil && len(p.Tag.Values) > 0 && !slices.Contains(p.Tag.Values, channel.name) {
				continue
			}
			x.open("tagStatus")
			x.leaf("tagValue", channel.name)
			x.open("statusList")
			for _, s := range channel.steps {
				x.open("progressionStatusItem")
				x.open("progressionStatus")
				for _, p := range [...]pair{{"Status", s.status}, {"Step", strconv.Itoa(s.number)}, {"Success", strconv.FormatBool(s.success)}} {
					x.in("attrib", func() { x.pair(p) })
				}
				x.close("progressionStatus")
				x.close("progressionStatusItem")
			}
			x.close("statusList")
			x.close("tagStatus")
		}
		x.close("tags")
		x.close("result")
	}, nil
}
