package emulator

import (
	"slices"
	"strings"
	"time"
)

// objectType is a type of custom objects, and the objects of this type.
type objectType struct {
	name       string
	keys       []string // names of the key attributes; the first one links to a lead
	attributes []string
	objects    []customObject // in the order in which they came
}

// customObject is never changed, only replaced.
type customObject struct {
	keys, attributes []attribute
}

// attribute is a name with a value, as SOAP's Attribute.
type attribute struct {
	Name  string `xml:"attrName"`
	Value string `xml:"attrValue"`
}

// objectTypeNamed finds a type, whatever the case of its name.
func (s *store) objectTypeNamed(name string) *objectType { return s.objects[strings.ToLower(name)] } // the map never changes

// unknownAttributes lists the names that are neither a key nor an attribute of the type.
func (t *objectType) unknownAttributes(lists ...[]attribute) []string {
	var unknown []string
	for _, list := range lists {
		for _, a := range list {
			if !slices.Contains(t.keys, a.Name) && !slices.Contains(t.attributes, a.Name) {
				unknown = append(unknown, a.Name)
			}
		}
	}
	return unknown
}

// matches tells whether every key in wanted has that value.
func (o customObject) matches(wanted []attribute) bool {
	for _, w := range wanted {
		if !slices.Contains(o.keys, w) {
			return false
		}
	}
	return true
}

// findObjects returns all objects with these keys.
func (s *store) findObjects(t *objectType, keys []attribute) []customObject {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []customObject
	for _, o := range t.objects {
		if o.matches(keys) {
			found = append(found, o)
		}
	}
	return found
}

// saveObject inserts or updates the object with exactly these keys; mode is INSERT, UPDATE or UPSERT. The status is CREATED,
// UPDATED or FAILED, then with an error.
func (s *store) saveObject(t *objectType, o customObject, mode string) (status, problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, old := range t.objects {
		if !old.matches(o.keys) || len(old.keys) != len(o.keys) {
			continue
		}
		if mode == "INSERT" {
			return "FAILED", "Object already exists"
		}
		merged := slices.Clone(old.attributes)
		for _, a := range o.attributes {
			if j := slices.IndexFunc(merged, func(m attribute) bool { return m.Name == a.Name }); j >= 0 {
				merged[j] = a
			} else {
				merged = append(merged, a)
			}
		}
		t.objects[i] = customObject{keys: old.keys, attributes: merged}
		return "UPDATED", ""
	}
	if mode == "UPDATE" {
		return "FAILED", "Object not found"
	}
	if len(t.objects) >= maxObjects {
		t.objects = slices.Delete(t.objects, 0, 1)
	}
	t.objects = append(t.objects, o)
	return "CREATED", ""
}

// removeObjects deletes every object with these keys and tells how many there were.
func (s *store) removeObjects(t *objectType, keys []attribute) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(t.objects)
	t.objects = slices.DeleteFunc(t.objects, func(o customObject) bool { return o.matches(keys) })
	return before - len(t.objects)
}

// pair is a name with a value, as SOAP's Attrib.
type pair struct {
	Name  string `xml:"name"`
	Value string `xml:"value"`
}

// typedPairs are pairs under a type, as SOAP's TypeAttrib.
type typedPairs struct {
	Type  string `xml:"attrType"`
	Pairs []pair `xml:"attrList>attrib"`
}

// association links an MObject to another object.
type association struct {
	Type string `xml:"mObjType"`
	ID   string `xml:"id"`
	Key  *pair  `xml:"externalKey"`
}

// mobject is an opportunity, a role in one, or a program. It is never changed, only replaced.
type mobject struct {
	id               int
	kind             string
	key              *pair
	created, updated time.Time
	attributes       []pair
	typed            []typedPairs
	associations     []association
}

// mobjectTypes are the types that getMObjects knows; describeMObject knows more.
var mobjectTypes = []string{"Opportunity", "OpportunityPersonRole", "OpportunityLeadRole", "Program"}

// attribute is the value under a name, whatever its case; ok is false if there is none.
func (o *mobject) attribute(name string) (value string, ok bool) {
	for _, p := range o.attributes {
		if strings.EqualFold(p.Name, name) {
			return p.Value, true
		}
	}
	return "", false
}

// mobjectsWhere returns up to limit objects of a type with an id above after that match, and whether there are more.
func (s *store) mobjectsWhere(kind string, after, limit int, match func(*mobject) bool) (found []mobject, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.mobjects[kind] {
		o := &s.mobjects[kind][i]
		if o.id <= after || !match(o) {
			continue
		}
		if len(found) == limit {
			return found, true
		}
		found = append(found, *o)
	}
	return found, false
}

// saveMObject inserts or updates by id, or else by external key; mode is INSERT, UPDATE or UPSERT. The status is CREATED,
// UPDATED, UNCHANGED, SKIPPED or FAILED, the last two with an error.
func (s *store) saveMObject(o mobject, mode string, now time.Time) (id int, status, problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	objects := s.mobjects[o.kind]
	i := slices.IndexFunc(objects, func(old mobject) bool {
		return o.id != 0 && old.id == o.id || o.id == 0 && o.key != nil && old.key != nil && *old.key == *o.key
	})
	switch {
	case i < 0 && (mode == "UPDATE" || o.id != 0):
		return o.id, "FAILED", "Object not found"
	case i < 0 && o.kind == "Program":
		return o.id, "FAILED", "Programs can only be updated"
	case i < 0:
		s.lastMObj++
		o.id, o.created, o.updated = s.lastMObj, now, now
		if len(objects) >= maxObjects {
			objects = slices.Delete(objects, 0, 1)
		}
		s.mobjects[o.kind] = append(objects, o)
		return o.id, "CREATED", ""
	case mode == "INSERT":
		return objects[i].id, "SKIPPED", "Object already exists"
	}
	old := objects[i]
	merged := slices.Clone(old.attributes)
	for _, p := range o.attributes {
		if j := slices.IndexFunc(merged, func(m pair) bool { return m.Name == p.Name }); j >= 0 {
			merged[j] = p
		} else {
			merged = append(merged, p)
		}
	}
	if slices.Equal(merged, old.attributes) && len(o.typed) == 0 && len(o.associations) == 0 {
		return old.id, "UNCHANGED", ""
	}
	old.attributes, old.updated = merged, now
	if len(o.typed) > 0 {
		old.typed = o.typed
	}
	if len(o.associations) > 0 {
		old.associations = o.associations
	}
	objects[i] = old
	return old.id, "UPDATED", ""
}

// removeMObject deletes by id or external key.
func (s *store) removeMObject(kind string, id int, key *pair) (removed int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, o := range s.mobjects[kind] {
		if id != 0 && o.id == id || id == 0 && key != nil && o.key != nil && *o.key == *key {
			s.mobjects[kind] = slices.Delete(s.mobjects[kind], i, i+1)
			return o.id, true
		}
	}
	return id, false
}
