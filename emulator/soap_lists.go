package emulator

import (
	"encoding/csv"
	"fmt"
	"strings"
	"time"
)

func listOperation(c *call, e *envelope) (reply, error) {
	var p struct {
		Operation *string `xml:"listOperation"`
		List      *struct {
			Type  string `xml:"keyType"`
			Value string `xml:"keyValue"`
		} `xml:"listKey"`
		Members *struct {
			Keys []leadKey `xml:"leadKey"`
		} `xml:"listMemberList"`
		Strict string `xml:"strict"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	if err := required("listOperation", p.Operation); err != nil {
		return nil, err
	}
	operation := strings.TrimSpace(*p.Operation)
	if err := enumerated("listOperation", operation, "ADDTOLIST", "ISMEMBEROFLIST", "REMOVEFROMLIST"); err != nil {
		return nil, err
	}
	if p.List == nil {
		return nil, &fault{code: "20017", message: "Parameter listKey is missing"}
	}
	if err := enumerated("list key type", p.List.Type, "MKTOLISTNAME", "MKTOSALESUSERID", "SFDCLEADOWNERID"); err != nil {
		return nil, err
	}
	list, err := c.listOf(p.List.Value, "")
	if err != nil {
		return nil, err
	}
	if p.Members == nil || len(p.Members.Keys) == 0 {
		return nil, &fault{code: "20101"}
	}
	if len(p.Members.Keys) > 1000 {
		return nil, badParameter("more than 1000 lead keys")
	}
	found := make([]*lead, len(p.Members.Keys))
	for i, key := range p.Members.Keys {
		leads, err := c.leadsByKey(key)
		if err != nil {
			return nil, err
		}
		if len(leads) > 0 {
			found[i] = leads[0]
		} else if isTrue(p.Strict) { // all or nothing
			return nil, notFound(key)
		}
	}
	success := true
	good := make([]bool, len(found))
	for i, l := range found {
		if l == nil {
			c.records++
		} else if operation == "ISMEMBEROFLIST" {
			good[i] = c.emulator.store.isMember(list, l.id)
		} else if !c.failNext() {
			c.emulator.store.setMember(list, l.id, operation == "ADDTOLIST", c.now)
			good[i] = true
		}
		if !good[i] {
			success = false
			if operation != "ISMEMBEROFLIST" { // there it is an answer, not a failure
				c.failed++
			}
		}
	}
	return func(x *xmlWriter) {
		x.in("result", func() {
			x.boolean("success", success)
			if success {
				x.null("statusList")
				return
			}
			x.in("statusList", func() {
				for i, key := range p.Members.Keys {
					x.in("leadStatus", func() {
						x.in("leadKey", func() {
							x.leaf("keyType", key.Type)
							x.leaf("keyValue", key.Value)
						})
						x.boolean("status", good[i])
					})
				}
			})
		})
	}, nil
}

// importToList takes rows of a CSV file. Rows beyond the first thousand are only counted.
func importToList(c *call, e *envelope) (reply, error) {
	var rows []string
	counted := 0
	var p struct {
		Program  *string         `xml:"programName"`
		Header   *string         `xml:"importFileHeader"`
		Rows     records[string] `xml:"importFileRows"`
		Mode     *string         `xml:"importListMode"`
		List     *string         `xml:"listName"`
		Clear    string          `xml:"clearList"`
		Campaign string          `xml:"campaignName"`
	}
	p.Rows.envelope = e
	p.Rows.each = func(row string) error {
		if len(rows) < heldRecords && len(row) <= heldBytes/heldRecords {
			rows = append(rows, row)
		} else {
			counted++
		}
		return nil
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	for _, parameter := range [...]struct {
		name  string
		value *string
	}{{"programName", p.Program}, {"importFileHeader", p.Header}, {"importListMode", p.Mode}, {"listName", p.List}} {
		if err := required(parameter.name, parameter.value); err != nil {
			return nil, err
		}
	}
	if !p.Rows.seen {
		return nil, &fault{code: "20017", message: "Parameter importFileRows is missing"}
	}
	mode := strings.TrimSpace(*p.Mode)
	if err := enumerated("importListMode", mode, "UPSERTLEADS", "LISTONLY"); err != nil {
		return nil, err
	}
	if name := strings.TrimSpace(p.Campaign); name != "" {
		if c.emulator.store.findCampaign(func(k campaign) bool { return k.name == name }) == nil {
			return nil, &fault{code: "20113", message: "Campaign " + name + " does not exist"}
		}
	}
	columns, err := csvRow(*p.Header)
	if err != nil {
		return nil, badParameter("importFileHeader is not a row of a CSV file")
	}
	status := "PROCESSING"
	result := imported{started: c.now, rows: counted}
	if c.failNext() {
		status = c.effects.partial
		result.forced = status
		c.failed++
	} else {
		list := c.emulator.store.addList(strings.TrimSpace(*p.Program), strings.TrimSpace(*p.List), c.now)
		if isTrue(p.Clear) {
			c.emulator.store.clearList(list)
		}
		for _, row := range rows {
			c.importRow(&result, list, columns, row, mode == "UPSERTLEADS")
		}
	}
	list := c.emulator.store.addList(strings.TrimSpace(*p.Program), strings.TrimSpace(*p.List), c.now)
	c.emulator.store.setImport(list, &result)
	return func(x *xmlWriter) {
		x.in("result", func() { x.leaf("importStatus", status) })
	}, nil
}

// importRow makes or finds the lead of a row and puts it into the list.
func (c *call) importRow(result *imported, list *list, columns []string, row string, upsert bool) {
	values, err := csvRow(row)
	if err != nil || len(values) != len(columns) {
		result.failed++
		return
	}
	var record leadRecord
	for i, column := range columns {
		switch {
		case strings.EqualFold(column, "Email Address"), strings.EqualFold(column, "Email"):
			record.Email = values[i]
		case strings.EqualFold(column, "Id"):
			record.ID = values[i]
		case fieldNamed(column) != nil: // others are ignored
			record.Attributes = append(record.Attributes, attribute{column, values[i]})
		}
	}
	if !upsert {
		known := c.emulator.store.byEmailAddress(record.Email)
		if len(known) == 0 {
			result.ignore++
			return
		}
		c.emulator.store.setMember(list, known[0].id, true, c.now)
		result.rows++
		return
	}
	saved, _, err := c.syncRecord(record, true, "")
	if err != nil {
		result.failed++
		return
	}
	c.emulator.store.setMember(list, saved.id, true, c.now)
	result.rows++
}

func csvRow(text string) ([]string, error) {
	reader := csv.NewReader(strings.NewReader(text))
	reader.LazyQuotes = true
	return reader.Read()
}

func getImportToListStatus(c *call, e *envelope) (reply, error) {
	var p struct {
		Program *string `xml:"programName"`
		List    *string `xml:"listName"`
	}
	if err := e.decode(&p); err != nil {
		return nil, err
	}
	if err := required("listName", p.List); err != nil {
		return nil, err
	}
	list, err := c.listOf(strings.TrimSpace(*p.List), "")
	if err != nil {
		return nil, err
	}
	result := c.emulator.store.lastImport(list)
	if result == nil {
		return nil, &fault{code: "20111", message: "No import into list " + list.name}
	}
	ended := result.started.Add(c.emulator.options.JobTime)
	status := "COMPLETE"
	switch {
	case result.forced != "":
		status = result.forced
	case c.now.Before(ended):
		status = "PROCESSING"
	case result.rows == 0 && result.failed > 0:
		status = "FAILED"
	}
	return func(x *xmlWriter) {
		x.in("result", func() {
			x.leaf("status", status)
			x.time("startedTime", result.started)
			if status == "PROCESSING" {
				x.null("endedTime")
				x.number("estimatedTime", int(ended.Sub(c.now)/time.Second))
				x.number("estimatedRows", result.rows+result.failed+result.ignore)
				x.number("rowsImported", 0)
				x.number("rowsFailed", 0)
				x.number("rowsIgnored", 0)
				x.null("importSummary")
				return
			}
			x.time("endedTime", ended)
			x.null("estimatedTime")
			x.number("estimatedRows", result.rows+result.failed+result.ignore)
			x.number("rowsImported", result.rows)
			x.number("rowsFailed", result.failed)
			x.number("rowsIgnored", result.ignore)
			x.leaf("importSummary", importSummary(result))
		})
	}, nil
}

func importSummary(i *imported) string {
	if i.forced != "" {
		return "Import did not run"
	}
	return fmt.Sprintf("%d rows imported, %d failed, %d ignored", i.rows, i.failed, i.ignore)
}
