// Package faults attacks the built program from both sides: networks that break at every step of an exchange, input made to confuse
// two parsers, and crowds.
//
// Marketo is a server written by hand (marketo_test.go) that reads strictly, notes each request, and breaks where a test says so; the
// applications are bare connections. Each test ends by looking whether a goroutine, file or connection stayed. The tables in here are
// those of docs/reliability.md; `go test ./faults -run TestDocument -update` writes them there. Linux only: it looks into /proc.
package faults
