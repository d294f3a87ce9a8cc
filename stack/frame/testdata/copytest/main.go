// Command copytest runs frame.CopyTest: the tests of package frame run it under qemu-arm.
package main

import (
	"fmt"
	"os"

	"mortise/stack/frame"
)

func main() {
	m, _, err := frame.NewMemory(2)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if n := frame.CopyTest(m.Base, 2*frame.SlotSize); n != 0 {
		fmt.Printf("Copy of %d bytes differs from the plain version's\n", n)
		os.Exit(1)
	}
}
