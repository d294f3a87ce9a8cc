// Command selftest runs wire.SelfTest: the tests of package wire run it under qemu-arm.
package main

import (
	"fmt"
	"os"

	"mortise/stack/frame"
	"mortise/stack/wire"
)

func main() {
	m, _, err := frame.NewMemory(1)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if n := wire.SelfTest(m.Base, frame.SlotSize); n != 0 {
		fmt.Printf("Sum of %d bytes differs from the plain version's\n", n)
		os.Exit(1)
	}
}
