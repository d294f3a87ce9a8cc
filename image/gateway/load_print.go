//go:build tamago && load_print

package main

import "fmt"

func init() {
	loads = append(loads, func(*gatewayImage) { go scribble() })
}

// scribble writes to the console without a pause: each character waits for the one before it to leave the UART.
func scribble() {
	for n := 0; ; n++ {
		fmt.Printf("load: print %d, a line of sixty-four characters for the console\n", n)
	}
}
