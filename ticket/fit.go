package ticket

import "marketo-proxy/capture"

const (
	// copies is how often a ticket has the content of a body: in the message, alone, and in the HAR.
	copies = 3
	// overhead is what an exchange takes besides: heads, entries in HAR, manifest and summary.
	overhead = 8 << 10
	// leastBodies is how little of an exchange's bodies is still worth having.
	leastBodies = 1 << 10
)

// fitted is an exchange that goes into the ticket.
type fitted struct {
	candidate
	group *group
}

// fit chooses exchanges that take about budget bytes: the last and the first of each kind go before all others, and the others are
// left out before the bodies of those are cut. limit is what the bodies of one exchange may have together; 0: no limit.
func fit(found *selection, budget int64) (chosen []fitted, limit int64) {
	order, must := inOrder(found)
	budget -= MinSize / 4 // for SUMMARY.md and the like
	var needed int64
	for _, f := range order[:must] {
		needed += cost(f.handle, 0)
	}
	if needed > budget {
		limit = max(leastBodies, budget/int64(must)-overhead) / copies
	}
	for _, f := range order {
		if c := cost(f.handle, limit); c <= budget {
			budget -= c
			chosen = append(chosen, f)
		}
	}
	return chosen, limit
}

func cost(h capture.Handle, limit int64) int64 {
	size := h.Size()
	if limit > 0 {
		size = min(size, limit)
	}
	return overhead + copies*size
}

// inOrder returns all candidates by importance, kind by kind in turn, and how many of them are the last or first of their kind.
func inOrder(found *selection) (order []fitted, must int) {
	byGroup := make([][]candidate, len(found.groups))
	longest := 0
	for i, g := range found.groups {
		all := g.sample.chosen()
		for _, at := range spread(len(all)) {
			byGroup[i] = append(byGroup[i], all[at])
		}
		longest = max(longest, len(all))
	}
	for round := range longest {
		for i, g := range found.groups {
			if round < len(byGroup[i]) {
				order = append(order, fitted{byGroup[i][round], g})
				if round < 2 {
					must++
				}
			}
		}
	}
	return order, must
}

// spread orders the numbers below n so that those at the beginning of the order are spread evenly: the ends, the middle, the quarters …
func spread(n int) []int {
	order := make([]int, 0, n)
	taken := make([]bool, n)
	take := func(i int) {
		if i >= 0 && i < n && !taken[i] {
			taken[i] = true
			order = append(order, i)
		}
	}
	take(0)
	take(n - 1)
	for parts := 2; len(order) < n; parts *= 2 {
		for k := 1; k < parts; k += 2 {
			take(k * (n - 1) / parts)
		}
		if parts > 2*n {
			for i := range n {
				take(i)
			}
		}
	}
	return order
}
