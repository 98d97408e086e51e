package emulator

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of what is kept in memory. Beyond them the oldest record that a client made is forgotten.
const (
	maxLeads      = 10_000
	maxActivities = 10_000
	maxObjects    = 5_000  // of each type
	maxValue      = 32_768 // bytes of an attribute value, as of Marketo's text fields
)

// store is what the instance knows. Its methods are safe for concurrent use; what they return is a copy or never changes.
type store struct {
	mu         sync.Mutex
	leads      map[int]*lead
	order      []int // ids of leads, ascending
	byEmail    map[string][]int
	seeded     int // leads that are never forgotten
	lastLead   int
	lists      []*list
	campaigns  []campaign
	activities []activity // ascending by id
	lastAct    int
	objects    map[string]*objectType // by lower-case name
	mobjects   map[string][]mobject   // by type
	lastMObj   int
}

// lead is never changed once it is in the store, only replaced.
type lead struct {
	id                   int
	email                string
	foreignID, foreignSy string
	attributes           map[string]string // by SOAP name
	created, updated     time.Time
}

// list is a static list.
type list struct {
	id       int
	name     string
	program  string
	created  time.Time
	members  map[int]bool
	imported *imported // the last importToList
}

// imported is what became of an import.
type imported struct {
	started              time.Time
	rows, failed, ignore int
	forced               string // status forced by an effect
}

// campaign is a smart campaign: one with a trigger can be requested, another can be scheduled.
type campaign struct {
	id            int
	name, program string
	trigger       bool
	created       time.Time
}

// activity is an entry of a lead's log.
type activity struct {
	id         int
	at         time.Time
	kind       string // display name, as "New Lead"
	asset      string
	campaign   string
	lead       int
	attributes [][2]string
}

func emailKey(email string) string { return strings.ToLower(email) }

// lead returns a lead, or nil.
func (s *store) lead(id int) *lead {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leads[id]
}

// byEmailAddress returns every lead with that address, oldest first.
func (s *store) byEmailAddress(email string) []*lead {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*lead
	for _, id := range s.byEmail[emailKey(email)] {
		found = append(found, s.leads[id])
	}
	return found
}

// leadsWhere returns up to limit leads with an id above after that match, by id, and how many more there are.
func (s *store) leadsWhere(after, limit int, match func(*lead) bool) (found []*lead, more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	start, _ := slices.BinarySearch(s.order, after+1)
	for _, id := range s.order[start:] {
		l := s.leads[id]
		if !match(l) {
			continue
		}
		if len(found) == limit {
			more++
			continue
		}
		found = append(found, l)
	}
	return found, more
}

// save creates the lead if its id is 0, or updates the one it names. Attributes are merged; an empty value is stored as such.
func (s *store) save(l lead, now time.Time, source string) (saved *lead, created bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.leads[l.id]
	for name, value := range l.attributes {
		if len(value) > maxValue {
			l.attributes[name] = value[:maxValue]
		}
	}
	if old == nil {
		s.lastLead++
		l.id = s.lastLead
		l.created, l.updated = now, now
		s.insert(&l)
		s.log(activity{at: now, kind: "New Lead", lead: l.id, attributes: [][2]string{{"Source Type", source}, {"Source Info", source}}})
		return &l, true
	}
	merged := maps.Clone(old.attributes)
	if merged == nil {
		merged = map[string]string{}
	}
	for _, name := range slices.Sorted(maps.Keys(l.attributes)) {
		if before := merged[name]; before != l.attributes[name] {
			s.log(activity{at: now, kind: "Change Data Value", asset: displayName(name), lead: old.id, attributes: [][2]string{
				{"Attribute Name", displayName(name)}, {"Old Value", before}, {"New Value", l.attributes[name]},
				{"Source", source}, {"Reason", "Lead update"},
			}})
		}
		merged[name] = l.attributes[name]
	}
	l.id, l.attributes, l.created, l.updated = old.id, merged, old.created, now
	l.email = cmp.Or(l.email, old.email)
	l.foreignID, l.foreignSy = cmp.Or(l.foreignID, old.foreignID), cmp.Or(l.foreignSy, old.foreignSy)
	if emailKey(l.email) != emailKey(old.email) {
		s.unindex(old)
		s.byEmail[emailKey(l.email)] = append(s.byEmail[emailKey(l.email)], l.id)
	}
	s.leads[l.id] = &l
	return &l, false
}

func displayName(soapName string) string {
	if f := fieldNamed(soapName); f != nil {
		return f.display
	}
	return soapName
}

