//go:build tamago

package main

import (
	_ "unsafe" // for linkname

	_ "github.com/usbarmory/tamago/board/nxp/imx8mpevk"
)

// What the board package wants with the build tag linkramsize.
//
//go:linkname ramSize runtime/goos.RamSize
var ramSize uint64 = 512 << 20

// stack stands for the oob stack.
var stack [4096]uint32

// saves stands for the entry of the stage: it saves the vector registers that the compiler copies with.
func saves()

// savesAll saves all of them.
func savesAll()

func start() {
	stack[0] = 1
	saves()
	savesAll()
}
