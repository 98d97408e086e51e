package emulator

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
)

func getLead(c *call, e *envelope) (reply, error) {
	var p struct {
		Key *leadKey `xml:"leadKey"`
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
	if len(leads) == 0 && c.effects.size == 0 {
		return nil, notFound(*p.Key)
	}
	return func(x *xmlWriter) {
		x.in("result", func() {
			x.leadList("count", leads, nil)
		})
	}, nil
}

func getMultipleLeads(c *call, e *envelope) (reply, error) {
	var p struct {
		Selector      *leadSelector `xml:"leadSelector"`
		LastUpdatedAt string        `xml:"lastUpdatedAt"`
		Position      string        `xml:"streamPosition"`
		BatchSize     string        `xml:"batchSize"`
		Include       []string      `xml:"includeAttributes>stringItem"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	size, err := batch(p.BatchSize, 100)
	if err != nil {
		return nil, err
	}
	match, err := c.selection(p.Selector, p.LastUpdatedAt)
	if err != nil {
		return nil, err
	}
	position, err := readStreamPosition(p.Position)
	if err != nil {
		return nil, err
	}
	leads, more := c.emulator.store.leadsWhere(position.id, size, match)
	next := ""
	if more > 0 {
		next = streamPosition{leads[len(leads)-1].id, position.offset + len(leads), more}.String()
	}
	return func(x *xmlWriter) {
		x.in("result", func() {
			x.leadList("returnCount", leads, p.Include, func() {
				x.number("remainingCount", more)
				x.leaf("newStreamPosition", next)
			})
		})
	}, nil
}

// leadList writes the number of leads, what stands between, and the leads; or as many made-up ones as make the size wanted.
func (x *xmlWriter) leadList(countName string, leads []*lead, include []string, between ...func()) {
	var filling [][]byte
	n := len(leads)
	if x.doc.size > 0 {
		filling = x.leadFilling()
		n = x.doc.fit(len(bytes.Join(filling, make([]byte, len(fillID)))))
	}
	x.number(countName, n)
	for _, write := range between {
		write()
	}
	if n == 0 {
		x.null("leadRecordList")
		return
	}
	x.open("leadRecordList")
	if filling == nil {
		for _, l := range leads {
			x.lead(l, include)
		}
	}
	for i := 0; filling != nil && i < n; i++ {
		writeFilling(x.w, filling, i)
	}
	x.close("leadRecordList")
}

// fillID stands in a filling for the number of each copy.
const fillID = "7777777"

// leadFilling is a lead, cut at the places of its number.
func (x *xmlWriter) leadFilling() [][]byte {
	var b bytes.Buffer
	inner := newXMLWriter(&document{Writer: &b}, true)
	inner.oneLine, inner.depth = x.oneLine, x.depth+1
	id, _ := strconv.Atoi(fillID)
	inner.lead(&lead{id: id, email: "lead" + fillID + "@example.com", attributes: map[string]string{
		"Company": "Filler & Sons", "FirstName": "Filla", "LastName": "Number" + fillID, "Phone": "555-0100",
	}}, nil)
	inner.w.Flush() // into memory
	return bytes.Split(b.Bytes(), []byte(fillID))
}

// lead writes one leadRecord; include limits its attributes.
func (x *xmlWriter) lead(l *lead, include []string) {
	x.in("leadRecord", func() { x.leadInside(l, include) })
}

func (x *xmlWriter) leadInside(l *lead, include []string) {
	x.number("Id", l.id)
	x.optional("Email", l.email)
	x.optional("ForeignSysPersonId", l.foreignID)
	x.optional("ForeignSysType", l.foreignSy)
	names := slices.Sorted(maps.Keys(l.attributes))
	if len(include) > 0 {
		names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(include, name) })
	}
	if len(names) == 0 {
		x.null("leadAttributeList")
		return
	}
	x.open("leadAttributeList")
	for _, name := range names {
		kind := "string"
		if f := fieldNamed(name); f != nil {
			kind = f.kind
		}
		x.attribute(name, kind, l.attributes[name])
	}
	x.close("leadAttributeList")
}

// attribute writes an Attribute; an empty kind is nil.
func (x *xmlWriter) attribute(name, kind, value string) {
	x.open("attribute")
	x.leaf("attrName", name)
	x.optional("attrType", kind)
	x.leaf("attrValue", value)
	x.close("attribute")
}

func mergeLeads(c *call, e *envelope) (reply, error) {
	var p struct {
		Winner []attribute `xml:"winningLeadKeyList>attribute"`
		Losers []struct {
			Keys []attribute `xml:"attribute"`
		} `xml:"losingLeadKeyLists>keyList"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	if len(p.Winner) == 0 || len(p.Losers) == 0 {
		return nil, &fault{code: "20101"}
	}
	winner, err := c.leadByKeyList(p.Winner)
	if err != nil {
		return nil, err
	}
	var losers []int
	problem := ""
	for _, keys := range p.Losers {
		loser, err := c.leadByKeyList(keys.Keys)
		switch {
		case err != nil:
			problem = asFault(err).problem()
		case loser.id == winner.id:
			problem = "Winning lead can not be a losing lead"
		default:
			losers = append(losers, loser.id)
		}
	}
	if c.failNext() {
		problem = "Leads could not be merged"
	}
	if problem == "" {
		for _, id := range losers {
			c.emulator.store.remove(id, c.now, "Merge Leads")
		}
	} else {
		c.failed++
	}
	return func(x *xmlWriter) {
		x.in("result", func() {
			x.in("mergeStatus", func() {
				x.number("winningLeadId", winner.id)
				x.in("losingLeadIdList", func() {
					for _, id := range losers {
						x.number("integerItem", id)
					}
				})
				x.leaf("status", map[bool]string{true: "MERGED", false: "FAILED"}[problem == ""])
				x.optional("error", problem)
			})
		})
	}, nil
}

// leadByKeyList finds the one lead that mergeLeads names with attributes such as IDNUM.
func (c *call) leadByKeyList(keys []attribute) (*lead, error) {
	if len(keys) == 0 {
		return nil, &fault{code: "20101"}
	}
	key := leadKey{keys[0].Name, keys[0].Value}
	leads, err := c.leadsByKey(key)
	if err != nil {
		return nil, err
	}
	if len(leads) == 0 {
		return nil, notFound(key)
	}
	return leads[0], nil
}
