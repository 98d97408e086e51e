package emulator

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mObject is an MObject as it comes in.
type mObject struct {
	Type         string        `xml:"type"`
	ID           string        `xml:"id"`
	Key          *pair         `xml:"externalKey"`
	Attributes   []pair        `xml:"attribList>attrib"`
	Typed        []typedPairs  `xml:"typeAttribList>typeAttrib"`
	Associations []association `xml:"associationList>mObjAssociation"`
}

// mObjectStatus is a MObjStatus.
type mObjectStatus struct {
	id              int
	key             *pair
	status, problem string
}

func checkMObjectType(name string) error {
	if !slices.Contains(mobjectTypes, name) {
		return badParameter("Object name is not valid")
	}
	return nil
}

func syncMObjects(c *call, e *envelope) (reply, error) {
	var p struct {
		Objects   []mObject `xml:"mObjectList>mObject"`
		Operation *string   `xml:"operation"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	if err := required("operation", p.Operation); err != nil {
		return nil, err
	}
	mode, err := syncMode(*p.Operation)
	if err != nil {
		return nil, err
	}
	return c.eachMObject(p.Objects, func(o mObject, id int) (int, string, string) {
		return c.emulator.store.saveMObject(mobject{kind: o.Type, id: id, key: o.Key, attributes: o.Attributes, typed: o.Typed,
			associations: o.Associations}, mode, c.now)
	})
}

func deleteMObjects(c *call, e *envelope) (reply, error) {
	var p struct {
		Objects []mObject `xml:"mObjectList>mObject"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	return c.eachMObject(p.Objects, func(o mObject, id int) (int, string, string) {
		id, ok := c.emulator.store.removeMObject(o.Type, id, o.Key)
		if !ok {
			return id, "FAILED", "Object not found"
		}
		return id, "DELETED", ""
	})
}

// eachMObject does something to each object, and writes what became of it.
func (c *call) eachMObject(objects []mObject, do func(o mObject, id int) (newID int, status, problem string)) (reply, error) {
	if err := countOf("mObjectList", len(objects)); err != nil {
		return nil, err
	}
	results := make([]mObjectStatus, len(objects))
	for i, o := range objects {
		if err := checkMObjectType(o.Type); err != nil {
			return nil, err
		}
		id, err := strconv.Atoi(strings.TrimSpace(o.ID))
		if err != nil && strings.TrimSpace(o.ID) != "" {
			return nil, badParameter("id %q is not a number", o.ID)
		}
		r := &results[i]
		r.id, r.key = id, o.Key
		if c.failNext() {
			r.status, r.problem = c.effects.partial, "Object could not be changed"
		} else {
			r.id, r.status, r.problem = do(o, id)
		}
		if r.problem != "" {
			c.failed++
		}
	}
	return func(x *xmlWriter) {
		x.in("result", func() {
			x.in("mObjStatusList", func() {
				for _, r := range results {
					x.in("mObjStatus", func() {
						x.number("id", r.id)
						x.externalKey(r.key)
						x.leaf("status", r.status)
						if r.problem != "" { // not nillable: absent
							x.leaf("error", r.problem)
						}
					})
				}
			})
		})
	}, nil
}

func (x *xmlWriter) externalKey(key *pair) {
	if key != nil {
		x.in("externalKey", func() { x.pair(*key) })
	}
}

func (x *xmlWriter) pair(p pair) {
	x.leaf("name", p.Name)
	x.leaf("value", p.Value)
}

// criterion is an MObjCriteria.
type criterion struct {
	Name       string `xml:"attrName"`
	Comparison string `xml:"comparison"`
	Value      string `xml:"attrValue"`
}

// met compares as numbers if both are, else as text.
func (k criterion) met(o *mobject) bool {
	value, ok := o.attribute(k.Name)
	switch {
	case strings.EqualFold(k.Name, "Id"):
		value = strconv.Itoa(o.id)
	case strings.EqualFold(k.Name, "Created At"):
		value = o.created.UTC().Format(time.RFC3339)
	case strings.EqualFold(k.Name, "Updated At"):
		value = o.updated.UTC().Format(time.RFC3339)
	case !ok:
		return k.Comparison == "NE"
	}
	order := strings.Compare(value, k.Value)
	if a, err := strconv.Atoi(value); err == nil {
		if b, err := strconv.Atoi(k.Value); err == nil {
			order = a - b
		}
	}
	switch k.Comparison {
	case "EQ":
		return order == 0
	case "NE":
		return order != 0
	case "LT":
		return order < 0
	case "LE":
		return order <= 0
	case "GT":
		return order > 0
	}
	return order >= 0
}

// mobjectPage is how many objects getMObjects returns at once; it takes no batchSize.
const mobjectPage = 100

func getMObjects(c *call, e *envelope) (reply, error) {
	var p struct {
		Type         *string       `xml:"type"`
		ID           string        `xml:"id"`
		Key          *pair         `xml:"externalKey"`
		Criteria     []criterion   `xml:"mObjCriteriaList>mObjCriteria"`
		Associations []association `xml:"mObjAssociationList>mObjAssociation"`
		Details      string        `xml:"includeDetails"`
		Position     string        `xml:"streamPosition"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	if err := required("type", p.Type); err != nil {
		return nil, err
	}
	if err := checkMObjectType(*p.Type); err != nil {
		return nil, err
	}
	for _, k := range p.Criteria {
		if err := enumerated("comparison", k.Comparison, "EQ", "NE", "LT", "LE", "GT", "GE"); err != nil {
			return nil, err
		}
	}
	after, err := readObjectPosition(p.Position)
	if err != nil {
		return nil, err
	}
	id := strings.TrimSpace(p.ID)
	found, more := c.emulator.store.mobjectsWhere(*p.Type, after, mobjectPage, func(o *mobject) bool {
		return (id == "" || strconv.Itoa(o.id) == id) &&
			(p.Key == nil || o.key != nil && *o.key == *p.Key) &&
			!slices.ContainsFunc(p.Criteria, func(k criterion) bool { return !k.met(o) }) &&
			!slices.ContainsFunc(p.Associations, func(a association) bool {
				return !slices.ContainsFunc(o.associations, func(b association) bool { return a.Type == b.Type && a.ID == b.ID })
			})
	})
	last := after
	if len(found) > 0 {
		last = found[len(found)-1].id
	}
	return func(x *xmlWriter) {
		x.in("result", func() {
			x.number("returnCount", len(found))
			x.boolean("hasMore", more)
			x.leaf("newStreamPosition", base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "mobject/%d", last)))
			x.in("mObjectList", func() {
				for i := range found {
					x.mobject(&found[i])
				}
			})
		})
	}, nil
}

// readObjectPosition reads the opaque position of getMObjects: the id of the last object.
func readObjectPosition(text string) (after int, err error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, nil
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		number, ok := strings.CutPrefix(string(raw), "mobject/")
		if after, err = strconv.Atoi(number); err == nil && ok {
			return after, nil
		}
	}
	return 0, &fault{code: "20122"}
}

func (x *xmlWriter) mobject(o *mobject) {
	x.open("mObject")
	x.leaf("type", o.kind)
	x.number("id", o.id)
	x.externalKey(o.key)
	x.time("createdAt", o.created)
	x.time("updatedAt", o.updated)
	x.in("attribList", func() {
		for _, p := range o.attributes {
			x.in("attrib", func() { x.pair(p) })
		}
	})
	if len(o.typed) > 0 {
		x.open("typeAttribList")
		for _, t := range o.typed {
			x.open("typeAttrib")
			x.leaf("attrType", t.Type)
			x.open("attrList")
			for _, p := range t.Pairs {
				x.in("attrib", func() { x.pair(p) })
			}
			x.close("attrList")
			x.close("typeAttrib")
		}
		x.close("typeAttribList")
	}
	if len(o.associations) > 0 {
		x.open("associationList")
		for _, a := range o.associations {
			x.open("mObjAssociation")
			x.leaf("mObjType", a.Type)
			if a.ID != "" {
				x.leaf("id", a.ID)
			}
			x.externalKey(a.Key)
			x.close("mObjAssociation")
		}
		x.close("associationList")
	}
	x.close("mObject")
}
