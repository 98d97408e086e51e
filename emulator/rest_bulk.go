package emulator

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxJobs is how many exports and imports are remembered; the oldest are forgotten.
const maxJobs = 100

// jobs are the bulk jobs of the instance.
type jobs struct {
	duration time.Duration

	mu      sync.Mutex
	made    int
	exports []*export
	imports []*bulkImport
}

func newJobs(duration time.Duration) *jobs { return &jobs{duration: duration, made: 3400} }

// export is a job that makes a file. jobs.mu guards it.
type export struct {
	id, kind  string // kind is "leads" or "activities"
	fields    []string
	headers   map[string]string
	format    string
	created   time.Time
	queued    time.Time // zero until it is enqueued
	cancelled bool
	content   []byte // made when it is complete
	records   int
}

// exportKind is "leads" or "activities".
func (c *call) exportKind() string { return strings.Split(c.r.URL.Path, "/")[3] }

func restCreateExport(c *call, _ url.Values) (restReply, error) {
	var body struct {
		Fields  []string          `json:"fields"`
		Headers map[string]string `json:"columnHeaderNames"`
		Format  string            `json:"format"`
		Filter  map[string]any    `json:"filter"`
	}
	if err := c.readJSON(&body); err != nil {
		return restReply{}, err
	}
	kind := c.exportKind()
	if len(body.Filter) == 0 {
		return restReply{}, missing("filter")
	}
	for name := range body.Filter {
		if !slices.Contains([]string{"createdAt", "updatedAt", "staticListName", "staticListId", "smartListName", "smartListId",
			"activityTypeIds", "primaryAttributeValueIds", "primaryAttributeValues"}, name) {
			return restReply{}, &restError{code: "1035", message: "Unsupported filter type for target subscription: " + name}
		}
	}
	if kind == "leads" {
		if len(body.Fields) == 0 {
			return restReply{}, missing("fields")
		}
		if _, err := fieldsOf(url.Values{"fields": body.Fields}); err != nil {
			return restReply{}, err
		}
	} else {
		body.Fields = []string{"marketoGUID", "leadId", "activityDate", "activityTypeId", "primaryAttributeValue"}
	}
	if body.Format == "" {
		body.Format = "CSV"
	}
	if !slices.Contains([]string{"CSV", "TSV", "SSV"}, body.Format) {
		return restReply{}, invalid(body.Format, "format")
	}
	j := c.emulator.jobs
	j.mu.Lock()
	defer j.mu.Unlock()
	j.made++
	sum := sha256.Sum256(fmt.Appendf(nil, "export/%d", j.made))
	job := &export{id: fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16]), kind: kind, fields: body.Fields,
		headers: body.Headers, format: body.Format, created: c.now}
	if len(j.exports) >= maxJobs {
		j.exports = slices.Delete(j.exports, 0, 1)
	}
	j.exports = append(j.exports, job)
	return restReply{result: []any{c.exportRecord(job)}}, nil
}

// exportStatus is where the job stands by the clock; jobs.mu is held. The file is made when the job is first seen complete.
func (c *call) exportStatus(job *export) string {
	switch {
	case job.cancelled:
		return "Cancelled"
	case job.queued.IsZero():
		return "Created"
	case c.now.Before(job.queued.Add(c.emulator.jobs.duration / 2)):
		return "Queued"
	case c.now.Before(job.queued.Add(c.emulator.jobs.duration)):
		return "Processing"
	}
	if job.content == nil {
		c.makeFile(job)
	}
	return "Completed"
}

