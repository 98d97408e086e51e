//go:build race

package ticket

const (
	underRace  = true
	raceFactor = 10
)
