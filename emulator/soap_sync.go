package emulator

import (
	"net/mail"
	"slices"
	"strconv"
	"strings"
)

// heldRecords and heldBytes bound how many records of a batch wait for the parameters that stand behind them. A longer batch
// is taken to have the usual values.
const (
	heldRecords = 1000
	heldBytes   = 8 << 20
)

func syncLead(c *call, e *envelope) (reply, error) {
	var p struct {
		Record *leadRecord `xml:"leadRecord"`
		Return string      `xml:"returnLead"`
		Cookie string      `xml:"marketoCookie"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	if p.Record == nil {
		return nil, &fault{code: "20104"}
	}
	if e.workspace != "" && e.workspace != "Default" { // this instance has no workspaces
		return nil, badParameter("Workspace %s does not exist", e.workspace)
	}
	var id int
	status, problem := "FAILED", "Lead could not be synced"
	var saved *lead
	if c.failNext() {
		c.failed++
		id, _ = strconv.Atoi(p.Record.ID)
	} else {
		l, created, err := c.syncRecord(*p.Record, true, strings.TrimSpace(p.Cookie))
		if err != nil {
			return nil, err
		}
		id, status, problem = l.id, createdOrUpdated(created), ""
		if isTrue(p.Return) {
			saved = l
		}
	}
	return func(x *xmlWriter) {
		x.in("result", func() {
			x.number("leadId", id)
			x.syncStatus(id, status, problem)
			if saved == nil {
				x.null("leadRecord")
				return
			}
			x.lead(saved, nil)
		})
	}, nil
}

func createdOrUpdated(created bool) string {
	if created {
		return "CREATED"
	}
	return "UPDATED"
}

func (x *xmlWriter) syncStatus(id int, status, problem string) {
	x.open("syncStatus")
	x.number("leadId", id)
	x.leaf("status", status)
	x.optional("error", problem)
	x.close("syncStatus")
}

// synced is what became of a record; kept small, as a batch may have a million.
type synced struct {
	id      int32
	outcome uint8  // of outcomes
	problem uint16 // of problems
}

func syncMultipleLeads(c *call, e *envelope) (reply, error) {
	var results []synced
	var problems []string // distinct texts
	sync := func(r leadRecord, dedup bool) {
		result := synced{outcome: 2}
		problem := "Lead could not be synced"
		if c.failNext() {
			id, _ := strconv.Atoi(r.ID)
			result.id = int32(id)
		} else if l, created, err := c.syncRecord(r, dedup, ""); err != nil {
			problem = asFault(err).problem()
		} else {
			result = synced{id: int32(l.id)}
			if created {
				result.outcome = 1
			}
			results = append(results, result)
			return
		}
		c.failed++
		i := slices.Index(problems, problem)
		if i < 0 && len(problems) < 1000 {
			i = len(problems)
			problems = append(problems, problem)
		}
		result.problem = uint16(max(i, 0))
		results = append(results, result)
	}

	var waiting []leadRecord
	start, long := e.decoder.InputOffset(), false
	var p struct {
		Records records[leadRecord] `xml:"leadRecordList"`
		Dedup   *string             `xml:"dedupEnabled"`
	}
	p.Records.envelope = e
	p.Records.each = func(r leadRecord) error {
		if !long && len(waiting) < heldRecords && e.decoder.InputOffset()-start < heldBytes {
			waiting = append(waiting, r)
			return nil
		}
		long = true
		for _, w := range waiting {
			sync(w, true)
		}
		waiting = nil
		sync(r, true)
		return nil
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	if !p.Records.seen || len(waiting)+len(results) == 0 {
		return nil, &fault{code: "20104"}
	}
	for _, w := range waiting {
		sync(w, p.Dedup == nil || strings.TrimSpace(*p.Dedup) == "" || isTrue(*p.Dedup))
	}
	return func(x *xmlWriter) {
		x.in("result", func() {
			x.open("syncStatusList")
			for _, r := range results {
				status, problem := [...]string{"UPDATED", "CREATED", "FAILED"}[r.outcome], ""
				if r.outcome == 2 {
					problem = problems[r.problem]
				}
				x.syncStatus(int(r.id), status, problem)
			}
			x.close("syncStatusList")
		})
	}, nil
}

// problem is the text of a fault in the status of one record.
func (f *fault) problem() string {
	switch {
	case f.message != "":
		return f.message
	case f.text != "":
		return f.text
	}
	return codeText(f.code)
}

// syncRecord creates or updates the lead of a record, which is named by Id, then foreign key, then e-mail, then cookie.
func (c *call) syncRecord(r leadRecord, dedup bool, cookie string) (saved *lead, created bool, err error) {
	store := c.emulator.store
	l := lead{email: strings.TrimSpace(r.Email), foreignID: strings.TrimSpace(r.ForeignID),
		foreignSy: strings.TrimSpace(r.ForeignType), attributes: make(map[string]string, len(r.Attributes))}
	for _, a := range r.Attributes {
		f := fieldNamed(a.Name)
		switch {
		case strings.EqualFold(a.Name, "Email"):
			l.email = strings.TrimSpace(a.Value)
		case f == nil:
			return nil, false, &fault{code: "20105", text: "Unknown lead field", message: "Unknown lead field: " + a.Name}
		case f.readOnly:
			return nil, false, &fault{code: "20106", message: "Field " + f.soap + " can not be updated"}
		case f.kind == "integer" && a.Value != "" && !isNumber(a.Value):
			return nil, false, &fault{code: "20106", message: "Field " + f.soap + " is not a number"}
		default:
			l.attributes[f.soap] = a.Value
		}
	}
	if l.email != "" {
		if _, err := mail.ParseAddress(l.email); err != nil {
			return nil, false, &fault{code: "20106", message: "Invalid email address"}
		}
	}
	if l.foreignID != "" {
		if err := enumerated("ForeignSysType", l.foreignSy, "CUSTOM", "SFDC", "NETSUITE"); err != nil {
			return nil, false, err
		}
	}
	switch id := strings.TrimSpace(r.ID); {
	case id != "":
		found, err := c.leadsByKey(leadKey{"IDNUM", id})
		if err != nil {
			return nil, false, err
		}
		if len(found) == 0 {
			return nil, false, notFound(leadKey{"IDNUM", id})
		}
		l.id = found[0].id
	case l.foreignID != "":
		found, _ := store.leadsWhere(0, 1, func(o *lead) bool { return o.foreignID == l.foreignID && o.foreignSy == l.foreignSy })
		if len(found) > 0 && dedup {
			l.id = found[0].id
		}
	case l.email != "":
		if found := store.byEmailAddress(l.email); len(found) > 0 && dedup {
			l.id = found[len(found)-1].id
		}
	case cookie == "":
		return nil, false, &fault{code: "20101"}
	}
	if cookie != "" {
		l.attributes["MarketoCookie"] = cookie
	}
	saved, created = store.save(l, c.now, "Web service API")
	return saved, created, nil
}

func isNumber(text string) bool {
	_, err := strconv.Atoi(strings.TrimSpace(text))
	return err == nil
}
