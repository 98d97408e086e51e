package emulator

import (
	"encoding/base32"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
)

// restPage is how many records one answer holds at most.
const restPage = 300

var defaultFields = []string{"id", "email", "firstName", "lastName", "createdAt", "updatedAt"}

// reason is why a record was skipped.
func reason(code, message string) map[string]any {
	if message == "" {
		message = restText(code)
	}
	return map[string]any{"status": "skipped", "reasons": []any{map[string]any{"code": code, "message": message}}}
}

// skipped counts a failed record.
func (c *call) skipped(id int, code, message string) map[string]any {
	c.failed++
	record := reason(code, message)
	if c.effects.numbers {
		record["reasons"] = []any{map[string]any{"code": json.Number(code), "message": restText(code)}}
	}
	if id != 0 {
		record["id"] = id
	}
	return record
}

// forced is the reason that the effect "partial" gives.
func (c *call) forced() string {
	if isCode(c.effects.partial) {
		return c.effects.partial
	}
	return "1004"
}

// list splits a parameter with commas, given once or several times.
func listParameter(q url.Values, name string) []string {
	var list []string
	for _, value := range q[name] {
		for item := range strings.SplitSeq(value, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
	}
	return list
}

func missing(name string) error {
	return &restError{code: "1002", message: "Missing value for the required parameter '" + name + "'"}
}

func invalid(value, kind string) error {
	return &restError{code: "1001", message: "Invalid value '" + value + "'. Required of type '" + kind + "'"}
}

// pathID is the number in the path.
func pathID(q url.Values) (int, error) {
	id, err := strconv.Atoi(q.Get("{id}"))
	if err != nil {
		return 0, invalid(q.Get("{id}"), "Integer")
	}
	return id, nil
}

// pageSize reads batchSize.
func pageSize(q url.Values) (int, error) {
	text := q.Get("batchSize")
	if text == "" {
		return restPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, invalid(text, "Integer")
	}
	return min(n, restPage), nil
}

// pageToken makes an opaque nextPageToken of numbers, readPageToken takes it apart.
func pageToken(kind string, numbers ...int64) string {
	text := kind
	for _, n := range numbers {
		text += "/" + strconv.FormatInt(n, 10)
	}
	return base32.StdEncoding.EncodeToString([]byte(text))
}

func readPageToken(token, kind string, numbers ...*int64) error {
	raw, err := base32.StdEncoding.DecodeString(token)
	parts := strings.Split(string(raw), "/")
	bad := &restError{code: "1003", message: "Invalid nextPageToken"}
	if err != nil || len(parts) != len(numbers)+1 || parts[0] != kind {
		return bad
	}
	for i, n := range numbers {
		if *n, err = strconv.ParseInt(parts[i+1], 10, 64); err != nil {
			return bad
		}
	}
	return nil
}
