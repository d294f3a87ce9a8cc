//go:build tamago && load_spin

package main

func init() {
	for range 2 {
		loads = append(loads, spin)
	}
}

// spun keeps the loop's work observable.
var spun uint32

// spin never yields, allocates or calls.
func spin() {
	for {
		spun++
	}
}
