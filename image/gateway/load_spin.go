//go:build tamago && load_spin

package main

import "fmt"

func init() {
	loads = append(loads, func(*gatewayImage) {
		fmt.Println("load: spin")
		for range 2 {
			go spin()
		}
	})
}

// spun keeps the loop's work observable.
var spun uint32

// spin never yields, allocates or calls: it gives way only where it is preempted.
func spin() {
	for {
		spun++
	}
}
