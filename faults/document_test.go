//go:build linux

package faults

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"testing"
)

const document = "../docs/reliability.md"

// TestDocument keeps the tables of docs/reliability.md those that are tested.
func TestDocument(t *testing.T) {
	b, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, table := range []struct {
		name string
		rows []string
	}{
		{"reaching", reachRows()}, {"answers", answerRows()}, {"uploads", uploadRows()}, {"stale", staleRows()}, {"applications", clientRows()},
		{"requests", requestRows()}, {"tunnels", tunnelRows()}, {"injections", injectionRows()}, {"bombs", bombRows()},
	} {
		begin, end := "<!-- "+table.name+" -->\n", "<!-- end of "+table.name+" -->"
		before, rest, ok1 := strings.Cut(text, begin)
		old, after, ok2 := strings.Cut(rest, end)
		if !ok1 || !ok2 {
			t.Fatalf("%s has no place for the table %q", document, table.name)
		}
		now := strings.Join(table.rows, "\n") + "\n"
		if old != now && !*update {
			t.Errorf("the table %q of %s is not what is tested: go test ./faults -run TestDocument -update", table.name, document)
		}
		text = before + begin + now + end + after
	}
	if *update {
		if err := os.WriteFile(document, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func row(cells ...string) string {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(c, "|", `\|`)
	}
	return "| " + strings.Join(cells, " | ") + " |"
}

func header(cells ...string) []string {
	return []string{row(cells...), "|" + strings.Repeat("---|", len(cells))}
}

func recordedAs(outcome, reason string) string {
	if outcome != "" && reason != "" {
		return outcome + ": " + reason
	}
	return cmp.Or(outcome, "–")
}

func reachRows() []string {
	rows := header("On the way to Marketo", "the application gets", "recorded")
	for _, c := range reachFaults() {
		rows = append(rows, row(c.name, fmt.Sprint(c.status), recordedAs("transport", c.reason)))
	}
	return rows
}

func answerRows() []string {
	rows := header("Marketo, once a call has reached it", "the application gets", "recorded")
	for _, c := range answerFaults() {
		rows = append(rows, row(c.name, outcomeText(c.status, c.cut), recordedAs(c.outcome, c.reason)))
	}
	return rows
}

func uploadRows() []string {
	rows := header("While the request is on its way", "the application gets", "Marketo gets", "recorded")
	for _, c := range uploadFaults() {
		rows = append(rows, row(c.name, cmp.Or(c.want, "(it left)"), cmp.Or(c.reaches, "as much as it reads"), recordedAs(c.outcome, c.reason)))
	}
	return rows
}

func staleRows() []string {
	rows := header("A pooled connection", "the application gets", "Marketo gets the request")
	for _, c := range staleFaults() {
		times := "once"
		if c.sent == 2 {
			times = "twice"
		}
		rows = append(rows, row(c.name, c.want, times))
	}
	return rows
}

func clientRows() []string {
	rows := header("The application", "recorded")
	for _, c := range append(clientFaults(), slowFaults()...) {
		rows = append(rows, row(c.name, recordedAs(c.outcome, "")))
	}
	return rows
}

func requestRows() []string {
	rows := header("The client sends", "it gets", "Marketo gets")
	for _, c := range hostileRequests() {
		var reached []string
		for r := range strings.SplitSeq(c.reaches, "|") {
			if method, rest, ok := strings.Cut(r, " "); ok {
				target, body, _ := strings.Cut(rest, " ")
				text := "`" + method + " " + target + "`"
				if body != "" {
					text += fmt.Sprintf(" with %d bytes", len(body))
				}
				reached = append(reached, text)
			}
		}
		answers := strings.ReplaceAll(c.answers, " closed", ", closed")
		rows = append(rows, row(c.name, strings.ReplaceAll(answers, " 2", ", 2"), cmp.Or(strings.Join(reached, ", "), "nothing")))
	}
	return rows
}

func tunnelRows() []string {
	rows := header("Inside a tunnel", "it gets", "reached")
	for _, c := range tunnelSwaps() {
		reached := "nothing"
		if c.status == 200 {
			reached = "the host of the tunnel"
		}
		rows = append(rows, row(c.name, fmt.Sprint(c.status), reached))
	}
	return rows
}

func injectionRows() []string {
	rows := header("Marketo's answer has", "the application gets")
	for _, c := range injections() {
		rows = append(rows, row(c.name, fmt.Sprint(c.status)))
	}
	return rows
}

func bombRows() []string {
	rows := header("The body is", "recorded")
	for _, c := range bombs() {
		rows = append(rows, row(c.name, recordedAs(c.outcome, "")))
	}
	return rows
}
