package emulator

import (
	"bufio"
	"io"
	"strconv"
)

// writeFilling writes a filling with the i-th number, of as many digits as fillID, in each gap. The error stays in the
// buffered writer.
func writeFilling(w io.Writer, filling [][]byte, i int) {
	var digits [len(fillID)]byte
	number := strconv.AppendInt(digits[:0], int64(2_000_000+i%8_000_000), 10)
	for j, piece := range filling {
		if j > 0 {
			w.Write(number)
		}
		w.Write(piece)
	}
}

// newBuffered puts a buffer in front of a document.
func newBuffered(d *document) *bufio.Writer { return bufio.NewWriterSize(d, 4<<10) }
