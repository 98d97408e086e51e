//go:build !race

package ticket

const (
	underRace  = false
	raceFactor = 1
)
