package main

import (
	"io"
	"strings"
)

// column is one of a table; its cells are at least min wide.
type column struct {
	title  string
	min    int
	right  bool // aligned
	spare  int  // the place in the order in which columns are left out of a narrow terminal; 0: it stays
	hidden bool
}

// cell is text, already harmless, and the colour for it on a terminal.
type cell struct{ text, color string }

// table prints aligned rows. It looks at the first ones before it decides on widths, so memory does not grow with their number.
type table struct {
	w       io.Writer
	screen  screen
	columns []column
	ahead   int // rows to look at; 0: each row is printed at once
	rows    [][]cell
	begun   bool
}

// tableAhead is enough for widths that hold, and little enough to start at once.
const tableAhead = 500

func (t *table) add(row ...cell) error {
	t.rows = append(t.rows, row)
	if len(t.rows) <= t.ahead && !t.begun {
		return nil
	}
	return t.flush()
}

func (t *table) flush() error {
	for _, row := range t.rows {
		for i, c := range row {
			t.columns[i].min = max(t.columns[i].min, cells(c.text))
		}
	}
	var out strings.Builder
	if !t.begun && len(t.rows) > 0 {
		t.begun = true
		heading := make([]cell, len(t.columns))
		for i := range t.columns {
			t.columns[i].min = max(t.columns[i].min, cells(t.columns[i].title))
			heading[i] = cell{t.columns[i].title, bold}
		}
		t.fit()
		t.line(&out, heading)
	}
	for _, row := range t.rows {
		t.line(&out, row)
	}
	t.rows = t.rows[:0]
	_, err := io.WriteString(t.w, out.String())
	return err
}

// minLast is the least that the last column, often the longest and the most telling, should have.
const minLast = 24

// fit leaves columns out until what remains fits the terminal.
func (t *table) fit() {
	needed := func() (n int) {
		for i, c := range t.columns {
			switch {
			case c.hidden:
			case i == len(t.columns)-1:
				n += min(c.min, minLast)
			default:
				n += c.min + len(tableGap)
			}
		}
		return n
	}
	for next := 1; t.screen.columns > 0 && next < len(t.columns) && needed() > t.screen.columns; next++ {
		for i := range t.columns {
			t.columns[i].hidden = t.columns[i].hidden || t.columns[i].spare == next
		}
	}
}

const tableGap = "  "

// line prints a row, cut to the width of the terminal.
func (t *table) line(out *strings.Builder, row []cell) {
	used := 0
	for i, c := range row {
		if t.columns[i].hidden {
			continue
		}
		text, pad := c.text, max(t.columns[i].min-cells(c.text), 0)
		gap := ""
		if i > 0 {
			gap = tableGap
		}
		if t.columns[i].right {
			gap += strings.Repeat(" ", pad)
			pad = 0
		}
		if limit := t.screen.columns; limit > 0 {
			if used+len(gap) >= limit {
				break
			}
			text = cut(text, limit-used-len(gap))
		}
		out.WriteString(gap)
		out.WriteString(t.screen.paint(c.color, text))
		used += len(gap) + cells(text)
		if last := i == len(row)-1; !last && (t.screen.columns == 0 || used+pad < t.screen.columns) {
			out.WriteString(strings.Repeat(" ", pad))
		}
		used += pad
	}
	out.WriteByte('\n')
}
