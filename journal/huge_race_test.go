//go:build race

package journal

const hugeLine = 20 << 20
