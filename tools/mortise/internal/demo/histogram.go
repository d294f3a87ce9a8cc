package demo

import (
	"slices"
	"time"
)

// Histogram counts latencies by the microsecond, the capture's resolution.
type Histogram struct {
	counts map[int64]int
	n      int
}

// Add counts one latency.
func (h *Histogram) Add(d time.Duration) {
	if h.counts == nil {
		h.counts = map[int64]int{}
	}
	h.counts[d.Microseconds()]++
	h.n++
}

// Count returns how many latencies were added.
func (h *Histogram) Count() int { return h.n }

// Quantiles returns for each q, ascending and within 0 … 1, the smallest latency that a share q of all does not exceed:
// 0 is the minimum, 1 the maximum.
func (h *Histogram) Quantiles(q ...float64) []time.Duration {
	result := make([]time.Duration, len(q))
	keys := make([]int64, 0, len(h.counts))
	for us := range h.counts {
		keys = append(keys, us)
	}
	slices.Sort(keys)
	seen, next := 0, 0
	for _, us := range keys {
		seen += h.counts[us]
		for next < len(q) && float64(seen) >= q[next]*float64(h.n) {
			result[next] = time.Duration(us) * time.Microsecond
			next++
		}
	}
	return result
}
