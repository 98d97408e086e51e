package diff

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Long names above many nodes must not be copied for each of them.
func TestHostileNames(t *testing.T) {
	name := strings.Repeat("n", 4<<20)
	deep := strings.Repeat("d", 8<<10)
	nested := func(inside string) string {
		return strings.Repeat(`{"`+deep+`":`, maxDepth-10) + inside + strings.Repeat("}", maxDepth-10)
	}
	items := func(value string) string { return "[" + strings.Repeat(value+",", 120_000) + "0]" }
	for what, documents := range map[string][2]string{
		"items":      {`{"` + name + `":` + items("1") + `}`, `{"` + name + `":` + items("2") + `}`},
		"keyed":      {keyed(name, 0), keyed(name, 1)},
		"deep":       {nested(items("1")), nested(items("2"))},
		"no changes": {`{"` + name + `":` + items(`{"requestId":1}`) + `}`, `{"` + name + `":` + items("{}") + `}`},
		"alone":      {`{"` + name + `":` + items("1") + `}`, `{}`},
	} {
		t.Run(what, func(t *testing.T) {
			began := time.Now()
			r := Compare(document(documents[0]), document(documents[1]))
			t.Logf("%d changes after %s", r.Total, time.Since(began))
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
			if r.Note != "" || (r.Total < 50_000) != (what == "no changes") {
				t.Errorf("%d changes, %q", r.Total, r.Note)
			}
			for _, c := range r.Changes {
				if len(c.Path) > maxPath+len("…") {
					t.Fatalf("a path of %d bytes", len(c.Path))
				}
			}
			if len(r.Changes) > 0 && what != "alone" && !strings.HasSuffix(r.Changes[1].Path, "]") && !strings.HasSuffix(r.Changes[1].Path, "]/v") {
				t.Errorf("the path ends in %q", r.Changes[1].Path[max(0, len(r.Changes[1].Path)-20):])
			}
		})
	}
}

func keyed(name string, value int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"%s":[`, name)
	for i := range 60_000 {
		fmt.Fprintf(&b, `{"id":%d,"v":%d},`, i, value)
	}
	fmt.Fprintf(&b, `{"id":-1,"v":%d}]}`, value)
	return b.String()
}
