package proxy

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"marketo-proxy/classify"
)

// Of a bulk file that breaks off, the beginning is kept.
func TestBulkFile(t *testing.T) {
	row := "1,ada@example.com,Ada\n"
	file := strings.Repeat(row, 3*maxFile/len(row))
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		w.Header().Set("Content-Length", strconv.Itoa(2*len(file)))
		_, _ = io.WriteString(w, file)
	}))
	resp, err := r.client.Get(r.front.URL + "/bulk/v1/leads/export/broken/file.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err == nil || string(got) != file {
		t.Errorf("%d bytes of %d came, %v", len(got), len(file), err)
	}
	c := r.only()
	body := c.Attempts[0].Response.Body
	if c.Outcome != classify.Transport || c.Complete || !body.Truncated || body.Size != int64(len(file)) || body.Text != file[:maxFile] {
		t.Errorf("captured as %s, complete %t, %d bytes, cut %t", c.Outcome, c.Complete, body.Size, body.Truncated)
	}
}
