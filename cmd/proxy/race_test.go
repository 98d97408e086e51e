//go:build race

package main

// underRace is true where the race detector makes all that reads byte by byte ten times slower.
const underRace = true
