//go:build !race

package journal

const hugeLine = 200 << 20
