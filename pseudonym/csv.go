package pseudonym

import "bytes"

// csvBody masks CSV and its kin: all cells but those of known fields, and all if the first line does not look like the header of
// a Marketo file, as in the middle of one.
type csvBody struct {
	m      *Masker
	out    *filter
	first  bool    // nothing is known yet
	header []byte  // the first line, until it is whole
	comma  byte    // what separates the cells
	names  []field // of the columns; nil if unknown
	column int
	cell   value
	quotes bool // in quotes
	buf    []byte
}

// maxColumns is how many columns can be known.
const maxColumns = 2048

func newCSV(m *Masker, out *filter) *csvBody {
	return &csvBody{m: m, out: out, first: true, comma: ',', cell: value{m: m}}
}

func (c *csvBody) write(p []byte) {
	if c.first {
		n := bytes.IndexByte(p, '\n')
		whole := n >= 0
		if !whole {
			n = len(p)
		}
		if left := maxValue - len(c.header); n > left { // no header is as long
			n, whole = left, false
		}
		c.header = append(c.header, p[:n]...)
		p = p[n:]
		if !whole && len(c.header) < maxValue {
			return
		}
		c.start(whole)
	}
	c.cells(p)
}

// start takes the first line, or what there is of it.
func (c *csvBody) start(whole bool) {
	line := c.header
	c.first, c.header = false, nil
	c.comma = separator(line)
	if !whole || !isHeader(line) {
		c.cells(line)
		return
	}
	for name := range bytes.SplitSeq(bytes.TrimRight(line, "\r"), []byte{c.comma}) {
		if len(c.names) < maxColumns {
			c.names = append(c.names, lookup(name))
		}
	}
	c.out.write(line)
}

func (c *csvBody) end() {
	if c.first {
		c.start(true)
	}
	c.flush()
}

func (c *csvBody) cells(p []byte) {
	for len(p) > 0 {
		n := 0
		for n < len(p) && (c.quotes || p[n] != c.comma && p[n] != '\n' && p[n] != '\r') {
			if p[n] == '"' {
				c.quotes = !c.quotes
			}
			n++
		}
		c.cell.add(p[:n])
		if n == len(p) {
			return
		}
		c.flush()
		if c.column++; p[n] != c.comma {
			c.column = 0
		}
		c.out.write(p[n : n+1])
		p = p[n+1:]
	}
}

// flush masks the cell that was collected. Cells that are in quotes stay so.
func (c *csvBody) flush() {
	v := &c.cell
	defer v.reset()
	if v.size == 0 {
		return
	}
	f := field{kind: Attribute}
	if c.column < len(c.names) {
		f = c.names[c.column]
	}
	if v.long() {
		c.out.writeString(`"`)
		c.out.write(v.digest(nil, Attribute))
		c.out.writeString(`"`)
		return
	}
	content := v.raw
	inQuotes := len(content) >= 2 && content[0] == '"' && content[len(content)-1] == '"'
	if inQuotes {
		content = bytes.ReplaceAll(content[1:len(content)-1], []byte(`""`), []byte(`"`))
	}
	masked, same := c.m.value(c.buf[:0], f, content)
	c.buf = masked
	switch {
	case same || bytes.Equal(masked, content):
		c.out.write(v.raw)
	case inQuotes || bytes.IndexByte(masked, c.comma) >= 0:
		c.out.writeString(`"`)
		c.out.write(bytes.ReplaceAll(masked, []byte(`"`), []byte(`""`)))
		c.out.writeString(`"`)
	default:
		c.out.write(masked)
	}
}

// separator is what most likely separates the cells of a header.
func separator(line []byte) byte {
	best, most := byte(','), bytes.Count(line, []byte(","))
	for _, s := range []byte("\t;") {
		if n := bytes.Count(line, []byte{s}); n > most {
			best, most = s, n
		}
	}
	return best
}

// isHeader tells the header of a file of Marketo's: names of fields, of which two are well known, or one of up to two. A line of
// data must not pass for it.
func isHeader(line []byte) bool {
	line = bytes.TrimRight(line, "\r")
	known, cells := 0, 0
	for name := range bytes.SplitSeq(line, []byte{separator(line)}) {
		if name = bytes.Trim(name, `" `); len(name) == 0 || len(name) > maxFieldName || !isLetter(name[0]) ||
			!all(name, func(c byte) bool { return isLetter(c) || isDigit(c) || bytes.IndexByte([]byte(" _-.:()/"), c) >= 0 }) {
			return false
		}
		if cells++; isFieldName(name) {
			known++
		}
	}
	return known >= 2 || known == 1 && cells <= 2
}

// rows appends masked CSV that is the text of one value, as SOAP's importToList has it; header tells that it is a header's line.
func (m *Masker) rows(dst, v []byte, header bool) []byte {
	if header && isHeader(bytes.TrimSpace(v)) {
		return append(dst, v...)
	}
	c := newCSV(m, &filter{m: m})
	c.comma, c.first = separator(v), false
	c.cells(v)
	c.flush()
	c.out.flush(true)
	return append(dst, c.out.out...)
}
