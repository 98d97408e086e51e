package pseudonym

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of fields in docs/masking.md anew")

// The table of the document is the one that is used.
func TestDocument(t *testing.T) {
	const path, begin, end = "../docs/masking.md", "<!-- fields -->\n", "<!-- end -->"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(b), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no %s", path, strings.TrimSpace(begin))
	}
	want := head + begin + fieldTable() + end + tail
	if want == string(b) {
		return
	}
	if !*update {
		t.Fatalf("%s is not true: go test ./pseudonym -run TestDocument -args -update", path)
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func fieldTable() string {
	names := map[form][]string{}
	for _, name := range slices.Sorted(maps.Keys(fields())) {
		names[fields()[name].form] = append(names[fields()[name].form], name)
	}
	var b strings.Builder
	b.WriteString("| form | fields |\n|---|---|\n")
	for _, row := range []struct {
		form form
		says string
	}{
		{identifier, "a number, a GUID, or the like of `e42b#14272d07d78`; also several with commas"},
		{moment, "a day, or a day and a time"},
		{number, "a number"},
		{word, "up to 64 letters, digits, spaces and `_-.:/`"},
		{fieldNames, "names of fields: no `@`, `<` or `\"`"},
		{asset, "a name of up to 255 characters: no phone number, no `@<>{}\"`"},
		{opaque, "anything; addresses are masked"},
		{message, "free text, masked as such"},
		{csvRows, "CSV, masked as such"},
		{csvHeader, "the header of a CSV file"},
	} {
		fmt.Fprintf(&b, "| %s | %s |\n", row.says, strings.Join(names[row.form], ", "))
	}
	return b.String()
}
