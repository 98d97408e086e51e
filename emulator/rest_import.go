package emulator

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bulkImport is what became of a file that was sent.
type bulkImport struct {
	id, format       string
	queued           time.Time
	rows, failed     int
	failures, header []byte
}

func restImport(c *call, q url.Values) (restReply, error) {
	format := strings.ToLower(q.Get("format"))
	if format == "" {
		return restReply{}, missing("format")
	}
	if !slices.Contains([]string{"csv", "tsv", "ssv"}, format) {
		return restReply{}, invalid(format, "format")
	}
	raw, err := c.multipartFile()
	if err != nil {
		return restReply{}, err
	}
	job := &bulkImport{format: format, queued: c.now}
	if err := c.importFile(job, raw); err != nil {
		return restReply{}, err
	}
	j := c.emulator.jobs
	j.mu.Lock()
	defer j.mu.Unlock()
	j.made++
	job.id = strconv.Itoa(j.made)
	if len(j.imports) >= maxJobs {
		j.imports = slices.Delete(j.imports, 0, 1)
	}
	j.imports = append(j.imports, job)
	return restReply{result: []any{map[string]any{"batchId": j.made, "importId": job.id, "status": "Queued"}}}, nil
}

// multipartFile is the part "file" of the body.
func (c *call) multipartFile() ([]byte, error) {
	_, parameters, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || parameters["boundary"] == "" {
		return nil, &restError{code: "613"}
	}
	raw, err := c.readBody(maxBulkBody)
	if err != nil {
		return nil, err
	}
	reader := multipart.NewReader(bytes.NewReader(raw), parameters["boundary"])
	for {
		part, err := reader.NextPart()
		if err != nil {
			return nil, &restError{code: "613"}
		}
		if part.FormName() == "file" {
			content, err := io.ReadAll(part)
			if err != nil {
				return nil, &restError{code: "613"}
			}
			return content, nil
		}
	}
}

// importFile makes or updates a lead for each row.
func (c *call) importFile(job *bulkImport, raw []byte) error {
	reader := csv.NewReader(bytes.NewReader(raw))
	reader.Comma, reader.FieldsPerRecord, reader.LazyQuotes = separator(job.format), -1, true
	columns, err := reader.Read()
	if err != nil {
		return &restError{code: "1003", message: "The file is empty"}
	}
	var failures bytes.Buffer
	w := csv.NewWriter(&failures)
	w.Comma = reader.Comma
	w.Write(append(slices.Clone(columns), "Import Failure Reason"))
	for {
		values, err := reader.Read()
		if err == io.EOF {
			break
		}
		problem := ""
		input := map[string]any{}
		switch {
		case err != nil || len(values) != len(columns):
			problem = "missing columns"
		default:
			for i, name := range columns {
				input[name] = values[i]
			}
			if result := c.restSync("createOrUpdate", "email", input); result["status"] == "skipped" {
				c.failed-- // it shows in the status of the job, not in this answer
				problem = result["reasons"].([]any)[0].(map[string]any)["message"].(string)
			}
		}
		if problem == "" {
			job.rows++
			continue
		}
		job.failed++
		w.Write(append(values, problem))
	}
	w.Flush()
	job.failures = failures.Bytes()
	job.header = append([]byte(strings.Join(append(columns, "Import Warning Reason"), string(reader.Comma))), '\n')
	return nil
}

// findImport finds the job in the path.
func (c *call) findImport(q url.Values) (*bulkImport, error) {
	j := c.emulator.jobs
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, job := range j.imports { // never changes once it is here
		if job.id == q.Get("{id}") {
			return job, nil
		}
	}
	return nil, &restError{code: "1013", message: "Batch not found"}
}

func restImportStatus(c *call, q url.Values) (restReply, error) {
	job, err := c.findImport(q)
	if err != nil {
		return restReply{}, err
	}
	batch, err := strconv.Atoi(job.id)
	if err != nil {
		return restReply{}, err
	}
	record := map[string]any{"batchId": batch, "importId": job.id, "status": "Complete"}
	switch {
	case c.now.Before(job.queued.Add(c.emulator.jobs.duration)):
		record["status"] = "Importing"
	default:
		record["numOfLeadsProcessed"], record["numOfRowsFailed"], record["numOfRowsWithWarning"] = job.rows, job.failed, 0
		record["message"] = fmt.Sprintf("Import succeeded, %d records imported (%[1]d members)", job.rows)
		if job.failed > 0 {
			record["message"] = fmt.Sprintf("Import completed with errors, %d records imported (%[1]d members), %d failed", job.rows, job.failed)
		}
	}
	return restReply{result: []any{record}}, nil
}

func restImportFailures(c *call, q url.Values) (restReply, error) {
	job, err := c.findImport(q)
	if err != nil {
		return restReply{}, err
	}
	return restReply{file: &bulkFile{content: job.failures, contentType: "text/csv"}}, nil
}

func restImportWarnings(c *call, q url.Values) (restReply, error) {
	job, err := c.findImport(q)
	if err != nil {
		return restReply{}, err
	}
	return restReply{file: &bulkFile{content: job.header, contentType: "text/csv"}}, nil
}