func (c *call) makeFile(job *export) {
	var b bytes.Buffer
	w := csv.NewWriter(&b) // into memory: no errors
	w.Comma = separator(job.format)
	header := slices.Clone(job.fields)
	for i, name := range header {
		if other := job.headers[name]; other != "" {
			header[i] = other
		}
	}
	w.Write(header)
	if job.kind == "leads" {
		leads, _ := c.emulator.store.leadsWhere(0, maxLeads, func(*lead) bool { return true })
		for _, l := range leads {
			record := l.restRecord(job.fields)
			row := make([]string, len(job.fields))
			for i, name := range job.fields {
				if record[name] != nil {
					row[i] = fmt.Sprint(record[name])
				}
			}
			w.Write(row)
		}
		job.records = len(leads)
	} else {
		activities, _ := c.emulator.store.activitiesWhere(0, maxActivities, func(*activity) bool { return true })
		for _, a := range activities {
			w.Write([]string{strconv.Itoa(a.id), strconv.Itoa(a.lead), restTime(a.at), strconv.Itoa(activityID(a.kind)), a.asset})
		}
		job.records = len(activities)
	}
	w.Flush()
	job.content = b.Bytes()
}

func separator(format string) rune {
	switch strings.ToUpper(format) {
	case "TSV":
		return '\t'
	case "SSV":
		return ';'
	}
	return ','
}

// exportRecord is the job in an answer; jobs.mu is held.
func (c *call) exportRecord(job *export) map[string]any {
	status := c.exportStatus(job)
	record := map[string]any{"exportId": job.id, "status": status, "format": job.format, "createdAt": restTime(job.created)}
	if !job.queued.IsZero() {
		record["queuedAt"] = restTime(job.queued)
	}
	if status == "Processing" || status == "Completed" {
		record["startedAt"] = restTime(job.queued.Add(c.emulator.jobs.duration / 2))
	}
	if status == "Completed" {
		record["finishedAt"] = restTime(job.queued.Add(c.emulator.jobs.duration))
		record["numberOfRecords"], record["fileSize"] = job.records, len(job.content)
		record["fileChecksum"] = fmt.Sprintf("sha256:%x", sha256.Sum256(job.content))
	}
	return record
}

// withExport finds the job in the path and does something with it while it is locked.
func (c *call) withExport(q url.Values, do func(job *export, status string) error) (restReply, error) {
	j := c.emulator.jobs
	j.mu.Lock()
	defer j.mu.Unlock()
	kind := c.exportKind()
	i := slices.IndexFunc(j.exports, func(job *export) bool { return job.id == q.Get("{id}") && job.kind == kind })
	if i < 0 {
		return restReply{}, &restError{code: "1013", message: "Export job not found"}
	}
	if err := do(j.exports[i], c.exportStatus(j.exports[i])); err != nil {
		return restReply{}, err
	}
	return restReply{result: []any{c.exportRecord(j.exports[i])}}, nil
}

func restEnqueueExport(c *call, q url.Values) (restReply, error) {
	return c.withExport(q, func(job *export, status string) error {
		if status != "Created" {
			return &restError{code: "1029", message: "Job already queued"}
		}
		job.queued = c.now
		return nil
	})
}

func restCancelExport(c *call, q url.Values) (restReply, error) {
	return c.withExport(q, func(job *export, status string) error {
		if status == "Completed" {
			return &restError{code: "1003", message: "Export job is completed"}
		}
		job.cancelled = true
		return nil
	})
}

func restExportStatus(c *call, q url.Values) (restReply, error) {
	return c.withExport(q, func(*export, string) error { return nil })
}

func restExports(c *call, _ url.Values) (restReply, error) {
	j := c.emulator.jobs
	j.mu.Lock()
	defer j.mu.Unlock()
	kind := c.exportKind()
	var reply restReply
	for _, job := range j.exports {
		if job.kind == kind {
			reply.result = append(reply.result, c.exportRecord(job))
		}
	}
	return reply, nil
}

func restExportFile(c *call, q url.Values) (restReply, error) {
	var file *bulkFile
	_, err := c.withExport(q, func(job *export, status string) error {
		if status == "Completed" {
			comma := string(separator(job.format))
			row := fillID + strings.Repeat(comma, max(len(job.fields)-1, 0)) + "\n"
			file = &bulkFile{content: job.content, contentType: "text/csv", filling: []byte(row)}
		}
		return nil
	})
	if err == nil && file == nil {
		err = &restError{code: "1013", message: "Export file is not ready"}
	}
	return restReply{file: file}, err
}
