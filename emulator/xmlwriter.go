package emulator

import (
	"bufio"
	"encoding/xml"
	"strconv"
	"strings"
	"time"
)

// xmlWriter writes an XML document. Errors are kept until flush.
type xmlWriter struct {
	w       *bufio.Writer
	doc     *document
	oneLine bool
	depth   int
}

func newXMLWriter(d *document, oneLine bool) *xmlWriter {
	x := &xmlWriter{w: bufio.NewWriterSize(d, 4<<10), doc: d, oneLine: oneLine}
	charset := d.charset
	if charset == "" {
		charset = "UTF-8"
	}
	if !oneLine {
		x.w.WriteString(`<?xml version="1.0" encoding="` + charset + `"?>`)
	}
	return x
}

func (x *xmlWriter) flush() error {
	if !x.oneLine {
		x.w.WriteByte('\n')
	}
	return x.w.Flush()
}

func (x *xmlWriter) line() {
	if x.oneLine {
		return
	}
	x.w.WriteByte('\n')
	for range x.depth {
		x.w.WriteString("  ")
	}
}

// open starts an element; attributes are written as given.
func (x *xmlWriter) open(name string, attributes ...string) {
	x.line()
	x.w.WriteByte('<')
	x.w.WriteString(name)
	for _, attribute := range attributes {
		x.w.WriteByte(' ')
		x.w.WriteString(attribute)
	}
	x.w.WriteByte('>')
	x.depth++
}

func (x *xmlWriter) close(name string) {
	x.depth--
	x.line()
	x.w.WriteString("</" + name + ">")
}

// in writes an element around what inside writes.
func (x *xmlWriter) in(name string, inside func()) {
	x.open(name)
	inside()
	x.close(name)
}

func (x *xmlWriter) leaf(name, value string) {
	x.line()
	if value == "" {
		x.w.WriteString("<" + name + "/>")
		return
	}
	x.w.WriteString("<" + name + ">")
	x.text(value)
	x.w.WriteString("</" + name + ">")
}

func (x *xmlWriter) text(value string) {
	if strings.ContainsAny(value, "<>&\"'\r\n\t") || !plain(value) {
		xml.EscapeText(x.w, []byte(value)) // the error stays in the writer
		return
	}
	x.w.WriteString(value)
}

// plain tells whether value is ASCII without control characters, as most values are.
func plain(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return true
}

func (x *xmlWriter) number(name string, value int) { x.leaf(name, strconv.Itoa(value)) }

func (x *xmlWriter) boolean(name string, value bool) { x.leaf(name, strconv.FormatBool(value)) }

func (x *xmlWriter) time(name string, value time.Time) { x.leaf(name, value.Format(time.RFC3339)) }

// null writes an element that is xsi:nil.
func (x *xmlWriter) null(name string) {
	x.line()
	x.w.WriteString("<" + name + ` xsi:nil="true"/>`)
}

// optional writes a value, or null if it is empty.
func (x *xmlWriter) optional(name, value string) {
	if value == "" {
		x.null(name)
		return
	}
	x.leaf(name, value)
}