// insert adds a lead under its id; s.mu is held.
func (s *store) insert(l *lead) {
	if len(s.order) >= maxLeads { // many at once, as each moves all that are behind it
		s.forget(maxLeads / 10)
	}
	s.leads[l.id] = l
	s.lastLead = max(s.lastLead, l.id)
	i, _ := slices.BinarySearch(s.order, l.id)
	s.order = slices.Insert(s.order, i, l.id)
	if l.email != "" {
		s.byEmail[emailKey(l.email)] = append(s.byEmail[emailKey(l.email)], l.id)
	}
}

// drop forgets a lead; s.mu is held.
func (s *store) drop(id int) bool {
	l := s.leads[id]
	if l == nil {
		return false
	}
	delete(s.leads, id)
	i, _ := slices.BinarySearch(s.order, id)
	s.order = slices.Delete(s.order, i, i+1)
	if i < s.seeded {
		s.seeded--
	}
	s.unindex(l)
	for _, list := range s.lists {
		delete(list.members, id)
	}
	return true
}

// forget drops the n oldest leads that clients made; s.mu is held.
func (s *store) forget(n int) {
	for _, id := range s.order[s.seeded : s.seeded+n] {
		s.unindex(s.leads[id])
		delete(s.leads, id)
		for _, list := range s.lists {
			delete(list.members, id)
		}
	}
	s.order = slices.Delete(s.order, s.seeded, s.seeded+n)
}

func (s *store) unindex(l *lead) {
	key := emailKey(l.email)
	ids := slices.DeleteFunc(slices.Clone(s.byEmail[key]), func(id int) bool { return id == l.id })
	if len(ids) == 0 {
		delete(s.byEmail, key)
		return
	}
	s.byEmail[key] = ids
}

// remove deletes a lead and logs it.
func (s *store) remove(id int, now time.Time, kind string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ok := s.drop(id)
	if ok {
		s.log(activity{at: now, kind: kind, lead: id})
	}
	return ok
}

// log adds an activity; s.mu is held.
func (s *store) log(a activity) {
	s.lastAct++
	a.id = s.lastAct
	if len(s.activities) >= maxActivities {
		s.activities = slices.Delete(s.activities, 0, maxActivities/10)
	}
	s.activities = append(s.activities, a)
}

// record adds an activity.
func (s *store) record(a activity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log(a)
}

// activitiesWhere returns up to limit activities with an id above after that match, oldest first, and how many more there are.
func (s *store) activitiesWhere(after, limit int, match func(*activity) bool) (found []activity, more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.activities {
		a := &s.activities[i]
		switch {
		case a.id <= after || !match(a):
		case len(found) == limit:
			more++
		default:
			found = append(found, *a)
		}
	}
	return found, more
}

// findList returns the first static list that matches, or nil. Only the store's methods may look at its members.
func (s *store) findList(match func(*list) bool) *list {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lists {
		if match(l) {
			return l
		}
	}
	return nil
}

// addList makes a static list in a program, or returns the one of that name.
func (s *store) addList(program, name string, now time.Time) *list {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lists {
		if l.program == program && l.name == name {
			return l
		}
	}
	l := &list{id: 1000 + len(s.lists), program: program, name: name, created: now, members: map[int]bool{}}
	if len(s.lists) >= maxObjects {
		s.lists = slices.Delete(s.lists, 2, 3) // behind the sample lists
	}
	s.lists = append(s.lists, l)
	return l
}

// isMember tells whether a lead is in the list.
func (s *store) isMember(l *list, id int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.members[id]
}

// setMember puts a lead into the list or takes it out; it tells whether that changed anything.
func (s *store) setMember(l *list, id int, member bool, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.members[id] == member {
		return false
	}
	kind := "Add to List"
	if member {
		l.members[id] = true
	} else {
		kind = "Remove from List"
		delete(l.members, id)
	}
	s.log(activity{at: now, kind: kind, asset: l.name, lead: id})
	return true
}

// clearList takes every lead out of the list.
func (s *store) clearList(l *list) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(l.members)
}

// setImport notes the last import into a list, lastImport returns it.
func (s *store) setImport(l *list, i *imported) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.imported = i
}

func (s *store) lastImport(l *list) *imported {
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.imported
}

// findCampaign returns the first campaign that matches, or nil.
func (s *store) findCampaign(match func(campaign) bool) *campaign {
	for i := range s.campaigns { // never changes
		if match(s.campaigns[i]) {
			return &s.campaigns[i]
		}
	}
	return nil
}
