package emulator

import (
	"encoding/json"
	"strings"
)

// customObj is a CustomObj.
type customObj struct {
	Keys       []attribute `xml:"customObjKeyList>attribute"`
	Attributes []attribute `xml:"customObjAttributeList>attribute"`
}

// objectStatus is a SyncCustomObjStatus.
type objectStatus struct {
	kind            string
	keys            []attribute
	status, problem string
}

// objectTypeOf finds the type that a call names.
func (c *call) objectTypeOf(name *string) (*objectType, error) {
	if err := required("objTypeName", name); err != nil {
		return nil, err
	}
	t := c.emulator.store.objectTypeNamed(strings.TrimSpace(*name))
	if t == nil {
		return nil, badParameter("Object name is not valid")
	}
	return t, nil
}

func syncCustomObjects(c *call, e *envelope) (reply, error) {
	var p struct {
		Type      *string     `xml:"objTypeName"`
		Objects   []customObj `xml:"customObjList>customObj"`
		Operation string      `xml:"operation"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	t, err := c.objectTypeOf(p.Type)
	if err != nil {
		return nil, err
	}
	mode, err := syncMode(p.Operation)
	if err != nil {
		return nil, err
	}
	if err := countOf("customObjList", len(p.Objects)); err != nil {
		return nil, err
	}
	results := make([]objectStatus, len(p.Objects))
	for i, o := range p.Objects {
		r := &results[i]
		r.kind, r.keys = t.name, o.Keys
		unknown := t.unknownAttributes(o.Keys, o.Attributes)
		switch {
		case c.failNext():
			r.status, r.problem = c.effects.partial, "Object could not be synced"
		case len(unknown) > 0:
			r.status, r.problem = "FAILED", "Unknown name attribute list: "+strings.Join(unknown, ", ")
		case len(o.Keys) != len(t.keys):
			r.status, r.problem = "FAILED", "Key attributes are: "+strings.Join(t.keys, ", ")
		case !c.leadExists(o.Keys[0].Value):
			r.status, r.problem = "FAILED", "No lead found with MKTOID = "+o.Keys[0].Value
		default:
			r.status, r.problem = c.emulator.store.saveObject(t, customObject{o.Keys, o.Attributes}, mode)
		}
		if r.problem != "" {
			c.failed++
		}
	}
	return objectReply("syncCustomObjStatusList", results), nil
}

func (c *call) leadExists(id string) bool {
	leads, err := c.leadsByKey(leadKey{"IDNUM", id})
	return err == nil && len(leads) > 0
}

// syncMode reads the operation of syncCustomObjects and syncMObjects.
func syncMode(text string) (string, error) {
	mode := strings.TrimSpace(text)
	if mode == "" {
		return "UPSERT", nil
	}
	return mode, enumerated("operation", mode, "UPSERT", "INSERT", "UPDATE")
}

// countOf allows 1 to 100 records.
func countOf(name string, n int) error {
	if n == 0 {
		return &fault{code: "20017", message: "Parameter " + name + " is missing"}
	}
	if n > 100 {
		return badParameter("more than 100 records in %s", name)
	}
	return nil
}

func deleteCustomObjects(c *call, e *envelope) (reply, error) {
	var p struct {
		Type *string `xml:"objTypeName"`
		Keys []struct {
			Keys []attribute `xml:"attribute"`
		} `xml:"customObjKeyLists>keyList"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	t, err := c.objectTypeOf(p.Type)
	if err != nil {
		return nil, err
	}
	if err := countOf("customObjKeyLists", len(p.Keys)); err != nil {
		return nil, err
	}
	results := make([]objectStatus, len(p.Keys))
	for i, list := range p.Keys {
		r := &results[i]
		r.kind, r.keys, r.status = t.name, list.Keys, "DELETED"
		switch {
		case c.failNext():
			r.status, r.problem = c.effects.partial, "Object could not be deleted"
		case len(list.Keys) == 0 || c.emulator.store.removeObjects(t, list.Keys) == 0:
			r.status, r.problem = "FAILED", "Object not found"
		}
		if r.problem != "" {
			c.failed++
		}
	}
	return objectReply("deleteCustomObjStatusList", results), nil
}

func objectReply(listName string, results []objectStatus) reply {
	return func(x *xmlWriter) {
		x.in("result", func() {
			x.in(listName, func() {
				for _, r := range results {
					x.in("syncCustomObjStatus", func() {
						x.leaf("objTypeName", r.kind)
						x.attributeList("customObjKeyList", r.keys, nil)
						x.leaf("status", r.status)
						x.optional("error", r.problem)
					})
				}
			})
		})
	}
}

// attributeList writes a list of Attribute without types; include limits it.
func (x *xmlWriter) attributeList(name string, list []attribute, include map[string]bool) {
	x.in(name, func() {
		for _, a := range list {
			if len(include) == 0 || include[a.Name] {
				x.attribute(a.Name, "", a.Value)
			}
		}
	})
}

// objectPosition is the stream position of getCustomObjects, in the form that Marketo's has: the keys, and an offset.
type objectPosition struct {
	Keys   []string `json:"ky"`
	Offset int      `json:"os"`
}

func getCustomObjects(c *call, e *envelope) (reply, error) {
	var p struct {
		Type      *string     `xml:"objTypeName"`
		Position  string      `xml:"streamPosition"`
		BatchSize string      `xml:"batchSize"`
		Keys      []attribute `xml:"customObjKeyList>attribute"`
		Include   []string    `xml:"includeAttributes>stringItem"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	t, err := c.objectTypeOf(p.Type)
	if err != nil {
		return nil, err
	}
	size, err := batch(p.BatchSize, 100)
	if err != nil {
		return nil, err
	}
	if unknown := t.unknownAttributes(p.Keys); len(unknown) > 0 {
		return nil, badParameter("Unknown name attribute list: %s", strings.Join(unknown, ", "))
	}
	var position objectPosition
	if text := strings.TrimSpace(p.Position); text != "" {
		if json.Unmarshal([]byte(text), &position) != nil || position.Offset < 1 {
			return nil, &fault{code: "20122"}
		}
	}
	objects := c.emulator.store.findObjects(t, p.Keys)
	if position.Offset > 0 && position.Offset >= len(objects) {
		return nil, &fault{code: "20123"}
	}
	page := objects[position.Offset:]
	page = page[:min(size, len(page))]
	next := objectPosition{Keys: []string{}, Offset: position.Offset + len(page)}
	for _, k := range p.Keys {
		next.Keys = append(next.Keys, k.Value)
	}
	token, err := json.Marshal(next)
	if err != nil {
		return nil, err
	}
	include := map[string]bool{}
	for _, name := range p.Include {
		include[name] = true
	}
	return func(x *xmlWriter) {
		x.in("result", func() {
			x.leaf("objTypeName", t.name)
			x.number("returnCount", len(page))
			x.number("remainingCount", len(objects)-next.Offset)
			x.leaf("newStreamPosition", string(token))
			x.in("customObjList", func() {
				for _, o := range page {
					x.in("customObj", func() {
						x.attributeList("customObjKeyList", o.keys, nil)
						x.attributeList("customObjAttributeList", o.attributes, include)
					})
				}
			})
		})
	}, nil
}
