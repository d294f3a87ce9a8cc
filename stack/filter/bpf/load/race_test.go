//go:build race

package load

// frames is n, less under the race detector, which is slow and finds nothing here.
func frames(n int) int { return max(n/50, 20) }
